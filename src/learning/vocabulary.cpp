#include "learning/vocabulary.h"

#include <algorithm>
#include <fmt/format.h>

#include "sql/statements.h"

namespace lyceum::learning {

using boost::asio::awaitable;

awaitable<Result<pg::Rows>> vocabulary_rows(Scope scope, VocabularyRequest request) {
  constexpr int kMostWords = 200;
  if (request.limit < 1 || request.limit > kMostWords) {
    co_return bad_input(fmt::format("limit {} is not within 1 to {}", request.limit, kMostWords));
  }
  if (request.present) {
    if (auto error = check_time("present", *request.present)) co_return *error;
  }
  if (request.time_zone) {
    if (auto error = check_text("time_zone", *request.time_zone)) co_return *error;
  }
  auto rows = co_await scope.database.execute(
      sql::learning::vocabulary_recommendations,
      pg::Params(request.learner, std::int32_t{request.limit}, request.present, request.time_zone),
      scope.call());
  if (rows.has_error()) {
    if (rows.error().sqlstate == "22023" && request.time_zone) {
      co_return bad_input(
          fmt::format("there is no time zone '{}'", request.time_zone->substr(0, 50)));
    }
    co_return rows.error();
  }
  const int reviews = rows->column("review_count");
  if (std::ranges::none_of(
          *rows, [&](const pg::Row& word) { return word.get<std::int32_t>(reviews) > 0; })) {
    // Nothing learnt: or nobody who could have.
    auto known = co_await check_learner(scope, request.learner);
    if (known.has_error()) co_return known.error();
  }
  co_return std::move(*rows);
}

awaitable<Result<std::vector<VocabularyRecommendation>>> vocabulary_recommendations(
    Scope scope, VocabularyRequest request) {
  const auto rows = co_await vocabulary_rows(scope, std::move(request));
  if (rows.has_error()) co_return rows.error();
  co_return rows->as<VocabularyRecommendation>();
}

}  // namespace lyceum::learning
