#include "watch/http_post.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <fmt/format.h>
#include <openssl/ssl.h>

namespace lyceum::watch {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using asio::ip::tcp;

constexpr std::size_t kMostAnswer = std::size_t{64} * 1024;

struct Address {
  bool tls = false;
  std::string host;
  std::string port;
  std::string target;

  [[nodiscard]] std::string shown() const {
    const bool bracketed = host.find(':') != std::string::npos;
    return fmt::format("{}://{}:{}", tls ? "https" : "http", bracketed ? '[' + host + ']' : host,
                       port);
  }
};

std::optional<Address> address_of(std::string_view url) {
  Address out;
  if (url.starts_with("https://")) {
    out.tls = true;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return std::nullopt;
  }
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return std::nullopt;
  }
  url = url.substr(0, url.find('#'));
  const auto end = std::min(url.find_first_of("/?"), url.size());
  auto authority = url.substr(0, end);
  out.target = url.substr(end);
  if (!out.target.starts_with('/')) out.target.insert(0, 1, '/');
  if (authority.find('@') != std::string_view::npos) return std::nullopt;
  std::string_view port;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    out.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    out.host = authority.substr(0, authority.find(':'));
    port = authority.substr(out.host.size());
  }
  if (out.host.empty()) return std::nullopt;
  if (port.empty()) {
    out.port = out.tls ? "443" : "80";
    return out;
  }
  int number = 0;
  const auto* const last = port.data() + port.size();
  const auto [stop, error] = std::from_chars(port.data() + 1, last, number);
  if (port[0] != ':' || error != std::errc() || stop != last || number < 1 || number > 65535) {
    return std::nullopt;
  }
  out.port = std::to_string(number);
  return out;
}

std::optional<Duration> retry_after(const http::response<http::string_body>& response) {
  const auto value = response[http::field::retry_after];
  int seconds = 0;
  const auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (value.empty() || error != std::errc() || stop != value.data() + value.size() || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
}

Error wrong(ErrorCode code, const Address& address, std::string_view what) {
  return {.code = code, .message = fmt::format("{}: {}", address.shown(), what)};
}

// What the system says of a failure: the time limit closes the connection, which looks like many
// things.
Error failed(const Address& address, std::string_view doing, const boost::system::error_code& error,
             bool timed_out) {
  if (timed_out || error == beast::error::timeout) {
    return wrong(ErrorCode::kTimeout, address, fmt::format("no answer in time, while {}", doing));
  }
  return wrong(doing == "connecting" || doing == "looking up its name" ? ErrorCode::kConnect
                                                                       : ErrorCode::kConnectionLost,
               address, fmt::format("{} failed: {}", doing, error.message()));
}

http::request<http::string_body> request_of(const Address& address, HttpPost& post) {
  http::request<http::string_body> out(http::string_to_verb(post.method), address.target, 11);
  const bool usual = address.port == (address.tls ? "443" : "80");
  const bool bracketed = address.host.find(':') != std::string::npos;
  const auto host = bracketed ? '[' + address.host + ']' : address.host;
  out.set(http::field::host, usual ? host : host + ':' + address.port);
  out.set(http::field::user_agent, "lyceum");
  out.set(http::field::connection, "close");
  for (const auto& [name, value] : post.headers) out.set(name, value);
  out.body() = std::move(post.body);
  out.prepare_payload();
  return out;
}

template <class Stream>
awaitable<Result<HttpAnswer>> exchange(Stream& stream, const Address& address,
                                       http::request<http::string_body>& request) {
  boost::system::error_code error;
  (void)co_await http::async_write(stream, request,
                                   asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failed(address, "sending", error, false);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMostAnswer);
  (void)co_await http::async_read(stream, buffer, parser,
                                  asio::redirect_error(asio::use_awaitable, error));
  // Who answers more than is wanted has answered.
  if (error && !(parser.is_header_done() && error == http::error::body_limit)) {
    co_return failed(address, "waiting for its answer", error, false);
  }
  co_return HttpAnswer{.status = static_cast<int>(parser.get().result_int()),
                       .retry_after = retry_after(parser.get()),
                       .body = error ? std::string() : std::move(parser.get().body())};
}

}  // namespace

std::string shown_url(const Secret& url) {
  const auto address = address_of(url.reveal());
  return address ? address->shown() : "";
}

awaitable<Result<HttpAnswer>> http_post(asio::any_io_executor executor, HttpPost post) {
  const auto address = address_of(post.url.reveal());
  if (!address) {
    co_return Error{.code = ErrorCode::kConfiguration,
                    .message = "the receiver's url is none",
                    .hint = "http://host:port/path or https://…, without user and password"};
  }
  boost::system::error_code error;
  // Shared: the timer's handler may run after this.
  const auto resolver = std::make_shared<tcp::resolver>(executor);
  const auto deadline = std::chrono::steady_clock::now() + post.timeout;
  asio::steady_timer limit(executor, deadline);
  limit.async_wait([resolver](const boost::system::error_code& ended) {
    if (!ended) resolver->cancel();
  });
  const auto found = co_await resolver->async_resolve(
      address->host, address->port, asio::redirect_error(asio::use_awaitable, error));
  const bool late = limit.cancel() == 0 || std::chrono::steady_clock::now() >= deadline;
  if (error || late) co_return failed(*address, "looking up its name", error, late);

  beast::tcp_stream plain(executor);
  plain.expires_at(deadline);
  (void)co_await plain.async_connect(found, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failed(*address, "connecting", error, false);
  auto request = request_of(*address, post);
  if (!address->tls) co_return co_await exchange(plain, *address, request);

  asio::ssl::context context(asio::ssl::context::tls_client);
  (void)context.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  if (post.ca_file.empty()) {
    (void)context.set_default_verify_paths(error);
  } else {
    (void)context.load_verify_file(post.ca_file, error);
  }
  if (error) co_return wrong(ErrorCode::kIo, *address, "the certificates to trust cannot be read");
  context.set_verify_mode(asio::ssl::verify_peer);
  beast::ssl_stream<beast::tcp_stream> stream(std::move(plain), context);
  stream.set_verify_callback(asio::ssl::host_name_verification(address->host));
  (void)SSL_set_tlsext_host_name(stream.native_handle(), address->host.c_str());
  (void)co_await stream.async_handshake(asio::ssl::stream_base::client,
                                        asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return failed(*address, "securing the connection", error, false);
  // Closed without the farewell of TLS: the answer is whole by its length, and many never answer.
  co_return co_await exchange(stream, *address, request);
}

}  // namespace lyceum::watch
