#include "server/listener.h"

#include <gtest/gtest.h>

#include "server/listener_run.h"
#include "server/vectors.h"
#include "support/postgres.h"

namespace lyceum::server_test {
namespace {

using lyceum::testing::eventually;

// Times of the tests: what is to end by itself does so soon.
HttpLimits quick() {
  return {.connections = 50,
          .header_bytes = 4096,
          .target_bytes = 1024,
          .idle = 400ms,
          .header = 300ms,
          .body = 300ms,
          .write = 500ms};
}

TEST(Listener, KeepsConnectionsAlive) {
  ListenerRun run;
  auto client = run.connect();
  for (int i = 0; i < 20; ++i) {
    client.get(fmt::format("/a{}?b=c", i));
    const auto response = client.read();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.reason, "OK");
    EXPECT_EQ(response.body, fmt::format("GET /a{} b=c ", i));
    EXPECT_EQ(response.header("content-type"), "text/plain");
    EXPECT_FALSE(response.has("connection"));
  }
  EXPECT_EQ(run.figures().accepted, 1);
  EXPECT_EQ(run.figures().requests, 20);
}

TEST(Listener, AnswersPipelinedRequestsInOrder) {
  ListenerRun run;
  for (const int count : {1, 2, 3, 10, 57, 100}) {
    auto client = run.connect();
    std::string packet;
    for (int i = 0; i < count; ++i) {
      const auto body = std::string(static_cast<std::size_t>(i % 5), 'b');
      if (i % 3 == 0) {
        packet += fmt::format("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", i);
      } else if (i % 3 == 1) {
        packet += fmt::format("POST /{} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{}", i,
                              body.size(), body);
      } else {
        packet += fmt::format(
            "PUT /{} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n"
            "0\r\n\r\n",
            i);
      }
    }
    client.send(packet);
    for (int i = 0; i < count; ++i) {
      const auto body = std::string(static_cast<std::size_t>(i % 5), 'b');
      EXPECT_EQ(client.read().body, i % 3 == 0   ? fmt::format("GET /{}  ", i)
                                    : i % 3 == 1 ? fmt::format("POST /{}  {}", i, body)
                                                 : fmt::format("PUT /{}  z", i));
    }
    EXPECT_FALSE(client.readable(0ms));
  }
}

TEST(Listener, TakesRequestsByteByByte) {
  ListenerRun run;
  auto client = run.connect();
  for (const char byte : std::string_view("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: "
                                          "3\r\n\r\nabc")) {
    client.send({&byte, 1});
  }
  EXPECT_EQ(client.read().body, "POST /a  abc");
  for (const char byte :
       std::string_view("POST /b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\nGET /c "
                        "HTTP/1.1\r\nHost: test\r\n\r\n")) {
    client.send({&byte, 1});
  }
  EXPECT_EQ(client.read().body, "POST /b  abcde");
  EXPECT_EQ(client.read().body, "GET /c  ");
}

TEST(Listener, AnswersHttp10AndCloses) {
  ListenerRun run;
  auto client = run.connect();
  client.send("GET /a HTTP/1.0\r\n\r\n");
  const auto response = client.read();
  EXPECT_EQ(response.body, "GET /a  ");
  EXPECT_TRUE(response.closes());
  EXPECT_TRUE(client.closed());
}

TEST(Listener, HeadHasTheLengthAndNoBody) {
  ListenerRun run;
  auto client = run.connect();
  client.send("HEAD /a HTTP/1.1\r\nHost: test\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: test\r\n\r\n");
  const auto response = client.read(true);
  EXPECT_EQ(response.header("content-length"), std::to_string(std::string("HEAD /a  ").size()));
  EXPECT_EQ(client.read(true).status, 200);
  client.get("/next");
  EXPECT_EQ(client.read().body, "GET /next  ");
}

TEST(Listener, NoContentHasNoLength) {
  ListenerRun run;
  auto client = run.connect();
  client.get("/nothing");
  const auto response = client.read();  // strict: throws where there is a length
  EXPECT_EQ(response.status, 204);
  EXPECT_FALSE(response.has("content-type"));
  client.get("/next");
  EXPECT_EQ(client.read().body, "GET /next  ");
}

TEST(Listener, AskedToContinueItSaysSo) {
  ListenerRun run;
  auto client = run.connect();
  client.send(
      "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send("abc");
  EXPECT_EQ(client.read().body, "POST /a  abc");
  // Not where the body comes along, and not where it is refused.
  client.send(
      "POST /b HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
  EXPECT_EQ(client.read().body, "POST /b  abc");
  client.send(
      "POST /none HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read().status, 413);
  EXPECT_TRUE(client.closed());
}

TEST(Listener, StreamsInChunks) {
  ListenerRun run;
  auto client = run.connect();
  for (int i = 0; i < 3; ++i) {
    client.get("/stream");
    const auto response = client.read();
    EXPECT_TRUE(response.chunked);
    EXPECT_EQ(response.chunks, 3);
    EXPECT_EQ(response.body, "onetwothree");
  }
  auto old = run.connect();
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  const auto response = old.read();
  EXPECT_FALSE(response.chunked);
  EXPECT_EQ(response.body, "onetwothree");
}

TEST(Listener, AStreamThatFailsIsSeenToBreakOff) {
  ListenerRun run;
  auto client = run.connect();
  client.get("/broken");
  EXPECT_THROW((void)client.read(), std::runtime_error);
}

TEST(Listener, SendsLargeResponses) {
  ListenerRun run;
  auto client = run.connect();
  client.get("/big");
  EXPECT_EQ(client.read().body.size(), ListenerRun::kBig);
  client.get("/a");
  EXPECT_EQ(client.read().body, "GET /a  ");
}

TEST(Listener, BodiesHaveALimit) {
  ListenerRun run;
  auto client = run.connect();
  const std::string most(ListenerRun::kMostBody, 'x');
  client.post("/a", most);
  EXPECT_EQ(client.read().body, "POST /a  " + most);

  const auto refused = [&](const std::string& bytes) {
    auto other = run.connect();
    (void)other.try_send(bytes);
    const auto response = other.read();
    EXPECT_EQ(response.status, 413);
    EXPECT_TRUE(response.closes());
    EXPECT_EQ(response.header("content-type"), "application/problem+json");
    EXPECT_EQ(other.rest(), "");
  };
  // Its length is enough to refuse it, and who sends it nevertheless still gets the answer.
  const auto one_more =
      fmt::format("POST /b HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", most.size() + 1);
  refused(one_more);
  refused(one_more + most + "x");
  refused(fmt::format(
      "POST /b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n1\r\nx\r\n"
      "0\r\n\r\n",
      most.size(), most));
  EXPECT_EQ(run.seen(), std::vector<std::string>{"/a"});
  EXPECT_EQ(run.figures().malformed, 3);
}

TEST(Listener, HeadersHaveALimit) {
  ListenerRun run(quick());
  const auto status = [&](const std::string& bytes) {
    auto client = run.connect();
    (void)client.try_send(bytes);
    const auto response = client.read();
    EXPECT_TRUE(response.closes());
    EXPECT_EQ(client.rest(), "");
    return response.status;
  };
  const std::string end = " HTTP/1.1\r\nHost: test\r\n\r\n";
  EXPECT_EQ(status("GET /" + std::string(1024, 'x') + end), 414);
  EXPECT_EQ(status("GET /" + std::string(100'000, 'x') + end), 414);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: test\r\nX: " + std::string(4096, 'x') + "\r\n\r\n"),
            431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: test\r\nX: " + std::string(100'000, 'x')), 431);
  EXPECT_TRUE(run.seen().empty());
}

TEST(Listener, EndsWhatStalls) {
  ListenerRun run(quick());
  for (const auto* begun :
       {"G", "GET / HTTP/1.1\r\nHost: te", "GET / HTTP/1.1\r\nHost: test\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1"}) {
    auto client = run.connect();
    client.send(begun);
    const auto response = client.read();
    EXPECT_EQ(response.status, 408) << begun;
    EXPECT_TRUE(response.closes());
    EXPECT_TRUE(client.closed());
  }
  EXPECT_EQ(run.figures().timed_out, 5);
  EXPECT_EQ(run.figures().requests, 0);
}

// A byte now and then does not buy more time.
TEST(Listener, EndsWhatTrickles) {
  ListenerRun run(quick());
  auto client = run.connect();
  const auto begun = std::chrono::steady_clock::now();
  client.send("GET / HTTP/1.1\r\nX: ");
  while (!client.readable(20ms) && std::chrono::steady_clock::now() - begun < 5s) {
    (void)client.try_send("x");
  }
  EXPECT_EQ(client.read().status, 408);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 3s);
}

TEST(Listener, EndsIdleConnections) {
  ListenerRun run(quick());
  auto fresh = run.connect();
  auto used = run.connect();
  used.get("/a");
  EXPECT_EQ(used.read().status, 200);
  EXPECT_TRUE(used.closed());
  EXPECT_TRUE(fresh.closed());
  EXPECT_TRUE(eventually([&] { return run.figures().open == 0; }));
  EXPECT_EQ(run.figures().timed_out, 0);
}

TEST(Listener, AnswersWhoHasClosedItsSide) {
  ListenerRun run;
  auto client = run.connect();
  client.get("/slow");
  client.get("/b");
  client.shutdown_write();
  EXPECT_TRUE(eventually([&] { return run.waiting() == 1; }));
  run.release();
  EXPECT_EQ(client.read().body, "GET /slow  ");
  EXPECT_EQ(client.read().body, "GET /b  ");
  EXPECT_TRUE(client.closed());
  auto half = run.connect();
  half.send("GET /c HTTP/1.1\r\nHost:");
  half.shutdown_write();
  EXPECT_TRUE(half.closed());
}

TEST(Listener, DropsWhoDoesNotRead) {
  ListenerRun run(quick());
  HttpConnection client(run.port(), 10s, 4096);
  client.get("/big");
  HttpConnection stream(run.port(), 10s, 4096);
  stream.get("/endless");
  EXPECT_TRUE(eventually([&] { return run.figures().requests == 2; }));
  EXPECT_TRUE(eventually([&] { return run.figures().open == 0; }));
  EXPECT_EQ(run.figures().timed_out, 2);
  EXPECT_THROW((void)client.read(), std::runtime_error);
}

TEST(Listener, OutlivesResets) {
  ListenerRun run;
  {
    auto client = run.connect();
    client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nab");
    EXPECT_TRUE(eventually([&] { return run.figures().open == 1; }));
    client.reset();
    auto waits = run.connect();
    waits.get("/slow");
    EXPECT_TRUE(eventually([&] { return run.waiting() == 1; }));
    waits.reset();
    auto takes = run.connect();
    takes.get("/endless");
    EXPECT_TRUE(takes.readable(5s));
    takes.reset();
    auto idle = run.connect();
    idle.get("/a");
    EXPECT_EQ(idle.read().status, 200);
    idle.reset();
  }
  run.release();
  EXPECT_TRUE(eventually([&] { return run.figures().open == 0; }));
  auto client = run.connect();
  client.get("/a");
  EXPECT_EQ(client.read().status, 200);
}

TEST(Listener, ConnectionsHaveALimit) {
  ListenerRun run(HttpLimits{.connections = 3});
  std::vector<HttpConnection> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(run.connect());
    clients.back().get("/a");
    EXPECT_EQ(clients.back().read().status, 200);
  }
  auto other = run.connect();
  const auto response = other.read();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("retry-after"), "1");
  EXPECT_TRUE(response.closes());
  EXPECT_TRUE(other.closed());
  EXPECT_EQ(run.figures().turned_away, 1);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return run.figures().open == 0; }));
  auto again = run.connect();
  again.get("/a");
  EXPECT_EQ(again.read().status, 200);
}

TEST(Listener, ClosesWhenTheAnswerSaysSo) {
  ListenerRun run;
  auto client = run.connect();
  client.get("/close");
  client.get("/unseen");
  const auto response = client.read();
  EXPECT_TRUE(response.closes());
  EXPECT_EQ(response.body, "bye");
  EXPECT_TRUE(client.closed());
  auto asks = run.connect();
  asks.get("/a", "Connection: close\r\n");
  EXPECT_TRUE(asks.read().closes());
  EXPECT_TRUE(asks.closed());
  EXPECT_EQ(run.seen(), (std::vector<std::string>{"/close", "/a"}));
}

TEST(Listener, RefusesWhatMayBeUnderstoodDifferently) {
  ListenerRun run(HttpLimits{.header = 150ms, .body = 150ms});
  for (const auto& vector : smuggling_vectors()) {
    auto client = run.connect();
    (void)client.try_send(vector.bytes);
    try {
      const auto response = client.read();
      EXPECT_GE(response.status, 400) << vector.name;
      EXPECT_TRUE(response.closes()) << vector.name;
      EXPECT_EQ(client.rest(), "") << vector.name;  // and nothing else
    } catch (const std::exception& failure) {
      ADD_FAILURE() << vector.name << ": " << failure.what();
    }
  }
  EXPECT_EQ(run.seen(), std::vector<std::string>{});
}

TEST(Listener, DrainAnswersWhatWasSent) {
  ListenerRun run;
  std::vector<HttpConnection> working;
  for (int i = 0; i < 5; ++i) {
    working.push_back(run.connect());
    working.back().get("/slow");
  }
  EXPECT_TRUE(eventually([&] { return run.waiting() == 5; }));
  working[0].get("/b");  // behind the one at work; read with it or not at all
  auto idle = run.connect();
  idle.get("/a");
  EXPECT_EQ(idle.read().status, 200);
  auto fresh = run.connect();
  auto drained = run.begin_drain(5s);
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(fresh.closed());
  EXPECT_THROW((void)run.connect(), std::runtime_error);
  run.release();
  for (auto& client : working) {
    const auto response = client.read();
    EXPECT_EQ(response.body, "GET /slow  ");
    EXPECT_TRUE(response.closes());
  }
  EXPECT_TRUE(drained.get());
}

TEST(Listener, DrainAnswersAllThatWasPipelined) {
  ListenerRun run;
  auto client = run.connect();
  client.send(
      "GET /slow HTTP/1.1\r\nHost: test\r\n\r\nGET /b HTTP/1.1\r\nHost: test\r\n\r\n"
      "GET /c HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return run.waiting() == 1; }));
  auto drained = run.begin_drain(5s);
  run.release();
  (void)client.read();
  EXPECT_EQ(client.read().body, "GET /b  ");
  const auto last = client.read();
  EXPECT_EQ(last.body, "GET /c  ");
  EXPECT_TRUE(last.closes());
  EXPECT_TRUE(drained.get());
}

// Connections that the system has made and nobody has taken.
TEST(Listener, DrainTakesTheBacklog) {
  ListenerRun run;
  std::vector<HttpConnection> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(run.connect());
    clients.back().get("/a");
  }
  EXPECT_TRUE(run.drain(5s));
  for (auto& client : clients) EXPECT_EQ(client.read().body, "GET /a  ");
}

TEST(Listener, DrainCutsWhatIsSlow) {
  ListenerRun run;
  auto client = run.connect();
  client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\na");
  EXPECT_TRUE(eventually([&] { return run.figures().open == 1; }));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(run.drain(200ms));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
  EXPECT_TRUE(client.closed());
}

// Who has its answer and does not close is not waited for beyond the deadline, nor missed.
TEST(Listener, DrainIsCleanWhereAllWasAnswered) {
  ListenerRun run;
  auto client = run.connect();
  client.get("/close");
  EXPECT_EQ(client.read().body, "bye");
  EXPECT_TRUE(run.drain(50ms));
}

TEST(Listener, SaysWhichAddressIsTaken) {
  ListenerRun run;
  asio::io_context io;
  const auto again = Listener::bind(
      io.get_executor(), ListenAddress{"127.0.0.1", static_cast<std::uint16_t>(run.port())}, false);
  ASSERT_TRUE(again.has_error());
  EXPECT_EQ(again.error().code, ErrorCode::kIo);
  EXPECT_NE(again.error().message.find(fmt::format("127.0.0.1:{}", run.port())), std::string::npos);
}

}  // namespace
}  // namespace lyceum::server_test
