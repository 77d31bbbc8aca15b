#pragma once

#include <fmt/format.h>
#include <map>
#include <random>
#include <set>

#include "cluster/cluster.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "pool/pool_run.h"
#include "support/gate.h"

namespace lyceum::cluster {

using lyceum::testing::eventually;
using lyceum::testing::psql;
using lyceum::testing::psql_value;
using pool::awaitable;
using pool::in;
using pool::Loop;
using pool::pause;
using pool::read_of;
using pool::SteadyClock;
using pool::write_of;
using namespace std::chrono_literals;

// A primary with streaming replicas that ends with the test.
struct Servers {
  explicit Servers(int replicas, std::map<std::string, std::string> settings = {}) {
    settings.emplace("wal_receiver_timeout", "2s");
    settings.emplace("wal_sender_timeout", "2s");
    settings.emplace("wal_retrieve_retry_interval", "100ms");
    cluster = place.up({.replicas = replicas, .durable = false, .settings = settings}).value();
  }
  local::Ephemeral place = local::Ephemeral::make().value();
  std::optional<local::Cluster> cluster;

  local::Server& primary() { return cluster->primary(); }
  local::Server& replica(std::size_t index) { return cluster->replica(index); }
  std::vector<std::string> urls() {
    std::vector<std::string> out;
    for (auto& server : cluster->servers()) out.push_back(server.url());
    return out;
  }

  // A commit is acknowledged when a replica has it: what the loss of the primary cannot undo.
  void make_synchronous() {
    psql(primary().url(), "alter system set synchronous_standby_names = 'ANY 1 (*)'");
    psql(primary().url(), "select pg_reload_conf()");
    if (!eventually([&] {
          return psql_value(primary().url(),
                            "select count(*) from pg_stat_replication where sync_state = "
                            "'quorum'") == std::to_string(cluster->servers().size() - 1);
        })) {
      throw std::runtime_error("the replicas did not become synchronous");
    }
  }
  void wait_until_replayed() {
    const auto lsn = psql_value(primary().url(), "select pg_current_wal_lsn()");
    for (std::size_t i = 1; i < cluster->servers().size(); ++i) {
      auto& server = cluster->servers()[i];
      if (!eventually([&] {
            return psql_value(server.url(),
                              fmt::format("select pg_last_wal_replay_lsn() >= '{}'", lsn)) == "t";
          })) {
        throw std::runtime_error("a replica did not catch up");
      }
    }
  }
};

inline ClusterOptions options_for(const std::vector<std::string>& urls) {
  ClusterOptions options;
  for (const auto& url : urls) options.nodes.push_back(pg::parse_target(url).value());
  options.pool.application_name = "cluster_test";
  options.pool.limits.connection_limit = 8;
  options.pool.limits.lanes = 3;
  options.pool.limits.connect_timeout = 1s;
  options.pool.limits.backoff_max = 300ms;
  options.probe_interval = 200ms;
  options.probe_timeout = 500ms;
  options.primary_wait = 20s;
  return options;
}

// Callers that each write a number higher than the one before, then read it back with the bookmark
// that they got: who reads less than he was told is stored has been taken back in time.
//   create table written (caller int, number bigint)
class Traffic {
 public:
  explicit Traffic(Cluster& cluster, Duration deadline = 20s)
      : cluster_(cluster), deadline_(deadline) {}

  static void prepare(const std::string& url) {
    psql(url,
         "create table written (caller int, number bigint);"
         "create index on written (caller, number)");
  }

  void start(Loop& loop, int callers) {
    for (int i = 0; i < callers; ++i) {
      ++working_;
      loop.spawn(caller(++callers_));
    }
  }
  void stop(Loop& loop) {
    stop_ = true;
    loop.until([this] { return working_ == 0; }, 60s);
    stop_ = false;
  }

  // All that was acknowledged is stored, once, and nothing is that was said to have failed.
  void check(const std::string& url) const {
    std::map<std::pair<int, std::int64_t>, int> stored;
    for (const auto& row : psql(url, "select caller, number from written")) {
      ++stored[{std::stoi(row[0]), std::stoll(row[1])}];
    }
    for (const auto& one : acknowledged_) {
      EXPECT_EQ(stored[one], 1) << "acknowledged, of caller " << one.first;
    }
    for (const auto& one : failed_) EXPECT_EQ(stored[one], 0) << "failed, and yet there";
    for (const auto& one : in_doubt_) EXPECT_LE(stored[one], 1) << "in doubt, and doubled";
    EXPECT_EQ(stale_, 0);
  }

  [[nodiscard]] std::size_t writes() const { return acknowledged_.size(); }
  [[nodiscard]] std::size_t lost(const std::string& url) const {
    std::set<std::pair<int, std::int64_t>> stored;
    for (const auto& row : psql(url, "select caller, number from written")) {
      stored.insert({std::stoi(row[0]), std::stoll(row[1])});
    }
    std::size_t out = 0;
    for (const auto& one : acknowledged_) out += !stored.contains(one);
    return out;
  }
  [[nodiscard]] std::size_t in_doubt() const { return in_doubt_.size(); }
  [[nodiscard]] std::int64_t reads() const { return reads_; }
  [[nodiscard]] std::int64_t stale() const { return stale_; }
  [[nodiscard]] std::size_t failures() const { return failed_.size() + failed_reads_; }
  [[nodiscard]] const std::map<std::string, int>& errors() const { return errors_; }
  // That any one of them took, whatever came of it.
  [[nodiscard]] Duration longest_write() const { return slowest_write_; }
  [[nodiscard]] Duration longest_read() const { return slowest_read_; }
  // Between two acknowledged writes, and two answered reads, of any caller.
  [[nodiscard]] Duration longest_write_pause() const { return longest_write_; }
  [[nodiscard]] Duration longest_read_pause() const { return longest_read_; }
  void forget_pauses() {
    last_write_ = last_read_ = SteadyTime{},
    longest_write_ = longest_read_ = slowest_write_ = slowest_read_ = {};
  }

 private:
  awaitable<void> caller(int id) {
    std::int64_t number = 0, acknowledged = 0;
    pg::Position seen;
    while (!stop_) {
      ++number;
      const std::pair<int, std::int64_t> key{id, number};
      auto asked = SteadyClock::now();
      auto done = co_await cluster_.execute(
          write_of("insert into written values ($1, $2)", "write_one"), pg::Params(id, number),
          {.deadline = in(deadline_), .seen = &seen});
      slowest_write_ = std::max<Duration>(slowest_write_, SteadyClock::now() - asked);
      if (done.has_value()) {
        acknowledged_.insert(key);
        acknowledged = number;
        EXPECT_FALSE(seen.empty());
        note(last_write_, longest_write_);
      } else {
        (done.error().may_have_taken_effect ? in_doubt_ : failed_).insert(key);
        tell(done.error());
        co_await pause(2ms);
      }
      for (int i = 0; i < 2; ++i) {
        asked = SteadyClock::now();
        auto read = co_await cluster_.execute(
            read_of("select coalesce(max(number), 0) from written where caller = $1", "read_one"),
            pg::Params(id), {.deadline = in(deadline_), .seen = &seen});
        slowest_read_ = std::max<Duration>(slowest_read_, SteadyClock::now() - asked);
        if (read.has_error()) {
          ++failed_reads_;
          tell(read.error());
          co_await pause(2ms);
          continue;
        }
        ++reads_;
        note(last_read_, longest_read_);
        const auto found = read->value<std::int64_t>();
        if (found < acknowledged) ++stale_;
        // What a caller has read himself must not vanish either.
        acknowledged = std::max(acknowledged, found);
      }
    }
    --working_;
  }
  static void note(SteadyTime& last, Duration& longest) {
    const auto now = SteadyClock::now();
    if (last != SteadyTime{}) longest = std::max<Duration>(longest, now - last);
    last = now;
  }
  void tell(const Error& error) {
    ++errors_[fmt::format("{} {}", name_of(error.code), error.sqlstate)];
    EXPECT_FALSE(error.message.empty());
  }

  Cluster& cluster_;
  Duration deadline_;
  int callers_ = 0;
  int working_ = 0;
  bool stop_ = false;
  std::set<std::pair<int, std::int64_t>> acknowledged_, failed_, in_doubt_;
  std::size_t failed_reads_ = 0;
  std::int64_t reads_ = 0, stale_ = 0;
  std::map<std::string, int> errors_;
  SteadyTime last_write_{}, last_read_{};
  Duration longest_write_{}, longest_read_{}, slowest_write_{}, slowest_read_{};
};

}  // namespace lyceum::cluster
