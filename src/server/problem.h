#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "server/message.h"

namespace lyceum::server {

// An error as callers see it (RFC 9457): a status, a code that stays the same from version to
// version, a sentence. It never holds a server's text, a statement or a node.
struct Problem {
  int status = 500;
  std::string_view code = "internal";  // of static storage
  std::string detail = {};
  std::optional<int> retry_after = {};  // seconds
};

// What an operation's error is to a caller. Where it depends on the SQLSTATE, its class decides;
// the table stands in docs/http.md.
[[nodiscard]] Problem problem_of(const Error& error);

// application/problem+json: {"type", "title", "status", "code", "detail", "request_id"}, and
// Retry-After and WWW-Authenticate where they belong.
[[nodiscard]] Response to_response(const Problem& problem, std::string_view request_id);

}  // namespace lyceum::server
