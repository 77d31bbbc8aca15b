#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <mutex>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace lyceum::watch_test {

// A receiver of messages on a port of 127.0.0.1, in a thread of its own: keeps what comes and
// answers as it is told. Any thread.
class MadeReceiver {
 public:
  struct Request {
    std::string head, body;
    int answered = 0;
  };

  explicit MadeReceiver(unsigned short port = 0)
      : acceptor_(io_, {boost::asio::ip::address_v4::loopback(), port}),
        thread_([this] { serve(); }) {}
  ~MadeReceiver() {
    ended_ = true;
    {
      const std::lock_guard lock(mutex_);
      if (current_ != nullptr) ::shutdown(current_->native_handle(), SHUT_RDWR);
    }
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    thread_.join();
  }
  MadeReceiver(const MadeReceiver&) = delete;
  MadeReceiver& operator=(const MadeReceiver&) = delete;

  [[nodiscard]] std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port()) + path;
  }
  [[nodiscard]] unsigned short port() const { return acceptor_.local_endpoint().port(); }
  // The next answers; then 200. 0: none at all, until the other side goes.
  void answer(std::deque<int> statuses) {
    const std::lock_guard lock(mutex_);
    answers_ = std::move(statuses);
  }
  [[nodiscard]] std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  // The bodies that were answered with 200.
  [[nodiscard]] std::vector<std::string> taken() const {
    std::vector<std::string> out;
    for (const auto& one : requests()) {
      if (one.answered == 200) out.push_back(one.body);
    }
    return out;
  }

 private:
  void serve() {
    while (!ended_) {
      boost::system::error_code error;
      boost::asio::ip::tcp::socket socket(io_);
      acceptor_.accept(socket, error);
      if (error) return;
      {
        const std::lock_guard lock(mutex_);
        current_ = &socket;
      }
      handle(socket);
      const std::lock_guard lock(mutex_);
      current_ = nullptr;
    }
  }
  void handle(boost::asio::ip::tcp::socket& socket) {
    boost::system::error_code error;
    boost::asio::streambuf buffer;
    const auto size = boost::asio::read_until(socket, buffer, "\r\n\r\n", error);
    if (error) return;
    std::string head(boost::asio::buffers_begin(buffer.data()),
                     boost::asio::buffers_begin(buffer.data()) + static_cast<std::ptrdiff_t>(size));
    buffer.consume(size);
    const auto at = head.find("Content-Length: ");
    const auto length = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    if (buffer.size() < length) {
      boost::asio::read(socket, buffer, boost::asio::transfer_exactly(length - buffer.size()),
                        error);
    }
    std::string body(boost::asio::buffers_begin(buffer.data()),
                     boost::asio::buffers_end(buffer.data()));
    int status = 200;
    {
      const std::lock_guard lock(mutex_);
      if (!answers_.empty()) {
        status = answers_.front();
        answers_.pop_front();
      }
      requests_.push_back({std::move(head), std::move(body), status});
    }
    if (status == 0) {
      char byte = 0;
      (void)socket.read_some(boost::asio::buffer(&byte, 1), error);
      return;
    }
    const auto reply = "HTTP/1.1 " + std::to_string(status) +
                       " Answer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    boost::asio::write(socket, boost::asio::buffer(reply), error);
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  mutable std::mutex mutex_;
  boost::asio::ip::tcp::socket* current_ = nullptr;
  std::deque<int> answers_;
  std::vector<Request> requests_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace lyceum::watch_test
