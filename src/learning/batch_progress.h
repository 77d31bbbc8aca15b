#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learning/scope.h"

namespace lyceum::learning {

// What a learner did with a story since the last report.
struct ProgressUpdate {
  Uuid user_id{};
  Uuid story_id{};
  std::int32_t completion_percentage = 0;  // 0 to 100; what is stored never falls
  std::int32_t time_spent = 0;             // seconds, not negative; added to what is stored
};

struct BatchOutcome {
  std::int64_t received = 0;  // rows of the batch
  std::int64_t written =
      0;                  // rows of progress they came to: several of one learner and story are one
  bool replayed = false;  // this key was answered before; nothing was written again
};

inline constexpr std::size_t kMostUpdates = 10'000;

// Stores a batch, all of it or nothing. A batch with a key is stored once, however often it is
// sent: the key stands in the same transaction. Without one a key is made, so that what is in doubt
// after a broken connection is resolved here; but then the caller cannot repeat it without harm. An
// empty batch writes nothing, not even its key, and is answered under any.
// Errors: kBadInput (names the row; an update out of range, more than kMostUpdates, a bad key),
// kNotFound (names learners and stories that the tenant does not have, also where they went while
// the batch was being written), kConflict (the key came
// with another batch), kInDoubt (only where the server stays unreachable), those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<BatchOutcome>> batch_progress(
    Scope scope, std::vector<ProgressUpdate> updates, std::string idempotency_key = {});

}  // namespace lyceum::learning
