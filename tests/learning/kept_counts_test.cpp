// What triggers keep beside the rows (story_counts, vocabulary_heads) against the rows themselves.

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <memory>

#include "learning/stories.h"
#include "school.h"

namespace lyceum::learning {
namespace {

// A session whose transactions a test opens and ends step by step.
class Session {
 public:
  explicit Session(const AppDatabase& database)
      : connection_(PQconnectdb(database.url().c_str()), PQfinish) {
    run("set lock_timeout = '300ms'");
  }
  // The SQLSTATE where it failed, else nothing.
  std::string run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), sql.c_str()), PQclear);
    const auto* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    return state == nullptr ? "" : state;
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

constexpr auto kWrongCounts =
    "select count(*) from (select tenant_id, level, sum(stories) as n from story_counts group by "
    "1, "
    "2) k full join (select tenant_id, level, count(*) as n from stories where published group by "
    "1, "
    "2) s using (tenant_id, level) where coalesce(k.n, 0) <> coalesce(s.n, 0)";

std::string insert_story(const std::string& tenant, const std::string& level) {
  return fmt::format(
      "insert into stories (tenant_id, id, title, content, level, difficulty_score, published) "
      "values ('{}', gen_random_uuid(), 'New', 'new', '{}', 1, true)",
      tenant, level);
}

TEST(KeptCounts, follow_every_statement_that_changes_stories) {
  const AppDatabase database;
  const auto of_each = [](const char* what, int share) {
    return fmt::format("abs(hashtext(id || '{}')) % 100 < {}", what, share);
  };
  EXPECT_EQ(database.value(kWrongCounts), "0");
  Dice dice(91);
  for (int i = 0; i < 30 && !::testing::Test::HasFailure(); ++i) {
    const auto some = of_each(fmt::format("{}", i).c_str(), 1 + static_cast<int>(dice.roll(30)));
    const std::vector<std::string> changes{
        "update stories set published = not published where " + some,
        "update stories set level = case level when 'A1' then 'B2' else 'A1' end where " + some,
        "update stories set view_count = view_count + 1 where " + some,
        "delete from stories s where not exists (select from progress p where p.story_id = s.id) "
        "and " +
            some,
        "insert into stories (tenant_id, id, title, content, level, difficulty_score, published) "
        "select tenant_id, gen_random_uuid(), title, content, level, difficulty_score, published "
        "from stories where " +
            some,
        // Inserted here, updated there, by one statement.
        "insert into stories as s (tenant_id, id, title, content, level, difficulty_score, "
        "published) select tenant_id, case when hashtext(id::text) % 2 = 0 then id else "
        "gen_random_uuid() end, title, content, level, 1, true from stories where " +
            some + " on conflict (tenant_id, id) do update set level = 'C2', published = true"};
    const auto& change = dice.pick(changes);
    database.change(change);
    EXPECT_EQ(database.value(kWrongCounts), "0") << change;
  }
  // Writers that come one after the other leave one row for each tenant and level.
  EXPECT_EQ(
      database.value("select count(*) - count(distinct (tenant_id, level)) from story_counts"),
      "0");
  database.change("truncate stories cascade");
  EXPECT_EQ(database.value("select count(*) from story_counts"), "0");
}

TEST(KeptCounts, let_writers_pass_each_other_whatever_becomes_of_them) {
  const AppDatabase database;
  const auto tenant = database.value("select id from tenants order by id limit 1");
  Session one(database), two(database), three(database);
  for (auto* session : {&one, &two, &three}) EXPECT_EQ(session->run("begin"), "");
  // In opposite orders, which would deadlock if one waited for the other.
  EXPECT_EQ(one.run(insert_story(tenant, "A1")), "");
  EXPECT_EQ(two.run(insert_story(tenant, "B1")), "");
  EXPECT_EQ(three.run("update stories set published = false where level = 'A2'"), "");
  EXPECT_EQ(one.run(insert_story(tenant, "B1")), "");
  EXPECT_EQ(two.run(insert_story(tenant, "A1")), "");
  EXPECT_EQ(two.run(insert_story(tenant, "A2")), "");
  EXPECT_EQ(database.value(kWrongCounts), "0");  // nothing of theirs is seen yet
  EXPECT_EQ(two.run("commit"), "");
  EXPECT_EQ(database.value(kWrongCounts), "0");
  EXPECT_EQ(one.run("rollback"), "");
  EXPECT_EQ(database.value(kWrongCounts), "0");
  EXPECT_EQ(three.run("commit"), "");
  EXPECT_EQ(database.value(kWrongCounts), "0");

  // A snapshot from before somebody else's change.
  EXPECT_EQ(one.run("begin isolation level repeatable read; select count(*) from stories"), "");
  database.change(insert_story(tenant, "A1"));
  EXPECT_EQ(one.run(insert_story(tenant, "A1")), "");
  EXPECT_EQ(one.run("commit"), "");
  EXPECT_EQ(database.value(kWrongCounts), "0");
  // The next writer sums up what all of these have left.
  for (const auto* level : {"A1", "A2", "B1"}) database.change(insert_story(tenant, level));
  EXPECT_EQ(database.value("select count(*) - count(distinct level) from story_counts where "
                           "tenant_id = '" +
                           tenant + "'"),
            "0");
  EXPECT_EQ(database.value(kWrongCounts), "0");
}

TEST(KeptCounts, are_the_totals_of_listings_and_nobody_elses_to_change) {
  const AppDatabase database;
  const People people(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    for (const auto& tenant : people.tenants) {
      for (const auto* level : {"", "A1", "B1", "C2"}) {
        StoriesRequest request{.include_total = true};
        if (*level != '\0') request.level = level;
        const auto page =
            co_await stories_page({.database = pool, .tenant = uuid(tenant)}, request);
        EXPECT_TRUE(page) << page.error().to_string();
        if (!page) co_return;
        EXPECT_EQ(page->total_count,
                  integer(database.value(fmt::format(
                      "select count(*) from stories where published and tenant_id = '{}' and "
                      "level like '{}%'",
                      tenant, level))));
      }
    }
  });
  const auto as_application =
      fmt::format("set session authorization {}; set lyceum.tenant = '{}'; ", database.role(),
                  people.tenants[0]);
  for (const auto* change : {"delete from story_counts", "update story_counts set stories = 1",
                             "insert into story_counts values (gen_random_uuid(), 'A1')",
                             "delete from vocabulary_heads"}) {
    EXPECT_THROW(database.change(as_application + change), std::runtime_error) << change;
  }
  // A story that the application itself writes is counted all the same.
  database.change(as_application + insert_story(people.tenants[0], "C2"));
  EXPECT_EQ(database.value(kWrongCounts), "0");
}

constexpr auto kWrongHeads =
    "select count(*) from (select distinct on (difficulty_level) difficulty_level, frequency, id "
    "from vocabulary order by difficulty_level, frequency desc, id) v full join vocabulary_heads h "
    "using (difficulty_level, frequency, id) where v.id is null or h.id is null";

TEST(KeptHeads, follow_every_statement_that_changes_the_vocabulary) {
  const AppDatabase database;
  database.change("truncate user_vocabulary_progress");
  EXPECT_EQ(database.value(kWrongHeads), "0");
  EXPECT_GT(integer(database.value("select count(*) from vocabulary_heads")), 200);
  Dice dice(92);
  for (int i = 0; i < 30 && !::testing::Test::HasFailure(); ++i) {
    const auto some = fmt::format("abs(hashtext(id || '{}')) % 100 < {}", i, 1 + dice.roll(40));
    const std::vector<std::string> changes{
        "update vocabulary set frequency = abs(hashtext(id::text || '" + std::to_string(i) +
            "')) % 30 where " + some,
        "update vocabulary set difficulty_level = abs(hashtext(id::text || '" + std::to_string(i) +
            "')) % 60 / 10.0 where " + some,
        "update vocabulary set id = gen_random_uuid() where " + some,
        "delete from vocabulary where " + some,
        // The heads alone, and all of a difficulty.
        "delete from vocabulary v using vocabulary_heads h where v.id = h.id",
        "delete from vocabulary where difficulty_level between 1 and 1.3",
        "insert into vocabulary (id, word, part_of_speech, definition, difficulty_level, "
        "frequency) "
        "select gen_random_uuid(), word, part_of_speech, definition, (difficulty_level::numeric + "
        "0.05)::float8, frequency from vocabulary where difficulty_level < 5 and " +
            some};
    const auto& change = dice.pick(changes);
    database.change(change);
    EXPECT_EQ(database.value(kWrongHeads), "0") << change;
  }
  database.change("truncate vocabulary cascade");
  EXPECT_EQ(database.value("select count(*) from vocabulary_heads"), "0");
}

TEST(KeptHeads, take_one_writer_after_the_other) {
  const AppDatabase database;
  const auto insert = [](double difficulty, double frequency) {
    return fmt::format(
        "insert into vocabulary (id, word, part_of_speech, definition, difficulty_level, "
        "frequency) "
        "values (gen_random_uuid(), 'new', 'noun', 'new', {}, {})",
        difficulty, frequency);
  };
  Session one(database), two(database);
  EXPECT_EQ(one.run("begin"), "");
  EXPECT_EQ(one.run(insert(7, 10)), "");
  EXPECT_EQ(two.run(insert(7, 20)), "55P03");  // waits, and not for ever
  EXPECT_EQ(one.run("commit"), "");
  EXPECT_EQ(two.run(insert(7, 20)), "");
  EXPECT_EQ(database.value(kWrongHeads), "0");
  EXPECT_EQ(two.run("begin isolation level repeatable read"), "");
  EXPECT_EQ(two.run(insert(7, 30)), "0A000");
  EXPECT_EQ(two.run("rollback"), "");
  EXPECT_EQ(database.value(kWrongHeads), "0");
}

}  // namespace
}  // namespace lyceum::learning
