#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lyceum::testing {

struct ApiRequest {
  std::string method = "GET";
  std::string target;
  std::string body = {};
  std::string token = {};  // sent as a bearer; empty: none
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct ApiReply {
  int status = 0;
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};

  // Empty where it is not there.
  [[nodiscard]] std::string header(const std::string& name) const {
    const auto at = headers.find(name);
    return at == headers.end() ? std::string() : at->second;
  }
};

// A connection to a port of 127.0.0.1 that speaks as much HTTP/1.1 as the data API's clients do;
// blocking, by plain sockets, sharing nothing with what is tested. One thread at a time.
class HttpClient {
 public:
  explicit HttpClient(int port, std::chrono::milliseconds timeout = std::chrono::seconds(30))
      : port_(port), timeout_(timeout) {}
  HttpClient(HttpClient&& other) noexcept
      : port_(other.port_),
        timeout_(other.timeout_),
        socket_(std::exchange(other.socket_, -1)),
        rest_(std::move(other.rest_)) {}
  HttpClient& operator=(HttpClient&&) = delete;
  ~HttpClient() { close(); }

  // Connects where it is not connected. False where the connection broke: it is closed then.
  bool send(const ApiRequest& request);
  // The next reply, whole. Nothing where the connection broke or the time is over; closed then.
  std::optional<ApiReply> receive(bool to_head = false);
  // Both, with one more try where a kept connection turned out to be closed before any byte of an
  // answer: only for requests that may be sent twice.
  std::optional<ApiReply> exchange(const ApiRequest& request);

  void close();
  [[nodiscard]] bool is_open() const { return socket_ >= 0; }
  // Whether an answer has begun to arrive.
  [[nodiscard]] bool has_rest() const { return !rest_.empty(); }

 private:
  bool connect();
  bool read_more();
  bool read_line(std::string& line);
  bool read_exactly(std::size_t size, std::string& out);

  int port_;
  std::chrono::milliseconds timeout_;
  int socket_ = -1;
  std::string rest_;  // received and not looked at
};

// Percent-encodes what a query's value may not hold.
[[nodiscard]] std::string encoded(std::string_view text);

}  // namespace lyceum::testing
