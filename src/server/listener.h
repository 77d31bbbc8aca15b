#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "server/message.h"

namespace lyceum::server {

struct HttpLimits {
  std::size_t connections = 10'000;
  std::size_t header_bytes = 16 * 1024;  // request line and fields together
  std::size_t target_bytes = 4 * 1024;
  Duration idle = std::chrono::seconds(75);    // between requests of one connection
  Duration header = std::chrono::seconds(10);  // from a request's first byte to its last field
  Duration body = std::chrono::seconds(30);    // from there to the end of the body
  Duration write = std::chrono::seconds(30);   // of a response, or of a piece of one
};

// What answers. `serve` never throws.
struct Responder {
  std::function<boost::asio::awaitable<Response>(const Request&)> serve;
  // Bytes that the body of such a request may have.
  std::function<std::size_t(Method, std::string_view path)> most_body;
};

// Read on the listener's thread.
struct ListenerFigures {
  std::uint64_t open = 0;
  std::uint64_t accepted = 0;
  std::uint64_t turned_away = 0;  // for the limit of connections
  std::uint64_t requests = 0;
  std::uint64_t malformed = 0;  // refused before anybody looked at what they want
  std::uint64_t timed_out = 0;  // connections that were too slow
};

class Session;

// One listening socket and its connections: HTTP/1.1 with keep-alive and pipelining (requests of
// one connection are answered one after the other), to one thread's executor. A connection that
// waits for its next request holds no buffer.
//
// What is not plainly one request is refused, and the connection closed behind it, so that nobody
// before us can be made to disagree on where a request ends: both lengths, or either twice, or
// another coding than chunked; folded fields; a target that is no path; no Host or two.
class Listener {
 public:
  // Several listeners may share a port (SO_REUSEPORT); port 0 takes a free one.
  // Errors: kIo, with the address.
  static Result<boost::asio::ip::tcp::acceptor> bind(boost::asio::any_io_executor executor,
                                                     const ListenAddress& address,
                                                     bool shared_port);

  Listener(boost::asio::ip::tcp::acceptor acceptor, HttpLimits limits, Responder responder,
           Log& log);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start();

  // Takes no new connections but those the system has accepted already, answers what has been sent,
  // and closes. Connections that still work at the deadline are cut; true where there was none. The
  // listener is done then.
  [[nodiscard]] boost::asio::awaitable<bool> drain(SteadyTime deadline);

  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const { return endpoint_; }
  [[nodiscard]] const ListenerFigures& figures() const { return figures_; }

 private:
  friend class Session;
  boost::asio::awaitable<void> accept_all();
  boost::asio::awaitable<void> watch();
  void take(boost::asio::ip::tcp::socket socket);
  void take_backlog();
  [[nodiscard]] std::string_view date();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::tcp::endpoint endpoint_;
  HttpLimits limits_;
  Responder responder_;
  Log& log_;
  boost::asio::steady_timer pause_;  // after a failed accept
  boost::asio::steady_timer watch_;
  struct Sessions;
  std::unique_ptr<Sessions> sessions_;
  ListenerFigures figures_;
  bool draining_ = false;
  int running_ = 0;  // coroutines of our own
  std::string date_;
  std::chrono::sys_seconds date_of_{};
};

}  // namespace lyceum::server
