#include <gtest/gtest.h>

#include "run.h"
#include "support/gate.h"

// Cancelling, and deadlines on servers that answer and on servers that do not.

namespace lyceum::pg {
namespace {

using namespace testing;
using lyceum::testing::Gate;

class DeadlineTest : public DatabaseTest {
 protected:
  void SetUp() override { connection = loop.connect(database().url()); }
  void TearDown() override { connection->close(); }

  std::string state(int process) {
    const auto rows =
        database().query(fmt::format("select state from pg_stat_activity where pid = {}", process));
    return rows.empty() ? "gone" : rows[0][0];
  }
  std::shared_ptr<Connection> connection;
};

const Statement kSleepRead{"sleep.read", "select pg_sleep(30)", Access::read};
const Statement kSleepWrite{"sleep.write", "select pg_sleep(30)", Access::write};
const Statement kQuick{"quick", "select 1::int4", Access::read};

TEST_F(DeadlineTest, AStatementPastItsDeadlineIsCancelledOnTheServer) {
  for (const auto& statement : {kSleepRead, kSleepWrite}) {
    const auto begun = Clock::now();
    auto answer = loop.execute(*connection, statement, {}, begun + milliseconds(100));
    EXPECT_EQ(answer.error().code, ErrorCode::kTimeout);
    EXPECT_EQ(answer.error().sqlstate, "57014");
    EXPECT_FALSE(answer.error().may_have_taken_effect);
    EXPECT_LT(Clock::now() - begun, milliseconds(1600));
    EXPECT_EQ(state(connection->server_process()), "idle");
    EXPECT_FALSE(connection->cancel_under_way());
    EXPECT_EQ(loop.execute(*connection, kQuick).value().value<std::int32_t>(), 1);
  }
}

TEST_F(DeadlineTest, ACancelNeverHitsTheNextStatement) {
  // Statements that end just when their deadline comes, so that the cancel arrives too late for
  // them: whatever they say, the next one, long enough to be hit, runs to its end.
  const Statement brief{"brief", "select pg_sleep(0.01)", Access::read};
  const Statement next{"next", "select 1::int4 from pg_sleep(0.02)", Access::read};
  for (int i = 0; i < 30; ++i) {
    (void)loop.execute(*connection, brief, {},
                       Clock::now() + std::chrono::microseconds(9000 + 60 * i));
    ASSERT_FALSE(connection->closed());
    auto answer = loop.execute(*connection, next);
    ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
  }
}

TEST_F(DeadlineTest, ADeadlineInThePastIsATimeout) {
  auto answer = loop.execute(*connection, kSleepRead, {}, Clock::now() - seconds(1));
  EXPECT_EQ(answer.error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(loop.execute(*connection, kQuick).has_value());
}

TEST_F(DeadlineTest, OneBehindOthersIsAbandonedAndItsNeighbourGoesOn) {
  const Params none;
  const Statement slow{"", "select 7::int4 from pg_sleep(0.5)", Access::read};
  Recorded neighbour(slow, none);
  connection->submit(neighbour);
  auto behind = loop.execute(*connection, kSleepWrite, {}, Clock::now() + milliseconds(50));
  EXPECT_EQ(behind.error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(behind.error().may_have_taken_effect);
  EXPECT_EQ(neighbour.times, 0);
  loop.until([&] { return neighbour.times > 0; });
  EXPECT_EQ(neighbour.result->value().value<std::int32_t>(), 7);
}

TEST_F(DeadlineTest, ASilentServerCostsTheDeadlineAndALittleMore) {
  auto& server = shared_server();
  ASSERT_TRUE(server.pause().has_value());
  const auto begun = Clock::now();
  auto read = loop.execute(*connection, kSleepRead, {}, begun + milliseconds(200));
  const auto took = Clock::now() - begun;
  ASSERT_TRUE(server.resume().has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kTimeout);
  EXPECT_FALSE(read.error().may_have_taken_effect);
  EXPECT_LT(took, milliseconds(1700));
  EXPECT_TRUE(connection->closed());
}

TEST_F(DeadlineTest, ASilentNetworkLeavesAWriteInDoubt) {
  Gate gate(shared_server());
  auto other = loop.connect(gate.url(database().name()));
  gate.set_stalled(true);
  const auto begun = Clock::now();
  auto write = loop.execute(*other, kSleepWrite, {}, begun + milliseconds(100));
  EXPECT_LT(Clock::now() - begun, milliseconds(1600));
  EXPECT_EQ(write.error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(write.error().may_have_taken_effect);
  EXPECT_TRUE(other->closed());

  gate.set_stalled(false);
  other = loop.connect(gate.url(database().name()));
  gate.set_stalled(true);
  const auto again = Clock::now();
  auto script = loop.script(*other, "select 1", again + milliseconds(100));
  EXPECT_LT(Clock::now() - again, milliseconds(1600));
  EXPECT_EQ(script.error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(script.error().may_have_taken_effect);
  EXPECT_TRUE(other->closed());

  gate.set_stalled(false);
  other = loop.connect(gate.url(database().name()));
  ASSERT_TRUE(loop.script(*other, "create temp table sink (line text)").has_value());
  const auto third = Clock::now();
  ASSERT_TRUE(loop.run(other->copy_in_begin("copy sink from stdin", third + milliseconds(100)))
                  .has_value());
  gate.set_stalled(true);
  const std::string piece(1'000'000, 'x');
  Result<void> wrote{};
  while (wrote.has_value()) wrote = loop.run(other->copy_in_write(piece));
  EXPECT_EQ(wrote.error().code, ErrorCode::kTimeout);
  EXPECT_FALSE(wrote.error().may_have_taken_effect);
  EXPECT_LT(Clock::now() - third, milliseconds(1800));
  gate.set_stalled(false);
}

TEST_F(DeadlineTest, CancelByHand) {
  const Params none;
  Recorded running(kSleepRead, none);
  connection->submit(running);
  loop.until([&] { return state(connection->server_process()) == "active"; });
  EXPECT_EQ(connection->head(), &running);
  EXPECT_TRUE(connection->cancel());
  loop.until([&] { return running.times > 0; });
  EXPECT_EQ(running.result->error().code, ErrorCode::kSql);
  EXPECT_EQ(running.result->error().sqlstate, "57014");
  EXPECT_GE(connection->last_cancel(), running.sent_at);
  loop.until([&] { return !connection->cancel_under_way(); });
  EXPECT_TRUE(loop.execute(*connection, kQuick).has_value());
  connection->close();
  EXPECT_FALSE(connection->cancel());
}

}  // namespace
}  // namespace lyceum::pg
