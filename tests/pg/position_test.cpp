// The position that comes with a statement in its round trip, against what the server says itself.
#include "pg/position.h"

#include <fmt/format.h>

#include "pg/run.h"
#include "pg/transaction.h"

namespace lyceum::pg::testing {
namespace {

constexpr Statement kInsert{"insert_one", "insert into positions_t values (1)", Access::write};
constexpr Statement kFails{"insert_none", "insert into positions_t values (1 / 0)", Access::write};
constexpr Statement kRead{"count_all", "select count(*) from positions_t", Access::read};
const Params kNone;

class PositionTest : public DatabaseTest {
 protected:
  PositionTest() {
    database().query("drop table if exists positions_t; create table positions_t (n int)");
  }
  static std::uint64_t lsn(const char* function) {
    return std::stoull(database().value(fmt::format("select ({}() - '0/0')::bigint", function)));
  }
  static std::int32_t timeline() {
    return std::stoi(database().value("select timeline_id from pg_control_checkpoint()"));
  }
};

TEST_F(PositionTest, a_write_is_covered_and_nothing_that_was_not_written) {
  const auto connection = loop.connect(database().url());
  Position seen;
  for (int i = 0; i < 200; ++i) {
    const auto before = seen;
    ASSERT_TRUE(loop.run(connection->execute(kInsert, kNone, kNoDeadline, nullptr, &seen)));
    EXPECT_GT(seen, before);
  }
  EXPECT_EQ(seen.timeline, timeline());
  // All that was acknowledged is flushed; the log may go on meanwhile, but never stands before.
  EXPECT_LE(seen.lsn, lsn("pg_current_wal_insert_lsn"));
  EXPECT_EQ(database().value("select count(*) from positions_t"), "200");
}

TEST_F(PositionTest, is_no_further_than_what_replicas_are_sent) {
  // Unflushed log waits for the next commit: a replica would be waited for in vain.
  const auto connection = loop.connect(database().url());
  for (int i = 0; i < 100; ++i) {
    Position seen;
    ASSERT_TRUE(loop.run(connection->execute(kInsert, kNone, kNoDeadline, nullptr, &seen)));
    EXPECT_LE(seen.lsn, lsn("pg_current_wal_flush_lsn"));
  }
}

TEST_F(PositionTest, covers_a_commit_that_did_not_wait_for_the_flush) {
  const auto connection = loop.connect(database().url());
  loop.script(*connection, "set synchronous_commit = off").value();
  for (int i = 0; i < 100; ++i) {
    const auto before = lsn("pg_current_wal_insert_lsn");
    Position seen;
    ASSERT_TRUE(loop.run(connection->execute(kInsert, kNone, kNoDeadline, nullptr, &seen)));
    EXPECT_GT(seen.lsn, before);
  }
}

TEST_F(PositionTest, a_failed_statement_leaves_it_and_the_connection_as_they_were) {
  const auto connection = loop.connect(database().url());
  Position seen{.timeline = 0, .lsn = 7};
  const auto failed = loop.run(connection->execute(kFails, kNone, kNoDeadline, nullptr, &seen));
  ASSERT_TRUE(failed.has_error());
  EXPECT_EQ(failed.error().sqlstate, "22012");
  EXPECT_EQ(seen.lsn, 7U);
  const auto read = loop.run(connection->execute(kRead, kNone, kNoDeadline, nullptr, &seen));
  EXPECT_EQ(read.value().value<std::int64_t>(), 0);
  EXPECT_GT(seen.lsn, 7U);
}

TEST_F(PositionTest, many_in_one_pipeline_keep_their_order) {
  const auto connection = loop.connect(database().url());
  std::vector<Position> seen(50);
  std::vector<std::unique_ptr<Exchange>> sent;
  int finished = 0;
  struct Counted final : Exchange {
    Counted(const Statement& what, Position* reached, int& done)
        : Exchange(what, kNone, nullptr, reached), count(done) {}
    void finished(Result<Rows> answer) override {
      EXPECT_EQ(answer.has_error(), &statement() == &kFails);
      ++count;
    }
    int& count;
  };
  for (std::size_t i = 0; i < seen.size(); ++i) {
    // Some without a position, some that fail.
    const auto& what = i % 7 == 3 ? kFails : kInsert;
    sent.push_back(std::make_unique<Counted>(what, i % 5 == 4 ? nullptr : &seen[i], finished));
    connection->submit(*sent.back());
  }
  loop.until([&] { return finished == 50; });
  Position last;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const bool none = i % 7 == 3 || i % 5 == 4;
    EXPECT_EQ(seen[i].empty(), none) << i;
    if (none) continue;
    EXPECT_GT(seen[i], last) << i;
    last = seen[i];
  }
}

TEST_F(PositionTest, comes_back_after_the_server_has_forgotten_it) {
  const auto connection = loop.connect(database().url());
  Position seen;
  ASSERT_TRUE(loop.run(connection->execute(kRead, kNone, kNoDeadline, nullptr, &seen)));
  loop.script(*connection, "deallocate all").value();
  // The statement is gone too: both are prepared anew for its second attempt.
  seen = {};
  ASSERT_TRUE(loop.run(connection->execute(kRead, kNone, kNoDeadline, nullptr, &seen)));
  EXPECT_FALSE(seen.empty());
  // Where it alone is gone, the answer stands and says that the position is not known.
  loop.script(*connection, "deallocate position").value();
  ASSERT_TRUE(loop.run(connection->execute(kRead, kNone, kNoDeadline, nullptr, &seen)));
  EXPECT_TRUE(seen.beyond());
  ASSERT_TRUE(loop.run(connection->execute(kRead, kNone, kNoDeadline, nullptr, &seen)));
  EXPECT_FALSE(seen.beyond());
  EXPECT_LE(seen.lsn, lsn("pg_current_wal_flush_lsn"));
}

TEST_F(PositionTest, a_commit_is_covered) {
  const auto connection = loop.connect(database().url());
  auto transaction = loop.run(Transaction::begin(connection)).value();
  ASSERT_TRUE(loop.run(transaction.execute(kInsert)));
  const auto before = lsn("pg_current_wal_flush_lsn");
  Position seen;
  ASSERT_TRUE(loop.run(transaction.commit(&seen)));
  EXPECT_GT(seen.lsn, before);
}

TEST(Position, that_has_lost_track_is_replaced_by_the_next) {
  Position seen{.timeline = 2, .lsn = 50};
  EXPECT_FALSE(seen.beyond());
  seen.lose_track();
  EXPECT_TRUE(seen.beyond());
  EXPECT_FALSE(seen.empty());
  EXPECT_GT(seen.lsn, 50U);
  seen.advance({.timeline = 2, .lsn = 60});
  EXPECT_EQ(seen, (Position{.timeline = 2, .lsn = 60}));
}

TEST(Position, takes_in_what_is_later) {
  Position seen;
  seen.advance({.timeline = 1, .lsn = 50});
  EXPECT_EQ(seen, (Position{.timeline = 1, .lsn = 50}));
  seen.advance({.timeline = 1, .lsn = 40});
  EXPECT_EQ(seen.lsn, 50U);
  seen.advance({.timeline = 0, .lsn = 60});  // a replica that may not say its timeline
  EXPECT_EQ(seen, (Position{.timeline = 1, .lsn = 60}));
  seen.advance({.timeline = 2, .lsn = 55});  // after a failover the log went on below
  EXPECT_EQ(seen, (Position{.timeline = 2, .lsn = 55}));
  seen.advance({.timeline = 1, .lsn = 70});  // of the history that ended
  EXPECT_EQ(seen, (Position{.timeline = 2, .lsn = 55}));
}

}  // namespace
}  // namespace lyceum::pg::testing
