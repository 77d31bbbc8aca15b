#include "local/server.h"

#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <future>
#include <gtest/gtest.h>
#include <iostream>
#include <optional>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local/cluster.h"
#include "local/descriptor.h"
#include "local/ephemeral.h"
#include "local/files.h"
#include "support/postgres.h"

namespace lyceum::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::eventually;
using testing::psql;
using testing::psql_value;

constexpr const char* kSynchronousNames = "show synchronous_standby_names";

// One server for all: each test finds it running and leaves it so.
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(primary.start());
    psql(url, "drop table if exists t; create table t (n int); insert into t values (42)");
  }

  Server& primary = testing::shared_server();
  std::string url = primary.url("postgres");
};

TEST(Replica, StreamsAndCanBePromoted) {
  const auto place = Ephemeral::make().value();
  UpOptions options;
  options.durable = false;
  options.replicas = 1;
  const auto begin = std::chrono::steady_clock::now();
  auto cluster = place.up(options).value();
  std::cout
      << "up with a replica took "
      << std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin).count()
      << " ms\n";
  auto& primary = cluster.primary();
  auto& replica = cluster.replica(0);
  EXPECT_FALSE(primary.is_replica());
  EXPECT_TRUE(replica.is_replica());
  EXPECT_EQ(psql_value(replica.url(), "select pg_is_in_recovery()"), "t");
  EXPECT_TRUE(eventually([&] {
    return psql(primary.url(), "select application_name, state from pg_stat_replication") ==
           testing::Rows{{"replica-1", "streaming"}};
  }));
  EXPECT_EQ(psql(primary.url(), "select slot_name, slot_type, active from pg_replication_slots"),
            (testing::Rows{{"replica_1", "physical", "t"}}));

  psql(primary.url(), "create table t (n int); insert into t values (42)");
  const auto lsn = psql_value(primary.url(), "select pg_current_wal_lsn()");
  ASSERT_TRUE(eventually([&] {
    return psql_value(replica.url(), "select pg_last_wal_replay_lsn() >= '" + lsn + "'") == "t";
  }));
  EXPECT_EQ(psql_value(replica.url(), "select n from t"), "42");
  EXPECT_THROW(psql(replica.url(), "insert into t values (1)"), std::runtime_error);

  // The replica restarts and follows again.
  ASSERT_TRUE(replica.restart());
  EXPECT_TRUE(replica.is_replica());

  ASSERT_TRUE(primary.kill_9());
  ASSERT_TRUE(replica.promote());
  EXPECT_FALSE(replica.is_replica());
  EXPECT_EQ(psql_value(replica.url(), "insert into t values (43) returning n"), "43");
  EXPECT_EQ(psql_value(replica.url(), "select left(pg_walfile_name(pg_current_wal_lsn()), 8)"),
            "00000002");
  ASSERT_TRUE(replica.restart());
  EXPECT_EQ(psql(replica.url(), "select pg_is_in_recovery(), count(*) from t"),
            (testing::Rows{{"f", "2"}}));
}

// A failover with all that comes after it: the other replica and the old primary follow the new
// one, and what the old one alone had is gone.
TEST(Replica, FollowsAPromotedOne) {
  const auto place = Ephemeral::make().value();
  UpOptions options;
  options.name = "failover";
  options.durable = false;
  options.replicas = 2;
  options.synchronous = true;
  auto cluster = place.up(options).value();
  auto& old_primary = cluster.primary();
  auto& promoted = cluster.replica(0);
  auto& other = cluster.replica(1);
  const auto has_replayed = [](Server& server, const std::string& lsn) {
    return eventually([&] {
      return psql_value(server.url(), "select pg_last_wal_replay_lsn() >= '" + lsn + "'") == "t";
    });
  };
  const auto position = [](Server& server) {
    return psql_value(server.url(), "select pg_current_wal_lsn()");
  };
  psql(old_primary.url(), "create table t (n int); insert into t values (1)");
  ASSERT_TRUE(has_replayed(other, position(old_primary)));
  ASSERT_TRUE(other.stop());
  // The one that is promoted has all that the other one has.
  ASSERT_TRUE(has_replayed(promoted, position(old_primary)));
  ASSERT_TRUE(promoted.stop());
  psql(old_primary.url(), "set synchronous_commit = local; insert into t values (2)");
  ASSERT_TRUE(old_primary.kill_9());
  ASSERT_TRUE(promoted.start());
  ASSERT_TRUE(other.start());

  EXPECT_EQ(other.set_upstream(other).error().code, ErrorCode::kBadInput);
  EXPECT_EQ(other.set_upstream(testing::shared_server()).error().code, ErrorCode::kBadInput);
  EXPECT_EQ(old_primary.set_upstream(promoted).error().code, ErrorCode::kBadInput)
      << "it is no replica";
  EXPECT_FALSE(other.follow(old_primary)) << "that does not run";
  EXPECT_TRUE(other.is_running()) << "and nothing was thrown away for it";

  ASSERT_TRUE(promoted.promote());
  const auto pid = other.pid();
  auto pointed = other.set_upstream(promoted);
  ASSERT_TRUE(pointed) << pointed.error().to_string();
  psql(promoted.url(), "insert into t values (3)");
  EXPECT_TRUE(has_replayed(other, position(promoted)));
  EXPECT_EQ(other.pid(), pid) << "it did not restart";
  auto followed = old_primary.follow(promoted);
  ASSERT_TRUE(followed) << followed.error().to_string();
  EXPECT_TRUE(old_primary.is_replica());
  EXPECT_EQ(psql_value(old_primary.url(), kSynchronousNames), "");

  const auto both_stream = [&promoted] {
    return psql(promoted.url(),
                "select application_name, state from pg_stat_replication order by 1") ==
               testing::Rows{{"primary", "streaming"}, {"replica-2", "streaming"}} &&
           psql(promoted.url(), "select slot_name, active from pg_replication_slots order by 1") ==
               testing::Rows{{"primary", "t"}, {"replica_2", "t"}};
  };
  const auto all_have = [&](const std::string& rows) {
    for (Server* server : {&old_primary, &promoted, &other}) {
      if (server != &promoted) EXPECT_TRUE(has_replayed(*server, position(promoted)));
      EXPECT_EQ(psql_value(server->url(), "select string_agg(n::text, ' ' order by n) from t"),
                rows)
          << server->name();
    }
  };
  EXPECT_TRUE(eventually(both_stream));
  all_have("1 3");

  // The replica's own restart, and an up of everything by who knows of no failover, keep to it.
  ASSERT_TRUE(other.restart());
  EXPECT_TRUE(eventually(both_stream));
  ASSERT_TRUE(Cluster::down(options.name, place.directory(), {.keep_data = true}));
  auto again = place.up(options);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(eventually(both_stream));
  EXPECT_FALSE(again->replica(0).is_replica());
  psql(promoted.url(), "insert into t values (4)");
  all_have("1 3 4");

  // And back again.
  ASSERT_TRUE(promoted.stop());
  ASSERT_TRUE(old_primary.promote());
  ASSERT_TRUE(other.set_upstream(old_primary));
  ASSERT_TRUE(promoted.follow(old_primary));
  ASSERT_TRUE(old_primary.set_synchronous_standbys({"replica-1", "replica-2"}));
  EXPECT_TRUE(eventually([&] {
    return psql(old_primary.url(),
                "select application_name, sync_state from pg_stat_replication order by 1") ==
           testing::Rows{{"replica-1", "quorum"}, {"replica-2", "quorum"}};
  }));
  psql(old_primary.url(), "insert into t values (5)");
}

TEST_F(ServerTest, StopsStartsAndCrashes) {
  ASSERT_TRUE(primary.stop());
  EXPECT_FALSE(primary.is_running());
  EXPECT_TRUE(primary.processes().empty());
  ASSERT_TRUE(primary.stop()) << "of a stopped server";
  ASSERT_TRUE(primary.start());
  ASSERT_TRUE(primary.start()) << "of a running server";
  EXPECT_EQ(psql_value(url, "select n from t"), "42");

  const auto before = primary.pid();
  ASSERT_TRUE(primary.restart(StopMode::kImmediate));
  EXPECT_NE(primary.pid(), before);
  EXPECT_EQ(psql_value(url, "select n from t"), "42");

  // A session is busy when everything is killed: no process of it may live on.
  auto busy = std::async(std::launch::async, [this] {
    EXPECT_THROW(psql(url, "select pg_sleep(1000)"), std::runtime_error);
  });
  ASSERT_TRUE(eventually([&] {
    return psql_value(url, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") ==
           "1";
  }));
  const auto all = primary.processes();
  ASSERT_TRUE(primary.kill_9());
  for (const pid_t pid : all) EXPECT_FALSE(is_alive(pid)) << pid;
  busy.get();
  ASSERT_TRUE(primary.start());
  EXPECT_EQ(psql_value(url, "select n from t"), "42");
}

// The postmaster alone is killed, as by hand or for want of memory: what it leaves must not keep
// the next one from starting.
TEST_F(ServerTest, StartsAfterItsPostmasterAloneWasKilled) {
  auto busy = std::async(std::launch::async, [this] {
    EXPECT_THROW(psql(url, "select sum(i) from generate_series(1, 1000000000000) i"),
                 std::runtime_error);
  });
  ASSERT_TRUE(eventually([&] {
    return psql_value(primary.url(),
                      "select count(*) from pg_stat_activity"
                      " where query like 'select sum%' and state = 'active'"
                      " and pid <> pg_backend_pid()") == "1";
  }));
  const pid_t postmaster = primary.pid().value();
  ASSERT_EQ(::kill(postmaster, SIGKILL), 0);
  ASSERT_TRUE(wait_until_gone(postmaster, std::chrono::seconds(10)));
  EXPECT_FALSE(primary.is_running());
  EXPECT_FALSE(primary.processes().empty()) << "the busy session should have outlived it";
  const auto started = primary.start();
  ASSERT_TRUE(started) << started.error().to_string();
  EXPECT_EQ(psql_value(primary.url(), "select 1"), "1");
  busy.get();
}

TEST_F(ServerTest, APausedServerAnswersNothingUntilItIsResumed) {
  ASSERT_TRUE(primary.pause());
  for (const pid_t pid : primary.processes()) EXPECT_EQ(state_of(pid), 'T') << pid;
  auto answer = std::async(std::launch::async,
                           [url = primary.tcp_url()] { return psql_value(url, "select 6 * 7"); });
  EXPECT_EQ(answer.wait_for(milliseconds(300)), std::future_status::timeout);
  ASSERT_TRUE(primary.resume());
  EXPECT_EQ(answer.get(), "42");
  ASSERT_TRUE(primary.pause());
  ASSERT_TRUE(primary.stop()) << "of a paused server";
  EXPECT_FALSE(primary.is_running());
}

TEST_F(ServerTest, TestDatabasesAreFreshAndGoAway) {
  std::string name;
  {
    const testing::TestDatabase one;
    const testing::TestDatabase two;
    name = one.name();
    EXPECT_NE(one.name(), two.name());
    one.query("create table only_here (n int)");
    EXPECT_EQ(two.value("select to_regclass('only_here') is null"), "t");
    EXPECT_EQ(psql(one.url(), "select null, '', 'a,b', e'\\n\"' ; select 1"),
              (testing::Rows{{std::string(testing::kNull), "", "a,b", "\n\""}, {"1"}}));
    EXPECT_EQ(psql_value(one.tcp_url(), "select current_database()"), one.name());
  }
  EXPECT_EQ(psql_value(url, "select count(*) from pg_database where datname = '" + name + "'"),
            "0");
}

TEST_F(ServerTest, SaysWhyItCannotStart) {
  ASSERT_TRUE(primary.stop());
  const auto needed = primary.data_directory() / "global" / "pg_control";
  const auto away = primary.data_directory() / "pg_control.away";
  fs::rename(needed, away);
  const auto started = primary.start();
  fs::rename(away, needed);
  ASSERT_FALSE(started);
  const auto text = started.error().to_string();
  EXPECT_NE(text.find("pg_control"), std::string::npos) << text;
  EXPECT_NE(text.find(primary.log_path().string()), std::string::npos) << text;
}

struct Child {
  fs::path directory;
  pid_t postmaster = 0;
};

// Runs a process that starts an ephemeral server, tells about it and is killed.
Child run_and_kill(bool paused) {
  auto pipe = make_pipe().value();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto place = Ephemeral::make();
    auto cluster = place.value().up();
    if (paused && !cluster.value().primary().pause()) ::_exit(1);
    const auto text = fmt::format("{} {}\n", cluster.value().primary().pid().value(),
                                  place.value().directory().string());
    if (::write(pipe.write.get(), text.data(), text.size()) < 0) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  pipe.write.close();
  std::string text;
  char byte = 0;
  while (::read(pipe.read.get(), &byte, 1) == 1) text += byte;
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  Child out;
  out.postmaster = static_cast<pid_t>(std::stol(text));
  out.directory = text.substr(text.find(' ') + 1, text.find('\n') - text.find(' ') - 1);
  return out;
}

TEST(Ephemeral, GoesWithAKilledProcess) {
  for (const bool paused : {false, true}) {
    const auto child = run_and_kill(paused);
    EXPECT_TRUE(child.directory.is_absolute());
    EXPECT_TRUE(eventually([&] { return !is_alive(child.postmaster); })) << paused;
    EXPECT_TRUE(eventually([&] { return !fs::exists(child.directory); })) << paused;
  }
}

TEST(Ephemeral, IsGoneWhenTheObjectIs) {
  fs::path directory;
  std::vector<pid_t> pids;
  {
    const auto place = Ephemeral::make().value();
    auto cluster = place.up().value();
    directory = place.directory();
    pids = cluster.primary().processes();
    ASSERT_GE(pids.size(), 4U);
    EXPECT_TRUE(fs::exists(directory));
  }
  EXPECT_FALSE(fs::exists(directory));
  for (const pid_t pid : pids) {
    EXPECT_TRUE(wait_until_gone(pid, std::chrono::seconds(10))) << pid;
  }
}

TEST(Ephemeral, OutlivesAForkedCopyOfItsProcess) {
  auto place = std::make_optional(Ephemeral::make().value());
  auto cluster = place->up().value();
  const pid_t child = ::fork();
  if (child == 0) {
    place.reset();  // as exit() would do it
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(psql_value(cluster.primary().url(), "select 1"), "1");
}

}  // namespace
}  // namespace lyceum::local
