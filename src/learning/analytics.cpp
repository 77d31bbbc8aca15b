#include "learning/analytics.h"

#include <fmt/format.h>

#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

awaitable<Result<LearningAnalytics>> learning_analytics(Scope scope, AnalyticsRequest request) {
  constexpr auto kLongest = std::chrono::days(3660);
  if (auto error = check_time("from", request.from)) co_return *error;
  if (auto error = check_time("to", request.to)) co_return *error;
  if (request.time_zone) {
    if (auto error = check_text("time_zone", *request.time_zone)) co_return *error;
  }
  if (request.to < request.from) co_return bad_input("'to' is before 'from'");
  if (request.to - request.from > kLongest) {
    co_return bad_input("the span is longer than ten years", "ask for less");
  }
  const auto rows = co_await scope.database.execute(
      sql::learning::learning_analytics, pg::Params(request.from, request.to, request.time_zone),
      scope.call());
  if (rows.has_error()) {
    if (rows.error().sqlstate == "22023" && request.time_zone) {
      co_return bad_input(
          fmt::format("there is no time zone '{}'", request.time_zone->substr(0, 50)));
    }
    co_return rows.error();
  }
  const auto row = (*rows)[0];
  const auto column = [&](std::string_view name) { return rows->column(name); };
  const auto days = row.get<std::vector<pg::Date>>(column("days"));
  const auto users = row.get<std::vector<std::int64_t>>(column("active_users"));
  const auto sessions = row.get<std::vector<std::int64_t>>(column("total_sessions"));
  const auto durations = row.get<std::vector<double>>(column("avg_session_duration"));
  const auto times = row.get<std::vector<std::int64_t>>(column("total_learning_time"));

  LearningAnalytics out{
      .users_completed_stories = row.get<std::int64_t>(column("users_completed_stories")),
      .avg_completion_rate = row.get<double>(column("avg_completion_rate")),
      .users_learning_vocabulary = row.get<std::int64_t>(column("users_learning_vocabulary")),
      .avg_vocabulary_mastery = row.get<double>(column("avg_vocabulary_mastery"))};
  for (std::size_t i = 0; i < days.size(); ++i) {
    out.daily_stats.push_back({.date = days[i],
                               .active_users = users.at(i),
                               .total_sessions = sessions.at(i),
                               .avg_session_duration = durations.at(i),
                               .total_learning_time = times.at(i)});
  }
  if (out.daily_stats.empty()) {
    if (auto known = co_await check_tenant(scope); known.has_error()) co_return known.error();
  }
  co_return out;
}

}  // namespace lyceum::learning
