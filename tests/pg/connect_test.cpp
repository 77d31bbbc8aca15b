#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"
#include "support/process.h"

namespace lyceum::pg {
namespace {

using namespace testing;
using asio::ip::tcp;
using lyceum::testing::run_process;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPassword = "hunter2-s3cret";

class ConnectTest : public DatabaseTest {
 protected:
  std::string port() { return std::to_string(shared_server().port()); }
  // A role that may log in over TCP with kPassword.
  static void SetUpTestSuite() {
    DatabaseTest::SetUpTestSuite();
    database().query(fmt::format(
        "create role c_user login password '{0}'; create role c_full login password '{0}' "
        "connection limit 0",
        kPassword));
  }
  static void TearDownTestSuite() {
    database().query("drop role c_user; drop role c_full");
    DatabaseTest::TearDownTestSuite();
  }
  std::string url(const std::string& user, const std::string& hosts, const std::string& rest = "") {
    return fmt::format("postgresql://{}:{}@{}/{}{}", user, kPassword, hosts, database().name(),
                       rest);
  }
  // What cannot be connected to; it never says the password.
  Error failure(const std::string& to, milliseconds limit = seconds(20)) {
    auto made = loop.try_connect(to, limit);
    EXPECT_TRUE(made.has_error());
    const auto text = made.error().to_string();
    EXPECT_THAT(text, Not(HasSubstr(kPassword)));
    EXPECT_FALSE(made.error().node.empty());
    EXPECT_FALSE(made.error().hint.empty());
    EXPECT_FALSE(made.error().may_have_taken_effect);
    return made.error();
  }
  // A connection that works, and where it leads.
  std::string reach(const std::string& to, milliseconds limit = seconds(20)) {
    auto made = loop.try_connect(to, limit);
    if (made.has_error()) return made.error().to_string();
    auto answer = loop.execute(**made, "select current_database()::text");
    (*made)->close();
    return answer.value().value<std::string>();
  }
  // A port that nobody listens on.
  std::string closed_port() {
    tcp::acceptor acceptor(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    return std::to_string(acceptor.local_endpoint().port());
  }
};

TEST_F(ConnectTest, OverASocketAndOverTcpByAddressAndByName) {
  EXPECT_EQ(reach(database().url()), database().name());
  EXPECT_EQ(reach(url("c_user", "127.0.0.1:" + port())), database().name());
  // The server listens on IPv4 only, and the name may stand for both.
  EXPECT_EQ(reach(url("c_user", "localhost:" + port())), database().name());
}

TEST_F(ConnectTest, SeveralHostsAreTriedInTurn) {
  EXPECT_EQ(reach(url("c_user", fmt::format("127.0.0.1:{},no-such-host.invalid:5432,127.0.0.1:{}",
                                            closed_port(), port()))),
            database().name());
  // One that takes the connection and says nothing gets its part of the time.
  tcp::acceptor black_hole(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const auto begun = Clock::now();
  EXPECT_EQ(reach(url("c_user", fmt::format("127.0.0.1:{},127.0.0.1:{}",
                                            black_hole.local_endpoint().port(), port())),
                  milliseconds(1000)),
            database().name());
  EXPECT_LT(Clock::now() - begun, milliseconds(1000));
  EXPECT_GE(Clock::now() - begun, milliseconds(490));
}

TEST_F(ConnectTest, WhenAllHostsFailEachIsNamed) {
  const auto first = closed_port(), second = closed_port();
  const auto error = failure(
      url("c_user", fmt::format("127.0.0.1:{},127.0.0.1:{},no-such-host.invalid", first, second)));
  EXPECT_EQ(error.code, ErrorCode::kConnect);
  for (const auto& part : {first, second, std::string("no-such-host.invalid")}) {
    EXPECT_THAT(error.message, HasSubstr(part));
  }
}

TEST_F(ConnectTest, TheServersReasonIsKept) {
  const auto wrong = failure(fmt::format("postgresql://c_user:not-{}@127.0.0.1:{}/{}", kPassword,
                                         port(), database().name()));
  EXPECT_EQ(wrong.code, ErrorCode::kConnect);
  EXPECT_EQ(wrong.sqlstate, "28P01");
  EXPECT_THAT(wrong.message, HasSubstr("password authentication failed for user \"c_user\""));
  EXPECT_THAT(wrong.message, Not(HasSubstr("28P01")));
  EXPECT_THAT(wrong.message, Not(HasSubstr("LOCATION")));
  EXPECT_THAT(wrong.hint, HasSubstr("password"));
  EXPECT_EQ(wrong.node, fmt::format("127.0.0.1:{}/{}", port(), database().name()));

  auto missing =
      failure(fmt::format("postgresql://c_user:{}@127.0.0.1:{}/not_there", kPassword, port()));
  EXPECT_EQ(missing.sqlstate, "3D000");
  EXPECT_THAT(missing.message, HasSubstr("not_there"));

  const auto full = failure(url("c_full", "127.0.0.1:" + port()));
  EXPECT_EQ(full.sqlstate, "53300");
  EXPECT_THAT(full.hint, HasSubstr("connection_limit"));

  const auto refused = failure(url("c_user", "127.0.0.1:" + closed_port()));
  EXPECT_EQ(refused.sqlstate, "");
  EXPECT_THAT(refused.message, HasSubstr("refused"));

  const auto nowhere = failure("postgresql:///x?host=/no/such/directory");
  EXPECT_THAT(nowhere.message, HasSubstr("/no/such/directory"));

  const auto nobody = failure(url("c_user", "no-such-host.invalid"));
  EXPECT_THAT(nobody.message, HasSubstr("no-such-host.invalid"));
}

TEST_F(ConnectTest, AServerThatSaysNothingCostsTheDeadline) {
  tcp::acceptor black_hole(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const auto begun = Clock::now();
  const auto error =
      failure(url("c_user", fmt::format("127.0.0.1:{}", black_hole.local_endpoint().port())),
              milliseconds(100));
  EXPECT_EQ(error.code, ErrorCode::kTimeout);
  EXPECT_LT(Clock::now() - begun, seconds(1));
}

// Answers one client as a server would that is not ready.
awaitable<void> refuse_one(tcp::acceptor& acceptor, std::string answer) {
  auto socket = co_await acceptor.async_accept(asio::use_awaitable);
  std::array<char, 8> head{};
  // The request for TLS first, then the startup packet.
  for (int i = 0; i < 2; ++i) {
    co_await asio::async_read(socket, asio::buffer(head), asio::use_awaitable);
    const auto length = wire::get<std::int32_t>({head.data(), 4});
    if (wire::get<std::int32_t>({head.data() + 4, 4}) == 80877103) {
      co_await asio::async_write(socket, asio::buffer("N", 1), asio::use_awaitable);
      continue;
    }
    std::string rest(static_cast<std::size_t>(length) - 8, ' ');
    co_await asio::async_read(socket, asio::buffer(rest), asio::use_awaitable);
    break;
  }
  co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
}

TEST_F(ConnectTest, AServerThatIsStartingSaysSo) {
  tcp::acceptor acceptor(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  using namespace std::string_literals;
  const auto fields = "SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"s;
  std::string answer = "E";
  wire::put(answer, static_cast<std::int32_t>(fields.size() + 4));
  answer += fields;
  asio::co_spawn(loop.context(), refuse_one(acceptor, answer), asio::detached);
  const auto error =
      failure(url("c_user", fmt::format("127.0.0.1:{}", acceptor.local_endpoint().port())));
  EXPECT_EQ(error.code, ErrorCode::kConnect);
  EXPECT_EQ(error.sqlstate, "57P03");
  EXPECT_THAT(error.message, HasSubstr("starting up"));
  EXPECT_THAT(error.hint, HasSubstr("try again"));
}

TEST_F(ConnectTest, WhoConnectsIsSeenByItsName) {
  auto connection = loop.connect(database().url());
  EXPECT_EQ(loop.execute(*connection, "select current_setting('application_name')")
                .value()
                .value<std::string>(),
            "lyceum");
  connection->close();
}

// ── TLS ──────────────────────────────────────────────────────────────────────────────────────────

// The shared server, with a certificate that it signed itself, while the suite runs.
class TlsTest : public ConnectTest {
 protected:
  static void SetUpTestSuite() {
    ConnectTest::SetUpTestSuite();
    const auto data = shared_server().data_directory();
    const auto key = data / "tls.key", certificate = data / "tls.crt";
    const auto made = run_process({"openssl", "req", "-new", "-x509", "-days", "2", "-nodes",
                                   "-newkey", "rsa:2048", "-subj", "/CN=localhost", "-addext",
                                   "subjectAltName=DNS:localhost", "-keyout", key.string(), "-out",
                                   certificate.string()});
    ASSERT_EQ(made.exit_status, 0) << made.err;
    struct stat owner{};
    ASSERT_EQ(::stat(data.c_str(), &owner), 0);
    for (const auto& file : {key, certificate}) {
      ASSERT_EQ(::chown(file.c_str(), owner.st_uid, owner.st_gid), 0);
      ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
    }
    database().query(
        fmt::format("alter system set ssl_cert_file = '{}'; alter system set "
                    "ssl_key_file = '{}'; alter system set ssl = on; select "
                    "pg_reload_conf()",
                    certificate.string(), key.string()));
    root_ = certificate.string();
    ASSERT_TRUE(lyceum::testing::eventually([] {
      Loop loop;
      auto made_now =
          loop.try_connect(shared_server().tcp_url(database().name()) + "?sslmode=require");
      return made_now.has_value();
    }));
  }
  static void TearDownTestSuite() {
    database().query(
        "alter system reset ssl; alter system reset ssl_cert_file; alter system reset "
        "ssl_key_file; select pg_reload_conf()");
    ConnectTest::TearDownTestSuite();
  }
  std::string tls_url(const std::string& host, const std::string& rest) {
    return url("c_user", host + ":" + port(), "?" + rest);
  }
  static inline std::string root_;
};

TEST_F(TlsTest, TheConnectionIsEncryptedAndTheServerVerified) {
  for (const auto& to : {tls_url("127.0.0.1", "sslmode=require"),
                         tls_url("localhost", "sslmode=verify-full&sslrootcert=" + root_)}) {
    auto connection = loop.connect(to);
    EXPECT_TRUE(
        loop.execute(*connection, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            .value()
            .value<bool>());
    connection->close();
  }
  // The certificate is for the name, not for the address.
  EXPECT_EQ(failure(tls_url("127.0.0.1", "sslmode=verify-full&sslrootcert=" + root_)).code,
            ErrorCode::kConnect);
}

TEST_F(TlsTest, NothingIsLeftLyingInTheTlsBuffer) {
  auto connection = loop.connect(tls_url("127.0.0.1", "sslmode=require"));
  // Results of all sizes around a TLS record and around libpq's buffer.
  const Statement sized{"sized", "select repeat('x', $1::int4)", Access::read};
  std::vector<std::unique_ptr<Params>> params;
  std::vector<std::unique_ptr<Recorded>> sent;
  for (int i = 0; i < 240; ++i) {
    const int size = i < 200 ? 8000 + 97 * i : 50'000 + 1777 * i;
    params.push_back(std::make_unique<Params>(size));
    sent.push_back(std::make_unique<Recorded>(sized, *params.back()));
    connection->submit(*sent.back());
    // Alone each third time, so that nothing behind it wakes the reader.
    if (i % 3 == 0) loop.until([&] { return connection->depth() == 0; }, seconds(20));
  }
  loop.until([&] { return connection->depth() == 0; }, seconds(20));
  for (const auto& item : sent) EXPECT_TRUE(item->result->has_value());

  const std::string large(6'000'000, 'y');
  const Statement echo{"", "select $1::text", Access::read};
  auto answer = loop.execute(*connection, echo, Params(large));
  EXPECT_TRUE(answer.value().value<std::string_view>() == large);

  auto script = loop.script(*connection, "select repeat('z', 5000000); select 1");
  EXPECT_EQ(script.value()[0].value<std::string_view>().size(), 5'000'000U);
  std::size_t bytes = 0;
  auto out = loop.run(connection->copy_out(
      "copy (select repeat('w', 9000) from generate_series(1, 1000)) to stdout",
      [&](std::string_view row) { bytes += row.size(); }));
  EXPECT_EQ(out.value(), 1000);
  EXPECT_EQ(bytes, 9'001'000U);
  const Statement sleep{"", "select pg_sleep(30)", Access::read};
  EXPECT_EQ(loop.execute(*connection, sleep, {}, Clock::now() + milliseconds(50)).error().code,
            ErrorCode::kTimeout);
  EXPECT_FALSE(connection->closed());
  connection->close();
}

// ── targets ──────────────────────────────────────────────────────────────────────────────────────

TEST(Target, NamesTheNodeAndKeepsThePoolsParametersFromLibpq) {
  const auto target = parse_target(
                          "postgresql://u:p%40ss@h1:6000,h2:6001/db?sslmode=require&"
                          "connection_limit=5&pool_timeout=3")
                          .value();
  EXPECT_EQ(target.node, "h1:6000,h2:6001/db");
  EXPECT_EQ(target.get("host"), "h1,h2");
  EXPECT_EQ(target.get("port"), "6000,6001");
  EXPECT_EQ(target.get("password"), "p@ss");
  EXPECT_EQ(target.get("sslmode"), "require");
  EXPECT_EQ(target.get("connection_limit"), "");
  EXPECT_EQ(parse_target("host=h port=7 dbname=d user=u").value().node, "h:7/d");
  EXPECT_EQ(parse_target("hostaddr=10.0.0.1 port=7 dbname=d user=u").value().node, "10.0.0.1:7/d");
  EXPECT_EQ(parse_target("postgresql://u@/d?host=/run/x&port=7").value().node, "/run/x:7/d");
}

TEST(Target, AnErrorNeverRepeatsTheString) {
  for (const char* bad :
       {"postgresql://u:hunter2-s3cret@h:notaport/d", "hunter2-s3cret",
        "postgresql://u:hunter2-s3cret@h/d?nosuch=1", "host=h password=hunter2-s3cret nosuch=1",
        "postgresql://u:hunter2/s3cret@h/d"}) {
    const auto target = parse_target(bad);
    ASSERT_TRUE(target.has_error()) << bad;
    EXPECT_EQ(target.error().code, ErrorCode::kConfiguration);
    EXPECT_THAT(target.error().to_string(), Not(HasSubstr("s3cret")));
  }
}

}  // namespace
}  // namespace lyceum::pg
