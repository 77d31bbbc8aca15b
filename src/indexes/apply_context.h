#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>

#include "indexes/apply.h"

namespace lyceum::indexes {

// What all parts of one apply share: where it runs, what it was asked for, whom it tells.
struct ApplyContext {
  boost::asio::any_io_executor executor;
  pg::Target target;
  ApplyOptions options;
  ApplyEvents events;

  // Whether the caller has asked to stop.
  [[nodiscard]] bool stopping() const;
  boost::asio::awaitable<void> pause(Duration duration) const;
  void emit(ApplyEvent::Kind kind, std::string index, std::string text) const;
};

[[nodiscard]] Error make_error(ErrorCode code, std::string message, std::string hint = {});

// Whether the statement failed with its connection, so that a new one may help.
[[nodiscard]] bool lost_connection(const Error& error);

}  // namespace lyceum::indexes
