#include <ctime>
#include <filesystem>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/program.h"
#include "local/ephemeral.h"
#include "server/signing.h"
#include "support/http_connection.h"
#include "support/postgres.h"
#include "support/serve_program.h"

namespace lyceum::server_test {
namespace {

using cli_test::run_lyceum;
using lyceum::testing::eventually;
using lyceum::testing::HttpConnection;
using lyceum::testing::psql;
using lyceum::testing::run_process;
using lyceum::testing::ServeProgram;
using lyceum::testing::TemporaryDirectory;
using lyceum::testing::TestDatabase;
using namespace std::chrono_literals;

constexpr const char* kTenant = "00112233-4455-6677-8899-aabbccddeeff";

// A migrated database with a tenant, a login of the application's, and a key of the tenant's.
class School {
 public:
  explicit School(local::Server& server = testing::shared_server())
      : database_(server), role_("serve_" + database_.name()) {
    const auto migrated = run_lyceum({"migrate", "--database-url", database_.url()});
    if (migrated.exit_status != 0) throw std::runtime_error(migrated.err);
    psql(database_.url(), "create role " + role_ +
                              " login password 'right' in role lyceum_app;"
                              "insert into tenants (id, name) values ('" +
                              kTenant + "', 'one')");
    const auto made = run_lyceum({"keys", "create", "--json", "--tenant", kTenant, "--name", "test",
                                  "--role", "service", "--database-url", database_.url()});
    if (made.exit_status != 0) throw std::runtime_error(made.err);
    key_ = cli_test::json_of(made).at("key").as_string().c_str();
  }
  School(const School&) = delete;
  School& operator=(const School&) = delete;
  ~School() {
    try {
      psql(database_.url(), "drop owned by " + role_ + "; drop role " + role_);
    } catch (const std::exception&) {
    }
  }

  // Over TCP, as the application.
  [[nodiscard]] std::string url(const std::string& password = "right") const {
    return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}", role_, password,
                       database_.server().port(), database_.name());
  }
  [[nodiscard]] std::string superuser_url() const { return database_.url(); }
  [[nodiscard]] std::string authorization() const { return "Authorization: Bearer " + key_; }

 private:
  TestDatabase database_;
  std::string role_;
  std::string key_;
};

class Serve : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { school_ = new School(); }
  static void TearDownTestSuite() {
    delete school_;
    school_ = nullptr;
  }
  static School& school() { return *school_; }
  static void get(HttpConnection& client, std::string_view target) {
    client.get(target, school_->authorization() + "\r\n");
  }
  static int status_of(HttpConnection& client, std::string_view target) {
    get(client, target);
    return client.read().status;
  }

 private:
  static inline School* school_ = nullptr;
};

int ready(int admin_port) {
  HttpConnection client(admin_port);
  client.get("/ready");
  return client.read().status;
}

std::size_t times_in(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST_F(Serve, AnswersCurl) {
  ServeProgram serve({school().url()});
  ASSERT_TRUE(serve.started()) << serve.log();
  const auto curl = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"curl", "--silent", "--show-error", "--noproxy", "*"});
    return run_process(std::move(arguments));
  };
  // Both over one connection.
  const auto both = curl({"-H", school().authorization(), "-w", "\n%{http_code} %{num_connects}\n",
                          serve.data() + "/v1/stories", serve.data() + "/v1/stories?limit=5"});
  EXPECT_EQ(both.exit_status, 0) << both.err;
  EXPECT_EQ(both.out,
            "{\"stories\":[],\"has_more\":false,\"next_cursor\":null}\n200 1\n"
            "{\"stories\":[],\"has_more\":false,\"next_cursor\":null}\n200 0\n");
  const auto body = curl({"-H", school().authorization(), "-H", "Content-Type: application/json",
                          "-H", "Expect: 100-continue", "-d", "{\"events\":[]}", "-w",
                          "\n%{http_code}", serve.data() + "/v1/events"});
  EXPECT_TRUE(body.out.ends_with("\n200") || body.out.ends_with("\n201") ||
              body.out.ends_with("\n400"))
      << body.out;
  EXPECT_EQ(curl({"-o", "/dev/null", "-w", "%{http_code}", serve.data() + "/v1/stories"}).out,
            "401");
  const auto document = curl({serve.data() + "/openapi.json"});
  EXPECT_NO_THROW((void)boost::json::parse(document.out));
  const auto head = curl({"-I", serve.data() + "/openapi.json"});
  EXPECT_NE(head.out.find("Content-Length: " + std::to_string(document.out.size())),
            std::string::npos);
  EXPECT_EQ(
      curl({"-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", serve.data() + "/v1/stories"})
          .out,
      "405");
  EXPECT_EQ(curl({"-w", "%{http_code}", serve.admin() + "/live"}).out, "live\n200");
  EXPECT_EQ(curl({"-w", "%{http_code}", serve.admin() + "/ready"}).out, "ready\n200");
  EXPECT_EQ(curl({"-o", "/dev/null", "-w", "%{http_code}", "-d", "x", serve.admin() + "/live"}).out,
            "405");
  serve.signal(SIGTERM);
  EXPECT_EQ(serve.wait(), 0) << serve.log();
}

// By the rules of the text format, version 0.0.4.
TEST_F(Serve, MetricsAreWellFormed) {
  ServeProgram serve({school().url()});
  ASSERT_TRUE(serve.started()) << serve.log();
  HttpConnection data(serve.port());
  EXPECT_EQ(status_of(data, "/v1/stories"), 200);
  EXPECT_EQ(status_of(data, "/nowhere"), 404);
  HttpConnection admin(serve.admin_port());
  admin.get("/metrics");
  const auto response = admin.read();
  EXPECT_EQ(response.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");

  std::map<std::string, std::string> types;
  std::map<std::string, double> samples;
  std::string last_help;
  std::istringstream lines(response.body);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (first == "#") {
      ASSERT_TRUE(second == "HELP" || second == "TYPE") << line;
      if (second == "HELP") {
        EXPECT_FALSE(types.contains(third)) << "twice: " << line;
        last_help = third;
      } else {
        EXPECT_EQ(third, last_help) << "TYPE without HELP: " << line;
        words >> types[third];
      }
      continue;
    }
    const auto name_end = line.find_first_of("{ ");
    auto name = line.substr(0, name_end);
    const auto value = line.substr(line.rfind(' ') + 1);
    EXPECT_FALSE(samples.contains(line.substr(0, line.rfind(' ')))) << "twice: " << line;
    char* end = nullptr;
    samples[line.substr(0, line.rfind(' '))] = std::strtod(value.c_str(), &end);
    EXPECT_EQ(*end, '\0') << line;
    for (const auto* suffix : {"_bucket", "_sum", "_count"}) {
      if (!name.ends_with(suffix)) continue;
      const auto family = name.substr(0, name.size() - std::string(suffix).size());
      if (types.contains(family) && types[family] == "histogram") name = family;
    }
    ASSERT_TRUE(types.contains(name)) << line;
    EXPECT_EQ(name.ends_with("_total"), types[name] == "counter") << line;
  }
  EXPECT_GE(types.size(), 25);
  EXPECT_EQ(samples["lyceum_ready"], 1);
  EXPECT_EQ(samples["lyceum_http_connections_total"], 1);
  EXPECT_EQ(
      (samples["lyceum_http_requests_total{method=\"GET\",route=\"/v1/stories\",status=\"2xx\"}"]),
      1);
  EXPECT_EQ((samples["lyceum_http_requests_total{method=\"none\",route=\"none\",status=\"4xx\"}"]),
            1);
  EXPECT_EQ(
      (samples["lyceum_http_request_duration_seconds_bucket{method=\"GET\",route=\"/v1/stories\","
               "le=\"+Inf\"}"]),
      1);
  // No tenant, no key.
  EXPECT_EQ(response.body.find(kTenant), std::string::npos);
}

TEST_F(Serve, DrainsOnSigterm) {
  ServeProgram serve({school().url(), "workers = 2\n"});
  ASSERT_TRUE(serve.started()) << serve.log();
  // All wait for a table that somebody holds.
  const auto superuser = school().superuser_url();
  std::vector<HttpConnection> clients;
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back(serve.port());
    EXPECT_EQ(status_of(clients.back(), "/v1/stories"), 200);
  }
  auto held = std::async(std::launch::async, [superuser] {
    psql(superuser,
         "begin; lock table stories in access exclusive mode; select pg_sleep(1.5); commit");
  });
  EXPECT_TRUE(eventually([&] {
    return testing::psql_value(
               superuser,
               "select count(*) from pg_locks where relation = "
               "'stories'::regclass and mode = 'AccessExclusiveLock' and granted") == "1";
  }));
  for (auto& client : clients) get(client, "/v1/stories");
  HttpConnection admin(serve.admin_port());
  const auto in_flight = [&] {
    admin.get("/metrics");
    const auto text = admin.read().body;
    const auto value_of = [&](const std::string& name) {
      const auto at = text.find("\n" + name + " ");
      return std::strtod(text.c_str() + at + name.size() + 2, nullptr);
    };
    return value_of("lyceum_http_requests_in_flight") + value_of("lyceum_http_requests_waiting");
  };
  EXPECT_TRUE(eventually([&] { return in_flight() == 50; }));
  serve.signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return ready(serve.admin_port()) == 503; }));
  for (auto& client : clients) {
    const auto response = client.read();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.closes());
    EXPECT_TRUE(client.closed());
  }
  clients.clear();
  EXPECT_EQ(serve.wait(), 0) << serve.log();
  held.get();
}

// Whoever knows where it listens may signal it at once.
TEST_F(Serve, TakesSignalsFromTheStart) {
  for (int i = 0; i < 5; ++i) {
    ServeProgram serve({school().url()});
    serve.signal(SIGHUP);
    serve.signal(SIGTERM);
    EXPECT_EQ(serve.wait(), 0) << serve.log();
  }
}

TEST_F(Serve, ReloadsOnSighup) {
  ServeProgram serve({school().url(), "workers = 1\ntenant_rate = 0\n"});
  ASSERT_TRUE(serve.started()) << serve.log();
  HttpConnection client(serve.port());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(status_of(client, "/v1/stories"), 200);
  const auto reload = [&](const std::string& event) {
    const auto before = times_in(serve.log(), event);
    serve.signal(SIGHUP);
    return eventually([&] { return times_in(serve.log(), event) > before; });
  };
  serve.configure("workers = 1\ntenant_rate = 1\ntenant_burst = 2\n");
  EXPECT_TRUE(reload(" reloaded "));
  int limited = 0;
  for (int i = 0; i < 10; ++i) {
    get(client, "/v1/stories");
    const auto response = client.read();
    if (response.status != 429) continue;
    ++limited;
    EXPECT_EQ(response.header("retry-after"), "1");
  }
  EXPECT_GE(limited, 6);
  // A broken one changes nothing.
  for (const auto* broken : {"tenant_rate = \"many\"\n", "no_such_key = 1\n", "tenant_rate = \n"}) {
    serve.configure(broken);
    EXPECT_TRUE(reload("configuration not reloaded"));
  }
  limited = 0;
  for (int i = 0; i < 10; ++i) limited += status_of(client, "/v1/stories") == 429;
  EXPECT_GE(limited, 6);
  serve.configure("workers = 1\ntenant_rate = 0\n");
  EXPECT_TRUE(reload(" reloaded "));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(status_of(client, "/v1/stories"), 200);
}

// A file of keys, and the tokens that one of them signs.
class Keys {
 public:
  [[nodiscard]] std::string path() const { return (directory_.path() / "keys.json").string(); }
  void write(const std::string& text) const {
    std::ofstream(path() + ".new") << text;
    std::filesystem::rename(path() + ".new", path());
  }
  void write(const server::Signer& signer) const { write(server::set_of(signer.jwk("k"))); }

  static std::string authorization(const server::Signer& signer, std::string_view key_id = "k") {
    const auto claims = fmt::format(R"({{"tenant":"{}","roles":["service"],"exp":{}}})", kTenant,
                                    std::time(nullptr) + 3600);
    return fmt::format("Authorization: Bearer {}\r\n",
                       server::signed_token(signer, server::header_of(signer, key_id), claims));
  }

 private:
  TemporaryDirectory directory_;
};

// Old and new key have one name, so that only the signal can tell one from the other.
TEST_F(Serve, TakesNewKeysOnSighup) {
  const auto old_key = server::Signer::secret(std::string(32, 'o'));
  const auto new_key = server::Signer::secret(std::string(32, 'n'));
  const Keys keys;
  keys.write(old_key);
  ServeProgram serve({school().url(), "workers = 2\n", {"LYCEUM_AUTH_KEYS_FILE=" + keys.path()}});
  ASSERT_TRUE(serve.started()) << serve.log();
  std::vector<HttpConnection> clients;  // of both workers, which remember what they have verified
  for (int i = 0; i < 8; ++i) clients.emplace_back(serve.port());
  const auto expect_taken = [&](const server::Signer& taken, const server::Signer& refused) {
    for (auto& client : clients) {
      client.get("/v1/stories", Keys::authorization(taken));
      EXPECT_EQ(client.read().status, 200);
      client.get("/v1/stories", Keys::authorization(refused));
      EXPECT_EQ(client.read().status, 401);
    }
  };
  const auto reload = [&](const std::string& event) {
    const auto before = times_in(serve.log(), event);
    serve.signal(SIGHUP);
    return eventually([&] { return times_in(serve.log(), event) > before; });
  };
  expect_taken(old_key, new_key);
  keys.write(new_key);
  expect_taken(old_key, new_key);
  EXPECT_TRUE(reload(" reloaded "));
  expect_taken(new_key, old_key);
  // A broken file takes nothing away.
  keys.write("{");
  EXPECT_TRUE(reload("keys not reloaded"));
  expect_taken(new_key, old_key);
}

// Nobody asked for that reading, so the log is where it can be seen; once, however often it fails.
TEST_F(Serve, TellsOfKeysThatItCannotReadAgain) {
  const auto key = server::Signer::secret(std::string(32, 'k'));
  const Keys keys;
  keys.write(key);
  ServeProgram serve({school().url(), "", {"LYCEUM_AUTH_KEYS_FILE=" + keys.path()}});
  ASSERT_TRUE(serve.started()) << serve.log();
  keys.write("{");
  HttpConnection client(serve.port());
  for (const auto* unknown : {"x", "y", "z"}) {
    client.get("/v1/stories", Keys::authorization(key, unknown));
    EXPECT_EQ(client.read().status, 401);
  }
  client.get("/v1/stories", Keys::authorization(key));
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(times_in(serve.log(), "keys not read again"), 1U) << serve.log();
  EXPECT_EQ(times_in(serve.log(), keys.path()), 1U) << serve.log();
}

TEST_F(Serve, IsReadyWhenPostgresIs) {
  const auto place = local::Ephemeral::make().value();
  auto cluster = place.up().value();
  const School own(cluster.primary());
  ServeProgram serve({own.url(), "request_timeout = \"500ms\"\n"});
  ASSERT_TRUE(serve.started()) << serve.log();
  EXPECT_EQ(ready(serve.admin_port()), 200);
  cluster.primary().stop(local::StopMode::kImmediate).value();
  EXPECT_TRUE(eventually([&] { return ready(serve.admin_port()) == 503; }));
  HttpConnection client(serve.port());
  client.get("/v1/stories", own.authorization() + "\r\n");
  EXPECT_EQ(client.read().status, 503);
  cluster.primary().start().value();
  EXPECT_TRUE(eventually([&] { return ready(serve.admin_port()) == 200; }));
  EXPECT_TRUE(eventually([&] {
    client.get("/v1/stories", own.authorization() + "\r\n");
    return client.read().status == 200;
  }));
  serve.signal(SIGINT);
  EXPECT_EQ(serve.wait(), 0) << serve.log();
}

TEST_F(Serve, RefusesToStartWhereItCannotServe) {
  struct Refused {
    std::string url;
    std::string configuration;
    std::vector<std::string> arguments;
    std::string reason;
    int exit_status = 1;  // 2: the configuration
  };
  ServeProgram first({school().url()});
  ASSERT_TRUE(first.started()) << first.log();
  const auto taken = fmt::format("127.0.0.1:{}", first.port());
  const auto admin_taken = fmt::format("127.0.0.1:{}", first.admin_port());
  const std::vector<Refused> all = {
      {school().url(),
       "",
       {"--admin-address", admin_taken},
       "cannot listen on " + admin_taken + ": Address already in use"},
      {school().url(),
       "",
       {"--data-address", admin_taken},
       "cannot listen on " + admin_taken + ": Address already in use"},
      {school().url(),
       "",
       {"--data-address", taken},
       "cannot listen on " + taken + ": Address already in use"},
      {school().url("wrong"), "", {}, "password authentication failed"},
      {school().url() + "_none", "", {}, "does not exist"},
      {school().superuser_url(), "", {}, "row-level security", 2},
      {school().url(), "bookmark_key_file = \"/nowhere\"\n", {}, "/nowhere", 2},
      {school().url(), "tenant_rate = -1\n", {}, "tenant_rate", 2},
  };
  for (const auto& refused : all) {
    ServeProgram serve({refused.url, refused.configuration, {}, refused.arguments});
    EXPECT_FALSE(serve.started()) << refused.reason;
    if (serve.started()) continue;
    EXPECT_EQ(serve.wait(), refused.exit_status) << refused.reason;
    EXPECT_NE(serve.log().find(refused.reason), std::string::npos) << serve.log();
    EXPECT_EQ(serve.log().find("wrong@"), std::string::npos);
  }
}

TEST_F(Serve, TellsTheServiceManager) {
  const TemporaryDirectory directory;
  const auto path = (directory.path() / "notify").string();
  const int receiver = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(receiver, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(receiver, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto next = [&]() -> std::string {
    pollfd wait{receiver, POLLIN, 0};
    if (::poll(&wait, 1, 20'000) <= 0) return "nothing";
    char text[512];
    const auto size = ::recv(receiver, text, sizeof text, 0);
    return {text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  };
  ServeProgram serve({school().url(), "", {"NOTIFY_SOCKET=" + path}});
  ASSERT_TRUE(serve.started()) << serve.log();
  EXPECT_EQ(next(), "READY=1");
  serve.signal(SIGHUP);
  const auto reloading = next();
  EXPECT_TRUE(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC=")) << reloading;
  // The clock that the manager compares with.
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto told = std::stoll(reloading.substr(reloading.rfind('=') + 1));
  EXPECT_NEAR(static_cast<double>(told), static_cast<double>(now.tv_sec) * 1e6, 30e6);
  EXPECT_EQ(next(), "READY=1");
  serve.signal(SIGTERM);
  EXPECT_EQ(next(), "STOPPING=1");
  EXPECT_EQ(serve.wait(), 0);
  ::close(receiver);
}

TEST_F(Serve, IdleConnectionsCostLittle) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  // As many as may be open here and there, beside what is open already.
  constexpr rlim_t kOthers = 150;
  constexpr rlim_t kMostConnections = 2000;
  ASSERT_GT(files.rlim_cur, kOthers + 50);
  const std::size_t connections = std::min(kMostConnections, files.rlim_cur - kOthers);
  ServeProgram serve({school().url(), "workers = 2\ntenant_rate = 0\n"});
  ASSERT_TRUE(serve.started()) << serve.log();
  {
    HttpConnection first(serve.port());
    for (int i = 0; i < 200; ++i) EXPECT_EQ(status_of(first, "/v1/stories"), 200);
  }
  const auto before = serve.resident_bytes();
  std::vector<HttpConnection> clients;
  clients.reserve(connections);
  for (std::size_t i = 0; i < connections; ++i) {
    clients.emplace_back(serve.port());
    ASSERT_EQ(status_of(clients.back(), "/v1/stories"), 200);
  }
  const auto grown = (static_cast<double>(serve.resident_bytes()) - static_cast<double>(before)) /
                     static_cast<double>(connections);
  RecordProperty("bytes_per_connection", std::to_string(grown));
  // AddressSanitizer keeps what was freed, and puts room around what is not.
#if defined(__has_feature) && __has_feature(address_sanitizer)
  constexpr double kMost = 8 * 16.0 * 1024;
#else
  constexpr double kMost = 16.0 * 1024;
#endif
  EXPECT_LT(grown, kMost);
  EXPECT_EQ(status_of(clients.front(), "/v1/stories"), 200);
}

}  // namespace
}  // namespace lyceum::server_test
