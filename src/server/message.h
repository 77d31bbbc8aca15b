#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace lyceum::server {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options, other };

[[nodiscard]] constexpr std::string_view name_of(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::delete_:
      return "DELETE";
    case Method::options:
      return "OPTIONS";
    case Method::other:
      return "other";
  }
  return "other";
}

// A request as far as anything here looks at it. Borrows the connection's memory: valid until its
// response has been made. Absent headers are empty.
struct Request {
  Method method = Method::other;
  std::string_view path;   // as it came, percent-encoded
  std::string_view query;  // without the question mark, percent-encoded
  std::string_view body;

  std::string_view accept;
  std::string_view accept_encoding;
  std::string_view authorization;
  std::string_view bookmark;  // Lyceum-Bookmark
  std::string_view content_type;
  std::string_view idempotency_key;
  std::string_view if_none_match;
  std::string_view request_id;  // X-Request-Id
  std::string_view traceparent;
  std::string_view peer;  // address of who is connected
};

// Sends a piece of a body whose length nobody knows yet. An error: the connection is gone.
using SendPiece = std::function<boost::asio::awaitable<Result<void>>(std::string_view piece)>;

// What is answered. A body whose length is unknown is sent by `stream`, in pieces; a stream that
// fails breaks the connection, so that the receiver sees that something is missing.
struct Response {
  int status = 200;
  std::string_view content_type = "application/json";  // of static storage
  std::string body = {};
  std::vector<std::pair<std::string_view, std::string>> headers = {};  // names of static storage
  std::function<boost::asio::awaitable<Result<void>>(SendPiece)> stream = {};
  bool close = false;  // the connection ends with it
};

// "Not Found" for 404; empty for a status that is never sent here.
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace lyceum::server
