#include "support/gate.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <list>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include "local/descriptor.h"

namespace lyceum::testing {
namespace {

using local::Descriptor;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), std::string("gate: ") + what);
}

Descriptor make_socket() {
  Descriptor out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out) fail("socket");
  return out;
}

void send_at_once(const Descriptor& socket) {
  const int yes = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

struct Chunk {
  steady_clock::time_point due;
  std::string bytes;
};

// One way of a connection: what was read from one side and waits to be written to the other.
struct Flow {
  std::deque<Chunk> waiting;
  bool ended = false;  // the reading side sent its last byte
  bool shut = false;   // and the writing side was told
  bool cut_when_empty = false;
};

struct Connection {
  Descriptor client;
  Descriptor server;
  std::array<Flow, 2> flows;  // by Direction
  bool dead = false;
};

// The faults of one direction. Counters count down bytes over all connections.
struct Faults {
  milliseconds delay{0};
  std::optional<std::size_t> cut_after;
  std::optional<std::size_t> drop_after;
  std::optional<std::size_t> corrupt_after;
  std::uint64_t delivered = 0;
};

void reset(Descriptor& socket) {
  const linger at_once{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket.close();
}

}  // namespace

class Gate::Impl {
 public:
  explicit Impl(int upstream_port) : upstream_port_(upstream_port) {
    listener_ = make_socket();
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_.get(), 512) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      fail("listen");
    }
    port_ = ntohs(address.sin_port);
    wake_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) fail("eventfd");
    thread_ = std::thread([this] { run(); });
  }

  ~Impl() {
    change([this] { stopping_ = true; });
    thread_.join();
  }

  [[nodiscard]] int port() const { return port_; }

  // The loop holds the mutex whenever it acts, so a change is in force at once.
  template <class Act>
  void change(Act act) {
    const std::lock_guard lock(mutex_);
    act();
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  }
  template <class Look>
  auto look(Look at) const {
    const std::lock_guard lock(mutex_);
    return at();
  }

  void cut_all() {
    for (auto& connection : connections_) kill(connection);
    sweep();
  }

  std::array<Faults, 2> faults_;
  bool stalled_ = false;
  bool refusing_ = false;
  int accepted_ = 0;
  std::list<Connection> connections_;

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      auto [waiting, timeout] = what_to_wait_for();
      lock.unlock();
      ::poll(waiting.data(), static_cast<nfds_t>(waiting.size()), timeout);
      lock.lock();
      std::uint64_t count = 0;
      [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
      accept_all();
      if (!stalled_) {
        for (auto& connection : connections_) {
          serve(connection);
        }
      }
      sweep();
    }
    cut_all();
  }

  std::pair<std::vector<pollfd>, int> what_to_wait_for() {
    std::vector<pollfd> out{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    int timeout = -1;
    if (stalled_) return {std::move(out), timeout};
    const auto now = steady_clock::now();
    for (auto& connection : connections_) {
      pollfd client{connection.client.get(), 0, 0};
      pollfd server{connection.server.get(), 0, 0};
      const auto look_at = [&](const Flow& flow, pollfd& from, pollfd& to) {
        if (!flow.ended && flow.waiting.size() < kMostWaiting) from.events |= POLLIN;
        if (flow.waiting.empty()) return;
        const auto left = std::chrono::ceil<milliseconds>(flow.waiting.front().due - now).count();
        if (left <= 0) {
          to.events |= POLLOUT;
        } else {
          timeout =
              timeout < 0 ? static_cast<int>(left) : std::min(timeout, static_cast<int>(left));
        }
      };
      look_at(connection.flows[0], client, server);
      look_at(connection.flows[1], server, client);
      // One that hung up would wake us at once, over and over, though nothing is to be done.
      if (client.events != 0) out.push_back(client);
      if (server.events != 0) out.push_back(server);
    }
    return {std::move(out), timeout};
  }

  void accept_all() {
    for (;;) {
      Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client) return;
      ++accepted_;
      if (refusing_) {
        reset(client);
        continue;
      }
      Connection connection;
      connection.server = make_socket();
      const auto address = loopback(upstream_port_);
      if (::connect(connection.server.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof address) != 0 &&
          errno != EINPROGRESS) {
        reset(client);
        continue;
      }
      send_at_once(client);
      send_at_once(connection.server);
      connection.client = std::move(client);
      connections_.push_back(std::move(connection));
    }
  }

  void serve(Connection& connection) {
    move(connection, Direction::kToServer, connection.client, connection.server);
    if (!connection.dead) {
      move(connection, Direction::kToClient, connection.server, connection.client);
    }
    const auto& flows = connection.flows;
    if (flows[0].shut && flows[1].shut) connection.dead = true;
  }

  void move(Connection& connection, Direction direction, Descriptor& from, Descriptor& to) {
    Flow& flow = connection.flows[static_cast<std::size_t>(direction)];
    Faults& faults = faults_[static_cast<std::size_t>(direction)];
    while (!flow.ended && flow.waiting.size() < kMostWaiting) {
      std::array<char, 65536> buffer;
      const auto got = ::recv(from.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) break;
      if (got < 0) return kill(connection);
      if (got == 0) {
        flow.ended = true;
        break;
      }
      pass(flow, faults, std::string(buffer.data(), static_cast<std::size_t>(got)));
    }
    const auto now = steady_clock::now();
    while (!flow.waiting.empty() && flow.waiting.front().due <= now) {
      auto& bytes = flow.waiting.front().bytes;
      const auto sent = ::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) return;
      if (sent < 0) return kill(connection);
      faults.delivered += static_cast<std::size_t>(sent);
      bytes.erase(0, static_cast<std::size_t>(sent));
      if (bytes.empty()) flow.waiting.pop_front();
    }
    if (!flow.waiting.empty()) return;
    if (flow.cut_when_empty) return kill(connection);
    if (flow.ended && !flow.shut) {
      ::shutdown(to.get(), SHUT_WR);
      flow.shut = true;
    }
  }

  static void pass(Flow& flow, Faults& faults, std::string bytes) {
    if (faults.corrupt_after) {
      if (*faults.corrupt_after < bytes.size()) {
        auto& byte = bytes[*faults.corrupt_after];
        byte = static_cast<char>(~static_cast<unsigned char>(byte));
        faults.corrupt_after.reset();
      } else {
        *faults.corrupt_after -= bytes.size();
      }
    }
    if (flow.cut_when_empty) return;
    if (faults.cut_after) {
      if (*faults.cut_after <= bytes.size()) {
        bytes.resize(*faults.cut_after);
        faults.cut_after.reset();
        flow.cut_when_empty = true;
      } else {
        *faults.cut_after -= bytes.size();
      }
    }
    if (faults.drop_after) {
      const auto passing = std::min(*faults.drop_after, bytes.size());
      *faults.drop_after -= passing;
      bytes.resize(passing);
    }
    if (!bytes.empty())
      flow.waiting.push_back({steady_clock::now() + faults.delay, std::move(bytes)});
  }

  static void kill(Connection& connection) {
    reset(connection.client);
    reset(connection.server);
    connection.dead = true;
  }
  void sweep() {
    connections_.remove_if([](const Connection& connection) { return connection.dead; });
  }

  static constexpr std::size_t kMostWaiting = 256;  // chunks of at most 64 KiB

  int upstream_port_;
  int port_ = 0;
  Descriptor listener_;
  Descriptor wake_;
  mutable std::mutex mutex_;
  bool stopping_ = false;
  std::thread thread_;
};

namespace {
constexpr std::size_t index_of(Gate::Direction direction) {
  return static_cast<std::size_t>(direction);
}
}  // namespace

Gate::Gate(const local::Server& server) : Gate(server.port()) {
  server_ = &server;
}
Gate::Gate(int upstream_port) : impl_(std::make_unique<Impl>(upstream_port)) {}
Gate::~Gate() = default;

int Gate::port() const {
  return impl_->port();
}

std::string Gate::url(std::string_view database) const {
  if (server_ == nullptr) throw std::logic_error("gate: made without a server, so it has no URL");
  return server_->tcp_url_through(port(), database);
}

void Gate::set_delay(milliseconds to_server, milliseconds to_client) {
  impl_->change([&] {
    impl_->faults_[0].delay = to_server;
    impl_->faults_[1].delay = to_client;
  });
}

void Gate::set_stalled(bool stalled) {
  impl_->change([&] { impl_->stalled_ = stalled; });
}

void Gate::set_refusing(bool refusing) {
  impl_->change([&] { impl_->refusing_ = refusing; });
}

void Gate::cut() {
  impl_->change([&] { impl_->cut_all(); });
}

void Gate::cut_after(Direction direction, std::size_t bytes) {
  impl_->change([&] { impl_->faults_[index_of(direction)].cut_after = bytes; });
}

void Gate::drop_after(Direction direction, std::size_t bytes) {
  impl_->change([&] { impl_->faults_[index_of(direction)].drop_after = bytes; });
}

void Gate::corrupt_after(Direction direction, std::size_t bytes) {
  impl_->change([&] { impl_->faults_[index_of(direction)].corrupt_after = bytes; });
}

void Gate::restore() {
  impl_->change([&] {
    impl_->stalled_ = false;
    impl_->refusing_ = false;
    for (auto& faults : impl_->faults_) {
      faults = Faults{.delay = milliseconds(0), .delivered = faults.delivered};
    }
  });
}

int Gate::accepted() const {
  return impl_->look([&] { return impl_->accepted_; });
}

int Gate::open() const {
  return impl_->look([&] { return static_cast<int>(impl_->connections_.size()); });
}

std::uint64_t Gate::bytes(Direction direction) const {
  return impl_->look([&] { return impl_->faults_[index_of(direction)].delivered; });
}

}  // namespace lyceum::testing
