#pragma once

#include <chrono>
#include <cstdint>

#include "learning/scope.h"

namespace lyceum::learning {

// How long an idempotency key is kept unless said otherwise: within it a client may repeat a
// request without harm.
inline constexpr std::chrono::hours kKeyRetention{24};

struct Pruning {
  std::chrono::seconds older_than = kKeyRetention;  // a minute at least, ten years at most
  std::int32_t rows_each = 1000;                    // of one statement, 1 to 10,000
  std::int32_t most_statements = 1000;              // at least 1; what is left waits for next time
};

struct Pruned {
  std::int64_t removed = 0;
  bool finished = true;  // false: most_statements came first, there may be more
};

// Removes the tenant's idempotency keys that are older, the oldest first, in statements of a
// bounded number of rows, each a transaction of its own: on an error those before it stand. Several
// at once do not wait for each other. An unknown tenant has no keys. Errors: kBadInput, those of
// Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<Pruned>> prune_idempotency_keys(Scope scope,
                                                                            Pruning pruning = {});

}  // namespace lyceum::learning
