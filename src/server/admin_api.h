#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/clock.h"
#include "server/message.h"
#include "watch/monitor.h"

namespace lyceum::server {

// What the monitor has read, under /v1/admin: docs/admin-api.md says what is asked and answered.
class AdminApi {
 public:
  // Both outlive it.
  AdminApi(watch::Monitor& monitor, const Clock& clock) : monitor_(monitor), clock_(clock) {}

  // The request lives until it is answered. Paths that are not here give 404, methods 405.
  [[nodiscard]] boost::asio::awaitable<Response> serve(const Request& request);

 private:
  boost::asio::awaitable<Result<std::string>> latest(std::string_view query);
  boost::asio::awaitable<Result<std::string>> series(std::string_view query);
  boost::asio::awaitable<Result<std::string>> plan(std::string_view query);
  boost::asio::awaitable<Result<std::string>> verdicts();
  boost::asio::awaitable<Result<std::string>> alerts();
  boost::asio::awaitable<Result<std::string>> silences();
  boost::asio::awaitable<Response> change_silences(const Request& request);
  boost::asio::awaitable<Result<std::string>> history(std::string_view query);

  watch::Monitor& monitor_;
  const Clock& clock_;
};

}  // namespace lyceum::server
