#include "support/http_client.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace lyceum::testing {

bool HttpClient::connect() {
  rest_.clear();
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return false;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(timeout_).count();
  const timeval time{.tv_sec = micros / 1'000'000, .tv_usec = micros % 1'000'000};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return true;
  }
  close();
  return false;
}

void HttpClient::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

bool HttpClient::send(const ApiRequest& request) {
  if (!is_open() && !connect()) return false;
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
  for (std::size_t sent = 0; sent < bytes.size();) {
    const auto count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) {
      // A refusal may be there already, while the body was still on its way.
      if (read_more()) return true;
      close();
      return false;
    }
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

bool HttpClient::read_more() {
  char buffer[65536];
  const auto count = ::recv(socket_, buffer, sizeof(buffer), 0);
  if (count <= 0) return false;
  rest_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

bool HttpClient::read_line(std::string& line) {
  std::size_t end = 0;
  while ((end = rest_.find("\r\n")) == std::string::npos) {
    if (!read_more()) return false;
  }
  line = rest_.substr(0, end);
  rest_.erase(0, end + 2);
  return true;
}

bool HttpClient::read_exactly(std::size_t size, std::string& out) {
  while (rest_.size() < size) {
    if (!read_more()) return false;
  }
  out.append(rest_, 0, size);
  rest_.erase(0, size);
  return true;
}

std::optional<ApiReply> HttpClient::receive(bool to_head) {
  const auto broken = [this]() -> std::optional<ApiReply> {
    close();
    return std::nullopt;
  };
  ApiReply reply;
  std::string line;
  if (!read_line(line)) return broken();
  if (!line.starts_with("HTTP/1.1 ") || line.size() < 12) return broken();
  reply.status = std::atoi(line.c_str() + 9);
  for (;;) {
    if (!read_line(line)) return broken();
    if (line.empty()) break;
    const auto colon = line.find(": ");
    if (colon == std::string::npos) return broken();
    auto name = line.substr(0, colon);
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    // A header that comes twice would be a defect: both are kept, for a test to stumble over.
    auto& value = reply.headers[name];
    value += (value.empty() ? "" : ", ") + line.substr(colon + 2);
  }
  if (!to_head && reply.header("transfer-encoding") == "chunked") {
    for (;;) {
      if (!read_line(line)) return broken();
      std::size_t size = 0;
      const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
      if (error != std::errc() || end != line.data() + line.size()) return broken();
      if (!read_exactly(size, reply.body) || !read_line(line) || !line.empty()) return broken();
      if (size == 0) break;
    }
  } else if (!to_head) {
    const auto length = reply.header("content-length");
    if (length.empty()) return broken();
    if (!read_exactly(std::stoul(length), reply.body)) return broken();
  }
  if (reply.header("connection") == "close") close();
  return reply;
}

std::optional<ApiReply> HttpClient::exchange(const ApiRequest& request) {
  const bool was_open = is_open();
  const bool to_head = request.method == "HEAD";
  if (send(request)) {
    if (auto reply = receive(to_head)) return reply;
  }
  if (!was_open || has_rest()) return std::nullopt;
  close();
  if (!send(request)) return std::nullopt;
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
