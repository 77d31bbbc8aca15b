#include "learning/scope.h"

#include <fmt/format.h>

#include "learning/load_lines.h"
#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

pg::Target tuned(pg::Target target) {
  auto options = std::string(target.get("options"));
  if (!options.empty()) options += ' ';
  target.set("options", options + "-c plan_cache_mode=force_generic_plan -c jit=off");
  return target;
}

awaitable<Result<void>> check_isolation(pool::Database& database) {
  const auto bound = co_await database.execute(sql::learning::isolation, pg::Params{});
  if (bound.has_error()) co_return bound.error();
  if (bound->value<bool>()) co_return Result<void>{};
  co_return Error{.code = ErrorCode::kConfiguration,
                  .message =
                      "the role in the connection string is not bound by row-level "
                      "security: it would see the rows of every tenant",
                  .hint =
                      "connect as a role of its own: create role platform login password "
                      "'...' in role lyceum_app",
                  .node = database.node()};
}

awaitable<Result<void>> check_tenant(const Scope& scope) {
  const auto found = co_await scope.database.execute(sql::learning::tenant_exists,
                                                     pg::Params(scope.tenant), scope.call());
  if (found.has_error()) co_return found.error();
  if (found->value<bool>()) co_return Result<void>{};
  co_return Error{.code = ErrorCode::kNotFound,
                  .message = fmt::format("there is no tenant {}", to_string(scope.tenant)),
                  .node = scope.database.node()};
}

awaitable<Result<void>> check_learner(const Scope& scope, const Uuid& learner) {
  const auto found = co_await scope.database.execute(sql::learning::learner_exists,
                                                     pg::Params(learner), scope.call());
  if (found.has_error()) co_return found.error();
  if (found->value<bool>()) co_return Result<void>{};
  co_return Error{.code = ErrorCode::kNotFound,
                  .message = fmt::format("tenant {} has no learner {}", to_string(scope.tenant),
                                         to_string(learner)),
                  .node = scope.database.node()};
}

Error bad_input(std::string message, std::string hint) {
  return {.code = ErrorCode::kBadInput, .message = std::move(message), .hint = std::move(hint)};
}

std::optional<Error> check_text(std::string_view what, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    return bad_input(fmt::format("{} holds a NUL character", what));
  }
  if (const auto at = load::find_invalid_utf8(text)) {
    return bad_input(fmt::format("{} is no UTF-8 at byte {}", what, *at + 1));
  }
  return std::nullopt;
}

std::optional<Error> check_time(std::string_view what, Timestamp time) {
  using namespace std::chrono;
  constexpr Timestamp kFirst = sys_days(year(1) / January / 1);
  constexpr Timestamp kEnd = sys_days(year(10'000) / January / 1);
  if (time >= kFirst && time < kEnd) return std::nullopt;
  return bad_input(fmt::format("{} is not within the years 1 to 9999", what));
}

}  // namespace lyceum::learning
