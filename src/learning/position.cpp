#include "learning/position.h"

#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

awaitable<Result<Position>> position(pool::Pool& pool, SteadyTime deadline) {
  const pg::Params none;
  const auto rows = co_await pool.execute(sql::learning::position, none, {.deadline = deadline});
  if (rows.has_error()) co_return rows.error();
  const auto row = (*rows)[0];
  co_return Position{.timeline = row.get<std::int32_t>(rows->column("timeline")),
                     .lsn = static_cast<std::uint64_t>(row.get<std::int64_t>(rows->column("lsn")))};
}

}  // namespace lyceum::learning
