#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <memory>
#include <string>

#include "server/incoming.h"
#include "server/listener.h"

namespace lyceum::server {

// One connection. Belongs to its listener's thread; lives as long as run() runs.
class Session : public boost::intrusive::list_base_hook<
                    boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  Session(boost::asio::ip::tcp::socket socket, Listener& listener);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Answers requests until the connection ends.
  [[nodiscard]] boost::asio::awaitable<void> run();

  [[nodiscard]] SteadyTime deadline() const { return deadline_; }
  // Its time is up: what it waits for ends.
  void expire();
  // Nobody is answered any more after the request at hand; a connection that waits for its next one
  // waits a moment longer, for what may be on its way.
  void drain();
  // Whether it has answered its last request and waits for the other side to see that.
  [[nodiscard]] bool lingers() const { return lingers_; }
  // Ends it wherever it is.
  void cut();

 private:
  boost::asio::awaitable<bool> wait_for_request();
  boost::asio::awaitable<bool> read_more();
  boost::asio::awaitable<bool> answer(Incoming& incoming);
  boost::asio::awaitable<bool> refuse(const Refusal& refusal);
  boost::asio::awaitable<bool> send(const Response& response, const Incoming* incoming, bool close);
  boost::asio::awaitable<void> linger();
  boost::asio::awaitable<bool> stream(const Response& response, std::string head, bool chunked);
  boost::asio::awaitable<bool> write(std::span<const boost::asio::const_buffer> buffers);
  [[nodiscard]] std::string head_of(const Response& response, bool close);

  boost::asio::ip::tcp::socket socket_;
  Listener& listener_;
  boost::beast::flat_buffer buffer_;
  std::string peer_;
  SteadyTime deadline_ = SteadyTime::max();
  bool expired_ = false;
  bool idle_ = false;
  bool lingers_ = false;
};

}  // namespace lyceum::server
