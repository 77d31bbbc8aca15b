#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lyceum::testing {

struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
  std::string body = {};
  std::string reason = {};
  bool chunked = false;
  std::size_t chunks = 0;

  // The only header of that name, or empty. Throws where there are several.
  [[nodiscard]] std::string header(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] bool closes() const { return header("connection") == "close"; }
};

// A connection to a port of 127.0.0.1 that sends any bytes and reads replies strictly: whatever
// RFC 9112 does not allow a server to send throws std::runtime_error. Plain sockets, sharing
// nothing with what is tested. Blocks; one thread.
class HttpConnection {
 public:
  // Nobody listens, it broke off in the middle, or nothing came within the limit.
  struct Broken : std::runtime_error {
    using runtime_error::runtime_error;
  };

  // Throws Broken.
  explicit HttpConnection(int port, std::chrono::milliseconds limit = std::chrono::seconds(10),
                          int receive_buffer = 0);
  HttpConnection(HttpConnection&& other) noexcept;
  HttpConnection& operator=(HttpConnection&&) = delete;
  ~HttpConnection();

  // False where the other side is gone or does not take it in time.
  bool try_send(std::string_view bytes);
  void send(std::string_view bytes);
  void get(std::string_view target, std::string_view headers = {});
  void post(std::string_view target, std::string_view body, std::string_view headers = {});

  // The next reply; `head`: it answers HEAD. An informational one (1xx) counts too. Throws Broken.
  HttpReply read(bool head = false);

  // Whether the other side has closed, with nothing more to read. Waits for it.
  [[nodiscard]] bool closed() { return buffer_.empty() && !fill(); }
  // Everything up to its close. Throws where it does not close.
  std::string rest();
  // Whether there is something to read, or the end, within the time.
  [[nodiscard]] bool readable(std::chrono::milliseconds within) const;
  // Bytes that have come so far.
  [[nodiscard]] std::uint64_t received() const { return received_; }

  void shutdown_write();
  // RST instead of FIN.
  void reset();

 private:
  bool fill();
  std::string take(std::size_t size);
  std::string line();
  HttpReply read_head();
  void read_chunks(HttpReply& reply);

  int fd_ = -1;
  std::chrono::milliseconds limit_;
  std::string buffer_;  // received and not looked at
  std::uint64_t received_ = 0;
};

}  // namespace lyceum::testing
