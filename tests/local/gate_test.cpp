#include "support/gate.h"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "local/descriptor.h"
#include "support/postgres.h"

namespace lyceum::testing {
namespace {

using local::Descriptor;
using std::chrono::milliseconds;
using Direction = Gate::Direction;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A server that returns what it is sent, one connection after the other.
class Echo {
 public:
  Echo() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto address = loopback(0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Echo() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  void serve() const {
    for (;;) {
      const Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      char buffer[4096];
      for (;;) {
        const auto got = ::recv(client.get(), buffer, sizeof buffer, 0);
        if (got <= 0) break;
        if (::send(client.get(), buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) < 0) break;
      }
    }
  }

  Descriptor listener_;
  int port_ = 0;
  std::thread thread_;
};

class Client {
 public:
  explicit Client(const Gate& gate) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{20, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto address = loopback(gate.port());
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
  }
  void send(const std::string& text) const {
    ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  // Up to that many bytes; fewer where the connection ends.
  [[nodiscard]] std::string receive(std::size_t bytes) {
    std::string out(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
      const auto got = ::recv(socket_.get(), out.data() + have, bytes - have, 0);
      last_error_ = got < 0 ? errno : 0;
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    out.resize(have);
    return out;
  }
  [[nodiscard]] bool has_answer(milliseconds timeout) const {
    const timeval patience{0, static_cast<suseconds_t>(timeout.count() * 1000)};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(socket_.get(), &set);
    auto left = patience;
    return ::select(socket_.get() + 1, &set, nullptr, nullptr, &left) > 0;
  }
  [[nodiscard]] int last_error() const { return last_error_; }

 private:
  Descriptor socket_;
  int last_error_ = 0;
};

class GateTest : public ::testing::Test {
 protected:
  Echo echo_;
  Gate gate_{echo_.port()};
};

TEST_F(GateTest, PassesEverythingAndCounts) {
  {
    Client client(gate_);
    const std::string text(1'000'000, 'x');
    auto sent = std::async(std::launch::async, [&] { client.send(text); });
    EXPECT_EQ(client.receive(text.size()), text);
    sent.get();
    EXPECT_EQ(gate_.accepted(), 1);
    EXPECT_EQ(gate_.open(), 1);
    EXPECT_EQ(gate_.bytes(Direction::kToServer), text.size());
  }
  EXPECT_TRUE(eventually([&] { return gate_.open() == 0; }));
  EXPECT_EQ(gate_.accepted(), 1);
}

TEST_F(GateTest, Delays) {
  Client client(gate_);
  gate_.set_delay(milliseconds(40), milliseconds(60));
  const auto begin = std::chrono::steady_clock::now();
  client.send("abc");
  EXPECT_EQ(client.receive(3), "abc");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(100));
}

TEST_F(GateTest, CutsWithAReset) {
  Client client(gate_);
  client.send("abc");
  EXPECT_EQ(client.receive(3), "abc");
  gate_.cut();
  EXPECT_EQ(client.receive(1), "");
  EXPECT_EQ(client.last_error(), ECONNRESET);
  EXPECT_EQ(gate_.open(), 0);
  Client next(gate_);
  next.send("def");
  EXPECT_EQ(next.receive(3), "def");
}

TEST_F(GateTest, CutsAfterSoManyBytes) {
  Client client(gate_);
  gate_.cut_after(Direction::kToServer, 4);
  client.send("abcdef");
  // The reset may overtake the echo.
  const auto got = client.receive(6);
  EXPECT_EQ(got, std::string("abcd").substr(0, got.size()));
  EXPECT_EQ(gate_.bytes(Direction::kToServer), 4U);
}

TEST_F(GateTest, SwallowsAfterSoManyBytes) {
  Client client(gate_);
  gate_.drop_after(Direction::kToClient, 4);
  client.send("abcdef");
  EXPECT_EQ(client.receive(4), "abcd");
  client.send("ghi");
  EXPECT_FALSE(client.has_answer(milliseconds(50)));
  EXPECT_EQ(gate_.open(), 1);
  gate_.restore();
  client.send("jkl");
  EXPECT_EQ(client.receive(3), "jkl");
}

TEST_F(GateTest, CorruptsOneByte) {
  Client client(gate_);
  gate_.corrupt_after(Direction::kToServer, 2);
  client.send("ab");
  EXPECT_EQ(client.receive(2), "ab");
  client.send("cd");
  const auto got = client.receive(2);
  EXPECT_EQ(static_cast<unsigned char>(got[0]), static_cast<unsigned char>(~'c'));
  EXPECT_EQ(got[1], 'd');
}

TEST_F(GateTest, StallsAndGoesOn) {
  Client client(gate_);
  client.send("a");
  EXPECT_EQ(client.receive(1), "a");
  gate_.set_stalled(true);
  client.send("b");
  Client late(gate_);
  EXPECT_FALSE(client.has_answer(milliseconds(50)));
  EXPECT_TRUE(eventually([&] { return gate_.accepted() == 2; }));
  gate_.set_stalled(false);
  EXPECT_EQ(client.receive(1), "b");
}

TEST_F(GateTest, RefusesNewConnectionsAndKeepsTheOld) {
  Client old(gate_);
  old.send("a");
  EXPECT_EQ(old.receive(1), "a");
  gate_.set_refusing(true);
  Client client(gate_);
  EXPECT_EQ(client.receive(1), "");
  old.send("b");
  EXPECT_EQ(old.receive(1), "b");
}

TEST(Gate, ResetsWhereTheServerIsGone) {
  int port = 0;
  {
    const Echo echo;
    port = echo.port();
  }
  const Gate gate(port);
  Client client(gate);
  EXPECT_EQ(client.receive(1), "");
  EXPECT_TRUE(eventually([&] { return gate.open() == 0; }));
}

TEST(Gate, StandsBeforePostgres) {
  Gate gate(shared_server());
  EXPECT_EQ(psql_value(gate.url("postgres"), "select 6 * 7"), "42");
  EXPECT_EQ(gate.accepted(), 1);
  gate.cut_after(Direction::kToClient, 3'000);
  EXPECT_THROW(psql(gate.url("postgres"), "select repeat('x', 100000)"), std::runtime_error);
}

}  // namespace
}  // namespace lyceum::testing
