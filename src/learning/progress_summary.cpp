#include "learning/progress_summary.h"

#include <fmt/format.h>

#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

awaitable<Result<ProgressSummary>> progress_summary(Scope scope, Uuid learner,
                                                    std::optional<Timestamp> present) {
  if (present) {
    if (auto error = check_time("present", *present)) co_return *error;
  }
  const auto rows = co_await scope.database.execute(sql::learning::progress_summary,
                                                    pg::Params(learner, present), scope.call());
  if (rows.has_error()) co_return rows.error();
  const auto row = (*rows)[0];
  if (!row.get<bool>(rows->column("learner_exists"))) {
    co_return Error{.code = ErrorCode::kNotFound,
                    .message = fmt::format("tenant {} has no learner {}", to_string(scope.tenant),
                                           to_string(learner)),
                    .node = scope.database.node()};
  }
  co_return pg::read_row<ProgressSummary>(row);
}

}  // namespace lyceum::learning
