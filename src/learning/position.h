#pragma once

#include <compare>
#include <cstdint>

#include "pool/pool.h"

namespace lyceum::learning {

// A place in a server's history, to be compared with: a bookmark. Positions of one timeline order
// by lsn; a higher timeline is a later history.
struct Position {
  std::int32_t timeline = 0;
  std::uint64_t lsn = 0;  // bytes of WAL since the beginning
  auto operator<=>(const Position&) const = default;
};

// Where the server is: on a primary the end of what was written to its log, which covers every
// write acknowledged before the call; on a replica what it has replayed. Errors: those of
// Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<Position>> position(
    pool::Pool& pool, SteadyTime deadline = pg::kNoDeadline);

}  // namespace lyceum::learning
