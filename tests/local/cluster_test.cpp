#include "local/cluster.h"

#include <arpa/inet.h>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <future>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "local/descriptor.h"
#include "local/ephemeral.h"
#include "local/files.h"
#include "local/manifest.h"
#include "local/port.h"
#include "local/postmaster_file.h"
#include "support/postgres.h"
#include "support/process.h"

namespace lyceum::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::eventually;
using testing::psql;
using testing::psql_value;

long milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin).count();
}

std::string text_of(const Error& error) {
  return error.to_string();
}

// Each test's clusters live in a place that goes with the test, whatever happens in it.
class ClusterTest : public ::testing::Test {
 protected:
  [[nodiscard]] UpOptions options(std::string name = "one") const {
    UpOptions out;
    out.name = std::move(name);
    out.state_directory = place_.directory();
    out.durable = false;
    return out;
  }
  [[nodiscard]] Cluster up(std::string name = "one") const {
    return Cluster::up(options(std::move(name))).value();
  }
  [[nodiscard]] const fs::path& state() const { return place_.directory(); }
  [[nodiscard]] fs::path manifest_path() const { return state() / "one" / "cluster.json"; }

  Ephemeral place_ = Ephemeral::make().value();
};

uid_t owner_of(const fs::path& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_uid;
}

mode_t mode_of(const fs::path& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777U;
}

// What only looks shares one cluster.
class RunningClusterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    place = std::make_unique<Ephemeral>(Ephemeral::make().value());
    const auto begin = std::chrono::steady_clock::now();
    cluster = std::make_unique<Cluster>(place->up().value());
    std::cout << "up took " << milliseconds_since(begin) << " ms\n";
  }
  static void TearDownTestSuite() {
    cluster.reset();
    place.reset();
  }
  [[nodiscard]] static std::string password() {
    const auto text = read_file(cluster->directory() / "cluster.json").value();
    return parse_manifest(text).value().password.reveal();
  }

  static inline std::unique_ptr<Ephemeral> place;
  static inline std::unique_ptr<Cluster> cluster;
};

TEST_F(RunningClusterTest, ServesBothUrlsWithTheSettingsWePromise) {
  auto& primary = cluster->primary();
  EXPECT_EQ(psql_value(primary.url(), "select current_database() || ',' || current_user"),
            "lyceum,postgres");
  EXPECT_EQ(psql_value(primary.tcp_url(), "select inet_server_addr()::text"), "127.0.0.1/32");
  const std::map<std::string, std::string> expected{
      {"shared_preload_libraries", "pg_stat_statements"},
      {"pg_stat_statements.track", "all"},
      {"track_io_timing", "on"},
      {"wal_level", "logical"},
      {"fsync", "off"},
      {"server_encoding", "UTF8"},
      {"lc_collate", "C.UTF-8"},
  };
  for (const auto& [setting, value] : expected) {
    EXPECT_EQ(psql_value(primary.url(), "select current_setting('" + setting + "')"), value);
  }
  EXPECT_EQ(psql_value(primary.url(), "select count(*) > 0 from pg_stat_statements"), "t");
}

TEST_F(ClusterTest, DurableMeansFsync) {
  auto wanted = options();
  wanted.durable = true;
  wanted.settings = {{"work_mem", "3MB"}, {"log_line_prefix", "it's \\ here "}};
  auto cluster = Cluster::up(wanted).value();
  const auto url = cluster.primary().url();
  EXPECT_EQ(psql(url,
                 "select current_setting('fsync'), current_setting('full_page_writes'),"
                 " current_setting('work_mem')"),
            (testing::Rows{{"on", "on", "3MB"}}));
  EXPECT_EQ(psql_value(url,
                       "select setting from pg_file_settings where name = 'log_line_prefix'"
                       " order by seqno desc limit 1"),
            "it's \\ here ");
}

TEST_F(RunningClusterTest, RunsAsAnUnprivilegedUserBehindAClosedDirectory) {
  auto& primary = cluster->primary();
  const auto account = server_account().value();
  const auto pids = primary.processes();
  ASSERT_GE(pids.size(), 4U);
  int looked_at = 0;
  for (const pid_t pid : pids) {
    // A worker may have ended since.
    struct stat info{};
    if (::stat(fmt::format("/proc/{}", pid).c_str(), &info) != 0 || !is_alive(pid)) continue;
    EXPECT_EQ(info.st_uid, account.uid) << pid;
    EXPECT_NE(info.st_uid, 0U) << pid;
    ++looked_at;
  }
  EXPECT_GE(looked_at, 4);
  EXPECT_EQ(mode_of(primary.socket_directory()), 0700U);
  EXPECT_EQ(owner_of(primary.socket_directory()), account.uid);
  EXPECT_EQ(mode_of(primary.data_directory()), 0700U);
  EXPECT_EQ(mode_of(cluster->directory() / "cluster.json"), 0600U);
  EXPECT_EQ(owner_of(cluster->directory() / "cluster.json"), ::geteuid());
}

TEST_F(RunningClusterTest, AsksForThePasswordOverTcp) {
  auto& primary = cluster->primary();
  EXPECT_EQ(primary.url().find(password()), std::string::npos);
  auto wrong = primary.tcp_url();
  wrong.replace(wrong.find(password()), password().size(), "wrong");
  EXPECT_THROW(psql(wrong, "select 1"), std::runtime_error);
  EXPECT_EQ(psql_value(primary.url(),
                       "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid"
                       " where rolname = 'postgres'"),
            "t");
}

TEST_F(ClusterTest, TheServersHoldNothingOfOurs) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);  // inheritable on purpose
  auto cluster = up();
  const auto pid = cluster.primary().pid().value();
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "a server holds our pipe open";
  ::close(ends[0]);
  EXPECT_NE(::getsid(pid), ::getsid(0));
  EXPECT_NE(parent_of(pid), ::getpid());
  EXPECT_EQ(fs::read_symlink(fmt::format("/proc/{}/fd/0", pid)), "/dev/null");
  EXPECT_EQ(fs::read_symlink(fmt::format("/proc/{}/fd/1", pid)), cluster.primary().log_path());
}

TEST_F(ClusterTest, ASecondUpChangesNothing) {
  auto first = up();
  const auto begin = std::chrono::steady_clock::now();
  auto second = up();
  std::cout << "second up took " << milliseconds_since(begin) << " ms\n";
  EXPECT_EQ(first.primary().url(), second.primary().url());
  EXPECT_EQ(first.primary().tcp_url(), second.primary().tcp_url());
  EXPECT_EQ(first.primary().pid(), second.primary().pid());
  const auto opened = Cluster::open("one", state()).value().status();
  EXPECT_TRUE(opened.all_running());
  EXPECT_EQ(opened.primary.url, first.primary().url());
  EXPECT_EQ(opened.primary.pid, first.primary().pid());
}

TEST_F(ClusterTest, NamesAtOnceAreIndependentAndOneNameAtOnceIsMadeOnce) {
  auto a = std::async(std::launch::async, [this] { return up("first"); });
  auto b = std::async(std::launch::async, [this] { return up("second"); });
  auto c = std::async(std::launch::async, [this] { return up("second"); });
  auto first = a.get();
  auto second = b.get();
  auto again = c.get();
  EXPECT_NE(first.primary().pid(), second.primary().pid());
  EXPECT_EQ(second.primary().pid(), again.primary().pid());
  const std::string identity = "select system_identifier from pg_control_system()";
  EXPECT_NE(psql_value(first.primary().url(), identity),
            psql_value(second.primary().url(), identity));
  EXPECT_EQ(Cluster::list(state()).value(), (std::vector<std::string>{"first", "second"}));
  ASSERT_TRUE(Cluster::down("first", state()));
  EXPECT_TRUE(second.primary().is_running());
  EXPECT_EQ(Cluster::list(state()).value(), (std::vector<std::string>{"second"}));
}

TEST_F(ClusterTest, DownLeavesNothing) {
  auto cluster = up();
  const auto pids = cluster.primary().processes();
  ASSERT_TRUE(Cluster::down("one", state()));
  for (const pid_t pid : pids) EXPECT_FALSE(is_alive(pid)) << pid;
  EXPECT_TRUE(fs::is_empty(state()));
  const auto again = Cluster::down("one", state());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(Cluster::open("one", state()));
  EXPECT_TRUE(fs::is_empty(state()));
}

TEST_F(ClusterTest, DownCanKeepTheData) {
  auto cluster = up();
  const auto url = cluster.primary().url();
  psql(url, "create table kept (n int); insert into kept values (42)");
  ASSERT_TRUE(Cluster::down("one", state(), {.keep_data = true}));
  EXPECT_FALSE(Cluster::open("one", state()).value().status().all_running());
  EXPECT_THROW(psql(url, "select 1"), std::runtime_error);
  auto again = up();
  EXPECT_EQ(again.primary().url(), url);
  EXPECT_EQ(psql_value(url, "select n from kept"), "42");
}

TEST_F(ClusterTest, FindsAnotherPortWhenItsOwnIsTaken) {
  auto cluster = up();
  const int port = cluster.primary().port();
  ASSERT_TRUE(Cluster::down("one", state(), {.keep_data = true}));
  const Descriptor squatter(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(squatter.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(squatter.get(), 1), 0);
  EXPECT_FALSE(is_port_free(port));
  auto again = up();
  EXPECT_NE(again.primary().port(), port);
  EXPECT_EQ(psql_value(again.primary().tcp_url(), "select 1"), "1");
  EXPECT_EQ(Cluster::open("one", state()).value().primary().port(), again.primary().port());
}

// What a killed server leaves, and the worst of it: its process id belongs to another program now.
TEST_F(ClusterTest, TakesOverAStaleLockFile) {
  auto cluster = up();
  auto& primary = cluster.primary();
  psql(primary.url(), "create table kept (n int); insert into kept values (42)");
  ASSERT_TRUE(primary.kill_9());
  EXPECT_FALSE(primary.is_running());
  const auto file = primary.data_directory() / "postmaster.pid";
  auto text = read_file(file).value();
  text.replace(0, text.find('\n'), std::to_string(::getpid()));
  ASSERT_TRUE(write_file(file, text, 0600, server_account().value()));
  EXPECT_FALSE(primary.is_running());
  auto again = up();
  EXPECT_EQ(psql_value(again.primary().url(), "select n from kept"), "42");
  EXPECT_EQ(again.primary().url(), primary.url());
}

TEST_F(ClusterTest, RemovesAHalfMadeDirectory) {
  const auto draft = state() / "one" / "primary" / "data.making";
  fs::create_directories(draft);
  ASSERT_TRUE(write_file(draft / "PG_VERSION", "15\n", 0600));
  auto cluster = up();
  EXPECT_FALSE(fs::exists(draft));
  EXPECT_EQ(psql_value(cluster.primary().url(), "select 1"), "1");
}

TEST_F(ClusterTest, TakesOverServersWithoutAManifest) {
  auto cluster = up();
  auto& primary = cluster.primary();
  psql(primary.url(), "create table kept (n int); insert into kept values (42)");
  ASSERT_TRUE(fs::remove(manifest_path()));
  EXPECT_EQ(Cluster::open("one", state()).value().status().primary.url, primary.url());
  auto again = up();
  EXPECT_EQ(again.primary().pid(), primary.pid());
  EXPECT_EQ(again.primary().url(), primary.url());
  EXPECT_EQ(psql_value(again.primary().tcp_url(), "select n from kept"), "42");
  EXPECT_THROW(psql(primary.tcp_url(), "select 1"), std::runtime_error) << "the old password works";
  const auto password = parse_manifest(read_file(manifest_path()).value()).value().password;
  const auto log = read_file(primary.log_path()).value();
  EXPECT_EQ(log.find(password.reveal()), std::string::npos);
  EXPECT_EQ(psql_value(primary.url(), fmt::format("select count(*) from pg_stat_statements where "
                                                  "query like '%{}%' and query not like '%count%'",
                                                  password.reveal())),
            "0");
}

TEST_F(ClusterTest, SaysThatAManifestIsBrokenAndNotWhatIsInIt) {
  auto cluster = up();
  const auto text = read_file(manifest_path()).value();
  const auto password = parse_manifest(text).value().password;
  ASSERT_TRUE(write_file(manifest_path(), text.substr(0, text.size() / 2), 0600));
  const auto opened = Cluster::open("one", state());
  ASSERT_FALSE(opened);
  EXPECT_NE(text_of(opened.error()).find("manifest"), std::string::npos);
  EXPECT_EQ(text_of(opened.error()).find(password.reveal()), std::string::npos);
}

// An up that is killed at any moment leaves nothing that the next one trips over.
TEST_F(ClusterTest, SurvivesAKilledUpAtAnyMoment) {
  for (const int delay : {5, 250, 600}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::setpgid(0, 0);
      (void)Cluster::up(options());
      ::_exit(0);
    }
    std::this_thread::sleep_for(milliseconds(delay));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    auto cluster = Cluster::up(options());
    ASSERT_TRUE(cluster) << delay << " ms: " << text_of(cluster.error());
    EXPECT_EQ(psql_value(cluster->primary().tcp_url(), "select 1"), "1");
    ASSERT_TRUE(Cluster::down("one", state()));
    EXPECT_TRUE(fs::is_empty(state())) << delay;
  }
}

TEST_F(ClusterTest, AddsServersAndNeverRemovesThem) {
  auto alone = up();
  auto wanted = options();
  wanted.shards = 1;
  auto more = Cluster::up(wanted).value();
  EXPECT_EQ(alone.primary().pid(), more.primary().pid());
  EXPECT_EQ(psql_value(more.shard(0).url(), "select current_database()"), "lyceum");
  auto fewer = up();
  EXPECT_EQ(fewer.shard(0).pid(), more.shard(0).pid());
  EXPECT_EQ(fewer.status().shards.size(), 1U);
  EXPECT_EQ(fewer.status().replicas.size(), 0U);
}

constexpr const char* kSynchronousNames = "show synchronous_standby_names";
constexpr const char* kAnyOfTwo = "ANY 1 (\"replica-1\", \"replica-2\")";

TEST_F(ClusterTest, SynchronousCommitsWaitForAReplica) {
  auto wanted = options();
  wanted.replicas = 2;
  wanted.synchronous = true;
  auto cluster = Cluster::up(wanted).value();
  auto& primary = cluster.primary();
  const auto url = primary.url();
  EXPECT_EQ(psql_value(url, kSynchronousNames), kAnyOfTwo);
  const auto both_in_quorum = [&url] {
    return psql(url, "select application_name, sync_state from pg_stat_replication order by 1") ==
           testing::Rows{{"replica-1", "quorum"}, {"replica-2", "quorum"}};
  };
  EXPECT_TRUE(eventually(both_in_quorum));
  psql(url, "create table t (n int)");

  ASSERT_TRUE(cluster.replica(0).pause());
  ASSERT_TRUE(cluster.replica(1).pause());
  auto commit = std::async(std::launch::async, [&url] { psql(url, "insert into t values (1)"); });
  EXPECT_TRUE(eventually([&url] {
    return psql_value(url,
                      "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
                      " and query like 'insert%'") == "1";
  }));
  EXPECT_EQ(psql_value(url, "select count(*) from t"), "0") << "it is not committed yet";
  EXPECT_NE(commit.wait_for(milliseconds(0)), std::future_status::ready);
  ASSERT_TRUE(cluster.replica(1).resume());
  commit.get();
  EXPECT_EQ(psql_value(url, "select count(*) from t"), "1") << "one replica is enough";
  ASSERT_TRUE(cluster.replica(0).resume());

  // It stays so: for the server, for who opens the cluster, and for an up that does not ask.
  ASSERT_TRUE(primary.restart());
  EXPECT_EQ(psql_value(url, kSynchronousNames), kAnyOfTwo);
  EXPECT_TRUE(parse_manifest(read_file(manifest_path()).value()).value().synchronous);
  ASSERT_TRUE(Cluster::open("one", state()).value().primary().restart());
  EXPECT_EQ(psql_value(url, kSynchronousNames), kAnyOfTwo);
  ASSERT_TRUE(Cluster::down("one", state(), {.keep_data = true}));
  auto again = up();
  EXPECT_EQ(psql_value(url, kSynchronousNames), kAnyOfTwo);
  EXPECT_TRUE(eventually(both_in_quorum));

  // Nobody follows a promoted replica, and it waits for nobody.
  psql(url, "insert into t values (2)");
  auto& promoted = again.replica(0);
  const auto lsn = psql_value(url, "select pg_current_wal_lsn()");
  ASSERT_TRUE(eventually([&] {
    return psql_value(promoted.url(), "select pg_last_wal_replay_lsn() >= '" + lsn + "'") == "t";
  }));
  ASSERT_TRUE(again.primary().kill_9());
  ASSERT_TRUE(promoted.promote());
  EXPECT_EQ(psql_value(promoted.url(), kSynchronousNames), "");
  psql(promoted.url(), "insert into t values (3)");
  ASSERT_TRUE(promoted.restart());
  psql(promoted.url(), "insert into t values (4)");
  EXPECT_EQ(psql_value(promoted.url(), "select string_agg(n::text, ' ' order by n) from t"),
            "1 2 3 4");
}

TEST_F(ClusterTest, BecomesSynchronousWhileItRuns) {
  auto wanted = options();
  wanted.synchronous = true;
  const auto refused = Cluster::up(wanted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBadInput);
  EXPECT_TRUE(fs::is_empty(state()));

  wanted.synchronous = false;
  wanted.replicas = 1;
  auto cluster = Cluster::up(wanted).value();
  const auto url = cluster.primary().url();
  const auto pid = cluster.primary().pid();
  EXPECT_EQ(psql_value(url, kSynchronousNames), "");
  wanted.replicas = 0;
  wanted.synchronous = true;
  ASSERT_TRUE(Cluster::up(wanted)) << "there is a replica already";
  EXPECT_EQ(psql_value(url, kSynchronousNames), "ANY 1 (\"replica-1\")");
  wanted.replicas = 2;
  wanted.synchronous = false;
  auto larger = Cluster::up(wanted).value();
  EXPECT_EQ(psql_value(url, kSynchronousNames), kAnyOfTwo);
  EXPECT_EQ(larger.primary().pid(), pid) << "no restart was needed";

  // Found again without a manifest.
  ASSERT_TRUE(fs::remove(manifest_path()));
  ASSERT_TRUE(Cluster::up(options()));
  EXPECT_TRUE(parse_manifest(read_file(manifest_path()).value()).value().synchronous);
  EXPECT_EQ(psql_value(url, kSynchronousNames), kAnyOfTwo);

  ASSERT_TRUE(larger.primary().set_synchronous_standbys({}));
  EXPECT_EQ(psql_value(url, kSynchronousNames), "");
}

TEST_F(ClusterTest, PutsSocketsElsewhereWhenThePathIsTooLong) {
  const auto deep = state() / std::string(60, 'd') / std::string(60, 'e');
  fs::create_directories(deep);
  auto wanted = options();
  wanted.state_directory = deep;
  auto cluster = Cluster::up(wanted).value();
  const auto socket = cluster.primary().socket_directory();
  EXPECT_LT(socket.string().size(), 60U);
  EXPECT_EQ(mode_of(socket), 0700U);
  EXPECT_EQ(psql_value(cluster.primary().url(), "select 1"), "1");
  ASSERT_TRUE(Cluster::down("one", deep));
  EXPECT_FALSE(fs::exists(socket));
}

// The servers' account owns the file that says where the socket is. It must not lead root astray.
TEST_F(ClusterTest, FollowsNoForeignSocketDirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root's servers run as another account";
  const testing::TemporaryDirectory precious;
  ASSERT_TRUE(write_file(precious.path() / "file", "precious", 0600));
  const auto data = state() / "one" / "primary" / "data";
  fs::create_directories(data);
  ASSERT_TRUE(make_directory(data.parent_path(), 0700, server_account().value()));
  ASSERT_TRUE(write_file(data / "postmaster.pid",
                         fmt::format("999999999\n{}\n1\n15001\n{}\n127.0.0.1\n1 1\nready\n",
                                     data.string(), precious.path().string()),
                         0600));
  const auto status = Cluster::open("one", state()).value().status();
  EXPECT_EQ(status.primary.url.find(precious.path().string()), std::string::npos);
  ASSERT_TRUE(Cluster::down("one", state()));
  EXPECT_EQ(read_file(precious.path() / "file"), "precious");
}

TEST_F(ClusterTest, LookingMakesNothing) {
  const auto nowhere = state() / "nowhere";
  EXPECT_EQ(Cluster::list(nowhere).value(), std::vector<std::string>{});
  EXPECT_EQ(Cluster::open("one", nowhere).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Cluster::down("one", nowhere).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(nowhere));
}

TEST_F(ClusterTest, RefusesWhatCannotBe) {
  for (const char* name :
       {"", "Upper", "a/b", "..", "-x", "with space", "a\nb", "a-name-that-is-far-too-long"}) {
    const auto result = Cluster::up(options(name));
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, ErrorCode::kBadInput);
  }
  auto wanted = options();
  wanted.replicas = -1;
  EXPECT_EQ(Cluster::up(wanted).error().code, ErrorCode::kBadInput);
  wanted.replicas = 0;
  wanted.shards = 65;
  EXPECT_EQ(Cluster::up(wanted).error().code, ErrorCode::kBadInput);
  wanted.shards = 0;
  wanted.binaries = "/nowhere";
  const auto result = Cluster::up(wanted);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kConfiguration);
  EXPECT_NE(text_of(result.error()).find("/nowhere"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(state())) << "what is refused leaves nothing";
}

TEST_F(ClusterTest, SaysWhereTheServersAccountMayNotGo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root's servers run as another account";
  const auto closed = state() / "closed";
  ASSERT_TRUE(make_directory(closed, 0700));
  auto wanted = options();
  wanted.state_directory = closed / "state";
  const auto result = Cluster::up(wanted);
  ASSERT_FALSE(result);
  EXPECT_NE(text_of(result.error()).find(closed.string()), std::string::npos);
  EXPECT_FALSE(result.error().hint.empty());
  EXPECT_TRUE(fs::is_empty(closed / "state"));
}

TEST_F(ClusterTest, ASettingThatTheServerRefusesIsNamed) {
  auto wanted = options();
  wanted.settings = {{"shared_buffers", "plenty"}};
  const auto result = Cluster::up(wanted);
  ASSERT_FALSE(result);
  EXPECT_NE(text_of(result.error()).find("shared_buffers"), std::string::npos)
      << text_of(result.error());
  const auto password = parse_manifest(read_file(manifest_path()).value()).value().password;
  EXPECT_EQ(text_of(result.error()).find(password.reveal()), std::string::npos);
  EXPECT_TRUE(Cluster::down("one", state()));
  EXPECT_TRUE(fs::is_empty(state()));
}

TEST_F(RunningClusterTest, PsqlConnectsWithoutASecretInItsCommandLine) {
  auto command = cluster->primary().psql("lyceum", {"-XAtc", "select 6 * 7"});
  for (const auto& word : command.argv) EXPECT_EQ(word.find(password()), std::string::npos);
  for (const auto& word : command.environment) {
    EXPECT_EQ(word.find(password()), std::string::npos);
  }
  EXPECT_EQ(run(command).value().out, "42\n");
}

}  // namespace
}  // namespace lyceum::local
