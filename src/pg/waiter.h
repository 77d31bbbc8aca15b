#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace lyceum::pg {

// An event that happens once and that one coroutine waits for. Both ends on one thread: notify()
// resumes the coroutine before it returns. A coroutine that still waits when its io_context is
// destroyed is destroyed with it.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { leave(); }

  // To be awaited where it is called. No coroutine of its own where it must wait: every statement
  // waits once.
  [[nodiscard]] boost::asio::awaitable<void> wait() {
    if (done_) return nothing();
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        [this](auto handler) {
          auto& context = boost::asio::query(
              handler.get_executor(),
              boost::asio::execution::context_as<boost::asio::execution_context&>);
          handler_.emplace(std::move(handler));
          boost::asio::use_service<Parked>(context).add(*this);
        },
        boost::asio::use_awaitable);
  }

  void notify() {
    done_ = true;
    if (!handler_) return;
    // The coroutine may destroy this object before the call comes back.
    auto handler = take();
    std::move(handler)();
  }

  [[nodiscard]] bool done() const { return done_; }

 private:
  using Handler = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;

  // Who waits on one io_context. A waiting coroutine owns the object it waits for and is owned by
  // it: somebody else must break that circle when the io_context ends.
  class Parked : public boost::asio::execution_context::service {
   public:
    using key_type = Parked;
    inline static boost::asio::execution_context::id id;
    explicit Parked(boost::asio::execution_context& context) : service(context) {}

    void add(Waiter& waiter) {
      waiter.parked_ = this;
      waiter.next_ = first_;
      if (first_ != nullptr) first_->previous_ = &waiter;
      first_ = &waiter;
    }
    void remove(Waiter& waiter) {
      (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
      if (waiter.next_ != nullptr) waiter.next_->previous_ = waiter.previous_;
      waiter.parked_ = nullptr;
      waiter.next_ = waiter.previous_ = nullptr;
    }

   private:
    void shutdown() override {
      while (first_ != nullptr) (void)first_->take();
    }
    Waiter* first_ = nullptr;
  };

  static boost::asio::awaitable<void> nothing() { co_return; }
  void leave() {
    if (parked_ != nullptr) parked_->remove(*this);
  }
  Handler take() {
    leave();
    auto handler = std::move(*handler_);
    handler_.reset();
    return handler;
  }

  std::optional<Handler> handler_;
  bool done_ = false;
  Parked* parked_ = nullptr;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
};

}  // namespace lyceum::pg
