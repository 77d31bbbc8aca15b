#include "server/incoming.h"

#include <gtest/gtest.h>
#include <random>

#include "server/vectors.h"

namespace lyceum::server {
namespace {

constexpr HttpLimits kLimits{.header_bytes = 1024, .target_bytes = 200};
const Incoming::MostBody kMost = [](Method, std::string_view path) {
  return path == "/small" ? std::size_t{10} : std::size_t{100'000};
};

// What has come in and not been taken, as a connection keeps it.
struct Reading {
  HttpLimits limits;  // which the request refers to
  Incoming incoming;
  std::string left;
  std::size_t taken = 0;

  explicit Reading(const HttpLimits& given = kLimits) : limits(given), incoming(limits, kMost) {}
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  void feed(std::string_view bytes) {
    left += bytes;
    for (;;) {
      const auto count = incoming.take(left);
      left.erase(0, count);
      taken += count;
      if (count == 0 || !incoming.wants_more()) return;
    }
  }
  [[nodiscard]] bool done() const { return incoming.state() == Incoming::State::done; }
  [[nodiscard]] int status() const {
    return incoming.state() == Incoming::State::refused ? incoming.refusal().status : 0;
  }
};

constexpr std::string_view kGet = "GET /a?b=c HTTP/1.1\r\nHost: test\r\n\r\n";

TEST(Incoming, ReadsARequest) {
  Reading reading;
  reading.feed(
      "POST /v1/x?a=1&b=%20?c HTTP/1.1\r\nhost: test\r\nAUTHORIZATION: Bearer x\r\n"
      "lyceum-bookmark:  b \t\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
      "X-Request-Id: r\r\ntraceparent: t\r\nContent-Length: 5\r\n\r\nabcdeGET /next");
  ASSERT_TRUE(reading.done());
  const auto& request = reading.incoming.request();
  EXPECT_EQ(request.method, Method::post);
  EXPECT_EQ(request.path, "/v1/x");
  EXPECT_EQ(request.query, "a=1&b=%20?c");
  EXPECT_EQ(request.authorization, "Bearer x");
  EXPECT_EQ(request.bookmark, "b");
  EXPECT_EQ(request.content_type, "application/json");
  EXPECT_EQ(request.idempotency_key, "k");
  EXPECT_EQ(request.request_id, "r");
  EXPECT_EQ(request.traceparent, "t");
  EXPECT_EQ(request.body, "abcde");
  EXPECT_TRUE(reading.incoming.keeps_alive());
  EXPECT_EQ(reading.left, "GET /next");
}

TEST(Incoming, TakesNothingBehindTheEnd) {
  const std::string chunked =
      "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3;x=\"y\"\r\nabc\r\n0A\r\n0123456789\r\n000\r\nX: y\r\n\r\n";
  const std::string fixed = "PUT /a HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n";
  for (const auto& first : {chunked, fixed, std::string(kGet)}) {
    for (const auto* second : {"", "\r\n", "x", "GET / HTTP/1.1\r\n\r\n"}) {
      Reading reading;
      reading.feed(first + second);
      EXPECT_TRUE(reading.done()) << first;
      EXPECT_EQ(reading.taken, first.size());
      EXPECT_EQ(reading.left, second);
    }
  }
}

// However the bytes are cut up, the same is read.
TEST(Incoming, IsTheSameInAnyPieces) {
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
      "3;x\r\nabc\r\n0A\r\n\r\n\r\n456789\r\n0\r\nX: y\r\nZ: \r\n\r\n";
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    Reading reading;
    for (std::size_t at = 0; at < text.size();) {
      const auto size = round == 0 ? 1 : 1 + random() % (1 + random() % text.size());
      EXPECT_TRUE(reading.incoming.wants_more()) << at;
      reading.feed(std::string_view(text).substr(at, size));
      at += size;
    }
    ASSERT_TRUE(reading.done()) << reading.status();
    ASSERT_EQ(reading.incoming.request().body, "abc\r\n\r\n456789");
    ASSERT_TRUE(reading.left.empty());
    ASSERT_TRUE(reading.incoming.expects_continue());
  }
}

TEST(Incoming, RefusesWhatMayBeUnderstoodDifferently) {
  for (const auto& vector : server_test::smuggling_vectors()) {
    for (const bool bytewise : {false, true}) {
      Reading reading(HttpLimits{});
      if (bytewise) {
        for (const char byte : vector.bytes) {
          reading.feed({&byte, 1});
          if (!reading.incoming.wants_more()) break;
        }
      } else {
        reading.feed(vector.bytes);
      }
      // What waits for more ends by its time.
      EXPECT_FALSE(reading.done()) << vector.name;
      EXPECT_TRUE(reading.status() >= 400 || reading.incoming.wants_more()) << vector.name;
    }
  }
}

TEST(Incoming, TrailersAreNoFields) {
  Reading reading;
  reading.feed(
      "POST /a HTTP/1.1\r\nHost: test\r\nIdempotency-Key: mine\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "1\r\nx\r\n0\r\nAuthorization: Bearer other\r\nIdempotency-Key: other\r\nConnection: "
      "close\r\n"
      "Expect: nothing\r\n\r\n");
  ASSERT_TRUE(reading.done());
  EXPECT_EQ(reading.incoming.request().authorization, "");
  EXPECT_EQ(reading.incoming.request().idempotency_key, "mine");
  EXPECT_TRUE(reading.incoming.keeps_alive());
  EXPECT_FALSE(reading.incoming.expects_continue());
}

TEST(Incoming, KeepsAlive) {
  const auto keeps = [](std::string_view version, std::string_view connection) {
    Reading reading;
    reading.feed(fmt::format("GET / HTTP/{}\r\nHost: test\r\n{}\r\n", version, connection));
    EXPECT_TRUE(reading.done());
    return reading.incoming.keeps_alive();
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_TRUE(keeps("1.1", "Connection: keep-alive\r\n"));
  EXPECT_TRUE(keeps("1.1", "Connection: close-to-you\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: x, CLOSE\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive\r\n"));  // it may, and does not
}

TEST(Incoming, ExpectsNothingOfHttp10) {
  Reading reading;
  reading.feed("POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_FALSE(reading.incoming.expects_continue());
  Reading other;
  other.feed("POST /a HTTP/1.1\r\nHost: test\r\nExpect: the-best\r\n\r\n");
  EXPECT_EQ(other.status(), 417);
}

TEST(Incoming, LimitsAreExact) {
  const auto header_of = [](std::size_t size) {
    const std::string begin = "GET /a HTTP/1.1\r\nHost: test\r\nX: ";
    return begin + std::string(size - begin.size() - 4, 'x') + "\r\n\r\n";
  };
  Reading fits;
  fits.feed(header_of(1024));
  EXPECT_TRUE(fits.done());
  Reading over;
  over.feed(header_of(1025));
  EXPECT_EQ(over.status(), 431);
  // Refused before its end is there.
  Reading endless;
  endless.feed("GET /a HTTP/1.1\r\nX: " + std::string(1024, 'x'));
  EXPECT_EQ(endless.status(), 431);
  Reading endless_line;
  endless_line.feed("GET /" + std::string(1024, 'x'));
  EXPECT_EQ(endless_line.status(), 414);

  const auto target_of = [](std::size_t size) {
    return "GET /" + std::string(size - 1, 'x') + " HTTP/1.1\r\nHost: test\r\n\r\n";
  };
  Reading target;
  target.feed(target_of(200));
  EXPECT_TRUE(target.done());
  Reading long_target;
  long_target.feed(target_of(201));
  EXPECT_EQ(long_target.status(), 414);
}

TEST(Incoming, BodiesHaveTheirPathsLimit) {
  const auto fixed = [](std::size_t size) {
    Reading reading;
    reading.feed(fmt::format("POST /small HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{}",
                             size, std::string(size, 'x')));
    return reading.done() ? 200 : reading.status();
  };
  EXPECT_EQ(fixed(10), 200);
  EXPECT_EQ(fixed(11), 413);
  const auto chunked = [](std::size_t first, std::size_t second) {
    Reading reading;
    reading.feed(
        fmt::format("POST /small HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                    first, std::string(first, 'x'), second, std::string(second, 'x')));
    return reading.done() ? 200 : reading.status();
  };
  EXPECT_EQ(chunked(4, 6), 200);
  EXPECT_EQ(chunked(4, 7), 413);
  EXPECT_EQ(chunked(11, 1), 413);
}

// Many small ones are as much as one.
TEST(Incoming, ExtensionsAndTrailersHaveALimit) {
  const auto status = [](std::size_t extensions, std::size_t trailers) {
    std::string body;
    for (std::size_t i = 0; i < extensions; ++i) body += "1;" + std::string(99, 'x') + "\r\ny\r\n";
    body += "0\r\n";
    for (std::size_t i = 0; i < trailers; ++i) body += "X:" + std::string(98, 'x') + "\r\n";
    Reading reading;
    reading.feed("POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + body +
                 "\r\n");
    return reading.done() ? 200 : reading.status();
  };
  EXPECT_EQ(status(10, 0), 200);
  EXPECT_EQ(status(0, 10), 200);
  EXPECT_EQ(status(5, 5), 200);
  EXPECT_EQ(status(11, 0), 431);
  EXPECT_EQ(status(0, 11), 431);
  EXPECT_EQ(status(6, 6), 431);
}

// Methods are case-sensitive: this is one that nobody knows, and where it ends is plain.
TEST(Incoming, OtherMethodsAreOther) {
  for (const auto* method : {"get", "TRACE", "PROPFIND", "X"}) {
    Reading reading;
    reading.feed(fmt::format("{} /a HTTP/1.1\r\nHost: test\r\n\r\n", method));
    ASSERT_TRUE(reading.done()) << method;
    EXPECT_EQ(reading.incoming.method(), Method::other);
  }
}

TEST(Incoming, LeadingZerosAreHarmless) {
  Reading length;
  length.feed("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 0005\r\n\r\nabcde");
  EXPECT_TRUE(length.done());
  EXPECT_EQ(length.incoming.request().body, "abcde");
  Reading chunk;
  chunk.feed(
      "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0005\r\nabcde\r\n00\r\n\r\n");
  EXPECT_TRUE(chunk.done());
  EXPECT_EQ(chunk.incoming.request().body, "abcde");
}

}  // namespace
}  // namespace lyceum::server
