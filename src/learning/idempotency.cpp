#include "learning/idempotency.h"

#include <fmt/format.h>

#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

awaitable<Result<Pruned>> prune_idempotency_keys(Scope scope, Pruning pruning) {
  constexpr std::chrono::minutes kLeast{1};
  constexpr std::chrono::hours kMost{24 * 3660};
  constexpr std::int32_t kMostRows = 10'000;
  if (pruning.older_than < kLeast || pruning.older_than > kMost) {
    co_return bad_input(fmt::format("older_than {} s is not within a minute and ten years",
                                    pruning.older_than.count()));
  }
  if (pruning.rows_each < 1 || pruning.rows_each > kMostRows) {
    co_return bad_input(
        fmt::format("rows_each {} is not within 1 to {}", pruning.rows_each, kMostRows));
  }
  if (pruning.most_statements < 1) {
    co_return bad_input(fmt::format("most_statements {} is less than 1", pruning.most_statements));
  }
  const pg::Params params(static_cast<double>(pruning.older_than.count()), pruning.rows_each);
  Pruned out;
  for (std::int32_t i = 0; i < pruning.most_statements; ++i) {
    const auto rows =
        co_await scope.database.execute(sql::learning::idempotency_prune, params, scope.call());
    if (rows.has_error()) co_return rows.error();
    const auto removed = rows->value<std::int64_t>();
    out.removed += removed;
    if (removed < pruning.rows_each) co_return out;
  }
  out.finished = false;
  co_return out;
}

}  // namespace lyceum::learning
