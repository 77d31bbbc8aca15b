#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace lyceum::pg {

// An event that happens once and that one coroutine waits for. Both ends on one thread: notify()
// resumes the coroutine before it returns.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  [[nodiscard]] boost::asio::awaitable<void> wait() {
    if (!done_) {
      co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
          [this](auto handler) { handler_.emplace(std::move(handler)); },
          boost::asio::use_awaitable);
    }
  }

  void notify() {
    done_ = true;
    if (!handler_) return;
    // The coroutine may destroy this object before the call comes back.
    auto handler = std::move(*handler_);
    handler_.reset();
    std::move(handler)();
  }

  [[nodiscard]] bool done() const { return done_; }

 private:
  using Handler =
      boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;
  std::optional<Handler> handler_;
  bool done_ = false;
};

}  // namespace lyceum::pg
