#include "pg/transaction.h"

#include <gtest/gtest.h>

#include "run.h"
#include "support/gate.h"

namespace lyceum::pg {
namespace {

using namespace testing;
using lyceum::testing::Gate;
using std::chrono::milliseconds;
using Isolation = TransactionOptions::Isolation;

class TransactionTest : public DatabaseTest {
 protected:
  void SetUp() override { connection = loop.connect(database().url()); }
  void TearDown() override { connection->close(); }

  Transaction begin(TransactionOptions options = {}) {
    return loop.run(Transaction::begin(connection, options)).value();
  }
  Result<Rows> execute(Transaction& transaction, std::string_view text, const Params& params = {}) {
    const Statement statement{"", text, Access::write};
    return loop.run(transaction.execute(statement, params));
  }
  std::string ask(Transaction& transaction, std::string_view text) {
    return execute(transaction, text).value().value<std::string>();
  }
  std::string value(const std::string& sql) { return database().value(sql); }
  std::shared_ptr<Connection> connection;
};

TEST_F(TransactionTest, CommitStoresAndRollbackDoesNot) {
  database().query("create table t_one (id int4)");
  auto first = begin();
  ASSERT_TRUE(execute(first, "insert into t_one values (1)").has_value());
  EXPECT_EQ(value("select count(*) from t_one"), "0");
  ASSERT_TRUE(loop.run(first.commit()).has_value());
  EXPECT_EQ(value("select count(*) from t_one"), "1");
  auto second = begin();
  ASSERT_TRUE(execute(second, "insert into t_one values (2)").has_value());
  ASSERT_TRUE(loop.run(second.rollback()).has_value());
  EXPECT_EQ(value("select count(*) from t_one"), "1");
  EXPECT_FALSE(connection->transaction_open());
}

TEST_F(TransactionTest, TheServerIsToldWhatWasAskedFor) {
  for (const auto& [isolation, name] :
       std::map<Isolation, std::string>{{Isolation::read_committed, "read committed"},
                                        {Isolation::repeatable_read, "repeatable read"},
                                        {Isolation::serializable, "serializable"}}) {
    for (const auto access : {Access::read, Access::write}) {
      auto transaction = begin({.isolation = isolation, .access = access});
      EXPECT_EQ(ask(transaction, "show transaction_isolation"), name);
      EXPECT_EQ(ask(transaction, "show transaction_read_only"),
                access == Access::read ? "on" : "off");
      ASSERT_TRUE(loop.run(transaction.rollback()).has_value());
    }
  }
  auto transaction = begin({.access = Access::read});
  EXPECT_EQ(execute(transaction, "create table t_never (id int4)").error().sqlstate, "25006");
  ASSERT_TRUE(loop.run(transaction.rollback()).has_value());
}

TEST_F(TransactionTest, TheTenantHoldsForTheTransaction) {
  const auto tenant = random_uuid();
  auto transaction = begin({.tenant = &tenant});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ask(transaction, "select current_setting('lyceum.tenant')"), to_string(tenant));
  }
  ASSERT_TRUE(loop.run(transaction.commit()).has_value());
  EXPECT_EQ(loop.execute(*connection, "select coalesce(current_setting('lyceum.tenant', true), '')")
                .value()
                .value<std::string>(),
            "");
}

TEST_F(TransactionTest, AFailedStatementMakesCommitSayThatItRolledBack) {
  database().query("create table t_two (id int4)");
  auto transaction = begin();
  ASSERT_TRUE(execute(transaction, "insert into t_two values (1)").has_value());
  EXPECT_EQ(execute(transaction, "select 1/0").error().sqlstate, "22012");
  EXPECT_EQ(execute(transaction, "select 1").error().sqlstate, "25P02");
  auto committed = loop.run(transaction.commit());
  ASSERT_TRUE(committed.has_error());
  EXPECT_EQ(committed.error().code, ErrorCode::kSql);
  EXPECT_FALSE(committed.error().may_have_taken_effect);
  EXPECT_FALSE(connection->transaction_open());
  EXPECT_EQ(value("select count(*) from t_two"), "0");
}

TEST_F(TransactionTest, AConstraintThatFailsAtCommitIsItsError) {
  database().query("create table t_three (id int4 unique deferrable initially deferred)");
  auto transaction = begin();
  ASSERT_TRUE(execute(transaction, "insert into t_three values (1), (1)").has_value());
  auto committed = loop.run(transaction.commit());
  EXPECT_EQ(committed.error().sqlstate, "23505");
  EXPECT_FALSE(committed.error().may_have_taken_effect);
  EXPECT_FALSE(connection->transaction_open());
}

TEST_F(TransactionTest, OneOfTwoSerializableTransactionsFailsAndSaysSo) {
  database().query("create table t_four (id int4); insert into t_four values (1), (2)");
  auto other = loop.connect(database().url());
  auto first = begin({.isolation = Isolation::serializable});
  auto second = loop.run(Transaction::begin(other, {.isolation = Isolation::serializable})).value();
  EXPECT_TRUE(execute(first, "insert into t_four select sum(id) from t_four").has_value());
  EXPECT_TRUE(execute(second, "insert into t_four select sum(id) from t_four").has_value());
  EXPECT_TRUE(loop.run(first.commit()).has_value());
  EXPECT_EQ(loop.run(second.commit()).error().sqlstate, "40001");
  other->close();
}

TEST_F(TransactionTest, ADeadlineEndsAStatementAndTheTransactionCanStillBeRolledBack) {
  auto transaction = begin({.deadline = Clock::now() + milliseconds(200)});
  auto slow = execute(transaction, "select pg_sleep(30)");
  EXPECT_EQ(slow.error().code, ErrorCode::kTimeout);
  auto fast = loop.execute(*connection, "rollback");
  EXPECT_TRUE(fast.has_value());
}

// What was sent for somebody who has gone is nobody's when it is answered.
TEST_F(TransactionTest, ABeginThatIsGivenUpIsForgotten) {
  Gate gate(shared_server());
  const auto stalled = loop.connect(gate.url());
  int orphans = 0;
  stalled->on_orphan([&] { ++orphans; });
  gate.set_stalled(true);
  const Uuid tenant = random_uuid();
  const auto begun = loop.run(Transaction::begin(
      stalled,
      {.tenant = &tenant, .deadline = std::chrono::steady_clock::now() + milliseconds(50)}));
  ASSERT_TRUE(begun.has_error());
  EXPECT_EQ(begun.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(stalled->depth(), 2U);
  gate.set_stalled(false);
  loop.until([&] { return stalled->depth() == 0; });
  EXPECT_EQ(orphans, 2);
  stalled->close();
}

TEST_F(TransactionTest, BeginOnAClosedConnectionSaysSo) {
  connection->close();
  const auto tenant = random_uuid();
  for (const Uuid* who : {static_cast<const Uuid*>(nullptr), &tenant}) {
    auto begun = loop.run(Transaction::begin(connection, {.tenant = who}));
    ASSERT_TRUE(begun.has_error());
    EXPECT_EQ(begun.error().code, ErrorCode::kConnectionLost);
    EXPECT_FALSE(begun.error().may_have_taken_effect);
  }
}

TEST_F(TransactionTest, ATenantThatCannotBeSetLeavesNoTransactionOpen) {
  ASSERT_TRUE(loop.execute(*connection, "create schema t_shadow; ").has_value());
  ASSERT_TRUE(loop.script(*connection,
                          "create function t_shadow.set_config(text, text, boolean) returns text "
                          "language plpgsql as $$ begin raise exception 'refused'; end $$; set "
                          "search_path to t_shadow, pg_catalog")
                  .has_value());
  const auto tenant = random_uuid();
  auto begun = loop.run(Transaction::begin(connection, {.tenant = &tenant}));
  ASSERT_TRUE(begun.has_error());
  EXPECT_EQ(begun.error().sqlstate, "P0001");
  EXPECT_FALSE(connection->transaction_open());
  EXPECT_TRUE(loop.execute(*connection, "select 1").has_value());
}

}  // namespace
}  // namespace lyceum::pg
