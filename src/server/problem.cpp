#include "server/problem.h"

#include <fmt/format.h>

#include "base/escape.h"

namespace lyceum::server {
namespace {

constexpr std::string_view kNothingWritten = "; nothing was written";

// The statements are ours: what the server says of them is no caller's business, but for what it
// says of a value.
Problem problem_of_sqlstate(std::string_view sqlstate) {
  const auto of_class = [&](std::string_view name) { return sqlstate.starts_with(name); };
  if (of_class("22")) {
    return {400, "bad_input", "a value is not one that the database knows or can hold"};
  }
  if (sqlstate == "23503") return {404, "not_found", "something that is referred to is not there"};
  if (sqlstate == "23505" || sqlstate == "23P01") {
    return {409, "conflict", "another row has this key"};
  }
  if (of_class("23")) return {400, "bad_input", "a value is out of its range"};
  if (of_class("40") || sqlstate == "55P03") {
    return {503, "retry", "others changed the same rows at the same time; nothing was written", 1};
  }
  if (of_class("53")) {
    return {503, "database_full", "the database has no room or memory left; nothing was written",
            30};
  }
  if (sqlstate == "25006") return {503, "read_only", "the database takes no writes now", 5};
  if (sqlstate == "57014") return {504, "timeout", "the database took too long"};
  if (of_class("57") || of_class("08")) {
    return {503, "unavailable", "the database is not available now", 1};
  }
  return {500, "internal", "the database refused a statement of ours"};
}

}  // namespace

Problem problem_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kBadInput:
      // Found out by the server: then the sentence is its own.
      if (!error.sqlstate.empty()) {
        return {400, "bad_input", problem_of_sqlstate("22000").detail};
      }
      return {400, "bad_input", error.message};
    case ErrorCode::kUnauthenticated:
      return {401, "unauthenticated", error.message};
    case ErrorCode::kForbidden:
      return {403, "forbidden", error.message};
    case ErrorCode::kNotFound:
      return {404, "not_found", error.message};
    case ErrorCode::kConflict:
      return {409, "conflict", error.message};
    case ErrorCode::kSql: {
      // A transaction that says it writes cannot even begin on a replica, which is refused as a
      // feature that is not there. BEGIN has no name; the statements that do mean what they say.
      if (error.sqlstate == "0A000" && error.statement.empty()) return problem_of_sqlstate("25006");
      auto problem = problem_of_sqlstate(error.sqlstate);
      if (error.may_have_taken_effect) {
        if (problem.detail.ends_with(kNothingWritten)) {
          problem.detail.resize(problem.detail.size() - kNothingWritten.size());
        }
        problem.detail += "; it may have taken effect";
      }
      return problem;
    }
    case ErrorCode::kQueueFull:
      return {503, "overloaded", "too many requests wait for the database", 1};
    case ErrorCode::kTimeout:
      return {504, "timeout",
              error.may_have_taken_effect
                  ? "the database took too long; the request may have taken effect"
                  : "the database took too long; nothing was written"};
    case ErrorCode::kInDoubt:
      return {503, "in_doubt",
              "the connection to the database broke before its answer; send the request again with "
              "the same Idempotency-Key or the same ids",
              1};
    case ErrorCode::kConnect:
    case ErrorCode::kConnectionLost:
      // There are servers, and none that takes writes.
      if (error.sqlstate == "25006") return problem_of_sqlstate(error.sqlstate);
      return {503, "unavailable", "the database is not available now", 1};
    case ErrorCode::kShuttingDown:
      return {503, "shutting_down", "this instance is shutting down", 1};
    case ErrorCode::kConfiguration:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return {500, "internal", "something failed on our side; it was logged with the request's id"};
  }
  return {};
}

Response to_response(const Problem& problem, std::string_view request_id) {
  Response response{.status = problem.status, .content_type = "application/problem+json"};
  auto& body = response.body;
  body = fmt::format(R"({{"type":"about:blank","title":"{}","status":{},"code":"{}","detail":)",
                     reason_phrase(problem.status), problem.status, problem.code);
  append_json_string(body, problem.detail);
  body += R"(,"request_id":)";
  append_json_string(body, request_id);
  body += '}';
  if (problem.retry_after) {
    response.headers.emplace_back("Retry-After", std::to_string(*problem.retry_after));
  }
  if (problem.status == 401) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return response;
}

}  // namespace lyceum::server
