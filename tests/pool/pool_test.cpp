#include "pool/pool.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "base/statement_statistics.h"
#include "pg/transaction.h"
#include "pool/core_harness.h"
#include "pool/pool_run.h"
#include "support/gate.h"

namespace lyceum::pool {
namespace {

using lyceum::testing::Gate;
using lyceum::testing::psql_value;
using ::testing::HasSubstr;
using ::testing::Not;

class PoolTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { database_ = new TestDatabase(); }
  static void TearDownTestSuite() {
    delete database_;
    database_ = nullptr;
  }
  static TestDatabase& database() { return *database_; }

  Options options_for(const std::string& url) {
    Options options;
    options.target = pg::parse_target(url).value();
    options.application_name = name_;
    return options;
  }
  Pool& make(Limits limits, std::function<void(Options&)> change = {}) {
    return make(limits, database().url(), std::move(change));
  }
  Pool& make(Limits limits, const std::string& url, std::function<void(Options&)> change = {}) {
    auto options = options_for(url);
    options.limits = limits;
    if (change) change(options);
    pool_ = std::make_unique<Pool>(loop_.context.get_executor(), std::move(options));
    return *pool_;
  }
  static Limits limits_of(std::size_t connections, std::size_t lanes = 4, std::size_t depth = 32) {
    Limits limits;
    limits.connection_limit = connections;
    limits.lanes = lanes;
    limits.lane_depth = depth;
    return limits;
  }

  Result<pg::Rows> execute(std::string_view text, const pg::Params& params = {}, Call call = {}) {
    return loop_.run(pool_->execute(read_of(text), params, call));
  }
  std::shared_ptr<Asked> ask(Statement statement, pg::Params params = {}, Call call = {}) {
    auto asked = std::make_shared<Asked>();
    loop_.spawn(ask_into(*pool_, statement, std::move(params), call, asked));
    return asked;
  }
  Lease lease() { return loop_.run(pool_->lease(Access::write)).value(); }
  bool shut_down(Duration within = 10s) { return loop_.run(pool_->shutdown(within)); }
  // What this test's connections are at, as the server sees it.
  std::string at_server(const std::string& what, const std::string& where = "true") {
    return psql_value(database().server().url("postgres"),
                      fmt::format("select {} from pg_stat_activity where application_name = '{}' "
                                  "and {}",
                                  what, name_, where));
  }

  void TearDown() override {
    if (!pool_) return;
    shut_down();
    // With the pool at rest nothing is left on the loop.
    loop_.until(
        [this] {
          loop_.context.restart();
          return loop_.context.poll() == 0 && loop_.context.stopped();
        },
        12s);
    pool_.reset();
    EXPECT_TRUE(eventually([this] { return at_server("count(*)") == "0"; }));
  }

  static inline TestDatabase* database_ = nullptr;
  std::string name_ = fmt::format("pool_test_{}", ++count_);
  static inline int count_ = 0;
  Loop loop_;
  std::unique_ptr<Pool> pool_;
};

// ── statements ───────────────────────────────────────────────────────────────────────────────────

TEST_F(PoolTest, ExecutesStatements) {
  make(limits_of(4));
  auto rows = execute("select $1::int + 1, $2::text", pg::Params(41, "mole"));
  ASSERT_TRUE(rows.has_value()) << rows.error().to_string();
  EXPECT_EQ((*rows)[0].get<int>(0), 42);
  EXPECT_EQ((*rows)[0].get<std::string>(1), "mole");
  EXPECT_EQ(pool_->figures().statements, 1u);
}

TEST_F(PoolTest, GivesTheServersErrorsAndGoesOn) {
  make(limits_of(1));
  auto failed = execute("select 1 / 0");
  ASSERT_TRUE(failed.has_error());
  EXPECT_EQ(failed.error().code, ErrorCode::kSql);
  EXPECT_EQ(failed.error().sqlstate, "22012");
  EXPECT_FALSE(failed.error().may_have_taken_effect);
  EXPECT_EQ(execute("select 7").value().value<int>(), 7);
  EXPECT_EQ(pool_->figures().retries, 0u);
  EXPECT_EQ(pool_->figures().connects, 1u);
}

TEST_F(PoolTest, EachStatementSeesItsOwnTenant) {
  make(limits_of(2, 2));
  std::vector<std::shared_ptr<Asked>> asked;
  for (std::uint32_t i = 0; i < 300; ++i) {
    Call call;
    if (i % 3 != 0) call.tenant = tenant_number(i % 7);
    asked.push_back(
        ask(read_of("select coalesce(current_setting('lyceum.tenant', true), '')"), {}, call));
  }
  loop_.until([&] {
    return std::all_of(asked.begin(), asked.end(), [](auto& a) { return a->result.has_value(); });
  });
  for (std::uint32_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(asked[i]->ok()) << asked[i]->what();
    EXPECT_EQ((*asked[i]->result)->value<std::string>(),
              i % 3 == 0 ? "" : to_string(tenant_number(i % 7)));
  }
}

TEST_F(PoolTest, TenThousandRequestsOnAPoolOfFour) {
  make(limits_of(4));
  constexpr int kRequests = 10'000;
  std::vector<std::shared_ptr<Asked>> asked;
  asked.reserve(kRequests);
  for (int i = 0; i < kRequests; ++i) {
    asked.push_back(ask(read_of("select $1::int"), pg::Params(i),
                        {.tenant = tenant_number(static_cast<std::uint32_t>(i % 10))}));
  }
  std::size_t most_open = 0, most_waiting = 0;
  loop_.until([&] {
    most_open = std::max(most_open, pool_->figures().open);
    most_waiting = std::max(most_waiting, pool_->figures().waiting);
    return asked.back()->result && pool_->figures().waiting == 0 && pool_->figures().depth == 0;
  });
  for (int i = 0; i < kRequests; ++i) {
    const auto& one = *asked[static_cast<std::size_t>(i)];
    ASSERT_TRUE(one.ok()) << i << ": " << one.what();
    ASSERT_EQ((*one.result)->value<int>(), i);
  }
  EXPECT_LE(most_open, 4u);
  EXPECT_GT(most_waiting, 9'000u);
  EXPECT_EQ(pool_->figures().statements, 10'000u);
  EXPECT_EQ(pool_->figures().queue_full, 0u);
}

TEST_F(PoolTest, RepeatsWhatTheServerRolledBackToLetOthersPass) {
  database().query(
      "create sequence tries; create table survivors (id int);"
      "create function survive(id int) returns int language plpgsql as $$ begin"
      "  insert into survivors values (id);"
      "  if nextval('tries') < 3 then raise exception 'no' using errcode = '40001'; end if;"
      "  return id; end $$");
  make(limits_of(2));
  auto rows = loop_.run(pool_->execute(write_of("select survive(5)"), kNoParams));
  ASSERT_TRUE(rows.has_value()) << rows.error().to_string();
  EXPECT_EQ(pool_->figures().retries, 2u);
  EXPECT_EQ(database().value("select count(*) from survivors"), "1");
}

TEST_F(PoolTest, AStatementThatIsSlowByItsHistoryGetsAConnectionOfItsOwn) {
  const auto slow = read_of("select pg_sleep(0.3)", "slow");
  auto limits = limits_of(3, 1);
  make(limits, [&](Options& options) {
    options.recent_server_time = [](const Statement& statement) -> std::optional<Duration> {
      if (statement.name == "slow") return 300ms;
      return std::nullopt;
    };
  });
  execute("select 1");
  const auto slept = ask(slow);
  std::vector<std::shared_ptr<Asked>> quick;
  loop_.until([&] { return pool_->figures().leased == 1; });
  for (int i = 0; i < 50; ++i) quick.push_back(ask(read_of("select 1")));
  loop_.until([&] { return slept->result.has_value(); });
  ASSERT_TRUE(slept->ok()) << slept->what();
  for (const auto& one : quick) {
    ASSERT_TRUE(one->ok());
    EXPECT_LT(one->took, 250ms) << "it stood behind the slow one";
  }
  EXPECT_EQ(pool_->figures().leases, 1u);
  EXPECT_EQ(pool_->figures().leased, 0u);
}

// ── leases ───────────────────────────────────────────────────────────────────────────────────────

TEST_F(PoolTest, ALeaseCarriesTransactions) {
  database().query("create table ledger (entry int)");
  make(limits_of(2));
  {
    auto held = lease();
    loop_.run([](Lease& lease) -> awaitable<void> {
      auto kept = (co_await pg::Transaction::begin(lease.connection())).value();
      (co_await kept.execute(write_of("insert into ledger values (1)"), kNoParams)).value();
      (co_await kept.commit()).value();
      auto dropped = (co_await pg::Transaction::begin(lease.connection())).value();
      (co_await dropped.execute(write_of("insert into ledger values (2)"), kNoParams)).value();
      (co_await dropped.rollback()).value();
    }(held));
  }
  EXPECT_EQ(database().value("select string_agg(entry::text, ',') from ledger"), "1");
}

TEST_F(PoolTest, ALeaseDroppedInATransactionIsRolledBack) {
  database().query("create table drafts (entry int)");
  make(limits_of(1));
  {
    auto held = lease();
    loop_.run([](Lease& lease) -> awaitable<void> {
      auto open = (co_await pg::Transaction::begin(lease.connection())).value();
      (co_await open.execute(write_of("insert into drafts values (1)"), kNoParams)).value();
    }(held));
  }
  EXPECT_EQ(execute("select count(*) from drafts").value().value<std::int64_t>(), 0);
  EXPECT_EQ(at_server("count(*)", "state like 'idle in transaction%'"), "0");
  EXPECT_EQ(pool_->figures().connects, 1u) << "the connection itself is kept";
  // A failed transaction likewise.
  {
    auto held = lease();
    loop_.run([](Lease& lease) -> awaitable<void> {
      auto open = (co_await pg::Transaction::begin(lease.connection())).value();
      (void)co_await open.execute(write_of("select 1 / 0"), kNoParams);
    }(held));
  }
  EXPECT_EQ(execute("select 1").value().value<int>(), 1);
  EXPECT_EQ(pool_->figures().connects, 1u);
}

TEST_F(PoolTest, NothingOfALeaseIsLeftForTheNext) {
  database().query("create role pool_test_role; create sequence serial");
  auto limits = limits_of(1);
  limits.min_idle = 0;
  make(limits);
  const auto backend = execute("select pg_backend_pid()").value().value<int>();
  {
    auto held = lease();
    std::string heard;
    held->on_notification([&](pg::Notification n) { heard = n.payload; });
    loop_.run([](Lease& lease) -> awaitable<void> {
      for (const auto* sql :
           {"set statement_timeout = 12345", "set search_path = nowhere",
            "select set_config('lyceum.tenant', 'somebody', false)",
            "create temp table scratch (a int)", "select pg_advisory_lock(4711)", "listen news",
            "declare c cursor with hold for select 1", "select nextval('public.serial')",
            "set role pool_test_role", "set session characteristics as transaction read only"}) {
        (co_await lease->script(sql)).value();
      }
    }(held));
  }
  const auto check = [&](const std::string& what) {
    auto rows = execute(what);
    return rows.has_value() ? std::string(rows->value<std::string>()) : rows.error().to_string();
  };
  EXPECT_EQ(check("select pg_backend_pid()::text"), std::to_string(backend))
      << "or the rest would say nothing";
  EXPECT_NE(check("select current_setting('statement_timeout')"), "12345ms");
  EXPECT_THAT(check("select current_setting('search_path')"), HasSubstr("public"));
  EXPECT_EQ(check("select current_setting('lyceum.tenant', true)"), "");
  EXPECT_EQ(check("select count(*)::text from pg_class where relname = 'scratch'"), "0");
  EXPECT_EQ(check("select count(*)::text from pg_locks where locktype = 'advisory'"), "0");
  EXPECT_EQ(check("select count(*)::text from pg_listening_channels()"), "0");
  EXPECT_EQ(check("select count(*)::text from pg_cursors where is_holdable"), "0");
  EXPECT_EQ(check("select current_user::text"), "postgres");
  EXPECT_EQ(check("select current_setting('transaction_read_only')"), "off");
  EXPECT_EQ(execute("select lastval()").error().sqlstate, "55000");
  EXPECT_NE(check("select count(*)::text from pg_prepared_statements"), "0") << "those stay";
  database().query("drop role pool_test_role");
}

TEST_F(PoolTest, ALeaseCopiesAndListens) {
  database().query("create table copied (a int, b text)");
  make(limits_of(2));
  std::vector<std::string> heard;
  auto held = lease();
  held->on_notification([&](pg::Notification n) { heard.push_back(n.payload); });
  loop_.run([](Lease& lease) -> awaitable<void> {
    (co_await lease->copy_in_begin("copy copied from stdin")).value();
    (co_await lease->copy_in_write("1\tone\n2\ttwo\n")).value();
    EXPECT_EQ((co_await lease->copy_in_finish()).value(), 2);
    (co_await lease->script("listen news")).value();
  }(held));
  EXPECT_EQ(execute("select count(*) from copied").value().value<std::int64_t>(), 2);
  execute("select pg_notify('news', 'hello')");
  loop_.until([&] { return !heard.empty(); });
  EXPECT_EQ(heard.front(), "hello");
}

TEST_F(PoolTest, ALeaseDroppedInACopyStoresNothing) {
  database().query("create table half (a int)");
  make(limits_of(1));
  {
    auto held = lease();
    loop_.run([](Lease& lease) -> awaitable<void> {
      (co_await lease->copy_in_begin("copy half from stdin")).value();
      (co_await lease->copy_in_write("1\n")).value();
    }(held));
  }
  EXPECT_EQ(execute("select count(*) from half").value().value<std::int64_t>(), 0);
}

TEST_F(PoolTest, ALeaseDroppedWithAStatementUnderWayHarmsNobody) {
  make(limits_of(1));
  {
    auto held = lease();
    loop_.spawn([](std::shared_ptr<pg::Connection> connection) -> awaitable<void> {
      (void)co_await connection->execute(read_of("select pg_sleep(0.2)"));
    }(held.connection()));
    loop_.until([&] { return at_server("count(*)", "state = 'active'") == "1"; });
  }
  EXPECT_EQ(execute("select 3").value().value<int>(), 3);
}

TEST_F(PoolTest, AManHoldsALeaseLongerThanItsPool) {
  make(limits_of(1));
  std::optional<Lease> held = lease();
  EXPECT_FALSE(shut_down(50ms));
  EXPECT_TRUE((*held)->closed());
  pool_.reset();
  held.reset();
}

TEST_F(PoolTest, ALostLeaseMakesRoom) {
  make(limits_of(1));
  auto held = lease();
  database().query(fmt::format("select pg_terminate_backend({})", held->server_process()));
  EXPECT_EQ(execute("select 5").value().value<int>(), 5);
  EXPECT_TRUE(held->closed());
  held.release();
  EXPECT_EQ(execute("select 6").value().value<int>(), 6);
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

TEST_F(PoolTest, PastItsDeadlineAStatementFailsAtOnceAndStopsAtTheServer) {
  make(limits_of(1));
  execute("select 1");
  const auto asked = ask(read_of("select pg_sleep(60)", "sleeper"), {}, {.deadline = in(150ms)});
  loop_.until([&] { return asked->result.has_value(); });
  ASSERT_FALSE(asked->ok());
  EXPECT_EQ((*asked->result).error().code, ErrorCode::kTimeout);
  EXPECT_EQ((*asked->result).error().statement, "sleeper");
  EXPECT_GE(asked->took, 150ms);
  EXPECT_LT(asked->took, 600ms);
  loop_.until([&] { return at_server("count(*)", "state = 'active'") == "0"; }, 5s);
  EXPECT_EQ(execute("select 8").value().value<int>(), 8);
  const auto figures = pool_->figures();
  EXPECT_EQ(figures.sent_deadlines, 1u);
  EXPECT_GE(figures.cancels, 1u);
  EXPECT_EQ(figures.connects, 1u) << "the connection is as good as before";
}

TEST_F(PoolTest, ASlowStatementOnItsOwnConnectionIsCancelledToo) {
  make(limits_of(1), [](Options& options) {
    options.recent_server_time = [](const Statement&) { return std::optional<Duration>(1s); };
  });
  execute("select 1");
  const auto asked = ask(read_of("select pg_sleep(60)"), {}, {.deadline = in(150ms)});
  loop_.until([&] { return asked->result.has_value(); });
  ASSERT_FALSE(asked->ok());
  EXPECT_EQ((*asked->result).error().code, ErrorCode::kTimeout) << asked->what();
  loop_.until([&] { return at_server("count(*)", "state = 'active'") == "0"; }, 5s);
  EXPECT_EQ(execute("select 8").value().value<int>(), 8);
}

TEST_F(PoolTest, ACancelHarmsNoNeighbour) {
  make(limits_of(1, 1));
  execute("select 1");
  for (int round = 0; round < 5; ++round) {
    const auto victim = ask(read_of("select pg_sleep(60)"), {}, {.deadline = in(60ms)});
    std::vector<std::shared_ptr<Asked>> neighbours;
    for (int i = 0; i < 20; ++i) {
      neighbours.push_back(ask(read_of("select $1::int from pg_sleep(0.002)"), pg::Params(i)));
    }
    loop_.until([&] {
      return victim->result && std::all_of(neighbours.begin(), neighbours.end(),
                                           [](auto& a) { return a->result.has_value(); });
    });
    EXPECT_FALSE(victim->ok());
    for (int i = 0; i < 20; ++i) {
      const auto& one = *neighbours[static_cast<std::size_t>(i)];
      ASSERT_TRUE(one.ok()) << one.what();
      EXPECT_EQ((*one.result)->value<int>(), i);
    }
  }
}

// The cancel travels longer than the statement that it is for: by the time it arrives the server is
// at the next one, which is run again.
TEST_F(PoolTest, ANeighbourThatACancelHitsIsRunAgain) {
  database().query("create table hits (id int)");
  Gate gate(database().server());
  make(limits_of(1, 1), gate.url(database().name()));
  execute("select 1");
  gate.set_delay(500ms, 0ms);
  const auto late = ask(read_of("select 2"), {}, {.deadline = in(100ms)});
  const auto neighbour =
      ask(write_of("with slept as (select pg_sleep(0.8)) insert into hits select 1 from slept"));
  loop_.until([&] { return late->result && neighbour->result; });
  EXPECT_EQ((*late->result).error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(neighbour->ok()) << neighbour->what();
  EXPECT_EQ(pool_->figures().retries, 1u);
  EXPECT_EQ(database().value("select count(*) from hits"), "1");
}

TEST_F(PoolTest, WaitsNoLongerThanToldForAConnection) {
  auto limits = limits_of(1, 1, 1);
  limits.pool_timeout = 200ms;
  make(limits);
  auto held = lease();
  const auto by_deadline = ask(read_of("select 1"), {}, {.deadline = in(80ms)});
  const auto by_pool = ask(read_of("select 1"));
  loop_.until([&] { return by_deadline->result && by_pool->result; });
  EXPECT_EQ((*by_deadline->result).error().code, ErrorCode::kTimeout);
  EXPECT_EQ((*by_pool->result).error().code, ErrorCode::kTimeout);
  EXPECT_LT(by_deadline->took, 180ms);
  EXPECT_GE(by_pool->took, 200ms);
  EXPECT_LT(by_pool->took, 500ms);
  EXPECT_FALSE((*by_pool->result).error().may_have_taken_effect);
  const auto figures = pool_->figures();
  EXPECT_EQ(figures.queue_deadlines, 1u);
  EXPECT_EQ(figures.pool_timeouts, 1u);
  const auto no_lease = loop_.run(pool_->lease(Access::write, {.deadline = in(30ms)}));
  EXPECT_EQ(no_lease.error().code, ErrorCode::kTimeout);
}

TEST_F(PoolTest, AFullQueueRefusesAtOnce) {
  auto limits = limits_of(1, 1, 1);
  limits.queue_limit = 3;
  make(limits);
  auto held = lease();
  std::vector<std::shared_ptr<Asked>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(ask(read_of("select 1")));
  const auto refused = ask(read_of("select 1"));
  loop_.until([&] { return refused->result.has_value(); });
  EXPECT_EQ((*refused->result).error().code, ErrorCode::kQueueFull);
  EXPECT_LT(refused->took, 100ms);
  // A tenant with nothing in the queue takes the place of one with much.
  const auto other = ask(read_of("select 1"), {}, {.tenant = tenant_number(1)});
  loop_.until([&] { return waiting[2]->result.has_value(); });
  EXPECT_EQ((*waiting[2]->result).error().code, ErrorCode::kQueueFull);
  held.release();
  loop_.until([&] { return waiting[0]->result && waiting[1]->result && other->result; });
  EXPECT_TRUE(waiting[0]->ok() && waiting[1]->ok() && other->ok());
}

// ── connecting ───────────────────────────────────────────────────────────────────────────────────

TEST_F(PoolTest, AWrongPasswordIsAnErrorAtOnceAndNeverShown) {
  auto url = database().tcp_url();
  const auto at = url.find('@');
  const auto colon = url.rfind(':', at);
  url.replace(colon + 1, at - colon - 1, "s3cr3t-and-wrong");
  make(limits_of(2), url);
  for (int i = 0; i < 2; ++i) {
    const auto asked = ask(read_of("select 1"));
    loop_.until([&] { return asked->result.has_value(); });
    ASSERT_FALSE(asked->ok());
    EXPECT_EQ((*asked->result).error().code, ErrorCode::kConnect) << asked->what();
    EXPECT_THAT(asked->what(), HasSubstr("password authentication failed"));
    EXPECT_THAT(asked->what(), Not(HasSubstr("s3cr3t")));
    EXPECT_LT(asked->took, 3s);
  }
  const auto warm = loop_.run(pool_->warm_up());
  EXPECT_EQ(warm.error().code, ErrorCode::kConnect);
}

TEST_F(PoolTest, AMissingDatabaseIsAnErrorAtOnce) {
  make(limits_of(2), database().server().url("no_such_database"));
  const auto asked = ask(read_of("select 1"));
  loop_.until([&] { return asked->result.has_value(); });
  EXPECT_EQ((*asked->result).error().code, ErrorCode::kConnect);
  EXPECT_THAT(asked->what(), HasSubstr("no_such_database"));
  EXPECT_LT(asked->took, 3s);
}

TEST_F(PoolTest, AServerThatIsNotThereIsWaitedForAndThenNamed) {
  auto limits = limits_of(2);
  limits.pool_timeout = 300ms;
  limits.backoff_max = 50ms;
  Gate gate(database().server());
  gate.set_refusing(true);
  make(limits, gate.url(database().name()));
  const auto asked = ask(read_of("select 1"));
  loop_.until([&] { return asked->result.has_value(); });
  EXPECT_EQ((*asked->result).error().code, ErrorCode::kConnect) << asked->what();
  EXPECT_THAT(asked->what(), HasSubstr("the last attempt to connect"));
  EXPECT_GE(asked->took, 300ms);
  EXPECT_LT(asked->took, 1s);
  EXPECT_GE(pool_->figures().connect_failures, 1u);
  gate.restore();
  EXPECT_TRUE(loop_.run(pool_->warm_up()).has_value()) << "and comes back by itself";
}

TEST_F(PoolTest, ABrokenConnectionIsReplaced) {
  auto limits = limits_of(4);
  limits.min_idle = 2;
  make(limits);
  loop_.until([&] { return pool_->figures().open == 2; });
  for (int i = 0; i < 3; ++i) {
    const auto lost = pool_->figures().closed_for(CloseReason::lost);
    database().query(
        fmt::format("select pg_terminate_backend(pid) from pg_stat_activity "
                    "where application_name = '{}'",
                    name_));
    EXPECT_TRUE(execute("select 1").has_value());
    loop_.until([&] {
      return pool_->figures().open == 2 && pool_->figures().closed_for(CloseReason::lost) > lost;
    });
  }
}

TEST_F(PoolTest, FiguresAgreeWithTheServer) {
  make(limits_of(5, 2));
  auto first = lease();
  auto second = lease();
  std::vector<std::shared_ptr<Asked>> asked;
  for (int i = 0; i < 6; ++i) asked.push_back(ask(read_of("select pg_sleep(0.1)")));
  loop_.until([&] { return pool_->figures().depth == 6 && pool_->figures().connecting == 0; });
  const auto figures = pool_->figures();
  EXPECT_EQ(std::to_string(figures.open), at_server("count(*)"));
  EXPECT_EQ(figures.leased, 2u);
  EXPECT_LE(figures.lanes, 2u);
  EXPECT_EQ(figures.statements, 6u);
  EXPECT_EQ(figures.leases, 2u);
  EXPECT_EQ(figures.connects, figures.open);
}

// ── statistics ───────────────────────────────────────────────────────────────────────────────────

TEST_F(PoolTest, TellsOfEveryStatement) {
  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  std::vector<std::size_t> bytes;
  auto limits = limits_of(2);
  limits.slow_statement_lease = 40ms;
  make(limits, [&](Options& options) {
    options.on_finished = [&](const FinishedStatement& call, const pg::Params& params) {
      recorder.record(call);
      bytes.push_back(params.bytes());
      EXPECT_GE(call.total, call.queue + call.server.value_or(Duration{}));
      if (call.server) {
        EXPECT_EQ(call.node, pool_->node());
      }
    };
    options.recent_server_time = [&](const Statement& s) { return recorder.recent_server_time(s); };
  });
  const auto fast = read_of("select $1::text", "fast");
  const auto slow = read_of("select pg_sleep(0.05)", "slow");
  const auto wrong = read_of("select 1 / 0", "wrong");
  const auto late = read_of("select pg_sleep(60)", "late");
  for (int i = 0; i < 5; ++i) {
    (void)loop_.run(pool_->execute(fast, pg::Params("abc"), {.tenant = tenant_number(1)}));
  }
  for (int i = 0; i < 3; ++i) (void)loop_.run(pool_->execute(slow, kNoParams));
  (void)loop_.run(pool_->execute(wrong, kNoParams));
  (void)loop_.run(pool_->execute(late, kNoParams, {.deadline = in(50ms)}));
  (void)loop_.run(pool_->execute(late, kNoParams, {.deadline = in(-1ms)}));

  ASSERT_EQ(bytes.size(), 11u);
  EXPECT_EQ(bytes[0], 3u);
  std::map<std::string, CallStatistics> by_name;
  for (auto& one : statistics.query_statistics()) by_name.emplace(one.name, std::move(one));
  EXPECT_EQ(by_name.at("fast").success_count, 5u);
  EXPECT_EQ(by_name.at("fast").rows, 5u);
  EXPECT_EQ(by_name.at("fast").server.count(), 5u);
  EXPECT_GE(by_name.at("slow").server_percentile(0.5), 49ms);
  EXPECT_EQ(by_name.at("wrong").errors.at("22012"), 1u);
  EXPECT_EQ(by_name.at("late").error_count, 2u);
  EXPECT_EQ(by_name.at("late").server.count(), 1u) << "the other was never sent";
  EXPECT_EQ(pool_->figures().leases, 2u) << "once it was known to be slow";
  ASSERT_EQ(statistics.tenant_statistics().size(), 1u);
  EXPECT_EQ(statistics.tenant_statistics()[0].total_executions, 5u);
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────

TEST_F(PoolTest, ShutsDownAtOnceWhereNothingRuns) {
  make(limits_of(4));
  execute("select 1");
  const auto since = SteadyClock::now();
  EXPECT_TRUE(shut_down(10s));
  EXPECT_LT(SteadyClock::now() - since, 1s);
  EXPECT_EQ(execute("select 1").error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(loop_.run(pool_->lease(Access::write)).error().code, ErrorCode::kShuttingDown);
  EXPECT_TRUE(shut_down(1s)) << "once more does no harm";
}

TEST_F(PoolTest, LetsWhatRunsAndWaitsEnd) {
  make(limits_of(1, 1, 1));
  const auto running = ask(read_of("select pg_sleep(0.2)"));
  const auto waiting = ask(read_of("select 1"));
  loop_.until([&] { return pool_->figures().depth == 1; });
  EXPECT_TRUE(shut_down(10s));
  loop_.until([&] { return running->result && waiting->result; });
  EXPECT_TRUE(running->ok()) << running->what();
  EXPECT_TRUE(waiting->ok()) << waiting->what();
}

TEST_F(PoolTest, CutsWhatRunsTooLong) {
  make(limits_of(2, 1, 1));
  const auto running = ask(write_of("select pg_sleep(60)"));
  loop_.until([&] { return at_server("count(*)", "state = 'active'") == "1"; });
  auto held = lease();
  const auto waiting = ask(read_of("select 1"));
  const auto since = SteadyClock::now();
  EXPECT_FALSE(shut_down(200ms));
  EXPECT_LT(SteadyClock::now() - since, 700ms);
  loop_.until([&] { return running->result && waiting->result; });
  EXPECT_EQ((*running->result).error().code, ErrorCode::kInDoubt) << running->what();
  EXPECT_TRUE((*running->result).error().may_have_taken_effect);
  EXPECT_EQ((*waiting->result).error().code, ErrorCode::kShuttingDown) << waiting->what();
  EXPECT_TRUE(held->closed());
  EXPECT_TRUE(eventually([&] { return at_server("count(*)", "state = 'active'") == "0"; }, 5s))
      << "nor does the server go on with it";
}

TEST_F(PoolTest, AServerThatSaysNothingDelaysNoShutdown) {
  Gate gate(database().server());
  gate.set_stalled(true);
  make(limits_of(2), gate.url(database().name()));
  const auto asked = ask(read_of("select 1"), {}, {.deadline = in(100ms)});
  loop_.until([&] { return asked->result.has_value(); });
  const auto since = SteadyClock::now();
  EXPECT_TRUE(shut_down(5s));
  EXPECT_LT(SteadyClock::now() - since, 1s);
  gate.restore();
}

TEST_F(PoolTest, ALoopThatEndsTakesEverythingWithIt) {
  auto loop = std::make_unique<Loop>();
  auto options = options_for(database().url());
  options.limits = limits_of(2, 1, 2);
  auto pool = std::make_shared<Pool>(loop->context.get_executor(), std::move(options));
  int ended = 0;
  const auto call = [](std::shared_ptr<Pool> held, int& count) -> awaitable<void> {
    (void)co_await held->execute(read_of("select pg_sleep(60)"), kNoParams);
    ++count;
  };
  for (int i = 0; i < 6; ++i) loop->spawn(call(pool, ended));
  loop->spawn([](std::shared_ptr<Pool> held) -> awaitable<void> {
    auto lease = co_await held->lease(Access::write);
    co_await pause(60s);
  }(pool));
  loop->until([&] { return pool->figures().depth == 2 && pool->figures().leased == 1; });
  pool.reset();
  loop.reset();
  EXPECT_EQ(ended, 0) << "nobody was told anything";
  database().query(
      fmt::format("select pg_terminate_backend(pid) from pg_stat_activity where "
                  "application_name = '{}'",
                  name_));
}

TEST_F(PoolTest, APoolThatIsDroppedEndsWhoWaits) {
  make(limits_of(1, 1, 1));
  const auto running = ask(read_of("select pg_sleep(60)"));
  const auto waiting = ask(read_of("select 1"));
  loop_.until([&] { return pool_->figures().depth == 1; });
  pool_.reset();
  loop_.until([&] { return running->result && waiting->result; });
  EXPECT_FALSE(running->ok());
  EXPECT_EQ((*waiting->result).error().code, ErrorCode::kShuttingDown);
}

}  // namespace
}  // namespace lyceum::pool
