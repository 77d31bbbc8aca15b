// TLS, against a server of the test's own with a certificate of its own.
#include "watch/http_post.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <thread>

#include "support/process.h"
#include "support/run.h"

namespace lyceum::watch {
namespace {

namespace asio = boost::asio;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(HttpPost, OverTlsOnlyToWhomTheCertificateNames) {
  const lyceum::testing::TemporaryDirectory room;
  const auto certificate = (room.path() / "cert.pem").string();
  const auto key = (room.path() / "key.pem").string();
  const auto made = lyceum::testing::run_process(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-subj", "/CN=made", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", key,
       "-out", certificate});
  ASSERT_EQ(made.exit_status, 0) << made.err;

  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  const auto port = acceptor.local_endpoint().port();
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain_file(certificate);
  context.use_private_key_file(key, asio::ssl::context::pem);
  std::string head;
  std::thread server([&] {
    for (;;) {
      boost::system::error_code error;
      asio::ip::tcp::socket socket(io);
      acceptor.accept(socket, error);
      if (error) return;
      asio::ssl::stream<asio::ip::tcp::socket> stream(std::move(socket), context);
      stream.handshake(asio::ssl::stream_base::server, error);
      if (error) continue;
      asio::streambuf buffer;
      const auto size = asio::read_until(stream, buffer, "\r\n\r\n", error);
      if (error) continue;
      head.assign(asio::buffers_begin(buffer.data()),
                  asio::buffers_begin(buffer.data()) + static_cast<std::ptrdiff_t>(size));
      asio::write(stream,
                  asio::buffer(std::string("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n"
                                           "Retry-After: 7\r\nConnection: close\r\n\r\n")),
                  error);
    }
  });

  const auto post = [&](const std::string& host, const std::string& ca_file) {
    return lyceum::testing::run([&](auto executor) {
      return http_post(executor, {.url = Secret(fmt::format("https://{}:{}/s3cret", host, port)),
                                  .headers = {},
                                  .body = "{}",
                                  .timeout = std::chrono::seconds(5),
                                  .ca_file = ca_file});
    });
  };
  const auto good = post("127.0.0.1", certificate);
  EXPECT_TRUE(good.has_value()) << good.error().message;
  if (good.has_value()) {
    EXPECT_EQ(good->status, 202);
    EXPECT_EQ(good->retry_after, std::chrono::seconds(7));
  }
  EXPECT_THAT(head, HasSubstr("POST /s3cret HTTP/1.1"));
  for (const auto& [host, ca_file] : {std::pair{std::string("localhost"), certificate},
                                      std::pair{std::string("127.0.0.1"), std::string()}}) {
    const auto refused = post(host, ca_file);
    ASSERT_TRUE(refused.has_error()) << host;
    EXPECT_THAT(refused.error().to_string(), HasSubstr("securing the connection failed"));
    EXPECT_THAT(refused.error().to_string(), Not(HasSubstr("s3cret")));
  }
  ::shutdown(acceptor.native_handle(), SHUT_RDWR);
  server.join();
}

}  // namespace
}  // namespace lyceum::watch
