#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "local/server.h"

namespace lyceum::testing {

// Stands between a client and a server: listens on a free port of 127.0.0.1 and passes bytes on, in
// a thread of its own, until told to do worse. A setting holds for all connections, present and
// future, until it is changed, and is in force when the call returns. Any thread.
class Gate {
 public:
  enum class Direction { kToServer, kToClient };

  // To a server's TCP port, so the client needs the password: see url().
  explicit Gate(const local::Server& server);
  // To a port of 127.0.0.1.
  explicit Gate(int upstream_port);
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  // Cuts what is open.
  ~Gate();

  [[nodiscard]] int port() const;
  // A libpq URI through the gate. Only for a gate made with a Server.
  [[nodiscard]] std::string url(std::string_view database = local::kDatabase) const;

  // Every byte arrives this much later.
  void set_delay(std::chrono::milliseconds to_server, std::chrono::milliseconds to_client);
  // Connections are accepted and nothing passes either way. What was held passes when it ends.
  void set_stalled(bool stalled);
  // New connections are reset as soon as they are made.
  void set_refusing(bool refusing);
  // Resets all open connections, on both sides (RST), now.
  void cut();
  // Once this many further bytes have passed in that direction, over all connections, the
  // connection that carried the last of them is reset. The bytes up to there are delivered first,
  // as far as TCP lets them. Once only.
  void cut_after(Direction direction, std::size_t bytes);
  // From the byte after this many on, everything in that direction is swallowed, over all
  // connections, until restore(): the network that loses what it accepted.
  void drop_after(Direction direction, std::size_t bytes);
  // Flips all bits of the byte that follows this many further bytes. Once only.
  void corrupt_after(Direction direction, std::size_t bytes);
  // Undoes every setting and pending fault; open connections stay.
  void restore();

  [[nodiscard]] int accepted() const;  // since the start
  [[nodiscard]] int open() const;
  [[nodiscard]] std::uint64_t bytes(Direction direction) const;  // delivered since the start

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  const local::Server* server_ = nullptr;
};

}  // namespace lyceum::testing
