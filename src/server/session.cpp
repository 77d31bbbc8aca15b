#include "server/session.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "server/problem.h"
#include "server/trace_context.h"

namespace lyceum::server {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kReadAtOnce = 16 * 1024;
// How long a draining connection that waits for its next request is kept: a request may be on its
// way.
constexpr auto kDrainLinger = std::chrono::milliseconds(100);

// How long, and for how much, a connection that we end is read on.
constexpr auto kCloseLinger = std::chrono::seconds(1);
constexpr std::size_t kMostPassedOver = std::size_t{256} * 1024;

constexpr int kNoContent = 204;  // has neither type nor length (RFC 9110, 8.6)

constexpr Refusal kTooSlow{408, "timeout", "the request did not arrive in time"};

}  // namespace

Session::Session(asio::ip::tcp::socket socket, Listener& listener)
    : socket_(std::move(socket)), listener_(listener) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto remote = socket_.remote_endpoint(ignored);
  if (!ignored) peer_ = remote.address().to_string();
}

void Session::expire() {
  expired_ = true;
  deadline_ = SteadyTime::max();
  error_code ignored;
  socket_.cancel(ignored);
}

void Session::drain() {
  if (idle_) deadline_ = std::min(deadline_, std::chrono::steady_clock::now() + kDrainLinger);
}

void Session::cut() {
  error_code ignored;
  socket_.close(ignored);
}

awaitable<void> Session::run() {
  while (co_await wait_for_request()) {
    Incoming incoming(listener_.limits_, listener_.responder_.most_body);
    if (!co_await answer(incoming)) break;
  }
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

// True where bytes of a request are there.
awaitable<bool> Session::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  buffer_.shrink_to_fit();
  const auto now = std::chrono::steady_clock::now();
  deadline_ = now + (listener_.draining_ ? Duration(kDrainLinger) : listener_.limits_.idle);
  idle_ = true;
  error_code failure;
  co_await socket_.async_wait(asio::ip::tcp::socket::wait_read,
                              asio::redirect_error(asio::use_awaitable, failure));
  idle_ = false;
  co_return !failure && !expired_;
}

awaitable<bool> Session::read_more() {
  error_code failure;
  const auto count = co_await socket_.async_read_some(
      buffer_.prepare(kReadAtOnce), asio::redirect_error(asio::use_awaitable, failure));
  buffer_.commit(count);
  co_return !failure && !expired_;  // its time may have been up while the bytes were on their way
}

// False where the connection is to end.
awaitable<bool> Session::answer(Incoming& incoming) {
  const auto take = [&] {
    const auto bytes = buffer_.data();
    buffer_.consume(incoming.take({static_cast<const char*>(bytes.data()), bytes.size()}));
  };
  const auto& limits = listener_.limits_;
  auto state = incoming.state();
  deadline_ = std::chrono::steady_clock::now() + limits.header;
  for (take(); incoming.wants_more(); take()) {
    const bool header_came = incoming.state() != state;
    state = incoming.state();
    if (header_came) {
      deadline_ = std::chrono::steady_clock::now() + limits.body;
      if (buffer_.size() > 0) continue;
      if (incoming.expects_continue()) {
        const std::array<asio::const_buffer, 1> go_on{asio::buffer(kContinue)};
        if (!co_await write(go_on)) co_return false;
        deadline_ = std::chrono::steady_clock::now() + limits.body;
      }
    }
    if (!co_await read_more()) {
      if (!expired_) co_return false;
      co_return co_await refuse(kTooSlow);
    }
  }
  if (incoming.state() == Incoming::State::refused) co_return co_await refuse(incoming.refusal());

  ++listener_.figures_.requests;
  deadline_ = SteadyTime::max();  // whoever answers has its own
  auto request = incoming.request();
  request.peer = peer_;
  const auto response = co_await listener_.responder_.serve(request);
  // What has been read already is answered too.
  const bool last = listener_.draining_ && buffer_.size() == 0;
  const bool close = response.close || last || !incoming.keeps_alive();
  if (!co_await send(response, &incoming, close)) co_return false;
  if (close) co_await linger();
  co_return !close;
}

// What is left of the request is not read: the connection ends with this.
awaitable<bool> Session::refuse(const Refusal& refusal) {
  ++(refusal.status == 408 ? listener_.figures_.timed_out : listener_.figures_.malformed);
  const auto id = request_id_from({});
  auto response = to_response({refusal.status, refusal.code, std::string(refusal.detail)}, id);
  response.headers.emplace_back("X-Request-Id", id);
  listener_.log_.info(
      "request refused",
      {{"status", refusal.status}, {"code", refusal.code}, {"request_id", id}, {"peer", peer_}});
  if (co_await send(response, nullptr, true)) co_await linger();
  co_return false;
}

// The other side may still be sending: closing now would reset the connection and take the answer
// with it (RFC 9112, 9.6). It is given a moment to see it.
awaitable<void> Session::linger() {
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  expired_ = false;
  lingers_ = true;
  deadline_ = std::chrono::steady_clock::now() + kCloseLinger;
  for (std::size_t taken = 0; taken < kMostPassedOver;) {
    buffer_.clear();
    if (!co_await read_more()) break;
    taken += buffer_.size();
  }
}

std::string Session::head_of(const Response& response, bool close) {
  std::string head;
  head.reserve(512);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                 reason_phrase(response.status), listener_.date());
  if (response.status != kNoContent) {
    head += "Content-Type: ";
    head += response.content_type;
    head += "\r\n";
  }
  for (const auto& [name, value] : response.headers) {
    head += name;
    head += ": ";
    head += value;
    head += "\r\n";
  }
  head += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  if (close) head += "Connection: close\r\n";
  return head;
}

awaitable<bool> Session::send(const Response& response, const Incoming* incoming, bool close) {
  auto head = head_of(response, close);
  const bool without_body = incoming != nullptr && incoming->method() == Method::head;
  if (response.stream && !without_body) {
    co_return co_await stream(response, std::move(head), incoming->speaks_1_1());
  }
  if (response.stream || response.status == kNoContent) {
    head += "\r\n";
  } else {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n\r\n", response.body.size());
  }
  const std::array<asio::const_buffer, 2> both{asio::buffer(head), asio::buffer(response.body)};
  co_return co_await write(std::span(both).first(without_body ? 1 : 2));
}

awaitable<bool> Session::stream(const Response& response, std::string head, bool chunked) {
  head += chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
  const std::array<asio::const_buffer, 1> first{asio::buffer(head)};
  if (!co_await write(first)) co_return false;
  const auto done =
      co_await response.stream([this, chunked](std::string_view piece) -> awaitable<Result<void>> {
        if (piece.empty()) co_return Result<void>{};
        const auto size = chunked ? fmt::format("{:x}\r\n", piece.size()) : std::string();
        const std::array<asio::const_buffer, 3> buffers{asio::buffer(size), asio::buffer(piece),
                                                        asio::buffer("\r\n", chunked ? 2 : 0)};
        if (co_await write(buffers)) co_return Result<void>{};
        co_return Error{.code = ErrorCode::kIo, .message = "the receiver is gone"};
      });
  if (done.has_error()) {
    listener_.log_.warning("a response broke off", done.error());
    co_return false;
  }
  if (!chunked) co_return false;
  const std::array<asio::const_buffer, 1> last{asio::buffer("0\r\n\r\n", 5)};
  co_return co_await write(last);
}

awaitable<bool> Session::write(std::span<const asio::const_buffer> buffers) {
  deadline_ = std::chrono::steady_clock::now() + listener_.limits_.write;
  error_code failure;
  co_await asio::async_write(socket_, buffers, asio::redirect_error(asio::use_awaitable, failure));
  deadline_ = SteadyTime::max();
  if (failure && expired_) ++listener_.figures_.timed_out;
  expired_ = false;
  co_return !failure;
}

}  // namespace lyceum::server
