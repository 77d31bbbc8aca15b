#include "learning/health.h"

#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

awaitable<Health> health(pool::Pool& pool, SteadyTime deadline) {
  Health out;
  const auto asked = std::chrono::steady_clock::now();
  const auto rows =
      co_await pool.execute(sql::cluster::probe, pg::Params{}, {.deadline = deadline});
  out.response_time = std::chrono::steady_clock::now() - asked;
  out.pool = pool.figures();
  if (rows.has_error()) {
    out.error = rows.error();
    co_return out;
  }
  out.server = rows->as<cluster::ServerAnswer>().at(0);
  out.healthy = !out.server->in_recovery && !out.server->read_only;
  co_return out;
}

}  // namespace lyceum::learning
