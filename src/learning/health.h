#pragma once

#include <optional>

#include "cluster/observation.h"
#include "learning/scope.h"
#include "pool/pool.h"

namespace lyceum::learning {

struct Health {
  bool healthy = false;  // answers, and takes writes
  Duration response_time{};
  std::optional<cluster::ServerAnswer> server;  // where it answered
  std::optional<Error> error;                   // where it did not
  pool::Figures pool;
};

// The guide's healthCheck, with role, timeline, recovery and lag in place of SELECT 1: a demoted
// primary is not healthy. Never fails; what is wrong stands in the answer.
[[nodiscard]] boost::asio::awaitable<Health> health(pool::Pool& pool,
                                                    SteadyTime deadline = pg::kNoDeadline);

}  // namespace lyceum::learning
