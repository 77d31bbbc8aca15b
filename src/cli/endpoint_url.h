#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <string>

namespace lyceum::cli {

// "http://127.0.0.1:8080", "http://[::1]:8080".
inline std::string url_of(const boost::asio::ip::tcp::endpoint& endpoint) {
  const auto address = endpoint.address().to_string();
  return fmt::format("http://{}:{}", endpoint.address().is_v6() ? '[' + address + ']' : address,
                     endpoint.port());
}

}  // namespace lyceum::cli
