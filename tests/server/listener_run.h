#pragma once

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/listener.h"
#include "support/http_connection.h"

namespace lyceum::server_test {

namespace asio = boost::asio;
using asio::awaitable;
using namespace server;
using testing::HttpConnection;
using testing::HttpReply;
using namespace std::chrono_literals;

// A listener in a thread of its own, without a database. Answers by path:
//   /slow      once release() was called
//   /big       8 MiB
//   /stream    "one", "two", "" and "three", in pieces
//   /endless   pieces until nobody takes them
//   /broken    a piece, then an error
//   /close     and closes
//   /nothing   204
//   others     the method, the path, the query and the body
class ListenerRun {
 public:
  static constexpr std::size_t kMostBody = 100'000;
  static constexpr std::size_t kBig = std::size_t{8} << 20;

  explicit ListenerRun(HttpLimits limits = {}) {
    auto acceptor =
        Listener::bind(io_.get_executor(), ListenAddress{"127.0.0.1", 0}, false).value();
    listener_ = std::make_unique<Listener>(
        std::move(acceptor), limits,
        Responder{.serve = [this](const Request& request) { return serve(request); },
                  .most_body =
                      [](Method, std::string_view path) {
                        return path == "/none" ? std::size_t{0} : kMostBody;
                      }},
        log_);
    port_ = listener_->endpoint().port();
    listener_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ListenerRun(const ListenerRun&) = delete;
  ListenerRun& operator=(const ListenerRun&) = delete;
  ~ListenerRun() {
    release();
    if (!drained_) (void)drain(0ms);
    thread_.join();
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] HttpConnection connect(std::chrono::milliseconds limit = 10s) const {
    return HttpConnection(port_, limit);
  }

  void release() { released_ = true; }
  [[nodiscard]] int waiting() const { return waiting_; }
  [[nodiscard]] std::vector<std::string> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  [[nodiscard]] ListenerFigures figures() {
    std::promise<ListenerFigures> promise;
    asio::post(io_, [&] { promise.set_value(listener_->figures()); });
    return promise.get_future().get();
  }

  // What is returned by drain() when it is done.
  [[nodiscard]] std::future<bool> begin_drain(std::chrono::milliseconds within) {
    drained_ = true;
    return asio::co_spawn(io_, listener_->drain(std::chrono::steady_clock::now() + within),
                          asio::use_future);
  }
  [[nodiscard]] bool drain(std::chrono::milliseconds within) { return begin_drain(within).get(); }

 private:
  static awaitable<void> pause() {
    asio::steady_timer timer(co_await asio::this_coro::executor, 2ms);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  awaitable<Response> serve(const Request& request) {
    {
      const std::lock_guard lock(mutex_);
      seen_.emplace_back(request.path);
    }
    const auto path = request.path;
    if (path == "/slow") {
      ++waiting_;
      while (!released_) co_await pause();
      --waiting_;
    }
    if (path == "/big") co_return Response{.body = std::string(kBig, 'x')};
    if (path == "/close") co_return Response{.body = "bye", .close = true};
    if (path == "/nothing") co_return Response{.status = 204};
    if (path == "/stream") co_return Response{.stream = &ListenerRun::stream};
    if (path == "/endless") co_return Response{.stream = &ListenerRun::endless};
    if (path == "/broken") co_return Response{.stream = &ListenerRun::broken};
    co_return Response{.content_type = "text/plain",
                       .body = fmt::format("{} {} {} {}", name_of(request.method), request.path,
                                           request.query, request.body)};
  }
  static awaitable<Result<void>> stream(SendPiece send) {
    for (const std::string_view piece : {"one", "two", "", "three"}) {
      auto sent = co_await send(piece);
      if (sent.has_error()) co_return sent;
    }
    co_return Result<void>{};
  }
  static awaitable<Result<void>> endless(SendPiece send) {
    const std::string piece(64 * 1024, 'x');
    for (;;) {
      auto sent = co_await send(piece);
      if (sent.has_error()) co_return sent;
    }
  }
  static awaitable<Result<void>> broken(SendPiece send) {
    (void)co_await send("begun");
    co_return Error{.code = ErrorCode::kConnectionLost, .message = "the database went away"};
  }

  asio::io_context io_{1};
  SystemClock clock_;
  Log log_{LogLevel::off, LogFormat::text, clock_};
  std::unique_ptr<Listener> listener_;
  int port_ = 0;
  std::thread thread_;
  std::atomic<bool> released_ = false;
  std::atomic<int> waiting_ = 0;
  bool drained_ = false;
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
};

}  // namespace lyceum::server_test
