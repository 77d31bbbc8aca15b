#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>

#include "learning/scope.h"
#include "pool/pool.h"

namespace lyceum::learning {

// What the server says of itself.
struct ServerHealth {
  bool in_recovery = false;  // a replica, or a primary that was demoted
  std::int32_t timeline = 0;
  std::int64_t lsn = 0;  // bytes of WAL: written on a primary, replayed on a replica
  std::optional<std::int64_t> received_lsn;
  std::optional<bool> receiving;
  std::optional<double> lag_seconds;  // behind the primary; near zero where that is idle
  bool read_only = false;
  std::int32_t server_version_num = 0;
  Timestamp started_at{};
  Timestamp server_time{};
};
BOOST_DESCRIBE_STRUCT(ServerHealth, (),
                      (in_recovery, timeline, lsn, received_lsn, receiving, lag_seconds, read_only,
                       server_version_num, started_at, server_time))

struct Health {
  bool healthy = false;  // answers, and takes writes
  Duration response_time{};
  std::optional<ServerHealth> server;  // where it answered
  std::optional<Error> error;          // where it did not
  pool::Figures pool;
};

// The guide's healthCheck, with role, timeline, recovery and lag in place of SELECT 1: a demoted
// primary is not healthy. Never fails; what is wrong stands in the answer.
[[nodiscard]] boost::asio::awaitable<Health> health(pool::Pool& pool,
                                                    SteadyTime deadline = pg::kNoDeadline);

}  // namespace lyceum::learning
