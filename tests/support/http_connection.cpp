#include "support/http_connection.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace lyceum::testing {
namespace {

void check(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string("the response is wrong: ") + what);
}

std::size_t number(std::string_view text, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  check(error == std::errc() && end == text.data() + text.size() && !text.empty(), "a number");
  return value;
}

void check_whole(bool holds) {
  if (!holds) throw HttpConnection::Broken("the response broke off");
}

}  // namespace

std::string HttpReply::header(std::string_view name) const {
  std::string found;
  int count = 0;
  for (const auto& [key, value] : headers) {
    if (key != name) continue;
    found = value;
    ++count;
  }
  if (count > 1) throw std::runtime_error("the header comes twice: " + std::string(name));
  return found;
}

bool HttpReply::has(std::string_view name) const {
  for (const auto& header : headers) {
    if (header.first == name) return true;
  }
  return false;
}

HttpConnection::HttpConnection(int port, std::chrono::milliseconds limit, int receive_buffer)
    : limit_(limit) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::runtime_error("no socket");
  if (receive_buffer > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    throw Broken("cannot connect");
  }
}

HttpConnection::HttpConnection(HttpConnection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      limit_(other.limit_),
      buffer_(std::move(other.buffer_)),
      received_(other.received_) {}

HttpConnection::~HttpConnection() {
  if (fd_ >= 0) ::close(fd_);
}

bool HttpConnection::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd wait{fd_, POLLOUT, 0};
    if (::poll(&wait, 1, static_cast<int>(limit_.count())) <= 0) return false;
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void HttpConnection::send(std::string_view bytes) {
  if (!try_send(bytes)) throw Broken("cannot send");
}

void HttpConnection::get(std::string_view target, std::string_view headers) {
  std::string text = "GET ";
  text += target;
  text += " HTTP/1.1\r\nHost: test\r\n";
  text += headers;
  text += "\r\n";
  send(text);
}

void HttpConnection::post(std::string_view target, std::string_view body,
                          std::string_view headers) {
  std::string text = "POST ";
  text += target;
  text += " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += headers;
  text += "\r\n";
  text += body;
  send(text);
}

HttpReply HttpConnection::read(bool head) {
  auto response = read_head();
  const bool informational = response.status / 100 == 1;
  if (response.status == 204 || informational) {
    check(!response.has("content-length") && !response.has("transfer-encoding"),
          "a body where there can be none");
    return response;
  }
  // RFC 9110, 6.6.1: an error of the server may go without.
  check(informational || response.status >= 500 || response.has("date"), "no Date");
  if (response.has("transfer-encoding")) {
    check(response.header("transfer-encoding") == "chunked", "another coding");
    check(!response.has("content-length"), "both lengths");
    response.chunked = true;
    if (!head) read_chunks(response);
  } else if (response.has("content-length")) {
    const auto length = number(response.header("content-length"), 10);
    if (!head) response.body = take(length);
  } else if (!head) {
    check(response.closes(), "a body of unknown length on a connection that stays");
    response.body = rest();
  }
  return response;
}

std::string HttpConnection::rest() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

bool HttpConnection::readable(std::chrono::milliseconds within) const {
  pollfd wait{fd_, POLLIN, 0};
  return !buffer_.empty() || ::poll(&wait, 1, static_cast<int>(within.count())) > 0;
}

void HttpConnection::shutdown_write() {
  ::shutdown(fd_, SHUT_WR);
}

void HttpConnection::reset() {
  const linger hard{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(std::exchange(fd_, -1));
}

// False at the end, also by RST.
bool HttpConnection::fill() {
  pollfd wait{fd_, POLLIN, 0};
  if (::poll(&wait, 1, static_cast<int>(limit_.count())) <= 0) {
    throw Broken("nothing came in time");
  }
  char bytes[65536];
  const auto count = ::recv(fd_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  received_ += static_cast<std::uint64_t>(count);
  return true;
}

std::string HttpConnection::take(std::size_t size) {
  while (buffer_.size() < size) check_whole(fill());
  auto out = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return out;
}

std::string HttpConnection::line() {
  auto end = buffer_.find('\n');
  for (; end == std::string::npos; end = buffer_.find('\n')) check_whole(fill());
  auto out = take(end + 1);
  check(out.ends_with("\r\n"), "a line without CRLF");
  out.resize(out.size() - 2);
  check(out.find('\r') == std::string::npos, "a bare CR");
  return out;
}

HttpReply HttpConnection::read_head() {
  HttpReply response;
  const auto status = line();
  check(status.starts_with("HTTP/1.1 ") && status.size() >= 13 && status[12] == ' ',
        "its first line");
  response.status = static_cast<int>(number(std::string_view(status).substr(9, 3), 10));
  response.reason = status.substr(13);
  check(response.status >= 100 && response.status < 600, "its status");
  check(!response.reason.empty(), "no reason phrase");
  for (auto text = line(); !text.empty(); text = line()) {
    const auto colon = text.find(':');
    check(colon != std::string::npos && colon > 0, "a field");
    std::string name;
    for (const char c : text.substr(0, colon)) {
      check((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-', "a field's name");
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    check(text.substr(colon, 2) == ": ", "the space before a value");
    auto value = text.substr(colon + 2);
    check(!value.empty() && value.front() != ' ' && value.back() != ' ', "a field's value");
    for (const char c : value) check(c >= ' ' && c < 127, "a character of a value");
    response.headers.emplace_back(std::move(name), std::move(value));
  }
  return response;
}

void HttpConnection::read_chunks(HttpReply& response) {
  for (;;) {
    const auto size = number(line(), 16);
    if (size == 0) break;
    response.body += take(size);
    check(take(2) == "\r\n", "the end of a chunk");
    ++response.chunks;
  }
  check(line().empty(), "trailers");
}

}  // namespace lyceum::testing
