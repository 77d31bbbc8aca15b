// A cluster over a real primary and real streaming replicas.
#include "cluster/cluster.h"

#include <gtest/gtest.h>

#include "cluster/traffic.h"
#include "pg/transaction.h"

namespace lyceum::cluster {
namespace {

constexpr auto kServing = Standing::serving;

// One for all tests here: what a test changes it puts back.
Servers& servers() {
  static Servers own(2);
  return own;
}

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    psql(servers().primary().url(), "drop table if exists written");
    Traffic::prepare(servers().primary().url());
    servers().wait_until_replayed();
  }
  void TearDown() override {
    for (std::size_t i = 0; i < 2; ++i) resume_replay(i);
    if (cluster_) EXPECT_TRUE(loop_.run(cluster_->shutdown(5s)));
    cluster_.reset();
  }
  void make(ClusterOptions options) {
    cluster_ = std::make_unique<Cluster>(loop_.context.get_executor(), std::move(options));
    (void)loop_.run(cluster_->ready());
    until([](const Topology& now) {
      return now.writable() &&
             std::all_of(now.nodes.begin(), now.nodes.end(),
                         [](const NodeState& node) { return node.standing == kServing; });
    });
  }
  void make() { make(options_for(servers().urls())); }
  void until(const std::function<bool(const Topology&)>& condition) {
    loop_.until([&] { return condition(cluster_->topology()); });
  }
  static void pause_replay(std::size_t i) {
    psql(servers().replica(i).url(), "select pg_wal_replay_pause()");
  }
  static void resume_replay(std::size_t i) {
    psql(servers().replica(i).url(), "select pg_wal_replay_resume()");
  }
  Result<pg::Rows> execute(const Statement& statement, pool::Call call = {}) {
    return loop_.run(cluster_->execute(statement, pool::kNoParams, call));
  }
  // The port of the server that answered: which node it was.
  int port_of_read(pool::Call call = {}) {
    return execute(read_of("select current_setting('port')::int"), call)
        .value()
        .value<std::int32_t>();
  }
  std::uint64_t routed(Reason reason) { return cluster_->figures().routed(reason); }

  Loop loop_;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(ClusterTest, finds_out_who_is_who_in_whatever_order) {
  auto urls = servers().urls();
  std::reverse(urls.begin(), urls.end());
  make(options_for(urls));
  const auto& now = cluster_->topology();
  ASSERT_EQ(now.primary, 2U);
  EXPECT_EQ(now.nodes[0].role, Role::replica);
  EXPECT_EQ(now.nodes[2].role, Role::primary);
  EXPECT_EQ(now.timeline, 1);
  EXPECT_TRUE(now.nodes[0].receiving);
  EXPECT_EQ(std::to_string(now.nodes[2].max_connections),
            psql_value(servers().primary().url(), "show max_connections"));
  EXPECT_TRUE(now.alarm.empty());
}

TEST_F(ClusterTest, writes_go_to_the_primary_and_reads_to_both_replicas) {
  make();
  // Many at once: each goes to whom it expects to answer first. Who was slow a moment ago gets
  // none, until the next probe finds him quick again.
  std::map<int, int> ports;
  std::uint64_t asked = 0, answers = 0;
  const auto ask = [&]() -> awaitable<void> {
    auto rows =
        co_await cluster_->execute(read_of("select current_setting('port')::int"), pool::kNoParams);
    ++ports[rows.value().value<std::int32_t>()];
    ++answers;
  };
  loop_.until([&] {
    if (answers < asked) return false;
    if (ports.size() >= 2) return true;
    for (int i = 0; i < 60; ++i, ++asked) loop_.spawn(ask());
    return false;
  });
  EXPECT_EQ(ports.size(), 2U);
  EXPECT_FALSE(ports.contains(servers().primary().port()));
  EXPECT_EQ(routed(Reason::fresh), asked);
  EXPECT_TRUE(execute(write_of("insert into written values (0, 0)")));
  EXPECT_EQ(routed(Reason::write), 1U);
  EXPECT_EQ(psql_value(servers().primary().url(), "select count(*) from written"), "1");
}

TEST_F(ClusterTest, round_robin_takes_turns) {
  auto options = options_for(servers().urls());
  options.router.balance = Balance::round_robin;
  options.router.read_primary = true;
  make(std::move(options));
  std::map<int, int> ports;
  for (int i = 0; i < 30; ++i) ++ports[port_of_read()];
  ASSERT_EQ(ports.size(), 3U);
  for (const auto& [port, count] : ports) EXPECT_EQ(count, 10);
}

TEST_F(ClusterTest, a_read_after_a_write_waits_for_a_replica_or_takes_the_primary) {
  auto options = options_for(servers().urls());
  options.bookmark_wait = 30ms;
  make(std::move(options));
  pg::Position seen;
  ASSERT_TRUE(execute(write_of("insert into written values (1, 1)"), {.seen = &seen}));
  const auto position = seen;
  EXPECT_EQ(execute(read_of("select count(*) from written"), {.seen = &seen})
                .value()
                .value<std::int64_t>(),
            1);
  EXPECT_GE(seen, position);

  for (std::size_t i = 0; i < 2; ++i) pause_replay(i);
  ASSERT_TRUE(execute(write_of("insert into written values (1, 2)"), {.seen = &seen}));
  EXPECT_EQ(port_of_read({.seen = &seen}), servers().primary().port());
  EXPECT_EQ(routed(Reason::behind), 1U);
  // Without a bookmark nobody waits.
  EXPECT_NE(port_of_read(), servers().primary().port());
}

TEST_F(ClusterTest, a_bookmark_that_cannot_be_placed_is_read_from_the_primary) {
  make();
  EXPECT_EQ(port_of_read({.primary = true}), servers().primary().port());
  EXPECT_EQ(routed(Reason::unplaced), 1U);
}

TEST_F(ClusterTest, a_position_that_was_lost_is_read_from_the_primary_once) {
  make();
  pg::Position seen{.timeline = 1, .lsn = 1};
  seen.lose_track();
  EXPECT_EQ(port_of_read({.seen = &seen}), servers().primary().port());
  EXPECT_FALSE(seen.beyond());
  servers().wait_until_replayed();
  EXPECT_NE(port_of_read({.seen = &seen}), servers().primary().port());
}

TEST_F(ClusterTest, what_was_seen_on_a_later_history_is_not_read_from_an_older_one) {
  auto options = options_for(servers().urls());
  options.primary_wait = 100ms;
  options.bookmark_wait = 10ms;
  make(std::move(options));
  pg::Position seen{.timeline = 2, .lsn = 1};
  const auto read = execute(read_of("select 1"), {.seen = &seen});
  ASSERT_TRUE(read.has_error());
  EXPECT_EQ(read.error().code, ErrorCode::kConnect);
}

// The promise, as it stands there: ten thousand pairs, replay paused and resumed at random.
TEST_F(ClusterTest, ten_thousand_writes_are_read_back_and_none_is_stale) {
  auto options = options_for(servers().urls());
  options.bookmark_wait = 5ms;  // while both are paused every read waits for so long
  make(std::move(options));
  Traffic traffic(*cluster_);
  std::minstd_rand random(7);
  traffic.start(loop_, 16);
  bool paused[2] = {false, false};
  while (traffic.writes() < 10'000) {
    const auto which = random() % 2;
    paused[which] ? resume_replay(which) : pause_replay(which);
    paused[which] = !paused[which];
    const auto goal = traffic.writes() + 50 + random() % 200;
    loop_.until([&] { return traffic.writes() >= goal; });
  }
  traffic.stop(loop_);
  traffic.check(servers().primary().url());
  EXPECT_TRUE(traffic.errors().empty());
  EXPECT_GE(traffic.reads(), 10'000);
  // Both ways were taken, or nothing was shown.
  EXPECT_GT(routed(Reason::fresh), 0U);
  EXPECT_GT(routed(Reason::behind), 0U);
  EXPECT_GT(cluster_->figures().waited_behind, 0U);
}

TEST_F(ClusterTest, a_replica_that_was_started_anew_is_asked_how_far_it_is) {
  auto options = options_for({servers().primary().url(), servers().replica(0).url()});
  options.probe_interval = 60s;  // nothing is known by it
  make(std::move(options));
  pg::Position seen;
  ASSERT_TRUE(execute(write_of("insert into written values (1, 1)"), {.seen = &seen}));
  EXPECT_EQ(port_of_read({.seen = &seen}), servers().replica(0).port());
  auto waited = cluster_->figures().waited_behind;
  EXPECT_EQ(port_of_read({.seen = &seen}), servers().replica(0).port());
  EXPECT_EQ(cluster_->figures().waited_behind, waited) << "it is known to be there";
  // While nothing is under way, and quicker than a probe comes.
  ASSERT_TRUE(servers().replica(0).restart(local::StopMode::kImmediate));
  loop_.until([&] { return cluster_->figures().nodes[1].closed_for(pool::CloseReason::lost) > 0; });
  const auto answer = execute(read_of("select count(*) from written"), {.seen = &seen});
  EXPECT_EQ(answer.value().value<std::int64_t>(), 1);
  EXPECT_TRUE(cluster_->figures().waited_behind > waited || routed(Reason::behind) > 0 ||
              routed(Reason::no_replica) > 0);
  servers().wait_until_replayed();
}

TEST_F(ClusterTest, lag_stays_at_zero_beside_an_idle_primary_and_grows_where_replay_stops) {
  auto options = options_for(servers().urls());
  options.probe_interval = 20ms;
  options.tracker.max_lag = 300ms;
  make(std::move(options));
  // Idle: nothing is written for longer than the limit.
  // A lag that counts from the last transaction would be past it from now on, and stay so.
  loop_.run(pause(500ms));
  until([](const Topology& now) {
    return now.nodes[1].lag && *now.nodes[1].lag < 300ms && now.nodes[1].standing == kServing;
  });

  pause_replay(0);
  const auto before = psql_value(servers().replica(0).url(), "select pg_last_wal_replay_lsn()");
  psql(servers().primary().url(),
       "insert into written select 1, n from generate_series(1, 1000) n");
  until([](const Topology& now) { return now.nodes[1].standing == Standing::lagging; });
  const auto lagging = cluster_->topology().nodes[1];
  EXPECT_GT(*lagging.lag, 300ms);
  // In bytes it is what the servers say.
  const auto bytes = psql_value(servers().primary().url(),
                                fmt::format("select pg_current_wal_lsn() - '{}'", before));
  EXPECT_GT(*lagging.lag_bytes, 0U);
  EXPECT_LE(*lagging.lag_bytes, std::stoull(bytes));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(port_of_read(), servers().replica(1).port());

  resume_replay(0);
  until([](const Topology& now) { return now.nodes[1].standing == kServing; });
}

TEST_F(ClusterTest, a_conflict_with_recovery_moves_the_read) {
  auto options = options_for(servers().urls());
  options.probe_interval = 50ms;
  make(std::move(options));
  for (std::size_t i = 0; i < 2; ++i) {
    psql(servers().replica(i).url(), "alter system set max_standby_streaming_delay = '10ms'");
    psql(servers().replica(i).url(), "select pg_reload_conf()");
  }
  psql(servers().primary().url(), "insert into written select 9, n from generate_series(1, 100) n");
  servers().wait_until_replayed();
  const auto answer = std::make_shared<std::optional<Result<pg::Rows>>>();
  loop_.spawn([](Cluster& cluster, auto into) -> awaitable<void> {
    *into = co_await cluster.execute(
        read_of("select count(*), pg_sleep(1.5) from written where caller = 9"), pool::kNoParams,
        {.deadline = in(20s)});
  }(*cluster_, answer));
  loop_.run(pause(200ms));
  // What it looks at is removed and vacuumed away: the replicas end it, one after the other.
  psql(servers().primary().url(), "delete from written where caller = 9");
  psql(servers().primary().url(), "vacuum written");
  loop_.until([&] { return answer->has_value(); });
  EXPECT_TRUE((*answer)->has_value()) << (*answer)->error().to_string();
  EXPECT_GT(cluster_->figures().moved, 0U);
  for (std::size_t i = 0; i < 2; ++i) {
    psql(servers().replica(i).url(), "alter system reset max_standby_streaming_delay");
    psql(servers().replica(i).url(), "select pg_reload_conf()");
  }
}

TEST_F(ClusterTest, while_no_replica_can_be_read_the_primary_spares_a_part_for_reads) {
  auto options = options_for(servers().urls());
  options.tracker.max_lag_bytes = 1;
  options.probe_interval = 20ms;
  options.primary_read_share = 0;  // one read at a time, at least
  options.pool.limits.pool_timeout = 300ms;
  make(std::move(options));
  for (std::size_t i = 0; i < 2; ++i) pause_replay(i);
  psql(servers().primary().url(), "insert into written values (1, 1)");
  until([](const Topology& now) {
    return now.nodes[1].standing == Standing::lagging && now.nodes[2].standing == Standing::lagging;
  });
  std::vector<Result<pg::Rows>> ends;
  const auto sleep = [&](const char* text) -> awaitable<void> {
    ends.push_back(
        co_await cluster_->execute(read_of(text), pool::kNoParams, {.deadline = in(20s)}));
  };
  // The second has its turn when the first is done.
  loop_.spawn(sleep("select current_setting('port')::int, pg_sleep(0.1)"));
  loop_.spawn(sleep("select current_setting('port')::int"));
  loop_.until([&] { return ends.size() == 2; });
  for (const auto& end : ends) {
    ASSERT_TRUE(end) << end.error().to_string();
    EXPECT_EQ((*end)[0].get<std::int32_t>(0), servers().primary().port());
  }
  EXPECT_EQ(cluster_->figures().share_used_up, 1U);
  EXPECT_EQ(routed(Reason::no_replica), 2U);
  // Or is told so, where its turn does not come.
  ends.clear();
  loop_.spawn(sleep("select pg_sleep(1.5)"));
  loop_.spawn(sleep("select 2"));
  loop_.until([&] { return ends.size() == 1; });
  ASSERT_TRUE(ends[0].has_error());
  EXPECT_EQ(ends[0].error().code, ErrorCode::kQueueFull);
  loop_.until([&] { return ends.size() == 2; });
}

TEST_F(ClusterTest, an_error_of_the_statement_stays_where_it_is) {
  make();
  const auto wrong = execute(read_of("select 1 / 0"));
  ASSERT_TRUE(wrong.has_error());
  EXPECT_EQ(wrong.error().sqlstate, "22012");
  EXPECT_EQ(cluster_->figures().moved, 0U);
}

// Nothing else would tell: the connections stay, and the next probe is an hour away.
TEST_F(ClusterTest, a_write_that_is_refused_as_read_only_has_the_server_asked_at_once) {
  auto options = options_for({servers().primary().url()});
  options.probe_interval = 1h;
  make(options);
  EXPECT_TRUE(execute(write_of("insert into written values (0, 0)")));
  const auto& url = servers().primary().url();
  const auto set = [&](const std::string& what) {
    psql(url, "alter system " + what);
    psql(url, "select pg_reload_conf()");
  };
  set("set default_transaction_read_only = on");
  // The session hears of it when it does.
  std::optional<Error> refused;
  int stored = 1;
  while (!refused && stored < 10'000) {
    const auto write = execute(write_of("insert into written values (0, 1)"), {.deadline = in(2s)});
    if (write.has_error()) {
      refused = write.error();
    } else {
      ++stored;
    }
  }
  EXPECT_FALSE(cluster_->topology().writable());
  set("reset default_transaction_read_only");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->sqlstate, "25006");
  EXPECT_FALSE(refused->may_have_taken_effect);
  EXPECT_EQ(psql_value(url, "select count(*) from written"), std::to_string(stored));
}

TEST_F(ClusterTest, a_lease_to_read_is_a_replicas_and_one_to_write_the_primarys) {
  make();
  const auto recovering = [&](Access access) {
    return loop_.run([](Cluster& cluster, Access what) -> awaitable<bool> {
      auto lease = (co_await cluster.lease(what)).value();
      const auto rows = co_await lease->execute(read_of("select pg_is_in_recovery()"));
      co_return rows.value().value<bool>();
    }(*cluster_, access));
  };
  EXPECT_TRUE(recovering(Access::read));
  EXPECT_FALSE(recovering(Access::write));
}

TEST_F(ClusterTest, one_server_alone_is_a_cluster) {
  make(options_for({servers().primary().url()}));
  EXPECT_TRUE(execute(write_of("insert into written values (0, 0)")));
  EXPECT_EQ(port_of_read(), servers().primary().port());
  EXPECT_EQ(routed(Reason::primary_too), 1U);
}

TEST_F(ClusterTest, a_replica_alone_takes_no_writes_and_says_so) {
  auto options = options_for({servers().replica(0).url()});
  options.primary_wait = 100ms;
  cluster_ = std::make_unique<Cluster>(loop_.context.get_executor(), std::move(options));
  (void)loop_.run(cluster_->ready());
  const auto write = execute(write_of("insert into written values (0, 0)"));
  ASSERT_TRUE(write.has_error());
  EXPECT_FALSE(write.error().may_have_taken_effect);
  EXPECT_EQ(write.error().code, ErrorCode::kConnect);
  EXPECT_EQ(port_of_read(), servers().replica(0).port());
}

TEST_F(ClusterTest, a_server_of_another_cluster_is_not_read) {
  auto urls = servers().urls();
  urls.push_back(lyceum::testing::shared_server().url("postgres"));
  cluster_ = std::make_unique<Cluster>(loop_.context.get_executor(), options_for(urls));
  until([](const Topology& now) { return now.nodes[3].standing == Standing::foreign; });
  until([](const Topology& now) { return now.primary == 0U; });
}

}  // namespace
}  // namespace lyceum::cluster
