#include "learning/events.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <fmt/format.h>

#include "learning/name_some.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;
namespace json = boost::json;

constexpr int kMostAttempts = 3;
constexpr std::size_t kDeepest = 32;

// Whether jsonb can hold it: it has no room for a NUL character.
bool can_be_stored(const json::value& value) {
  const auto is_text = [](json::string_view text) { return text.find('\0') == text.npos; };
  switch (value.kind()) {
    case json::kind::string:
      return is_text(value.get_string());
    case json::kind::double_:
      return std::isfinite(value.get_double());
    case json::kind::array:
      return std::ranges::all_of(value.get_array(), can_be_stored);
    case json::kind::object:
      return std::ranges::all_of(value.get_object(), [&](const auto& member) {
        return is_text(member.key()) && can_be_stored(member.value());
      });
    default:
      return true;
  }
}

std::optional<Error> check_payload(const std::string& what, std::string_view payload) {
  if (payload.size() > kLongestPayload) {
    return bad_input(fmt::format("{}payload is longer than {} bytes; nothing was written", what,
                                 kLongestPayload));
  }
  if (auto error = check_text(what + "payload", payload)) return error;
  json::parse_options options;
  options.max_depth = kDeepest;
  boost::system::error_code failure;
  const auto value = json::parse(payload, failure, {}, options);
  if (failure) {
    return bad_input(
        fmt::format("{}payload is no JSON: {}; nothing was written", what, failure.message()));
  }
  if (!can_be_stored(value)) {
    return bad_input(what +
                     "payload holds a NUL character or a number out of range; nothing was "
                     "written");
  }
  return std::nullopt;
}

std::optional<Error> check(const std::vector<EventRecord>& events) {
  if (events.size() > kMostEvents) {
    return bad_input(
        fmt::format("a batch of {} events is larger than {}", events.size(), kMostEvents),
        "send it in parts");
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& event = events[i];
    const auto what = fmt::format("event {}: ", i + 1);
    if (event.event_type.empty() || event.event_type.size() > kLongestEventType) {
      return bad_input(fmt::format("{}event_type is not of 1 to {} bytes; nothing was written",
                                   what, kLongestEventType));
    }
    if (auto error = check_text(what + "event_type", event.event_type)) return error;
    if (auto error = check_payload(what, event.payload)) return error;
    if (event.created_at) {
      if (auto error = check_time(what + "created_at", *event.created_at)) return error;
    }
  }
  return std::nullopt;
}

std::optional<Error> refusal(const pg::Rows& rows, const Scope& scope) {
  const auto row = rows[0];
  const auto users = row.get<std::vector<Uuid>>(rows.column("unknown_users"));
  const auto sessions = row.get<std::vector<Uuid>>(rows.column("unknown_sessions"));
  const auto strangers = row.get<std::vector<Uuid>>(rows.column("strangers"));
  if (!users.empty() || !sessions.empty()) {
    std::string message = "nothing was written:";
    if (!users.empty()) {
      message +=
          fmt::format(" tenant {} has no learner {}", to_string(scope.tenant), name_some(users));
    }
    if (!users.empty() && !sessions.empty()) message += ", and";
    if (!sessions.empty()) message += " the learner has no session " + name_some(sessions);
    return Error{.code = ErrorCode::kNotFound, .message = message, .node = scope.database.node()};
  }
  if (!strangers.empty()) {
    return Error{
        .code = ErrorCode::kConflict,
        .message = "nothing was written: another learner has event " + name_some(strangers),
        .hint = "give each event an id of its own",
        .node = scope.database.node()};
  }
  return std::nullopt;
}

// In doubt: sent again it changes nothing. A key that failed: somebody removed a learner or a
// session at the same time, and the next attempt sees it.
bool can_be_repeated(const Error& error) {
  return error.code == ErrorCode::kInDoubt || error.sqlstate == "23503";
}

// What the server cannot take of a payload though it is JSON: a number beyond numeric.
bool is_bad_payload(const Error& error) {
  return error.sqlstate == "22P02" || error.sqlstate == "22P05" || error.sqlstate == "22003";
}

}  // namespace

awaitable<Result<Recorded>> record_events(Scope scope, std::vector<EventRecord> events) {
  if (auto error = check(events)) co_return *error;
  if (events.empty()) {
    if (auto known = co_await check_tenant(scope); known.has_error()) co_return known.error();
    co_return Recorded{};
  }
  const auto count = static_cast<std::int64_t>(events.size());
  std::vector<Uuid> ids, users;
  std::vector<std::optional<Uuid>> sessions;
  std::vector<std::string> types;
  std::vector<pg::Json> payloads;
  std::vector<std::optional<Timestamp>> times;
  for (auto& event : events) {
    ids.push_back(event.id);
    users.push_back(event.user_id);
    sessions.push_back(event.session_id);
    types.push_back(std::move(event.event_type));
    payloads.push_back({std::move(event.payload)});
    times.push_back(event.created_at);
  }
  const pg::Params params(ids, users, sessions, types, payloads, times);
  for (int attempt = 1;; ++attempt) {
    const auto rows =
        co_await scope.database.execute(sql::learning::events_record, params, scope.call());
    if (rows.has_error()) {
      auto error = rows.error();
      if (can_be_repeated(error) && attempt < kMostAttempts) continue;
      if (is_bad_payload(error)) {
        error.code = ErrorCode::kBadInput;
        error.message = "a number in a payload is out of range, or a text holds a NUL character";
      }
      co_return error;
    }
    if (auto error = refusal(*rows, scope)) co_return *error;
    co_return Recorded{.received = count,
                       .written = (*rows)[0].get<std::int64_t>(rows->column("written"))};
  }
}

}  // namespace lyceum::learning
