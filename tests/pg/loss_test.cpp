#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <signal.h>

#include "pg/transaction.h"
#include "run.h"
#include "support/gate.h"

// Connections that break. Every claim about a write is held against what the table then holds.

namespace lyceum::pg {
namespace {

using namespace testing;
using lyceum::testing::eventually;
using lyceum::testing::Gate;
using ::testing::HasSubstr;

class LossTest : public DatabaseTest {
 protected:
  void SetUp() override { connection = loop.connect(database().url()); }
  void TearDown() override { connection->close(); }

  std::string value(const std::string& sql) { return database().value(sql); }
  bool stored(const std::string& table, int id) {
    return value(fmt::format("select count(*) from {} where id = {}", table, id)) == "1";
  }
  // Until the server runs something of this connection that holds this text.
  void until_running(int process, const std::string& text) {
    loop.until([&] {
      return value(fmt::format("select count(*) from pg_stat_activity where pid = {} and state = "
                               "'active' and query like '%{}%'",
                               process, text)) == "1";
    });
  }
  void terminate(int process) { value(fmt::format("select pg_terminate_backend({})", process)); }

  std::shared_ptr<Connection> connection;
};

const Statement kSlowRead{"slow.read", "select pg_sleep(30)", Access::read};

TEST_F(LossTest, ATerminatedReadIsLostWithTheServersReason) {
  std::string told;
  connection->on_closed([&](const Error& error) { told = error.sqlstate; });
  const Params none;
  Recorded read(kSlowRead, none);
  connection->submit(read);
  until_running(connection->server_process(), "pg_sleep");
  terminate(connection->server_process());
  loop.until([&] { return read.times > 0; });
  EXPECT_EQ(read.result->error().code, ErrorCode::kConnectionLost);
  EXPECT_EQ(read.result->error().sqlstate, "57P01");
  EXPECT_EQ(read.result->error().statement, "slow.read");
  EXPECT_FALSE(read.result->error().may_have_taken_effect);
  EXPECT_EQ(told, "57P01");
  EXPECT_TRUE(connection->closed());
}

TEST_F(LossTest, ATerminatedIdleConnectionIsNoticedWithTheServersReason) {
  std::optional<Error> told;
  connection->on_closed([&](const Error& error) { told = error; });
  terminate(connection->server_process());
  loop.until([&] { return told.has_value(); });
  EXPECT_EQ(told->sqlstate, "57P01");
  auto after = loop.execute(*connection, kSlowRead);
  EXPECT_EQ(after.error().code, ErrorCode::kConnectionLost);
  EXPECT_THAT(after.error().message, HasSubstr("administrator"));
}

TEST_F(LossTest, AWriteSentToADeadConnectionHadNoEffect) {
  database().query("create table to_dead (id int4)");
  const auto process = connection->server_process();
  terminate(process);
  ASSERT_TRUE(eventually([&] {
    return value(fmt::format("select count(*) from pg_stat_activity where pid = {}", process)) ==
           "0";
  }));
  // The loop has not turned: the farewell is still unread.
  const Params none;
  const Statement insert{"", "insert into to_dead values (1)", Access::write};
  std::vector<std::unique_ptr<Recorded>> sent;
  for (int i = 0; i < 5; ++i) {
    sent.push_back(std::make_unique<Recorded>(insert, none));
    connection->submit(*sent.back());
  }
  loop.until([&] { return sent.back()->times > 0; });
  for (const auto& item : sent) {
    EXPECT_EQ(item->times, 1);
    EXPECT_EQ(item->result->error().code, ErrorCode::kConnectionLost);
    EXPECT_FALSE(item->result->error().may_have_taken_effect);
    EXPECT_EQ(item->result->error().sqlstate, "57P01");
  }
  EXPECT_EQ(value("select count(*) from to_dead"), "0");
}

TEST_F(LossTest, ATerminatedWriteIsRolledBackAndThoseBehindItNeverRan) {
  database().query("create table queue (id int4)");
  const Statement slow{"queue.slow", "insert into queue select $1 from pg_sleep(30)",
                       Access::write};
  const Statement quick{"queue.quick", "insert into queue values ($1)", Access::write};
  const Params before(1), head(2), behind(3);
  Recorded done(quick, before), running(slow, head), waiting(quick, behind);
  for (auto* item : {&done, &running, &waiting}) connection->submit(*item);
  until_running(connection->server_process(), "pg_sleep");
  terminate(connection->server_process());
  loop.until([&] { return waiting.times > 0; });
  EXPECT_TRUE(done.result->has_value());
  for (auto* item : {&running, &waiting}) {
    EXPECT_EQ(item->result->error().code, ErrorCode::kConnectionLost);
    EXPECT_FALSE(item->result->error().may_have_taken_effect);
  }
  EXPECT_EQ(value("select string_agg(id::text, ',') from queue"), "1");
}

// Writes in flight while the server process is ended at a random moment: by a farewell or by
// SIGKILL. Acknowledged is stored, "no effect" is not stored, and each is told of once.
class LossAtRandomTest : public DatabaseTest {
 protected:
  // The process of which each start of the server has its own; "" while it cannot be asked.
  static std::string checkpointer(local::Server& server) {
    try {
      return lyceum::testing::psql_value(
          server.url("postgres"),
          "select pid from pg_stat_activity where backend_type = 'checkpointer'");
    } catch (const std::exception&) {
      return "";
    }
  }
  void storm(local::Server& server, const std::string& url, const std::string& table, int rounds,
             const std::function<void(Connection&)>& strike, int* in_doubt, int* without_effect,
             bool restarts = false) {
    std::mt19937 random(42);
    // Slow enough that some are under way when it strikes.
    const auto text = "insert into " + table + " select $1 from pg_sleep(0.001)";
    const Statement insert{table, text, Access::write};
    int id = 0;
    for (int round = 0; round < rounds; ++round) {
      std::shared_ptr<Connection> connection;
      loop.until([&] {  // the server may still be recovering
        auto made = loop.try_connect(url);
        if (made.has_value()) connection = *made;
        return connection != nullptr;
      });
      const auto before = checkpointer(server);
      std::vector<std::unique_ptr<Params>> params;
      std::vector<std::unique_ptr<Recorded>> sent;
      const auto count = 40 + random() % 160;
      const auto at = random() % count;
      std::size_t answered = 0;
      for (std::size_t i = 0; i < count; ++i) {
        params.push_back(std::make_unique<Params>(++id));
        sent.push_back(std::make_unique<Recorded>(insert, *params.back()));
        sent.back()->then = [&] { ++answered; };
        connection->submit(*sent.back());
        if (random() % 10 == 0 || i == at) loop.context().poll();
        if (i == at) strike(*connection);
      }
      loop.until([&] { return answered == count; });
      EXPECT_TRUE(connection->closed());
      // The server notices only after a moment that it must begin anew.
      ASSERT_TRUE(eventually([&] {
        const auto now = checkpointer(server);
        return !now.empty() && (!restarts || now != before);
      }));
      const int first = id - static_cast<int>(count) + 1;
      std::set<int> present;
      for (const auto& row :
           lyceum::testing::psql(server.url(database().name()),
                                 fmt::format("select id from {} where id >= {}", table, first))) {
        present.insert(std::stoi(row[0]));
      }
      for (std::size_t i = 0; i < count; ++i) {
        const int own = first + static_cast<int>(i);
        ASSERT_EQ(sent[i]->times, 1);
        if (sent[i]->result->has_value()) {
          EXPECT_TRUE(present.contains(own)) << "acknowledged and gone: " << own;
        } else if (!sent[i]->result->error().may_have_taken_effect) {
          EXPECT_FALSE(present.contains(own)) << "said to have no effect, and stored: " << own;
          ++*without_effect;
        } else {
          EXPECT_EQ(sent[i]->result->error().code, ErrorCode::kInDoubt);
          ++*in_doubt;
        }
      }
      connection->close();
    }
  }
};

TEST_F(LossAtRandomTest, AFarewellTellsWhichWritesHadNoEffect) {
  database().query("create table farewell (id int4)");
  int in_doubt = 0, without_effect = 0;
  storm(
      shared_server(), database().url(), "farewell", 12,
      [](Connection& connection) { ::kill(connection.server_process(), SIGTERM); }, &in_doubt,
      &without_effect);
  EXPECT_GT(without_effect, 0);
  // Only one of each round can be in doubt: that which had ended and was not yet acknowledged.
  EXPECT_LE(in_doubt, 12);
}

TEST_F(LossAtRandomTest, WithoutAFarewellEveryWriteInFlightIsInDoubt) {
  Gate gate(shared_server());
  database().query("create table cut (id int4)");
  int in_doubt = 0, without_effect = 0;
  storm(
      shared_server(), gate.url(database().name()), "cut", 12, [&](Connection&) { gate.cut(); },
      &in_doubt, &without_effect);
  EXPECT_GT(in_doubt, 0);
}

// The server ends all its sessions when one of its processes dies like this, and recovers.
TEST_F(LossAtRandomTest, AKilledServerProcessSaysNothing) {
  database().query("create table killed (id int4)");
  int in_doubt = 0, without_effect = 0;
  storm(
      shared_server(), database().url(), "killed", 4,
      [](Connection& connection) { ::kill(connection.server_process(), SIGKILL); }, &in_doubt,
      &without_effect, true);
  // What was sent is in doubt; what was given to the connection after it had broken never left.
  EXPECT_GT(in_doubt, 0);
}

TEST_F(LossAtRandomTest, AKilledServerKeepsWhatItAcknowledged) {
  database().query("create table crashed (id int4)");
  int in_doubt = 0, without_effect = 0;
  storm(
      shared_server(), database().url(), "crashed", 2,
      [](Connection&) {
        ASSERT_TRUE(shared_server().kill_9().has_value());
        ASSERT_TRUE(shared_server().start().has_value());
      },
      &in_doubt, &without_effect, true);
  EXPECT_GT(in_doubt, 0);
}

TEST_F(LossTest, AReadWithoutAFarewellHadNoEffect) {
  Gate gate(shared_server());
  auto other = loop.connect(gate.url(database().name()));
  const Params none;
  const Statement write{"", "select pg_sleep(30)", Access::write};
  Recorded read(kSlowRead, none), behind(write, none);
  other->submit(read);
  other->submit(behind);
  until_running(other->server_process(), "pg_sleep");
  gate.cut();
  loop.until([&] { return behind.times > 0; });
  EXPECT_EQ(read.result->error().code, ErrorCode::kConnectionLost);
  EXPECT_FALSE(read.result->error().may_have_taken_effect);
  EXPECT_EQ(behind.result->error().code, ErrorCode::kInDoubt);
  EXPECT_TRUE(behind.result->error().may_have_taken_effect);
}

TEST_F(LossTest, AnAnswerThatSaidNoIsNoDoubtEvenIfTheSyncsIsMissing) {
  // Nothing to see from outside but the error itself: the server answers the failure at once, and
  // the farewell comes while the next one runs.
  database().query("create table refused (id int4 primary key); insert into refused values (1)");
  const Params one(1), none;
  const Statement insert{"refused.insert", "insert into refused values ($1)", Access::write};
  Recorded failing(insert, one), slow(kSlowRead, none);
  connection->submit(failing);
  connection->submit(slow);
  until_running(connection->server_process(), "pg_sleep");
  ::kill(connection->server_process(), SIGTERM);
  loop.until([&] { return slow.times > 0; });
  EXPECT_EQ(failing.result->error().sqlstate, "23505");
  EXPECT_FALSE(failing.result->error().may_have_taken_effect);
}

// A byte of an answer's frame that changed on its way: which answer is whose cannot be told any
// more.
TEST_F(LossTest, AnAnswerThatIsNoneEndsTheConnectionAtOnce) {
  database().query("create table garbled (id int4)");
  const Statement insert{"garbled.insert", "insert into garbled values (1) returning id",
                         Access::write};
  const Statement read{"garbled.read", "select count(*) from garbled", Access::read};
  const Params none;
  // BindComplete is five bytes, and the DataRow behind it begins with its tag and its length.
  for (const std::size_t byte : {0U, 1U, 5U, 6U}) {
    Gate gate(shared_server());
    auto other = loop.connect(gate.url(database().name()));
    ASSERT_TRUE(loop.execute(*other, insert).has_value());
    ASSERT_TRUE(loop.execute(*other, read).has_value());
    gate.corrupt_after(Gate::Direction::kToClient, byte);
    Recorded write(insert, none), behind(read, none);
    other->submit(write);
    other->submit(behind);
    loop.until([&] { return behind.times > 0; });
    EXPECT_TRUE(other->closed());
    EXPECT_EQ(write.result->error().code, ErrorCode::kInDoubt) << byte;
    EXPECT_EQ(behind.result->error().code, ErrorCode::kConnectionLost) << byte;
    EXPECT_THAT(behind.result->error().message, HasSubstr("sent")) << byte;
  }
}

// ── COPY and scripts ─────────────────────────────────────────────────────────────────────────────

TEST_F(LossTest, ACopyCutMidWayStoresNothing) {
  database().query("create table half (line text)");
  for (const bool farewell : {true, false}) {
    Gate gate(shared_server());
    auto other = loop.connect(gate.url(database().name()));
    ASSERT_TRUE(loop.run(other->copy_in_begin("copy half from stdin")).has_value());
    const std::string piece(100'000, 'x');
    ASSERT_TRUE(loop.run(other->copy_in_write(piece + "\n")).has_value());
    if (farewell) {
      terminate(other->server_process());
    } else {
      gate.cut();
    }
    std::optional<Error> error;
    for (int i = 0; i < 10000 && !error; ++i) {
      auto wrote = loop.run(other->copy_in_write(piece + "\n"));
      if (wrote.has_error()) error = wrote.error();
    }
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, ErrorCode::kConnectionLost) << error->to_string();
    EXPECT_FALSE(error->may_have_taken_effect);
    EXPECT_NE(error->message, "");
    EXPECT_TRUE(other->closed());
    auto finished = loop.run(other->copy_in_finish());
    EXPECT_TRUE(finished.has_error());
    EXPECT_FALSE(finished.error().may_have_taken_effect);
    EXPECT_EQ(value("select count(*) from half"), "0");
  }
}

TEST_F(LossTest, ACopyCutAtItsEndIsInDoubt) {
  database().query("create table ended (line text)");
  Gate gate(shared_server());
  auto other = loop.connect(gate.url(database().name()));
  ASSERT_TRUE(loop.run(other->copy_in_begin("copy ended from stdin")).has_value());
  ASSERT_TRUE(loop.run(other->copy_in_write("a\nb\n")).has_value());
  gate.drop_after(Gate::Direction::kToClient, 0);
  std::optional<Result<std::int64_t>> finished;
  asio::co_spawn(loop.context(), other->copy_in_finish(),
                 [&](std::exception_ptr, Result<std::int64_t> result) { finished = result; });
  loop.until([&] { return value("select count(*) from ended") == "2"; });
  gate.cut();
  loop.until([&] { return finished.has_value(); });
  EXPECT_EQ(finished->error().code, ErrorCode::kInDoubt);
  EXPECT_TRUE(finished->error().may_have_taken_effect);
}

TEST_F(LossTest, AScriptThatLosesItsConnectionMayHaveTakenEffect) {
  std::optional<Result<std::vector<Rows>>> done;
  asio::co_spawn(
      loop.context(), connection->script("create table t_lost (a int); select pg_sleep(30)"),
      [&](std::exception_ptr, Result<std::vector<Rows>> result) { done = std::move(result); });
  until_running(connection->server_process(), "pg_sleep");
  terminate(connection->server_process());
  loop.until([&] { return done.has_value(); });
  EXPECT_EQ(done->error().code, ErrorCode::kConnectionLost);
  EXPECT_EQ(done->error().sqlstate, "57P01");
  EXPECT_TRUE(done->error().may_have_taken_effect);
  EXPECT_TRUE(connection->closed());
}

TEST_F(LossTest, CloseEndsAScriptThatWaits) {
  std::optional<Result<std::vector<Rows>>> done;
  asio::co_spawn(
      loop.context(), connection->script("select pg_sleep(30)"),
      [&](std::exception_ptr, Result<std::vector<Rows>> result) { done = std::move(result); });
  until_running(connection->server_process(), "pg_sleep");
  connection->close();
  loop.until([&] { return done.has_value(); });
  EXPECT_TRUE(done->has_error());
}

// ── commit ───────────────────────────────────────────────────────────────────────────────────────

TEST_F(LossTest, ACommitWhoseAnswerNeverCameIsInDoubt) {
  database().query("create table doubt (id int4)");
  Gate gate(shared_server());
  auto other = loop.connect(gate.url(database().name()));
  auto transaction = loop.run(Transaction::begin(other)).value();
  const Statement insert{"", "insert into doubt values (1)", Access::write};
  ASSERT_TRUE(loop.run(transaction.execute(insert)).has_value());
  gate.drop_after(Gate::Direction::kToClient, 0);
  std::optional<Result<void>> committed;
  asio::co_spawn(loop.context(), transaction.commit(),
                 [&](std::exception_ptr, Result<void> result) { committed = result; });
  loop.until([&] { return stored("doubt", 1); });
  EXPECT_FALSE(committed.has_value());
  gate.cut();
  loop.until([&] { return committed.has_value(); });
  EXPECT_EQ(committed->error().code, ErrorCode::kInDoubt);
  EXPECT_TRUE(committed->error().may_have_taken_effect);
}

TEST_F(LossTest, ATransactionThatIsCutBeforeItsCommitHadNoEffect) {
  database().query("create table no_doubt (id int4)");
  Gate gate(shared_server());
  auto other = loop.connect(gate.url(database().name()));
  auto transaction = loop.run(Transaction::begin(other)).value();
  const Statement insert{"", "insert into no_doubt values (1)", Access::write};
  const Statement slow{"", "insert into no_doubt select 2 from pg_sleep(30)", Access::write};
  ASSERT_TRUE(loop.run(transaction.execute(insert)).has_value());
  std::optional<Result<Rows>> done;
  asio::co_spawn(loop.context(), transaction.execute(slow),
                 [&](std::exception_ptr, Result<Rows> result) { done = std::move(result); });
  until_running(other->server_process(), "pg_sleep");
  gate.cut();
  loop.until([&] { return done.has_value(); });
  EXPECT_EQ(done->error().code, ErrorCode::kConnectionLost);
  EXPECT_FALSE(done->error().may_have_taken_effect);
  auto committed = loop.run(transaction.commit());
  EXPECT_EQ(committed.error().code, ErrorCode::kConnectionLost);
  EXPECT_FALSE(committed.error().may_have_taken_effect) << "COMMIT was never sent";
  terminate(other->server_process());
  EXPECT_EQ(value("select count(*) from no_doubt"), "0");
}

}  // namespace
}  // namespace lyceum::pg
