#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "indexes/progress.h"

namespace lyceum::indexes {

// How long a build may wait. lock_timeout cannot tell the two waits apart, and one that is short
// enough for the first cancels the second, which leaves an invalid index: so the server gets none,
// and the builder is watched and cancelled from outside.
struct WaitLimits {
  // For the table's own lock (SHARE UPDATE EXCLUSIVE), before anything is there: VACUUM, another
  // build or a migration holds it. What conflicts with the waiter queues up behind it.
  Duration table_lock = std::chrono::seconds(30);
  // For older transactions to end, while the index exists and nobody is held up. No limit where
  // empty.
  std::optional<Duration> old_transactions;
};

// Watches one build's waits. A wait begins when it is first seen and ends when it is not seen.
class WaitGuard {
 public:
  explicit WaitGuard(WaitLimits limits) : limits_(limits) {}

  // Why the build must be cancelled, as of this sample: one sentence naming who is waited for.
  [[nodiscard]] std::optional<std::string> update(const BuildSample& sample, SteadyTime now);

 private:
  WaitLimits limits_;
  std::optional<SteadyTime> table_since_;
  std::optional<SteadyTime> transactions_since_;
};

}  // namespace lyceum::indexes
