#include "server/session.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "server/problem.h"

namespace lyceum::server {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;

namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kHeaderEnd = "\r\n\r\n";
constexpr std::size_t kReadAtOnce = 16 * 1024;
// How long a draining connection that waits for its next request is kept: a request may be on its
// way.
constexpr auto kDrainLinger = std::chrono::milliseconds(100);

Method method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::get;
    case http::verb::head:
      return Method::head;
    case http::verb::post:
      return Method::post;
    case http::verb::put:
      return Method::put;
    case http::verb::patch:
      return Method::patch;
    case http::verb::delete_:
      return Method::delete_;
    case http::verb::options:
      return Method::options;
    default:
      return Method::other;
  }
}

struct Refusal {
  int status;
  std::string_view code;
  std::string_view detail;
};

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

Refusal refusal_of(const error_code& failure) {
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow) {
    return {431, "header_too_large", "the request's header is too large"};
  }
  if (failure == http::error::body_limit) return {413, "too_large", "the body is too large"};
  if (failure == http::error::bad_version) {
    return {505, "http_version", "HTTP/1.1 and HTTP/1.0 are spoken here"};
  }
  if (failure == http::error::bad_transfer_encoding) {
    return {501, "transfer_encoding", "no transfer coding but chunked is known here"};
  }
  return {400, "bad_request", "the request is no HTTP"};
}

}  // namespace

namespace {

// What Beast would make the best of, and another reader something else: lines that end in a line
// feed alone, and lines that go on the one before.
bool is_ambiguous(std::string_view header) {
  for (auto at = header.find('\n'); at != std::string_view::npos; at = header.find('\n', at + 1)) {
    if (at == 0 || header[at - 1] != '\r') return true;
    const bool folded = at + 1 < header.size() && (header[at + 1] == ' ' || header[at + 1] == '\t');
    if (folded) return true;
  }
  return false;
}

}  // namespace

// A request on its way in.
class Session::Incoming {
 public:
  explicit Incoming(const HttpLimits& limits) {
    parser_.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    parser_.body_limit(boost::none);  // decided when the path is known
  }

  using Parser = http::request_parser<http::string_body>;
  Parser& parser() { return parser_; }
  [[nodiscard]] const auto& message() const { return parser_.get(); }

  [[nodiscard]] std::string_view field(http::field name) const {
    const auto at = message().find(name);
    return at == message().end() ? std::string_view() : view(at->value());
  }
  [[nodiscard]] std::string_view field(std::string_view name) const {
    const auto at = message().find({name.data(), name.size()});
    return at == message().end() ? std::string_view() : view(at->value());
  }

  // What is wrong with the header, if anything.
  [[nodiscard]] std::optional<Refusal> check(const HttpLimits& limits) const {
    const auto target = view(message().target());
    if (target.size() > limits.target_bytes) {
      return Refusal{414, "target_too_long", "the URL is too long"};
    }
    if (!target.starts_with('/')) {
      return Refusal{400, "bad_request", "the target of the request is no path"};
    }
    const auto hosts = message().count(http::field::host);
    if (hosts > 1 || (hosts == 0 && message().version() == 11)) {
      return Refusal{400, "bad_request", "the request needs one Host"};
    }
    if (message().count(http::field::transfer_encoding) > 0) {
      if (message().count(http::field::content_length) > 0 || message().version() != 11) {
        return Refusal{400, "bad_request", "the length of the body is given twice"};
      }
      if (!is_chunked()) {
        return Refusal{501, "transfer_encoding", "no transfer coding but chunked is known here"};
      }
    }
    const auto expect = field(http::field::expect);
    if (!expect.empty() && !boost::beast::iequals(expect, "100-continue")) {
      return Refusal{417, "expectation", "nothing but 100-continue can be expected here"};
    }
    return std::nullopt;
  }

  [[nodiscard]] bool is_chunked() const {
    return message().count(http::field::transfer_encoding) == 1 &&
           boost::beast::iequals(field(http::field::transfer_encoding), "chunked");
  }
  [[nodiscard]] bool expects_continue() const { return !field(http::field::expect).empty(); }
  [[nodiscard]] bool keeps_alive() const {
    return message().version() == 11 && message().keep_alive();
  }
  [[nodiscard]] bool speaks_1_1() const { return message().version() == 11; }
  [[nodiscard]] Method method() const { return method_of(message().method()); }

  [[nodiscard]] std::string_view path() const {
    const auto target = view(message().target());
    return target.substr(0, target.find('?'));
  }

  [[nodiscard]] Request request(std::string_view peer) const {
    const auto target = view(message().target());
    const auto mark = target.find('?');
    return {.method = method(),
            .path = path(),
            .query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1),
            .body = message().body(),
            .authorization = field(http::field::authorization),
            .bookmark = field("Lyceum-Bookmark"),
            .content_type = field(http::field::content_type),
            .idempotency_key = field("Idempotency-Key"),
            .request_id = field("X-Request-Id"),
            .traceparent = field("traceparent"),
            .peer = peer};
  }

 private:
  Parser parser_;
};

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
    Incoming incoming(listener_.limits_);
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
  co_return !failure;
}

awaitable<bool> Session::read_more() {
  error_code failure;
  const auto count = co_await socket_.async_read_some(
      buffer_.prepare(kReadAtOnce), asio::redirect_error(asio::use_awaitable, failure));
  buffer_.commit(count);
  co_return !failure;
}

// False where the connection is to end.
awaitable<bool> Session::answer(Incoming& incoming) {
  auto& parser = incoming.parser();
  const auto received = [&] {
    const auto bytes = buffer_.data();
    return std::string_view(static_cast<const char*>(bytes.data()), bytes.size());
  };
  const auto parse = [&] {
    error_code failure;
    buffer_.consume(parser.put(buffer_.data(), failure));
    return failure;
  };

  deadline_ = std::chrono::steady_clock::now() + listener_.limits_.header;
  std::size_t looked_at = 0;
  for (;;) {
    const auto bytes = received();
    const auto end = bytes.find(kHeaderEnd, looked_at);
    if (end != std::string_view::npos) {
      if (!is_ambiguous(bytes.substr(0, end))) break;
      co_return co_await refuse(400, "bad_request", "a line of the header is folded or ends badly");
    }
    if (bytes.size() > listener_.limits_.header_bytes) {
      co_return co_await refuse(431, "header_too_large", "the request's header is too large");
    }
    looked_at = bytes.size() - std::min(bytes.size(), kHeaderEnd.size() - 1);
    if (!co_await read_more()) {
      if (!expired_) co_return false;
      co_return co_await refuse(408, "timeout", "the request did not arrive in time");
    }
  }
  if (const auto failure = parse(); failure || !parser.is_header_done()) {
    const auto [status, code, detail] = refusal_of(failure);
    co_return co_await refuse(status, code, detail);
  }
  if (const auto wrong = incoming.check(listener_.limits_)) {
    co_return co_await refuse(wrong->status, wrong->code, wrong->detail);
  }

  const auto most = listener_.responder_.most_body(incoming.method(), incoming.path());
  const auto length = parser.content_length();
  if (length && *length > most) {
    co_return co_await refuse(413, "too_large", "the body is larger than this path takes");
  }
  parser.body_limit(most);
  if (incoming.expects_continue() && !parser.is_done() && buffer_.size() == 0) {
    const std::array<asio::const_buffer, 1> go_on{asio::buffer(kContinue)};
    if (!co_await write(go_on)) co_return false;
  }
  deadline_ = std::chrono::steady_clock::now() + listener_.limits_.body;
  while (!parser.is_done()) {
    error_code failure = http::error::need_more;
    if (buffer_.size() > 0) failure = parse();
    if (parser.is_done() && !failure) break;
    if (failure && failure != http::error::need_more) {
      const auto [status, code, detail] = refusal_of(failure);
      co_return co_await refuse(status, code, detail);
    }
    // A chunk may have been taken and the next one be here already.
    if (!failure && buffer_.size() > 0) continue;
    if (!co_await read_more()) {
      if (!expired_) co_return false;
      co_return co_await refuse(408, "timeout", "the request did not arrive in time");
    }
  }

  ++listener_.figures_.requests;
  deadline_ = SteadyTime::max();  // whoever answers has its own
  const auto request = incoming.request(peer_);
  const auto response = co_await listener_.responder_.serve(request);
  const bool close = response.close || listener_.draining_ || !incoming.keeps_alive();
  co_return co_await send(response, &incoming, close) && !close;
}

// What is left of the request is not read: the connection ends with this.
awaitable<bool> Session::refuse(int status, std::string_view code, std::string_view detail) {
  ++(status == 408 ? listener_.figures_.timed_out : listener_.figures_.malformed);
  const auto response = to_response({status, code, std::string(detail)}, "");
  if (!co_await send(response, nullptr, true)) co_return false;
  // The other side may still be sending: closing now would reset the connection and take the answer
  // with it. It is given a moment to see it.
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  deadline_ = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (std::size_t taken = 0; taken < std::size_t{256} * 1024;) {
    buffer_.clear();
    if (!co_await read_more()) break;
    taken += buffer_.size();
  }
  co_return false;
}

std::string Session::head_of(const Response& response, bool close) {
  std::string head;
  head.reserve(512);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\n",
                 response.status, reason_phrase(response.status), listener_.date(),
                 response.content_type);
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
  if (response.stream) {
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
  if (expired_) ++listener_.figures_.timed_out;
  co_return !failure;
}

}  // namespace lyceum::server
