#include "server/listener.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include "server/session.h"

namespace lyceum::server {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// How often deadlines are looked at: a timer per connection would cost more than all of its reads.
constexpr auto kWatchEvery = std::chrono::milliseconds(100);
constexpr int kBacklog = 1024;

constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";

Error bind_error(const ListenAddress& address, const error_code& failure) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("cannot listen on {}:{}: {}", address.host, address.port,
                                 failure.message()),
          .hint = "choose another address with --data-address or --admin-address"};
}

}  // namespace

struct Listener::Sessions {
  // Those that end take themselves out.
  boost::intrusive::list<Session, boost::intrusive::constant_time_size<false>> open;
};

Result<tcp::acceptor> Listener::bind(asio::any_io_executor executor, const ListenAddress& address,
                                     bool shared_port) {
  error_code failure;
  const auto ip =
      asio::ip::make_address(address.host == "localhost" ? "127.0.0.1" : address.host, failure);
  if (failure) return bind_error(address, failure);
  const tcp::endpoint endpoint(ip, address.port);
  tcp::acceptor acceptor(executor);
  const auto check = [&](auto&& step) {
    if (!failure) step();
  };
  check([&] { acceptor.open(endpoint.protocol(), failure); });
  check([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), failure); });
  if (shared_port) {
    check([&] {
      using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
      acceptor.set_option(ReusePort(true), failure);
    });
  }
  check([&] { acceptor.bind(endpoint, failure); });
  check([&] { acceptor.listen(kBacklog, failure); });
  check([&] { acceptor.non_blocking(true, failure); });
  if (failure) return bind_error(address, failure);
  return acceptor;
}

Listener::Listener(tcp::acceptor acceptor, HttpLimits limits, Responder responder, Log& log)
    : acceptor_(std::move(acceptor)),
      endpoint_(acceptor_.local_endpoint()),
      limits_(limits),
      responder_(std::move(responder)),
      log_(log),
      pause_(acceptor_.get_executor()),
      watch_(acceptor_.get_executor()),
      sessions_(std::make_unique<Sessions>()) {}

Listener::~Listener() = default;

void Listener::start() {
  running_ = 2;
  asio::co_spawn(acceptor_.get_executor(), accept_all(), [this](auto) { --running_; });
  asio::co_spawn(acceptor_.get_executor(), watch(), [this](auto) { --running_; });
}

awaitable<void> Listener::accept_all() {
  while (!draining_) {
    error_code failure;
    auto socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failure));
    if (!failure) {
      take(std::move(socket));
      continue;
    }
    if (draining_) break;
    log_.warning("accept failed", {{"reason", failure.message()}});
    // Out of descriptors or the like: what is there may end meanwhile.
    pause_.expires_after(kWatchEvery);
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, failure));
  }
}

void Listener::take(tcp::socket socket) {
  ++figures_.accepted;
  if (figures_.open >= limits_.connections) {
    ++figures_.turned_away;
    error_code ignored;
    socket.non_blocking(true, ignored);
    (void)socket.write_some(asio::buffer(kFull), ignored);
    return;
  }
  ++figures_.open;
  auto session = std::make_shared<Session>(std::move(socket), *this);
  sessions_->open.push_back(*session);
  asio::co_spawn(acceptor_.get_executor(), session->run(),
                 [this, session](auto) { --figures_.open; });
}

// Connections that the system has completed and nobody has taken: their requests may be there.
void Listener::take_backlog() {
  for (;;) {
    error_code failure;
    auto socket = acceptor_.accept(failure);
    if (failure) return;
    take(std::move(socket));
  }
}

awaitable<void> Listener::watch() {
  while (!draining_ || figures_.open > 0) {
    const auto now = std::chrono::steady_clock::now();
    for (auto at = sessions_->open.begin(); at != sessions_->open.end();) {
      auto& session = *at++;
      if (session.deadline() <= now) session.expire();
    }
    error_code ignored;
    watch_.expires_after(kWatchEvery);
    co_await watch_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

awaitable<bool> Listener::drain(SteadyTime deadline) {
  draining_ = true;
  take_backlog();
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (auto& session : sessions_->open) session.drain();

  asio::steady_timer timer(acceptor_.get_executor());
  bool cut = false;
  while (running_ > 0 || figures_.open > 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      for (auto& session : sessions_->open) {
        cut = cut || !session.lingers();
        session.cut();
      }
      deadline = SteadyTime::max();
    }
    timer.expires_after(std::chrono::milliseconds(5));
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return !cut;
}

std::string_view Listener::date() {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (now != date_of_) {
    date_of_ = now;
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                        fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  }
  return date_;
}

}  // namespace lyceum::server
