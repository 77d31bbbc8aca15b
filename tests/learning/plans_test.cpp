#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "indexes/used_indexes.h"
#include "plain_stories.h"

namespace lyceum::learning {
namespace {

// Ten times the tables that grow: each tenant has ten times the learners and stories, each learner
// does what learners do. Keys follow from the old ones.
void grow(const AppDatabase& database) {
  database.change(R"(
    set session_replication_role = replica;
    drop index idx_stories_search;
    insert into users (tenant_id, id, email, time_zone)
      select tenant_id, md5(id || ' ' || n)::uuid, email || n, time_zone
      from users, generate_series(1, 9) n;
    insert into stories (tenant_id, id, title, content, level, difficulty_score, estimated_duration,
                         thumbnail_url, featured, published, created_at)
      select tenant_id, md5(id || ' ' || n)::uuid, title, 'Everywhere ' || left(content, 60), level,
             difficulty_score, estimated_duration, thumbnail_url, featured, published,
             created_at - n * interval '1 hour'
      from stories, generate_series(1, 9) n;
    insert into progress (tenant_id, user_id, story_id, completion_percentage, time_spent,
                          last_accessed, updated_at)
      select tenant_id, md5(user_id || ' ' || n)::uuid,
             case when n % 2 = 0 then story_id else md5(story_id || ' ' || n)::uuid end,
             completion_percentage, time_spent, last_accessed, updated_at
      from progress, generate_series(1, 9) n;
    insert into user_vocabulary_progress (tenant_id, user_id, vocabulary_id, mastery_level,
                                          review_count, last_reviewed, next_review_date, updated_at)
      select tenant_id, md5(user_id || ' ' || n)::uuid, vocabulary_id, mastery_level, review_count,
             last_reviewed, next_review_date, updated_at
      from user_vocabulary_progress, generate_series(1, 9) n;
    insert into learning_sessions (tenant_id, id, user_id, started_at, completed_at,
                                   duration_minutes)
      select tenant_id, md5(id || ' ' || n)::uuid, md5(user_id || ' ' || n)::uuid, started_at,
             completed_at, duration_minutes
      from learning_sessions, generate_series(1, 9) n
      where user_id not in (select id from users where email like '%@streaks.example');
    insert into vocabulary (id, word, part_of_speech, definition, difficulty_level, frequency)
      select md5(id || ' ' || n)::uuid, word || ' ' || n, part_of_speech, definition,
             difficulty_level, frequency
      from vocabulary, generate_series(1, 9) n;
    -- No trigger has fired.
    delete from story_counts;
    insert into story_counts (tenant_id, level, stories)
      select tenant_id, level, count(*) from stories where published group by tenant_id, level;
    delete from vocabulary_heads;
    insert into vocabulary_heads
      select distinct on (difficulty_level) difficulty_level, frequency, id
      from vocabulary order by difficulty_level, frequency desc, id;
    create index idx_stories_search on stories using gin (lyceum_search_terms(tenant_id, search))
      with (fastupdate = off) where published;)");
  database.change("vacuum analyze");
}

// What the school leaves empty: events, attempts and stored answers.
void furnish(const AppDatabase& database) {
  database.change(R"(
    set session_replication_role = replica;
    insert into exercises (tenant_id, id, story_id, exercise_type, difficulty_level)
      select tenant_id, id, id, 'choice', 1 from stories;
    insert into exercise_attempts (tenant_id, id, user_id, exercise_id, is_correct, created_at)
      select tenant_id, md5(user_id || ' ' || story_id)::uuid, user_id, story_id, true, updated_at
      from progress;
    insert into user_events (tenant_id, id, user_id, session_id, event_type, created_at)
      select tenant_id, id, user_id, id, 'opened', started_at from learning_sessions;
    insert into idempotency_keys (tenant_id, key, request_hash, response, user_id, created_at)
      select tenant_id, user_id || ' ' || story_id, '', '[]',
             case when abs(hashtext(story_id::text)) % 2 = 0 then user_id end, updated_at
      from progress;)");
  database.change("vacuum analyze");
}

AppDatabase& furnished() {
  static AppDatabase database;
  static const bool is_furnished = [] {
    furnish(database);
    return true;
  }();
  (void)is_furnished;
  return database;
}

AppDatabase& grown() {
  static AppDatabase database;
  static const bool is_grown = [] {
    grow(database);
    furnish(database);
    return true;
  }();
  (void)is_grown;
  return database;
}

struct Plan {
  std::set<std::string> indexes, scanned;
};

int parameters_of(std::string_view text) {
  int most = 0;
  for (auto at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    most = std::max(most, std::atoi(text.data() + at + 1));
  }
  return most;
}

// As the application has it planned: its role, its tenant, a plan made without parameters.
Plan plan_of(const AppDatabase& database, const Statement& statement) {
  const int parameters = parameters_of(statement.text);
  std::string nulls;
  for (int i = 0; i < parameters; ++i) nulls += i == 0 ? "(null" : ", null";
  if (parameters > 0) nulls += ")";
  const auto tenant = database.value("select id from tenants order by id limit 1");
  const auto rows =
      database.query(fmt::format("set session authorization {}; set plan_cache_mode = "
                                 "force_generic_plan; set jit = off; prepare "
                                 "s as {}\n; begin; set local lyceum.tenant = '{}'; explain "
                                 "(format json) execute s{}; rollback",
                                 database.role(), statement.text, tenant, nulls));
  const auto& json = rows.back().back();
  return {indexes::indexes_used(json).value(), indexes::tables_scanned(json).value()};
}

std::vector<const Statement*> planned() {
  std::vector<const Statement*> out;
  for (const auto* statement : sql::statements()) {
    if (statement->name.starts_with("learning.")) out.push_back(statement);
  }
  return out;
}

// These call a function, whose plans EXPLAIN does not show.
bool hides_its_plan(const Statement& statement) {
  return statement.name.starts_with("learning.stories_search");
}

TEST(Plans, use_the_indexes_that_the_statements_name) {
  int named = 0;
  for (const auto* statement : planned()) {
    SCOPED_TRACE(statement->name);
    if (hides_its_plan(*statement)) continue;
    const auto plan = plan_of(grown(), *statement);
    const auto uses = indexes::names_in(statement->uses);
    for (const auto& name : uses) {
      EXPECT_TRUE(plan.indexes.contains(name)) << name;
      ++named;
    }
    // Apart from what counts or has no index to name, nothing reads a table from end to end that
    // is not small by its nature.
    if (!uses.empty()) {
      EXPECT_THAT(plan.scanned, ::testing::IsSubsetOf({"tenants", "vocabulary_heads"}));
    }
  }
  EXPECT_GE(named, 9);
}

TEST(Plans, stay_at_ten_times_the_data) {
  EXPECT_EQ(integer(grown().value("select count(*) from stories")),
            10 * integer(reading().value("select count(*) from stories")));
  for (const auto* statement : planned()) {
    SCOPED_TRACE(statement->name);
    const auto small = plan_of(furnished(), *statement);
    const auto large = plan_of(grown(), *statement);
    if (!statement->uses.empty()) EXPECT_EQ(small.indexes, large.indexes);
    EXPECT_THAT(large.scanned, ::testing::IsSubsetOf(small.scanned));
  }
}

// How often an index was scanned, once the sessions so far have told.
std::int64_t scans(const AppDatabase& database, const std::string& index) {
  return integer(database.value("select idx_scan from pg_stat_user_indexes where indexrelname = '" +
                                index + "'"));
}

TEST(Plans, of_a_search_use_the_indexes_named) {
  const auto& database = grown();
  const auto tenant = database.value(
      "select tenant_id from stories group by tenant_id order by count(*) desc limit 1");
  const auto sequential = "select seq_scan from pg_stat_user_tables where relname = 'stories'";
  struct Case {
    std::string words, index;
  };
  // A word in few stories, and one in more than can be sorted: those are walked in the page's
  // order.
  for (const auto& [words, index] :
       {Case{"boot", "idx_stories_search"}, Case{"everywhere", "idx_stories_page"}}) {
    SCOPED_TRACE(words);
    const auto scanned = scans(database, index);
    const auto read = database.value(sequential);
    with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
      const Scope scope{.database = pool, .tenant = uuid(tenant)};
      for (int i = 0; i < 3; ++i) {
        const auto page = co_await stories_page(scope, {.search = words});
        EXPECT_TRUE(page && !page->stories.empty());
      }
    });
    EXPECT_TRUE(lyceum::testing::eventually([&] { return scans(database, index) >= scanned + 3; }));
    EXPECT_EQ(database.value(sequential), read);
  }
}

// The walk that a common word takes, which small schools never come to.
TEST(Plans, a_common_word_finds_what_a_plain_search_finds) {
  const auto& database = grown();
  const auto row = database.query(
      "select tenant_id, count(*) from stories group by tenant_id order by count(*) desc limit 1")
                       [0];
  ASSERT_GT(integer(row[1]), 6000);
  const auto learners = database.query(fmt::format(
      "select user_id from progress where tenant_id = '{}' group by user_id order by count(*) desc "
      "limit 3",
      row[0]));
  PlainStories plain(database);
  Dice dice(81);
  std::size_t found = 0;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = uuid(row[0])};
    for (int i = 0; i < 12 && !::testing::Test::HasFailure(); ++i) {
      StoriesRequest request{.search = i % 4 == 3 ? "everywhere boot" : "everywhere", .limit = 100};
      if (i % 3 != 0) request.learner = uuid(dice.pick(learners)[0]);
      if (i % 2 == 0) request.level = "B1";
      if (dice.chance(30)) request.difficulty_min = 2;
      const auto ought = plain.all(row[0], request);
      found += ought.size();
      const auto all = co_await walk(scope, request);
      EXPECT_TRUE(all) << all.error().to_string();
      if (all) EXPECT_EQ(difference(*all, ought), "") << "request " << i;
    }
  });
  EXPECT_GT(found, 5000U);
}

}  // namespace
}  // namespace lyceum::learning
