#include <fmt/format.h>

#include "learning/learner_deletion.h"
#include "learning/learner_export.h"
#include "learning/progress_summary.h"
#include "learning/reviews.h"
#include "learning/vocabulary.h"
#include "server/handlers.h"
#include "server/json_body.h"
#include "server/json_rows.h"
#include "server/json_struct.h"

namespace lyceum::server {

using boost::asio::awaitable;

awaitable<Result<Response>> get_summary(Call& call) {
  const auto summary = co_await learning::progress_summary(call.scope(), call.id);
  if (summary.has_error()) co_return summary.error();
  Response response;
  append_json(response.body, *summary);
  co_return response;
}

awaitable<Result<Response>> get_recommendations(Call& call) {
  constexpr std::int64_t kMostWords = 200;
  const auto limit = call.query.integer("limit");
  if (limit.has_error()) co_return limit.error();
  if (*limit && (**limit < 1 || **limit > kMostWords)) {
    co_return learning::bad_input("'limit' is not within 1 to 200");
  }
  const auto words = co_await learning::vocabulary_rows(
      call.scope(), {.learner = call.id,
                     .limit = static_cast<int>(limit->value_or(10)),
                     .time_zone = call.query.text("time_zone")});
  if (words.has_error()) co_return words.error();
  Response response;
  response.body = "{\"recommendations\":";
  RowWriter(*words).append_array(response.body);
  response.body += '}';
  co_return response;
}

awaitable<Result<Response>> post_reviews(Call& call) {
  const auto body = parse_body(call.request);
  if (body.has_error()) co_return body.error();
  std::optional<Error> wrong;
  std::vector<learning::Review> reviews;
  Fields fields(*body, wrong);
  fields.each("reviews", learning::kMostReviews, [&](Fields& row) {
    reviews.push_back({.vocabulary_id = row.uuid("vocabulary_id"),
                       .rating = row.integer("rating"),
                       .reviewed_at = row.optional_timestamp("reviewed_at")});
  });
  fields.done();
  if (wrong) co_return *wrong;

  const auto outcome = co_await learning::review_vocabulary(
      call.scope(), call.id, std::move(reviews), std::string(call.request.idempotency_key));
  if (outcome.has_error()) co_return outcome.error();
  Response response;
  response.body = "{\"reviews\":";
  append_json(response.body, outcome->reviews);
  response.body += fmt::format(",\"replayed\":{}}}", outcome->replayed);
  co_await after_keyed_write(call);
  co_return response;
}

awaitable<Result<Response>> get_export(Call& call) {
  // Known before the status is sent: what fails later can only break the connection.
  const auto known = co_await learning::check_learner(call.scope(), call.id);
  if (known.has_error()) co_return known.error();
  Response response;
  response.headers.emplace_back(
      "Content-Disposition",
      fmt::format("attachment; filename=\"learner-{}.json\"", to_string(call.id)));
  // The stream outlives the call; what it needs it takes along. Its time is its own: as long as
  // the receiver takes pieces.
  auto scope = call.scope();
  scope.deadline = pg::kNoDeadline;
  const auto seen = std::make_shared<pg::Position>(call.seen.value_or(pg::Position{}));
  if (call.seen) scope.seen = seen.get();
  response.stream = [scope, seen, learner = call.id](SendPiece send) -> awaitable<Result<void>> {
    const auto done = co_await learning::export_learner(scope, learner, std::move(send));
    if (done.has_error()) co_return done.error();
    co_return Result<void>{};
  };
  co_return response;
}

awaitable<Result<Response>> delete_learner(Call& call) {
  const auto gone = co_await learning::delete_learner(call.scope(), call.id);
  if (gone.has_error()) co_return gone.error();
  Response response;
  response.body = "{\"deleted\":";
  append_json(response.body, *gone);
  response.body += '}';
  co_return response;
}

}  // namespace lyceum::server
