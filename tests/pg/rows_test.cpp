#include "pg/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run.h"

namespace lyceum::pg {

struct Learner {
  std::int64_t id;
  std::string name;
  std::optional<double> score;
  std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(Learner, (), (id, name, score, tags))

namespace {

using namespace testing;
using ::testing::HasSubstr;

class RowsTest : public DatabaseTest {
 protected:
  Rows ask(const std::string& sql) {
    auto connection = loop.connect(database().url());
    auto answer = loop.execute(*connection, sql);
    connection->close();
    return std::move(answer.value());
  }
  template <class Act>
  std::string problem(Act act) {
    try {
      act();
    } catch (const Exception& thrown) {
      EXPECT_EQ(thrown.error().code, ErrorCode::kInternal);
      return thrown.error().message;
    }
    return "nothing was thrown";
  }
};

TEST_F(RowsTest, ColumnsFindTheirMembersByName) {
  const auto learners =
      ask("select array['x', 'y']::text[] as tags, 'Ada' as name, 7::int2 as id, 1.5::numeric as "
          "score union all select '{}', 'Bo', 8, null order by id")
          .as<Learner>();
  ASSERT_EQ(learners.size(), 2U);
  EXPECT_EQ(learners[0].id, 7);
  EXPECT_EQ(learners[0].name, "Ada");
  EXPECT_EQ(learners[0].score, 1.5);
  EXPECT_EQ(learners[0].tags, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(learners[1].score, std::nullopt);
  EXPECT_TRUE(learners[1].tags.empty());
}

TEST_F(RowsTest, AMismatchNamesTheColumn) {
  EXPECT_THAT(problem([&] {
                (void)ask("select 1::int8 as id, 'x' as name, 1.0::float8 as score").as<Learner>();
              }),
              HasSubstr("'tags'"));
  EXPECT_THAT(problem([&] {
                (void)ask(
                    "select 1 as id, 'x' as name, 1.0::float8 as score, '{}'::text[] as "
                    "tags, 5 as extra")
                    .as<Learner>();
              }),
              HasSubstr("'extra'"));
  EXPECT_THAT(problem([&] {
                (void)ask(
                    "select 'no' as id, 'x' as name, 1.0::float8 as score, '{}'::text[] as "
                    "tags")
                    .as<Learner>();
              }),
              HasSubstr("'id'"));
  EXPECT_THAT(problem([&] {
                (void)ask(
                    "select 1 as id, null::text as name, 1.0::float8 as score, '{}'::text[] "
                    "as tags")
                    .as<Learner>();
              }),
              HasSubstr("'name' is NULL"));
  EXPECT_THAT(problem([&] {
                (void)ask(
                    "select 1 as id, 'x' as name, 1.0::float8 as score, '{a,null}'::text[] "
                    "as tags")
                    .as<Learner>();
              }),
              HasSubstr("'tags'"));
  EXPECT_THAT(problem([&] { (void)ask("select date 'infinity' as day").value<Date>(); }),
              HasSubstr("'day'"));
  EXPECT_THAT(problem([&] { (void)ask("select 1 as a, 2 as b").value<std::int32_t>(); }),
              HasSubstr("2 columns"));
  EXPECT_THAT(problem([&] { (void)ask("select 1 where false").value<std::int32_t>(); }),
              HasSubstr("0 rows"));
  EXPECT_THAT(problem([&] { (void)ask("select 1 as a")[0].get<std::int32_t>(3); }),
              HasSubstr("number 3"));
  EXPECT_THAT(problem([&] { (void)Rows().as<Learner>(); }), HasSubstr("'id'"));
}

TEST_F(RowsTest, TheTagSaysHowManyRows) {
  EXPECT_EQ(ask("select generate_series(1, 3)").affected(), 3);
  EXPECT_EQ(ask("create table affected (id int)").affected(), 0);
  EXPECT_EQ(ask("insert into affected values (1), (2)").affected(), 2);
  EXPECT_EQ(ask("update affected set id = 5").affected(), 2);
  EXPECT_EQ(ask("delete from affected where id = 4").affected(), 0);
  EXPECT_EQ(ask("select 1").command(), "SELECT 1");
  EXPECT_TRUE(ask("").empty());
}

TEST_F(RowsTest, RowsAreWalkedInOrder) {
  std::int32_t wanted = 1;
  const auto rows = ask("select generate_series(1, 50)::int4");
  for (const auto row : rows) EXPECT_EQ(row.get<std::int32_t>(0), wanted++);
  EXPECT_EQ(wanted, 51);
}

}  // namespace
}  // namespace lyceum::pg
