#include "support/http_client.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace lyceum::testing {

bool HttpClient::send(const ApiRequest& request) {
  auto bytes = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n", request.method, request.target);
  if (!request.token.empty()) bytes += "Authorization: Bearer " + request.token + "\r\n";
  for (const auto& [name, value] : request.headers) bytes += name + ": " + value + "\r\n";
  if (!request.body.empty() || request.method == "POST") {
    const bool has_type = std::ranges::any_of(
        request.headers, [](const auto& header) { return header.first == "Content-Type"; });
    if (!has_type) bytes += "Content-Type: application/json\r\n";
    bytes += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  bytes += "\r\n" + request.body;
  try {
    if (!connection_) connection_.emplace(port_, timeout_);
  } catch (const HttpConnection::Broken&) {
    return false;
  }
  // A refusal may be there already, while the body was still on its way.
  if (connection_->try_send(bytes) || connection_->readable(std::chrono::milliseconds(0))) {
    return true;
  }
  connection_.reset();
  return false;
}

std::optional<HttpReply> HttpClient::receive(bool to_head) {
  if (!connection_) return std::nullopt;
  const auto before = connection_->received();
  try {
    auto reply = connection_->read(to_head);
    if (reply.closes()) connection_.reset();
    return reply;
  } catch (const HttpConnection::Broken&) {
  } catch (const std::runtime_error& wrong) {
    ADD_FAILURE() << wrong.what();
  }
  answer_began_ = connection_->received() > before;
  connection_.reset();
  return std::nullopt;
}

std::optional<HttpReply> HttpClient::exchange(const ApiRequest& request) {
  const bool was_open = connection_.has_value();
  const bool to_head = request.method == "HEAD";
  answer_began_ = false;
  if (send(request)) {
    if (auto reply = receive(to_head)) return reply;
  }
  if (!was_open || answer_began_ || !send(request)) return std::nullopt;
  return receive(to_head);
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char character : text) {
    const bool plain = (character >= 'a' && character <= 'z') ||
                       (character >= 'A' && character <= 'Z') ||
                       (character >= '0' && character <= '9') || character == '-' ||
                       character == '.' || character == '_' || character == '~';
    out += plain ? std::string(1, character)
                 : fmt::format("%{:02X}", static_cast<unsigned char>(character));
  }
  return out;
}

}  // namespace lyceum::testing
