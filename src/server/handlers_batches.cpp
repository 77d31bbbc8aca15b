#include <fmt/format.h>

#include "learning/batch_progress.h"
#include "learning/events.h"
#include "learning/idempotency.h"
#include "learning/sessions.h"
#include "server/handlers.h"
#include "server/json_body.h"

namespace lyceum::server {
namespace {

using boost::asio::awaitable;

// Reads {"<name>": [row, ...]} with `read` for each row, which gives it. Every row's user_id has to
// be one that the caller may write for.
template <class Row, class Read>
Result<std::vector<Row>> read_batch(const Call& call, std::string_view name, std::size_t most,
                                    Read read) {
  const auto body = parse_body(call.request);
  if (body.has_error()) return body.error();
  std::optional<Error> wrong;
  std::optional<Error> not_allowed;
  std::vector<Row> rows;
  Fields fields(*body, wrong);
  fields.each(name, most, [&](Fields& row) {
    rows.push_back(read(row));
    if (!not_allowed) not_allowed = check_writer(call.principal, rows.back().user_id);
  });
  fields.done();
  if (wrong) return *wrong;
  if (not_allowed) return *not_allowed;
  return rows;
}

std::string payload_of(Fields& row) {
  if (row.has("payload")) return row.json("payload");
  // Null is as left out, and yet a member that is known.
  (void)row.optional_uuid("payload");
  return "{}";
}

Result<Response> answer(const Result<learning::Recorded>& outcome) {
  if (outcome.has_error()) return outcome.error();
  Response response;
  response.body =
      fmt::format(R"({{"received":{},"written":{}}})", outcome->received, outcome->written);
  return response;
}

}  // namespace

std::optional<Error> check_writer(const Principal& principal, const Uuid& learner) {
  auto error = check_audience(Audience::own_learner, principal, learner);
  if (error) error->message = "a learner may write for itself alone; nothing was written";
  return error;
}

awaitable<void> after_keyed_write(Call& call) {
  constexpr std::uint64_t kEvery = 64;
  if (call.number % kEvery != 0) co_return;
  // Where it fails the next one does it: the answer does not depend on it.
  (void)co_await learning::prune_idempotency_keys(call.scope(), {.most_statements = 1});
}

awaitable<Result<Response>> post_progress_batch(Call& call) {
  auto updates = read_batch<learning::ProgressUpdate>(
      call, "updates", learning::kMostUpdates, [](Fields& row) -> learning::ProgressUpdate {
        return {.user_id = row.uuid("user_id"),
                .story_id = row.uuid("story_id"),
                .completion_percentage = row.integer("completion_percentage"),
                .time_spent = row.integer("time_spent")};
      });
  if (updates.has_error()) co_return updates.error();
  const auto outcome = co_await learning::batch_progress(call.scope(), std::move(*updates),
                                                         std::string(call.request.idempotency_key));
  if (outcome.has_error()) co_return outcome.error();
  Response response;
  response.body = fmt::format(R"({{"received":{},"written":{},"replayed":{}}})", outcome->received,
                              outcome->written, outcome->replayed);
  co_await after_keyed_write(call);
  co_return response;
}

awaitable<Result<Response>> post_sessions(Call& call) {
  auto sessions = read_batch<learning::SessionRecord>(
      call, "sessions", learning::kMostSessions, [](Fields& row) -> learning::SessionRecord {
        return {.id = row.uuid("id"),
                .user_id = row.uuid("user_id"),
                .started_at = row.timestamp("started_at"),
                .completed_at = row.optional_timestamp("completed_at"),
                .duration_minutes = row.integer("duration_minutes")};
      });
  if (sessions.has_error()) co_return sessions.error();
  const auto outcome = co_await learning::record_sessions(call.scope(), std::move(*sessions));
  co_return answer(outcome);
}

awaitable<Result<Response>> post_events(Call& call) {
  auto events = read_batch<learning::EventRecord>(
      call, "events", learning::kMostEvents, [](Fields& row) -> learning::EventRecord {
        return {.id = row.uuid("id"),
                .user_id = row.uuid("user_id"),
                .session_id = row.optional_uuid("session_id"),
                .event_type = row.text("event_type"),
                .payload = payload_of(row),
                .created_at = row.optional_timestamp("created_at")};
      });
  if (events.has_error()) co_return events.error();
  const auto outcome = co_await learning::record_events(call.scope(), std::move(*events));
  co_return answer(outcome);
}

}  // namespace lyceum::server
