// A primary and its replicas while servers and networks break, under callers that write and read
// back (tests/cluster/traffic.h). Whatever happens: no stale read, no acknowledged write lost,
// nothing stored twice. What callers see of each fault is printed, and stands in
// docs/reliability.md.

#include <fstream>
#include <future>
#include <gtest/gtest.h>

#include "cluster/traffic.h"
#include "support/paths.h"

namespace lyceum::cluster {
namespace {

using lyceum::testing::Gate;

class ClusterFaults : public ::testing::Test {
 protected:
  void TearDown() override {
    if (cluster_) loop_.run(cluster_->shutdown(2s));
    cluster_.reset();
  }
  void make(const ClusterOptions& options) {
    Traffic::prepare(servers_.primary().url());
    servers_.wait_until_replayed();
    cluster_ = std::make_unique<Cluster>(loop_.context.get_executor(), options);
    (void)loop_.run(cluster_->ready());
    until_all_serve();
    traffic_.emplace(*cluster_);
  }
  void make() { make(options_for(servers_.urls())); }
  // The first replica behind a gate.
  void make_through(const Gate& gate) {
    auto urls = servers_.urls();
    urls[1] = gate.url();
    make(options_for(urls));
  }
  void until_all_serve() {
    loop_.until([&] {
      const auto& now = cluster_->topology();
      return now.writable() &&
             std::all_of(now.nodes.begin(), now.nodes.end(),
                         [](const NodeState& node) { return node.standing == Standing::serving; });
    });
  }
  // Until each caller has written and read some more.
  void go_on(std::size_t writes = 200) {
    const auto goal = traffic_->writes() + writes;
    loop_.until([&] { return traffic_->writes() >= goal; });
  }
  // Does something to the servers in a thread of its own while the callers go on.
  void meanwhile(std::function<void()> work) {
    auto done = std::async(std::launch::async, std::move(work));
    loop_.until([&] { return done.wait_for(0s) == std::future_status::ready; });
    done.get();
  }
  void begin() {
    traffic_->start(loop_, 8);
    go_on();
    traffic_->forget_pauses();
  }
  // Ends the callers and holds what was promised, by the server that is the primary now.
  void finish(const std::string& fault) {
    traffic_->stop(loop_);
    const auto url = url_of_primary();
    traffic_->check(url);
    const auto ms = [](Duration time) {
      return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    };
    std::string errors;
    for (const auto& [what, count] : traffic_->errors()) {
      errors += fmt::format("{}{} {}", errors.empty() ? "" : ", ", count, what);
    }
    fmt::print("| {} | {} | {} | {} ms | {} ms | {} ms | {} ms | {} | {} |\n", fault,
               traffic_->failures(), traffic_->in_doubt(), ms(traffic_->longest_write_pause()),
               ms(traffic_->longest_read_pause()), ms(traffic_->longest_write()),
               ms(traffic_->longest_read()), traffic_->stale(), traffic_->lost(url));
    if (!errors.empty()) fmt::print("    {}\n", errors);
    std::ifstream file(source_path("docs/reliability.md"));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NE(text.find("| " + fault + " |"), std::string::npos)
        << "docs/reliability.md has no row for this fault";
  }
  // Something happens to the first replica and passes: no caller gets an error.
  void befall(const std::string& fault, const std::function<void()>& happens,
              const std::function<void()>& passes) {
    begin();
    meanwhile(happens);
    go_on(2000);
    meanwhile(passes);
    until_all_serve();
    go_on();
    finish(fault);
    expect_no_errors();
  }
  std::string url_of_primary() {
    for (auto& server : servers_.cluster->servers()) {
      if (server.is_running() && server.name() == names_primary_) return server.url();
    }
    return servers_.primary().url();
  }
  // The replica that has come furthest: with quorum commit it has every acknowledged write.
  std::size_t furthest() {
    const auto received = [&](std::size_t i) {
      return std::stoull(
          psql_value(servers_.replica(i).url(),
                     "select (coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - "
                     "'0/0')::bigint"));
    };
    return received(0) >= received(1) ? 0 : 1;
  }
  void expect_no_errors() { EXPECT_TRUE(traffic_->errors().empty()); }

  Servers servers_{2};
  Loop loop_;
  std::unique_ptr<Cluster> cluster_;
  std::optional<Traffic> traffic_;
  std::string names_primary_ = "primary";
};

TEST_F(ClusterFaults, a_replica_is_killed) {
  make();
  befall(
      "a replica is killed (kill -9), and comes back",
      [&] { ASSERT_TRUE(servers_.replica(0).kill_9()); },
      [&] { ASSERT_TRUE(servers_.replica(0).start()); });
  EXPECT_LT(traffic_->longest_read_pause(), 3s);
}

TEST_F(ClusterFaults, a_replica_hangs) {
  make();
  befall(
      "a replica accepts and never answers (SIGSTOP)",
      [&] { ASSERT_TRUE(servers_.replica(0).pause()); },
      [&] { ASSERT_TRUE(servers_.replica(0).resume()); });
}

TEST_F(ClusterFaults, a_replica_is_in_a_black_hole) {
  Gate gate(servers_.replica(0));
  make_through(gate);
  befall(
      "the network to a replica swallows everything", [&] { gate.set_stalled(true); },
      [&] { gate.restore(); });
}

TEST_F(ClusterFaults, a_replica_is_far_away) {
  Gate gate(servers_.replica(0));
  make_through(gate);
  begin();
  gate.set_delay(100ms, 100ms);
  go_on(3000);
  const auto slow = cluster_->figures().nodes[1].statements;
  const auto fast = cluster_->figures().nodes[2].statements;
  go_on(1000);
  const auto more_slow = cluster_->figures().nodes[1].statements - slow;
  const auto more_fast = cluster_->figures().nodes[2].statements - fast;
  finish("a replica answers 200 ms later");
  expect_no_errors();
  // Least loaded: nearly everything goes to the near one.
  EXPECT_LT(more_slow * 10, more_fast);
}

TEST_F(ClusterFaults, replay_is_paused) {
  make();
  begin();
  for (std::size_t i = 0; i < 2; ++i) {
    psql(servers_.replica(i).url(), "select pg_wal_replay_pause()");
  }
  go_on(300);
  for (std::size_t i = 0; i < 2; ++i) {
    psql(servers_.replica(i).url(), "select pg_wal_replay_resume()");
  }
  go_on();
  finish("both replicas stop replaying");
  expect_no_errors();
}

// The primary is stopped in good order, which sends its replicas everything; one is promoted, the
// other stays where it was.
TEST_F(ClusterFaults, a_replica_is_left_on_the_old_timeline) {
  make();
  begin();
  meanwhile([&] { ASSERT_TRUE(servers_.primary().stop()); });
  meanwhile([&] { ASSERT_TRUE(servers_.replica(0).promote()); });
  names_primary_ = "replica-1";
  loop_.until([&] { return cluster_->topology().primary == 1U; });
  const auto before = cluster_->figures().nodes[2].statements;
  go_on(500);
  EXPECT_EQ(cluster_->topology().nodes[2].standing, Standing::astray);
  EXPECT_EQ(cluster_->figures().nodes[2].statements, before);
  meanwhile([&] { ASSERT_TRUE(servers_.replica(1).set_upstream(servers_.replica(0))); });
  loop_.until([&] { return cluster_->topology().nodes[2].standing == Standing::serving; });
  go_on();
  finish("a replica is left on the old timeline, and follows later");
  EXPECT_EQ(traffic_->failures(), 0U);
}

// Promoted by mistake while the primary lives. What the old one acknowledged since is PostgreSQL's
// loss; from the next probe on it gets nothing more.
TEST_F(ClusterFaults, a_replica_is_promoted_beside_the_primary) {
  make();
  begin();
  meanwhile([&] { ASSERT_TRUE(servers_.replica(0).promote()); });
  loop_.until([&] { return cluster_->topology().primary == 1U; });
  go_on(100);
  const auto on_the_old = psql_value(servers_.primary().url(), "select count(*) from written");
  go_on(500);
  EXPECT_EQ(psql_value(servers_.primary().url(), "select count(*) from written"), on_the_old);
  const auto& now = cluster_->topology();
  EXPECT_EQ(now.nodes[0].standing, Standing::astray);
  EXPECT_EQ(now.nodes[2].standing, Standing::astray);
  EXPECT_FALSE(now.nodes[0].why.empty());
  traffic_->stop(loop_);
}

TEST_F(ClusterFaults, slots_are_lost) {
  make();
  begin();
  psql(servers_.primary().url(),
       "select pg_terminate_backend(active_pid) from pg_replication_slots where active;"
       "select pg_sleep(0.01)");
  (void)eventually([&] {
    psql(servers_.primary().url(),
         "select pg_terminate_backend(active_pid) from pg_replication_slots where active");
    try {
      psql(servers_.primary().url(),
           "select pg_drop_replication_slot(slot_name) from pg_replication_slots");
    } catch (const std::runtime_error&) {
      return false;
    }
    return true;
  });
  go_on(2000);
  finish("the replication slots are lost");
  expect_no_errors();
  const auto& now = cluster_->topology();
  EXPECT_TRUE(now.primary == 0U);
}

TEST_F(ClusterFaults, all_replicas_are_gone) {
  make();
  begin();
  for (std::size_t i = 0; i < 2; ++i) meanwhile([&] { ASSERT_TRUE(servers_.replica(i).kill_9()); });
  go_on(1000);
  EXPECT_GT(cluster_->figures().routed(Reason::no_replica), 0U);
  for (std::size_t i = 0; i < 2; ++i) meanwhile([&] { ASSERT_TRUE(servers_.replica(i).start()); });
  until_all_serve();
  go_on();
  finish("all replicas are gone, and come back");
  expect_no_errors();
}

TEST_F(ClusterFaults, the_primary_is_killed_and_a_replica_promoted) {
  servers_.make_synchronous();
  make();
  begin();
  meanwhile([&] { ASSERT_TRUE(servers_.primary().kill_9()); });
  loop_.run(pause(300ms));
  const auto best = furthest();
  const auto before = traffic_->writes();
  meanwhile([&] { ASSERT_TRUE(servers_.replica(best).promote()); });
  const auto promoted = SteadyClock::now();  // it takes writes by now
  names_primary_ = servers_.replica(best).name();
  loop_.until([&] { return traffic_->writes() > before; }, 30s);
  const auto resumed = SteadyClock::now() - promoted;
  EXPECT_LT(resumed, 3s);
  go_on(500);
  // The old one comes back and gets nothing: its history has ended.
  meanwhile([&] { ASSERT_TRUE(servers_.primary().start()); });
  loop_.until([&] { return cluster_->topology().nodes[0].standing == Standing::astray; });
  const auto on_the_old = psql_value(servers_.primary().url(), "select count(*) from written");
  go_on(500);
  EXPECT_EQ(psql_value(servers_.primary().url(), "select count(*) from written"), on_the_old);
  finish("the primary is killed (kill -9), a replica promoted");
  EXPECT_EQ(traffic_->failures(), 0U);
}

TEST_F(ClusterFaults, the_primary_hangs_and_a_replica_is_promoted) {
  servers_.make_synchronous();
  make();
  begin();
  meanwhile([&] { ASSERT_TRUE(servers_.primary().pause()); });
  loop_.until([&] { return cluster_->topology().nodes[0].standing == Standing::down; });
  const auto before = traffic_->writes();
  const auto best = furthest();
  meanwhile([&] { ASSERT_TRUE(servers_.replica(best).promote()); });
  const auto promoted = SteadyClock::now();  // it takes writes by now
  names_primary_ = servers_.replica(best).name();
  loop_.until([&] { return traffic_->writes() > before; }, 30s);
  EXPECT_LT(SteadyClock::now() - promoted, 3s);
  meanwhile([&] { ASSERT_TRUE(servers_.primary().resume()); });
  go_on(500);
  loop_.until([&] { return cluster_->topology().nodes[0].standing == Standing::astray; });
  go_on(200);
  finish("the primary hangs (SIGSTOP), a replica promoted");
  EXPECT_EQ(traffic_->failures(), 0U);
}

TEST_F(ClusterFaults, the_primary_is_restarted) {
  make();
  begin();
  meanwhile([&] { ASSERT_TRUE(servers_.primary().restart()); });
  go_on(500);
  until_all_serve();
  finish("the primary is restarted");
  EXPECT_EQ(traffic_->failures(), 0U);
}

TEST_F(ClusterFaults, everything_is_restarted) {
  make();
  begin();
  for (auto& server : servers_.cluster->servers()) {
    meanwhile([&] { ASSERT_TRUE(server.restart(local::StopMode::kImmediate)); });
  }
  go_on(500);
  until_all_serve();
  go_on();
  finish("everything is restarted");
  EXPECT_EQ(traffic_->failures(), 0U);
}

}  // namespace
}  // namespace lyceum::cluster
