#pragma once

#include <optional>

#include "support/http_connection.h"

namespace lyceum::testing {

struct ApiRequest {
  std::string method = "GET";
  std::string target;
  std::string body = {};
  std::string token = {};  // sent as a bearer; empty: none
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// A client of the data API, as its users' are: keeps its connection and makes a new one where that
// is gone. A reply that is no HTTP fails the test. Blocks; one thread at a time.
class HttpClient {
 public:
  explicit HttpClient(int port, std::chrono::milliseconds timeout = std::chrono::seconds(30))
      : port_(port), timeout_(timeout) {}

  // Connects where it is not connected. False where the connection broke: it is closed then.
  bool send(const ApiRequest& request);
  // The next reply, whole. Nothing where the connection broke or the time is over; closed then.
  std::optional<HttpReply> receive(bool to_head = false);
  // Both, with one more try where a kept connection turned out to be closed before any byte of an
  // answer: only for requests that may be sent twice.
  std::optional<HttpReply> exchange(const ApiRequest& request);

 private:
  int port_;
  std::chrono::milliseconds timeout_;
  std::optional<HttpConnection> connection_;
  bool answer_began_ = false;
};

// Percent-encodes what a query's value may not hold.
[[nodiscard]] std::string encoded(std::string_view text);

}  // namespace lyceum::testing
