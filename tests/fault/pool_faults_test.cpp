// The pool while servers and networks break. Writers store one row per call, under a key that was
// never used before; whatever happens, afterwards
//   - all that was acknowledged is stored, once;
//   - what failed without effect is not stored; only what is in doubt may be, or may not, once;
//   - no call took longer than its deadline and a little;
//   - the pool works.

#include <atomic>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <signal.h>
#include <thread>

#include "local/cluster.h"
#include "local/ephemeral.h"
#include "pg/transaction.h"
#include "pool/pool_run.h"
#include "support/gate.h"

namespace lyceum::pool {
namespace {

using lyceum::testing::Gate;
using lyceum::testing::psql;

constexpr Duration kDeadline = 3s;
// For a loop that shares two cores with a server in trouble, under sanitizers.
constexpr Duration kMargin = 2s;

// A server of its own: these tests stop and kill it.
local::Server& server() {
  struct Own {
    local::Ephemeral place = local::Ephemeral::make().value();
    local::Cluster cluster = place.up().value();
  };
  static Own own;
  return own.cluster.primary();
}

enum class End { acknowledged, in_doubt, failed };

class PoolFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server().is_running()) ASSERT_TRUE(server().start().has_value());
    database_.emplace(server());
    // No unique key: a row that is stored twice shall show.
    database_->query("create table stored (key bigint, by_lease bool)");
  }
  void TearDown() override {
    if (pool_) {
      loop_.run(pool_->shutdown(1s));
      pool_.reset();
    }
    gate_.reset();
    (void)server().resume();
    if (!server().is_running()) (void)server().start();
    database_.reset();
  }

  void make_pool(const std::string& url) {
    Options options;
    options.target = pg::parse_target(url).value();
    options.application_name = "pool_faults";
    options.limits.connection_limit = 6;
    options.limits.lanes = 3;
    options.limits.backoff_max = 300ms;
    options.limits.connect_timeout = 1s;
    options.on_event = [this](const std::string& what, const std::string&) { ++events_[what]; };
    pool_ = std::make_unique<Pool>(loop_.context.get_executor(), std::move(options));
  }
  Gate& through_gate() {
    gate_ = std::make_unique<Gate>(server());
    make_pool(gate_->url(database_->name()));
    return *gate_;
  }

  void note(std::int64_t key, SteadyTime since, const Error* error) {
    const auto took = SteadyClock::now() - since;
    worst_ = std::max(worst_, took);
    auto end = End::acknowledged;
    if (error != nullptr) {
      end = error->may_have_taken_effect ? End::in_doubt : End::failed;
      ++errors_[std::string(name_of(error->code)) + " " + error->sqlstate];
      EXPECT_FALSE(error->message.empty());
    }
    ends_[key] = end;
    ++count_[end];
  }

  awaitable<void> write_by_statement() {
    ++working_;
    while (!stop_) {
      const auto key = ++last_key_;
      const auto since = SteadyClock::now();
      auto done = co_await pool_->execute(
          write_of("insert into stored values ($1, false)", "store"), pg::Params(key),
          {.tenant = std::nullopt, .deadline = since + kDeadline});
      std::optional<Error> error;
      if (done.has_error()) error = done.error();
      note(key, since, error ? &*error : nullptr);
      if (done.has_error()) co_await pause(2ms);
    }
    --working_;
  }

  // Stores by a transaction of two statements on a leased connection.
  awaitable<void> write_by_lease() {
    ++working_;
    while (!stop_) {
      const auto key = ++last_key_;
      const auto since = SteadyClock::now();
      auto error = co_await store_by_lease(key, since + kDeadline);
      note(key, since, error ? &*error : nullptr);
      if (error) co_await pause(2ms);
    }
    --working_;
  }
  awaitable<std::optional<Error>> store_by_lease(std::int64_t key, SteadyTime deadline) {
    auto lease = co_await pool_->lease(Access::write, {.deadline = deadline});
    if (lease.has_error()) co_return lease.error();
    auto transaction = co_await pg::Transaction::begin(lease->connection(), {.deadline = deadline});
    if (transaction.has_error()) co_return plain(transaction.error());
    auto written = co_await transaction->execute(
        write_of("insert into stored values ($1, true)", "store.leased"), pg::Params(key));
    // In a transaction that was never committed nothing has taken effect.
    if (written.has_error()) co_return plain(written.error());
    auto committed = co_await transaction->commit();
    if (committed.has_error()) co_return committed.error();
    co_return std::nullopt;
  }
  static Error plain(Error error) {
    error.may_have_taken_effect = false;
    return error;
  }

  awaitable<void> read() {
    ++working_;
    while (!stop_) {
      const auto since = SteadyClock::now();
      auto rows = co_await pool_->execute(read_of("select 42", "read"), kNoParams,
                                          {.tenant = std::nullopt, .deadline = since + kDeadline});
      worst_ = std::max(worst_, SteadyClock::now() - since);
      if (rows.has_value()) {
        EXPECT_EQ(rows->value<int>(), 42);
        ++reads_;
      } else {
        EXPECT_FALSE(rows.error().may_have_taken_effect);
        co_await pause(2ms);
      }
    }
    --working_;
  }

  // Works for so long while `harm` does what it does, in a thread of its own; then for a little
  // longer, until all is well again.
  void work_through(std::function<void()> harm) {
    for (int i = 0; i < 12; ++i) loop_.spawn(write_by_statement());
    for (int i = 0; i < 3; ++i) loop_.spawn(write_by_lease());
    for (int i = 0; i < 3; ++i) loop_.spawn(read());
    loop_.until([this] { return count_[End::acknowledged] > 50; });
    std::atomic<bool> harmed = false;
    std::thread harmer([&] {
      harm();
      harmed = true;
    });
    try {
      loop_.until([&] { return harmed.load(); }, 60s);
    } catch (...) {
      harmer.join();
      throw;
    }
    harmer.join();
    // All is well when both kinds are acknowledged again.
    const auto before = count_[End::acknowledged];
    const auto leases = pool_->figures().leases;
    loop_.until(
        [&] {
          return count_[End::acknowledged] > before + 50 && pool_->figures().leases > leases + 5;
        },
        15s);
    stop_ = true;
    loop_.until([this] { return working_ == 0; }, kDeadline + kMargin);
    verify();
  }

  void verify() {
    EXPECT_LT(worst_, kDeadline + kMargin);
    std::map<std::int64_t, int> stored;
    // What a cut-off server process still has to end, ends before the look.
    ASSERT_TRUE(lyceum::testing::eventually([this] {
      return database_->value(
                 "select count(*) from pg_stat_activity where application_name = "
                 "'pool_faults' and state <> 'idle'") == "0";
    }));
    for (const auto& row : database_->query("select key, count(*) from stored group by key")) {
      stored[std::stoll(row[0])] = std::stoi(row[1]);
    }
    std::size_t lost = 0, twice = 0, ghosts = 0;
    for (const auto& [key, end] : ends_) {
      const auto found = stored.find(key);
      const int times = found == stored.end() ? 0 : found->second;
      lost += end == End::acknowledged && times == 0;
      twice += times > 1;
      ghosts += end == End::failed && times > 0;
    }
    EXPECT_EQ(lost, 0u) << "acknowledged and not stored";
    EXPECT_EQ(twice, 0u) << "stored more than once";
    EXPECT_EQ(ghosts, 0u) << "said to have had no effect, and stored";
    EXPECT_EQ(ends_.size(), static_cast<std::size_t>(last_key_)) << "every call has ended";
    EXPECT_GT(reads_, 0u);
    const auto figures = pool_->figures();
    EXPECT_LE(figures.open, 6u);
    std::string seen;
    for (const auto& [what, times] : errors_) seen += fmt::format(" {}: {};", what, times);
    fmt::print(
        "  {} acknowledged, {} in doubt, {} failed, worst {} ms, {} retries, {} cancels, {} "
        "connections;{}\n",
        count_[End::acknowledged], count_[End::in_doubt], count_[End::failed], worst_ / 1ms,
        figures.retries, figures.cancels, figures.connects, seen);
  }

  // Of the pool's own server processes, one at random.
  std::string victims(const std::string& expression, int limit) {
    return fmt::format(
        "select {} from (select pid from pg_stat_activity where application_name = "
        "'pool_faults' order by random() limit {}) victim",
        expression, limit);
  }

  Loop loop_;
  std::optional<TestDatabase> database_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Pool> pool_;
  std::map<std::string, int> events_;
  std::map<std::int64_t, End> ends_;
  std::map<End, std::size_t> count_;
  std::map<std::string, int> errors_;
  std::int64_t last_key_ = 0;
  std::size_t reads_ = 0;
  Duration worst_{};
  int working_ = 0;
  bool stop_ = false;
};

TEST_F(PoolFaults, TerminatedBackends) {
  make_pool(database_->url());
  work_through([&] {
    for (int i = 0; i < 15; ++i) {
      psql(server().url("postgres"), victims("pg_terminate_backend(pid)", 1 + i % 3));
      std::this_thread::sleep_for(50ms);
    }
  });
  EXPECT_GT(events_["connection lost"], 5);
}

TEST_F(PoolFaults, CancelledBackends) {
  make_pool(database_->url());
  work_through([&] {
    psql(server().url("postgres"),
         "do $$ begin for i in 1..1000 loop"
         "  perform pg_stat_clear_snapshot();"
         "  perform pg_cancel_backend(pid) from pg_stat_activity"
         "    where application_name = 'pool_faults';"
         "  perform pg_sleep(0.001);"
         "end loop; end $$");
  });
  EXPECT_GT(errors_["sql 57014"], 0) << "no cancel has hit anything";
  EXPECT_EQ(count_[End::in_doubt], 0u) << "a cancelled statement has had no effect";
}

// The death of one process makes the server end all sessions and recover.
TEST_F(PoolFaults, KilledBackends) {
  make_pool(database_->url());
  work_through([&] {
    for (int i = 0; i < 2; ++i) {
      const auto rows = psql(server().url("postgres"), victims("pid", 1));
      if (!rows.empty()) ::kill(std::stoi(rows[0][0]), SIGKILL);
      std::this_thread::sleep_for(1s);
    }
  });
}

TEST_F(PoolFaults, ServerRestarted) {
  make_pool(database_->url());
  work_through([&] {
    EXPECT_TRUE(server().restart(local::StopMode::kFast).has_value());
    std::this_thread::sleep_for(300ms);
    EXPECT_TRUE(server().restart(local::StopMode::kImmediate).has_value());
  });
}

TEST_F(PoolFaults, ServerKilledAndStarted) {
  make_pool(database_->url());
  work_through([&] {
    EXPECT_TRUE(server().kill_9().has_value());
    std::this_thread::sleep_for(500ms);
    EXPECT_TRUE(server().start().has_value());
  });
}

TEST_F(PoolFaults, ServerPausedForLessThanADeadline) {
  make_pool(database_->url());
  work_through([&] {
    EXPECT_TRUE(server().pause().has_value());
    std::this_thread::sleep_for(1s);
    EXPECT_TRUE(server().resume().has_value());
  });
  EXPECT_EQ(count_[End::failed] + count_[End::in_doubt], 0u) << "a pause is no failure";
}

TEST_F(PoolFaults, ServerPausedForLongerThanADeadline) {
  make_pool(database_->url());
  work_through([&] {
    EXPECT_TRUE(server().pause().has_value());
    std::this_thread::sleep_for(kDeadline + 1s);
    EXPECT_TRUE(server().resume().has_value());
  });
  EXPECT_GT(count_[End::in_doubt], 0u);
}

TEST_F(PoolFaults, NetworkCut) {
  auto& gate = through_gate();
  work_through([&] {
    std::mt19937 random(7);
    for (int i = 0; i < 15; ++i) {
      if (i % 3 == 0) {
        gate.cut();
      } else {
        gate.cut_after(i % 3 == 1 ? Gate::Direction::kToServer : Gate::Direction::kToClient,
                       random() % 5000);
      }
      std::this_thread::sleep_for(60ms);
    }
    gate.set_refusing(true);
    gate.cut();
    std::this_thread::sleep_for(500ms);
    gate.restore();
  });
}

TEST_F(PoolFaults, NetworkThatSwallowsEverything) {
  auto& gate = through_gate();
  work_through([&] {
    gate.drop_after(Gate::Direction::kToClient, 3000);
    std::this_thread::sleep_for(kDeadline + 500ms);
    gate.restore();
    gate.cut();
  });
  EXPECT_GT(count_[End::in_doubt], 0u);
}

TEST_F(PoolFaults, NetworkThatStalls) {
  auto& gate = through_gate();
  work_through([&] {
    gate.set_stalled(true);
    std::this_thread::sleep_for(1s);
    gate.restore();
  });
}

TEST_F(PoolFaults, NetworkThatIsSlow) {
  auto& gate = through_gate();
  work_through([&] {
    gate.set_delay(60ms, 60ms);
    std::this_thread::sleep_for(2s);
    gate.restore();
  });
  EXPECT_EQ(count_[End::failed] + count_[End::in_doubt], 0u);
}

}  // namespace
}  // namespace lyceum::pool
