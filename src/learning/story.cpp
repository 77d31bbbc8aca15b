#include "learning/story.h"

#include <fmt/format.h>

#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

awaitable<Result<StoryDetail>> story(Scope scope, Uuid id, std::optional<Uuid> learner) {
  const pg::Params params(id, learner);
  const auto rows = co_await scope.database.execute(sql::learning::story, params, scope.call());
  if (rows.has_error()) co_return rows.error();
  if (rows->empty()) {
    co_return Error{.code = ErrorCode::kNotFound,
                    .message = fmt::format("tenant {} has no published story {}",
                                           to_string(scope.tenant), to_string(id)),
                    .node = scope.database.node()};
  }
  const auto row = (*rows)[0];
  StoryDetail out{.story = pg::read_row<Story>(row),
                  .content = row.get<std::string>(rows->column("content"))};
  if (learner && !out.story.last_accessed) {
    // Never opened: or nobody who could have.
    auto known = co_await check_learner(scope, *learner);
    if (known.has_error()) co_return known.error();
  }
  co_return out;
}

}  // namespace lyceum::learning
