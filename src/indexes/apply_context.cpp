#include "indexes/apply_context.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace lyceum::indexes {

namespace asio = boost::asio;
using asio::awaitable;

bool ApplyContext::stopping() const {
  return options.stop_requested && options.stop_requested();
}

awaitable<void> ApplyContext::pause(Duration duration) const {
  asio::steady_timer timer(executor, duration);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void ApplyContext::emit(ApplyEvent::Kind kind, std::string index, std::string text) const {
  if (!events) return;
  ApplyEvent event;
  event.kind = kind;
  event.index = std::move(index);
  event.text = std::move(text);
  events(event);
}

Error make_error(ErrorCode code, std::string message, std::string hint) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.hint = std::move(hint);
  return error;
}

bool lost_connection(const Error& error) {
  return error.code == ErrorCode::kConnectionLost || error.code == ErrorCode::kConnect ||
         error.code == ErrorCode::kInDoubt || error.sqlstate.starts_with("57P0");
}

}  // namespace lyceum::indexes
