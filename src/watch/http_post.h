#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"

// One HTTP request, over TLS where the URL says https. This header hides Boost.Beast.
namespace lyceum::watch {

struct HttpPost {
  Secret url;  // http://host:port/path?query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string_view method = "POST";             // or GET or DELETE, of static storage
  Duration timeout = std::chrono::seconds(10);  // for all of it
  std::string ca_file = {};                     // PEM; empty: the system's
};

struct HttpAnswer {
  int status = 0;
  std::optional<Duration> retry_after;  // where it gave one in seconds
  std::string body;                     // where it is short
};

// "https://host:443" of a URL: what may be shown of it. Empty where it is none.
[[nodiscard]] std::string shown_url(const Secret& url);

// Sends it and waits for the answer, on a connection of its own. Redirections are not followed.
// Errors name only scheme, host and port: kConfiguration for what is no such URL, kConnect,
// kConnectionLost, kTimeout. The server's certificate has to be valid for the host.
[[nodiscard]] boost::asio::awaitable<Result<HttpAnswer>> http_post(
    boost::asio::any_io_executor executor, HttpPost request);

}  // namespace lyceum::watch
