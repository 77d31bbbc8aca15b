#include "learning/sessions.h"

#include <fmt/format.h>

#include "learning/name_some.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;

constexpr int kMostAttempts = 3;

std::optional<Error> check(const std::vector<SessionRecord>& sessions) {
  if (sessions.size() > kMostSessions) {
    return bad_input(
        fmt::format("a batch of {} sessions is larger than {}", sessions.size(), kMostSessions),
        "send it in parts");
  }
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    const auto& session = sessions[i];
    const auto what = fmt::format("session {}: ", i + 1);
    if (auto error = check_time(what + "started_at", session.started_at)) return error;
    if (session.completed_at) {
      if (auto error = check_time(what + "completed_at", *session.completed_at)) return error;
      if (*session.completed_at < session.started_at) {
        return bad_input(what + "completed_at is before started_at; nothing was written");
      }
    }
    if (session.duration_minutes < 0) {
      return bad_input(fmt::format("{}duration_minutes {} is negative; nothing was written", what,
                                   session.duration_minutes));
    }
  }
  return std::nullopt;
}

std::optional<Error> refusal(const pg::Rows& rows, const Scope& scope) {
  const auto row = rows[0];
  const auto users = row.get<std::vector<Uuid>>(rows.column("unknown_users"));
  const auto strangers = row.get<std::vector<Uuid>>(rows.column("strangers"));
  if (!users.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .message = fmt::format("nothing was written: tenant {} has no learner {}",
                                        to_string(scope.tenant), name_some(users)),
                 .node = scope.database.node()};
  }
  if (!strangers.empty()) {
    return Error{.code = ErrorCode::kConflict,
                 .message = fmt::format(
                     "nothing was written: another learner or another start has session {}",
                     name_some(strangers)),
                 .hint = "give each session an id of its own",
                 .node = scope.database.node()};
  }
  return std::nullopt;
}

// In doubt: sent again it changes nothing that it has changed. A key or a check that failed:
// somebody removed a learner or stored a session at the same time, and the next attempt sees it.
bool can_be_repeated(const Error& error) {
  return error.code == ErrorCode::kInDoubt || error.sqlstate == "23503" ||
         error.sqlstate == "23514";
}

}  // namespace

awaitable<Result<Recorded>> record_sessions(Scope scope, std::vector<SessionRecord> sessions) {
  if (auto error = check(sessions)) co_return *error;
  if (sessions.empty()) {
    if (auto known = co_await check_tenant(scope); known.has_error()) co_return known.error();
    co_return Recorded{};
  }
  std::vector<Uuid> ids, users;
  std::vector<Timestamp> starts;
  std::vector<std::optional<Timestamp>> ends;
  std::vector<std::int32_t> minutes;
  for (const auto& session : sessions) {
    ids.push_back(session.id);
    users.push_back(session.user_id);
    starts.push_back(session.started_at);
    ends.push_back(session.completed_at);
    minutes.push_back(session.duration_minutes);
  }
  const pg::Params params(ids, users, starts, ends, minutes);
  for (int attempt = 1;; ++attempt) {
    const auto rows =
        co_await scope.database.execute(sql::learning::sessions_record, params, scope.call());
    if (rows.has_error()) {
      if (can_be_repeated(rows.error()) && attempt < kMostAttempts) continue;
      co_return rows.error();
    }
    if (auto error = refusal(*rows, scope)) co_return *error;
    co_return Recorded{.received = static_cast<std::int64_t>(sessions.size()),
                       .written = (*rows)[0].get<std::int64_t>(rows->column("written"))};
  }
}

}  // namespace lyceum::learning
