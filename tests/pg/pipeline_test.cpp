#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "pg/waiter.h"
#include "run.h"

namespace lyceum::pg {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class PipelineTest : public DatabaseTest {
 protected:
  void SetUp() override { connection = loop.connect(database().url()); }
  void TearDown() override { connection->close(); }

  void create(const std::string& what) { database().query(what); }
  std::string value(const std::string& sql) { return database().value(sql); }
  // Until everything in flight is answered.
  void settle() {
    loop.until([this] { return connection->depth() == 0; });
  }
  std::shared_ptr<Connection> connection;
};

constexpr Statement kOne{"one", "select 1::int4", Access::read};

TEST_F(PipelineTest, AStatementIsPreparedOnceAndAnswersInBinary) {
  for (int i = 0; i < 5; ++i) {
    auto answer = loop.execute(*connection, Statement{"twice", "select $1::int4 * 2", Access::read},
                               Params(i));
    EXPECT_EQ(answer.value().value<std::int32_t>(), 2 * i);
  }
  auto prepared = loop.execute(
      *connection, "select count(*) from pg_prepared_statements where statement like '%* 2'");
  EXPECT_EQ(prepared.value().value<std::int64_t>(), 1);
}

TEST_F(PipelineTest, EachFailureIsItsOwnAndAnswersComeInOrder) {
  create("create table own_failure (id int4 primary key); insert into own_failure values (1)");
  const Statement insert{"own.insert", "insert into own_failure values ($1)", Access::write};
  const Statement divide{"own.divide", "select 1 / $1::int4", Access::read};
  const Statement typo{"own.typo", "selekt 1", Access::read};
  std::mt19937 random(7);
  std::vector<std::unique_ptr<Params>> params;
  std::vector<std::unique_ptr<Recorded>> sent;
  std::vector<std::string> wanted;  // SQLSTATE, or "" for success
  std::vector<std::size_t> order;
  int next_id = 2, inserted = 1;
  const auto submit = [&](const Statement& statement, Params with, std::string outcome) {
    params.push_back(std::make_unique<Params>(std::move(with)));
    sent.push_back(std::make_unique<Recorded>(statement, *params.back()));
    // A preparation that fails takes those down that rely on it, and they are sent again.
    if (&statement != &typo) {
      sent.back()->then = [&order, at = sent.size() - 1] { order.push_back(at); };
    }
    wanted.push_back(std::move(outcome));
    connection->submit(*sent.back());
  };
  for (int i = 0; i < 400; ++i) {
    switch (random() % 6) {
      case 0:
        submit(typo, {}, "42601");
        break;
      case 1:
        submit(insert, Params(1), "23505");
        break;
      case 2:
        submit(divide, Params(0), "22012");
        break;
      case 3:
        submit(divide, Params(1), "");
        break;
      default:
        submit(insert, Params(next_id++), ""), ++inserted;
    }
  }
  EXPECT_EQ(connection->depth(), 400U);
  settle();
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(sent[i]->times, 1);
    EXPECT_LE(sent[i]->started_at, sent[i]->ended_at);
    if (wanted[i].empty()) {
      EXPECT_TRUE(sent[i]->result->has_value()) << sent[i]->result->error().to_string();
    } else {
      ASSERT_TRUE(sent[i]->result->has_error());
      EXPECT_EQ(sent[i]->result->error().sqlstate, wanted[i]);
      EXPECT_EQ(sent[i]->result->error().code, ErrorCode::kSql);
      EXPECT_FALSE(sent[i]->result->error().may_have_taken_effect);
      EXPECT_EQ(sent[i]->result->error().statement, sent[i]->statement().name);
    }
  }
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(value("select count(*) from own_failure"), std::to_string(inserted));
}

TEST_F(PipelineTest, OneNameMayHaveParametersOfSeveralTypes) {
  const Statement echo{"echo", "select pg_typeof($1)::text", Access::read};
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(loop.execute(*connection, echo, Params(1)).value().value<std::string>(), "integer");
    EXPECT_EQ(loop.execute(*connection, echo, Params(std::int64_t{1})).value().value<std::string>(),
              "bigint");
    EXPECT_EQ(loop.execute(*connection, echo, Params("x")).value().value<std::string>(), "text");
    EXPECT_EQ(
        loop.execute(*connection, echo, Params(std::optional<bool>())).value().value<std::string>(),
        "boolean");
  }
}

TEST_F(PipelineTest, MoreParametersThanTheProtocolHoldsAreRefusedAndTouchNobody) {
  Params many;
  for (int i = 0; i < 65536; ++i) many.add(i);
  for (const std::string_view name : {"many", ""}) {
    auto answer =
        loop.execute(*connection, Statement{name, "select $1::int4", Access::write}, many);
    ASSERT_TRUE(answer.has_error());
    EXPECT_EQ(answer.error().code, ErrorCode::kBadInput);
    EXPECT_FALSE(answer.error().may_have_taken_effect);
    EXPECT_EQ(loop.execute(*connection, kOne).value().value<std::int32_t>(), 1);
  }
}

TEST_F(PipelineTest, LargeValuesGoBothWaysAtOnce) {
  // More than both sockets hold: whoever only writes waits for ever.
  const std::string large(12'000'000, 'x');
  const Params params(large);
  const Statement echo{"large.echo", "select $1::text || 'y'", Access::read};
  std::vector<std::unique_ptr<Recorded>> sent;
  for (int i = 0; i < 2; ++i) {
    sent.push_back(std::make_unique<Recorded>(echo, params));
    connection->submit(*sent.back());
  }
  settle();
  for (const auto& item : sent) {
    const auto text = item->result->value().value<std::string_view>();
    EXPECT_TRUE(text.size() == large.size() + 1 && text.substr(0, large.size()) == large);
  }
}

TEST_F(PipelineTest, LargeResultsDoNotBlockTheSender) {
  const Statement wide{"wide", "select repeat('z', 100000), $1::text", Access::read};
  const Params params(std::string(100'000, 'p'));
  std::vector<std::unique_ptr<Recorded>> sent;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(std::make_unique<Recorded>(wide, params));
    connection->submit(*sent.back());
  }
  settle();
  for (const auto& item : sent) EXPECT_TRUE(item->result->has_value());
}

// What is prepared and planned is not described again; what may answer in another shape is.
TEST_F(PipelineTest, AnAnswerOfAnotherShapeIsReadAsItIs) {
  const Statement fetch{"fetch", "fetch all from c", Access::read};
  const Statement show{"show", "show lyceum.shape", Access::read};
  ASSERT_TRUE(loop.execute(*connection, "begin").has_value());
  ASSERT_TRUE(loop.execute(*connection, "declare c cursor for select 1::int4").has_value());
  EXPECT_EQ(loop.execute(*connection, fetch).value().value<std::int32_t>(), 1);
  ASSERT_TRUE(loop.execute(*connection, "close c").has_value());
  ASSERT_TRUE(
      loop.execute(*connection, "declare c cursor for select 'x'::text, 2::int8").has_value());
  auto second = loop.execute(*connection, fetch).value();
  ASSERT_EQ(second.columns(), 2);
  EXPECT_EQ(second[0].get<std::string>(0), "x");
  EXPECT_EQ(second[0].get<std::int64_t>(1), 2);
  ASSERT_TRUE(loop.execute(*connection, "set local lyceum.shape = 'round'").has_value());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(loop.execute(*connection, show).value().value<std::string>(), "round");
  }
  ASSERT_TRUE(loop.execute(*connection, "rollback").has_value());
}

TEST_F(PipelineTest, AnAnswerWithoutRowsKeepsItsColumns) {
  const Statement none{"none", "select 1::int4 as one where $1", Access::read};
  const Statement insert{"quiet", "insert into quiet values ($1)", Access::write};
  create("create table quiet (id int4)");
  for (int i = 0; i < 3; ++i) {
    const auto rows = loop.execute(*connection, none, Params(false)).value();
    EXPECT_EQ(rows.columns(), 1);
    EXPECT_EQ(rows.column_name(0), "one");
    EXPECT_TRUE(rows.empty());
    const auto written = loop.execute(*connection, insert, Params(i)).value();
    EXPECT_EQ(written.columns(), 0);
    EXPECT_EQ(written.affected(), 1);
  }
}

// ── healing ──────────────────────────────────────────────────────────────────────────────────────

TEST_F(PipelineTest, APlanThatNoLongerFitsIsPreparedAnew) {
  create("create table shape (id int4); insert into shape values (1)");
  const Statement all{"shape.all", "select * from shape", Access::read};
  EXPECT_EQ(loop.execute(*connection, all).value().columns(), 1);
  database().query("alter table shape add column more text default 'm'");
  // Several in flight at once fail for the same reason; all heal.
  const Params none;
  std::vector<std::unique_ptr<Recorded>> sent;
  for (int i = 0; i < 10; ++i) {
    sent.push_back(std::make_unique<Recorded>(all, none));
    connection->submit(*sent.back());
  }
  settle();
  for (const auto& item : sent) {
    EXPECT_EQ(item->times, 1);
    EXPECT_EQ(item->result->value().columns(), 2);
  }
  auto prepared = loop.execute(
      *connection,
      "select count(*) from pg_prepared_statements where statement like '%from shape'");
  EXPECT_EQ(prepared.value().value<std::int64_t>(), 2) << "prepared once more, not once for each";
}

TEST_F(PipelineTest, WhatTheServerForgotIsPreparedAnewAlsoForTheTenant) {
  const Statement who{"who", "select current_setting('lyceum.tenant', true)", Access::read};
  const auto tenant = random_uuid();
  for (const char* discard : {"deallocate all", "discard all"}) {
    ASSERT_TRUE(loop.execute(*connection, who, {}, kNoDeadline, &tenant).has_value());
    ASSERT_TRUE(loop.execute(*connection, kOne).has_value());
    ASSERT_TRUE(loop.execute(*connection, discard).has_value());
    // Mixed and several in flight: with and without tenant, all of them forgotten.
    const Params none;
    std::vector<std::unique_ptr<Recorded>> sent;
    for (int i = 0; i < 12; ++i) {
      sent.push_back(std::make_unique<Recorded>(i % 3 == 0 ? kOne : who, none,
                                                i % 2 == 0 ? &tenant : nullptr));
      connection->submit(*sent.back());
    }
    settle();
    for (std::size_t i = 0; i < sent.size(); ++i) {
      ASSERT_TRUE(sent[i]->result->has_value()) << sent[i]->result->error().to_string();
      if (i % 3 != 0 && i % 2 == 0) {
        EXPECT_EQ(sent[i]->result->value().value<std::string>(), to_string(tenant));
      }
    }
  }
}

TEST_F(PipelineTest, HealingAStatementLeavesTheTenantsAlone) {
  create("create table beside (id int4); insert into beside values (1)");
  const Statement all{"beside.all", "select * from beside", Access::read};
  const auto tenant = random_uuid();
  ASSERT_TRUE(loop.execute(*connection, all, {}, kNoDeadline, &tenant).has_value());
  database().query("alter table beside add column more text");
  for (int i = 0; i < 2; ++i) {
    auto answer = loop.execute(*connection, all, {}, kNoDeadline, &tenant);
    ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
    EXPECT_EQ(answer->columns(), 2);
  }
}

TEST_F(PipelineTest, WhatCouldNotBePreparedIsTriedAgainTheNextTime) {
  const Statement late{"late", "select * from comes_later", Access::read};
  EXPECT_EQ(loop.execute(*connection, late).error().sqlstate, "42P01");
  create("create table comes_later (id int4)");
  // Also inside a transaction, where nothing is healed.
  ASSERT_TRUE(loop.execute(*connection, "begin").has_value());
  connection->set_in_transaction(true);
  auto answer = loop.execute(*connection, late);
  EXPECT_TRUE(answer.has_value()) << answer.error().to_string();
  ASSERT_TRUE(loop.execute(*connection, "rollback").has_value());
  connection->set_in_transaction(false);
}

TEST_F(PipelineTest, NothingIsHealedInsideATransaction) {
  for (const bool told : {true, false}) {
    ASSERT_TRUE(loop.execute(*connection, kOne).has_value());
    ASSERT_TRUE(loop.execute(*connection, "begin").has_value());
    connection->set_in_transaction(told);
    ASSERT_TRUE(loop.execute(*connection, "deallocate all").has_value());
    EXPECT_EQ(loop.execute(*connection, kOne).error().sqlstate, "26000");
    ASSERT_TRUE(loop.execute(*connection, "rollback").has_value());
    // But it is not forgotten that it was forgotten: the next transaction starts well.
    ASSERT_TRUE(loop.execute(*connection, "begin").has_value());
    auto answer = loop.execute(*connection, kOne);
    EXPECT_TRUE(answer.has_value()) << answer.error().to_string();
    ASSERT_TRUE(loop.execute(*connection, "rollback").has_value());
    connection->set_in_transaction(false);
  }
}

TEST_F(PipelineTest, AFailureThatOnlyLooksLikeAStalePlanIsReportedOnce) {
  const Statement odd{"odd", "do $$ begin raise exception 'no' using errcode = '0A000'; end $$",
                      Access::write};
  EXPECT_EQ(loop.execute(*connection, odd).error().sqlstate, "0A000");
  EXPECT_EQ(loop.execute(*connection, kOne).value().value<std::int32_t>(), 1);
}

// ── tenant ───────────────────────────────────────────────────────────────────────────────────────

TEST_F(PipelineTest, ATenantIsSetForItsStatementAlone) {
  const Statement who{"whose", "select coalesce(current_setting('lyceum.tenant', true), '')",
                      Access::read};
  const auto first = random_uuid(), second = random_uuid();
  const Params none;
  Recorded a(who, none, &first), b(who, none), c(who, none, &second), d(who, none);
  for (auto* item : {&a, &b, &c, &d}) connection->submit(*item);
  settle();
  EXPECT_EQ(a.result->value().value<std::string>(), to_string(first));
  EXPECT_EQ(b.result->value().value<std::string>(), "");
  EXPECT_EQ(c.result->value().value<std::string>(), to_string(second));
  EXPECT_EQ(d.result->value().value<std::string>(), "");
}

// ── acknowledgment ───────────────────────────────────────────────────────────────────────────────

TEST_F(PipelineTest, AConstraintThatFailsAtCommitIsNoSuccess) {
  create("create table deferred (id int4 unique deferrable initially deferred)");
  const Statement insert{"deferred.insert", "insert into deferred values ($1)", Access::write};
  EXPECT_TRUE(loop.execute(*connection, insert, Params(1)).has_value());
  auto again = loop.execute(*connection, insert, Params(1));
  ASSERT_TRUE(again.has_error());
  EXPECT_EQ(again.error().sqlstate, "23505");
  EXPECT_FALSE(again.error().may_have_taken_effect);
  EXPECT_EQ(value("select count(*) from deferred"), "1");
}

// ── abandoning, closing, destroying ──────────────────────────────────────────────────────────────

TEST_F(PipelineTest, AnAbandonedExchangeIsAnOrphanWhenItsAnswerComes) {
  int orphans = 0;
  connection->on_orphan([&] { ++orphans; });
  const Params none;
  const Statement slow{"", "select pg_sleep(0.05)", Access::read};
  Recorded neighbour(kOne, none);
  {
    Recorded gone(slow, none);
    connection->submit(gone);
    connection->submit(neighbour);
    connection->abandon(gone);
  }
  settle();
  EXPECT_EQ(orphans, 1);
  EXPECT_TRUE(neighbour.result->has_value());
}

TEST_F(PipelineTest, ClosingFinishesEachExchangeOnce) {
  const Params none;
  const Statement slow{"", "select pg_sleep(30)", Access::read};
  const Statement write{"", "select pg_sleep(30)", Access::write};
  std::vector<std::unique_ptr<Recorded>> sent;
  int closed = 0;
  connection->on_closed([&](const Error&) { ++closed; });
  for (int i = 0; i < 10; ++i) {
    sent.push_back(std::make_unique<Recorded>(i % 2 == 0 ? slow : write, none));
    // What a callback does during the end must not upset it.
    sent.back()->then = [&] { connection->close(); };
    connection->submit(*sent.back());
  }
  loop.until([&] {
    return value(fmt::format("select count(*) from pg_stat_activity where pid = {} and query like "
                             "'%pg_sleep%' and state = 'active'",
                             connection->server_process())) == "1";
  });
  connection->close();
  connection->close();
  loop.until([&] { return sent.back()->times > 0; });
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(sent[i]->times, 1);
    EXPECT_EQ(sent[i]->result->error().code,
              i % 2 == 0 ? ErrorCode::kConnectionLost : ErrorCode::kInDoubt);
  }
  EXPECT_EQ(closed, 1);
  EXPECT_TRUE(connection->closed());
  Recorded after(kOne, none);
  connection->submit(after);
  EXPECT_EQ(after.times, 1);
  EXPECT_EQ(after.result->error().code, ErrorCode::kConnectionLost);
  EXPECT_FALSE(after.result->error().may_have_taken_effect);
}

TEST_F(PipelineTest, AWriteThatNeverLeftHadNoEffect) {
  create("create table never_left (id int4)");
  const Params none;
  const Statement write{"", "insert into never_left values (1)", Access::write};
  Recorded unsent(write, none);
  connection->submit(unsent);
  // The loop has not turned, and what is sent leaves when it does.
  connection->close();
  loop.until([&] { return unsent.times > 0; });
  EXPECT_EQ(unsent.result->error().code, ErrorCode::kConnectionLost);
  EXPECT_FALSE(unsent.result->error().may_have_taken_effect);
  EXPECT_EQ(value("select count(*) from never_left"), "0");
}

TEST_F(PipelineTest, ACallbackMayCloseOrSubmit) {
  const Params none;
  Recorded second(kOne, none), third(kOne, none);
  Recorded first(kOne, none);
  first.then = [&] { connection->submit(second); };
  second.then = [&] {
    connection->submit(third);
    connection->close();
  };
  connection->submit(first);
  loop.until([&] { return third.times > 0; });
  EXPECT_TRUE(first.result->has_value());
  EXPECT_TRUE(second.result->has_value());
  EXPECT_TRUE(third.result->has_error());
}

TEST_F(PipelineTest, AConnectionThatNobodyHoldsEndsAtTheServer) {
  auto other = loop.connect(database().url());
  const auto process = other->server_process();
  EXPECT_EQ(loop.execute(*other, kOne).value().value<std::int32_t>(), 1);
  other.reset();
  EXPECT_TRUE(lyceum::testing::eventually([&] {
    return value(fmt::format("select count(*) from pg_stat_activity where pid = {}", process)) ==
           "0";
  }));
}

TEST_F(PipelineTest, AnEndingLoopLeavesNothingBehind) {
  // The sanitizer's leak check is what fails here.
  {
    Loop ending;
    auto held = ending.connect(database().url());
    int running = 0;
    const auto wait = [](std::shared_ptr<Connection> on, int& count) -> awaitable<void> {
      ++count;
      const Statement slow{"", "select pg_sleep(30)", Access::read};
      (void)co_await on->execute(slow, {}, Clock::now() + seconds(60));
      ++count;
    };
    const auto script = [](std::shared_ptr<Connection> on, int& count) -> awaitable<void> {
      ++count;
      (void)co_await on->script("select pg_sleep(30)", Clock::now() + seconds(60));
      ++count;
    };
    const auto park = [](Waiter& waiter, int& count) -> awaitable<void> {
      ++count;
      co_await waiter.wait();
      ++count;
    };
    Waiter waiter;
    auto other = ending.connect(database().url());
    asio::co_spawn(ending.context(), wait(held, running), asio::detached);
    asio::co_spawn(ending.context(), script(other, running), asio::detached);
    asio::co_spawn(ending.context(), park(waiter, running), asio::detached);
    held.reset();
    other.reset();
    ending.until([&] { return running == 3; });
  }
  SUCCEED();
}

// ── notifications and notices ────────────────────────────────────────────────────────────────────

TEST_F(PipelineTest, NotificationsComeWhileIdleAndWhileBusyAndAfterAScript) {
  std::vector<std::string> heard;
  connection->on_notification([&](const Notification& notification) {
    heard.push_back(notification.channel + ":" + notification.payload);
    EXPECT_GT(notification.server_process, 0);
  });
  ASSERT_TRUE(loop.execute(*connection, "listen news").has_value());
  database().query("notify news, 'idle'");
  loop.until([&] { return heard.size() == 1; });

  const Params none;
  const Statement slow{"", "select pg_sleep(0.2)", Access::read};
  Recorded busy(slow, none);
  connection->submit(busy);
  database().query("notify news, 'busy'");
  loop.until([&] { return heard.size() == 2 && busy.times == 1; });

  ASSERT_TRUE(loop.script(*connection, "notify news, 'own'").has_value());
  loop.until([&] { return heard.size() == 3; });
  EXPECT_EQ(heard, (std::vector<std::string>{"news:idle", "news:busy", "news:own"}));
}

TEST_F(PipelineTest, NoticesAreToldAndAHandlerMayClose) {
  std::vector<std::string> heard;
  connection->on_notice([&](const std::string& severity, const std::string& message) {
    heard.push_back(severity + ":" + message);
  });
  const Statement raise{"", "do $$ begin raise notice 'one'; raise warning 'two'; end $$",
                        Access::write};
  ASSERT_TRUE(loop.execute(*connection, raise).has_value());
  ASSERT_TRUE(loop.script(*connection, std::string(raise.text)).has_value());
  const std::vector<std::string> both{"NOTICE:one", "WARNING:two"};
  EXPECT_EQ(heard, (std::vector<std::string>{both[0], both[1], both[0], both[1]}));

  connection->on_notice([&](const std::string&, const std::string&) { connection->close(); });
  const Params none;
  Recorded last(raise, none);
  connection->submit(last);
  loop.until([&] { return last.times == 1; });
  EXPECT_TRUE(connection->closed());
}

TEST_F(PipelineTest, ANotificationsHandlerMayClose) {
  connection->on_notification([&](const Notification&) { connection->close(); });
  ASSERT_TRUE(loop.execute(*connection, "listen ending").has_value());
  database().query("notify ending; notify ending, 'again'");
  loop.until([&] { return connection->closed(); });
}

TEST_F(PipelineTest, CopyAsAnOrdinaryStatementEndsInAnErrorNotInAHang) {
  create("create table misused (id int4)");
  for (const char* text : {"copy misused from stdin", "copy misused to stdout"}) {
    auto other = loop.connect(database().url());
    auto answer = loop.execute(*other, text);
    ASSERT_TRUE(answer.has_error());
    EXPECT_THAT(answer.error().message, HasSubstr("COPY"));
    EXPECT_TRUE(other->closed());
  }
}

TEST_F(PipelineTest, TheServerIsKnown) {
  EXPECT_GE(connection->server_version(), 150000);
  EXPECT_EQ(
      std::to_string(connection->server_process()),
      std::to_string(
          loop.execute(*connection, "select pg_backend_pid()").value().value<std::int32_t>()));
  EXPECT_EQ(connection->parameter("client_encoding"), "UTF8");
  EXPECT_EQ(connection->parameter("no_such"), "");
  EXPECT_FALSE(connection->transaction_open());
  ASSERT_TRUE(loop.execute(*connection, "begin").has_value());
  EXPECT_TRUE(connection->transaction_open());
  ASSERT_TRUE(loop.execute(*connection, "select 1/0").has_error());
  EXPECT_TRUE(connection->transaction_open());
  ASSERT_TRUE(loop.execute(*connection, "rollback").has_value());
  EXPECT_FALSE(connection->transaction_open());
}

}  // namespace
}  // namespace lyceum::pg
