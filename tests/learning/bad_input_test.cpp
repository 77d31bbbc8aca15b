#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "learning/analytics.h"
#include "learning/batch_progress.h"
#include "learning/health.h"
#include "learning/progress_summary.h"
#include "learning/stories.h"
#include "learning/vocabulary.h"
#include "school.h"

namespace lyceum::learning {
namespace {

using namespace std::string_literals;

struct Ids {
  Uuid tenant, other_tenant, learner, other_learner, story, other_story;

  explicit Ids(const AppDatabase& database) {
    const auto tenants = database.query("select id from tenants order by id limit 2");
    const auto first = [&](const std::string& table, std::size_t at) {
      return uuid(database.value(fmt::format(
          "select id from {} where tenant_id = '{}' order by id limit 1", table, tenants[at][0])));
    };
    tenant = uuid(tenants[0][0]);
    other_tenant = uuid(tenants[1][0]);
    learner = first("users", 0);
    other_learner = first("users", 1);
    story = first("stories", 0);
    other_story = first("stories", 1);
  }
};

// Everything that could have been written.
std::string state(const AppDatabase& database) {
  return database.value(
      "select (select md5(string_agg(p::text, ',' order by p::text)) from progress p) || (select "
      "count(*) from idempotency_keys)");
}

template <class T>
void expect_error(const Result<T>& result, ErrorCode code, const std::string& what) {
  if (!result.has_error()) {
    ADD_FAILURE() << what << " was accepted";
    return;
  }
  EXPECT_EQ(result.error().code, code) << what << ": " << result.error().to_string();
  EXPECT_FALSE(result.error().message.empty()) << what;
  EXPECT_FALSE(result.error().may_have_taken_effect) << what;
}

// The pool answers, and at once.
awaitable<void> expect_working(pool::Pool& pool) {
  EXPECT_TRUE((co_await health(pool)).healthy);
  EXPECT_EQ(pool.figures().depth, 0U);
  EXPECT_EQ(pool.figures().waiting, 0U);
}

const std::vector<std::pair<std::string, std::string>> kBadTexts{{"a NUL", "a\0b"s},
                                                                 {"a lone NUL", "\0"s},
                                                                 {"half a character", "abc\xC3"s},
                                                                 {"no UTF-8", "\xFF"s},
                                                                 {"a surrogate", "\xED\xA0\x80"s},
                                                                 {"overlong", "\xC0\xAF"s}};

TEST(BadInput, to_stories_page_is_refused) {
  const auto& database = reading();
  const Ids ids(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = ids.tenant};
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    std::vector<std::pair<std::string, StoriesRequest>> bad{
        {"limit 0", {.limit = 0}},
        {"limit -1", {.limit = -1}},
        {"limit 101", {.limit = 101}},
        {"largest limit", {.limit = std::numeric_limits<int>::max()}},
        {"offset -1", {.offset = -1}},
        {"offset 100001", {.offset = 100'001}},
        {"largest offset", {.offset = std::numeric_limits<std::int64_t>::max()}},
        {"level", {.level = "A3"}},
        {"lower case level", {.level = "a1"}},
        {"empty level", {.level = ""}},
        {"NUL level", {.level = "A1\0"s}},
        {"not a number", {.difficulty_min = nan}},
        {"infinite", {.difficulty_max = infinity}},
        {"inverted", {.difficulty_min = 3, .difficulty_max = 2.9}},
        {"long search", {.search = std::string(201, 'a')}},
        {"empty cursor", {.cursor = ""}},
        {"short cursor", {.cursor = "AAAA"}},
        {"zero cursor", {.cursor = std::string(56, 'A')}},
        {"NUL cursor", {.cursor = std::string(56, '\0')}},
        {"wide cursor", {.cursor = std::string(56, '\xFF')}},
        {"endless cursor", {.cursor = std::string(1'000'000, 'A')}},
    };
    for (const auto& [what, text] : kBadTexts)
      bad.emplace_back(what, StoriesRequest{.search = text});

    // Cursors of other listings.
    const auto page = (co_await stories_page(scope, {.limit = 2})).value();
    const auto cursor = page.next_cursor;
    bad.push_back({"cursor and offset", {.cursor = cursor, .offset = 1}});
    bad.push_back({"cursor, now a level", {.level = "A1", .cursor = cursor}});
    bad.push_back({"cursor, now a difficulty", {.difficulty_min = 0, .cursor = cursor}});
    bad.push_back({"cursor, now the other end", {.difficulty_max = 5, .cursor = cursor}});
    bad.push_back({"cursor, now a search", {.search = "boot", .cursor = cursor}});
    bad.push_back({"cursor, now a learner", {.learner = ids.learner, .cursor = cursor}});
    for (const auto& [what, request] : bad) {
      expect_error(co_await stories_page(scope, request), ErrorCode::kBadInput, what);
    }
    expect_error(
        co_await stories_page({.database = pool, .tenant = ids.other_tenant}, {.cursor = cursor}),
        ErrorCode::kBadInput, "another tenant's cursor");
    // The same listing by pages of another size is fine.
    EXPECT_TRUE(co_await stories_page(scope, {.limit = 50, .cursor = cursor}));

    for (const auto& search : {""s, "the"s, "\xF0\x9F\x98\x80 \xF0\x9D\x94\x9E"s, "'\"\\%_"s,
                               std::string(200, '('), "a\x01\x7F"s, "&|!<->:*"s}) {
      const auto found = co_await stories_page(scope, {.search = search, .include_total = true});
      EXPECT_TRUE(found) << found.error().to_string();
    }
    co_await expect_working(pool);
  });
}

TEST(BadInput, to_the_other_reads_is_refused) {
  const auto& database = reading();
  const Ids ids(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = ids.tenant};
    for (const int limit : {0, -1, 201, std::numeric_limits<int>::max()}) {
      expect_error(
          co_await vocabulary_recommendations(scope, {.learner = ids.learner, .limit = limit}),
          ErrorCode::kBadInput, fmt::format("limit {}", limit));
    }
    auto zones = kBadTexts;
    for (const auto* zone :
         {"", "Mars/Olympus", "Europe/Berlin; drop table users", "../etc/passwd"}) {
      zones.emplace_back(zone, zone);
    }
    zones.emplace_back("long", std::string(100'000, 'x'));
    for (const auto& [what, zone] : zones) {
      expect_error(
          co_await vocabulary_recommendations(scope, {.learner = ids.learner, .time_zone = zone}),
          ErrorCode::kBadInput, "vocabulary, zone " + what);
      expect_error(co_await learning_analytics(
                       scope, {.from = kPresent - 24h * 7, .to = kPresent, .time_zone = zone}),
                   ErrorCode::kBadInput, "analytics, zone " + what);
    }
    const auto day = std::chrono::days(1);
    const std::vector<std::pair<Timestamp, Timestamp>> spans{
        {kPresent, kPresent - 1us},
        {kPresent - day * 3661, kPresent},
        {Timestamp::min(), Timestamp::max()},
        {Timestamp::min(), Timestamp::min()},
        {Timestamp::min() + 1us, Timestamp::max() - 1us},
        {Timestamp::max() - day, Timestamp::max()},
        {Timestamp::max(), Timestamp::min()},
        {kPresent, Timestamp::max()}};
    for (const auto& [from, to] : spans) {
      expect_error(co_await learning_analytics(scope, {.from = from, .to = to}),
                   ErrorCode::kBadInput, fmt::format("{} to {}", micros(from), micros(to)));
    }
    for (const auto time : {Timestamp::min(), Timestamp::min() + 1us, Timestamp::max(),
                            Timestamp::max() - 1us, Timestamp::max() - day * 1000}) {
      expect_error(co_await progress_summary(scope, ids.learner, time), ErrorCode::kBadInput,
                   "summary's present");
      expect_error(
          co_await vocabulary_recommendations(scope, {.learner = ids.learner, .present = time}),
          ErrorCode::kBadInput, "vocabulary's present");
    }
    // The ends of what is allowed are.
    const Timestamp first = std::chrono::sys_days(std::chrono::year(1) / 1 / 1);
    const Timestamp last = std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1) - 1us;
    for (const auto time : {first, last}) {
      const auto summary = co_await progress_summary(scope, ids.learner, time);
      EXPECT_TRUE(summary) << summary.error().to_string();
      const auto words =
          co_await vocabulary_recommendations(scope, {.learner = ids.learner, .present = time});
      EXPECT_TRUE(words) << words.error().to_string();
    }
    const auto longest =
        co_await learning_analytics(scope, {.from = kPresent - day * 3660, .to = kPresent});
    EXPECT_TRUE(longest) << longest.error().to_string();
    co_await expect_working(pool);
  });
}

TEST(BadInput, to_batch_progress_is_refused_and_writes_nothing) {
  const AppDatabase database;
  const Ids ids(database);
  const auto before = state(database);
  const ProgressUpdate good{.user_id = ids.learner, .story_id = ids.story, .time_spent = 5};
  const auto bad = [&](std::int32_t completion, std::int32_t seconds) {
    return ProgressUpdate{.user_id = ids.learner,
                          .story_id = ids.story,
                          .completion_percentage = completion,
                          .time_spent = seconds};
  };
  constexpr auto kLeast = std::numeric_limits<std::int32_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int32_t>::max();
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = ids.tenant};
    for (const auto& update :
         {bad(101, 0), bad(-1, 0), bad(kMost, 0), bad(kLeast, 0), bad(0, -1), bad(0, kLeast)}) {
      const auto refused = co_await batch_progress(scope, {good, good, update, good}, "key");
      expect_error(refused, ErrorCode::kBadInput, "a bad row");
      if (refused.has_error()) {
        EXPECT_THAT(refused.error().message, ::testing::HasSubstr("update 3"));
      }
    }
    expect_error(co_await batch_progress(scope, std::vector(10'001, good), "key"),
                 ErrorCode::kBadInput, "10,001 updates");
    expect_error(co_await batch_progress(scope, {good}, std::string(256, 'k')),
                 ErrorCode::kBadInput, "a key of 256 bytes");
    for (const auto& [what, key] : kBadTexts) {
      expect_error(co_await batch_progress(scope, {good}, key), ErrorCode::kBadInput, what);
    }
    const auto none = co_await batch_progress(scope, {}, "key");
    EXPECT_TRUE(none && none->received == 0 && none->written == 0 && !none->replayed);
    EXPECT_EQ(state(database), before);

    std::string faces;
    for (int i = 0; i < 63; ++i) faces += "\xF0\x9F\x98\x80";
    for (const auto& key : {faces, std::string(255, 'k'), "'; drop table progress"s, " "s}) {
      const auto first = co_await batch_progress(scope, {good}, key);
      EXPECT_TRUE(first && !first->replayed) << key;
      const auto again = co_await batch_progress(scope, {good}, key);
      EXPECT_TRUE(again && again->replayed) << key;
    }
    EXPECT_NE(state(database), before);
    co_await expect_working(pool);
  });
}

TEST(Isolation, nobody_is_told_of_an_unknown_tenant) {
  const AppDatabase database;
  const Ids ids(database);
  const auto before = state(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope nobody{.database = pool, .tenant = uuid("00000000-0000-4000-8000-000000000000")};
    const auto expect = [](const auto& result, const std::string& what) {
      expect_error(result, ErrorCode::kNotFound, what);
    };
    expect(co_await stories_page(nobody, {}), "stories");
    expect(co_await stories_page(nobody, {.search = "boot", .include_total = true}), "search");
    expect(co_await stories_page(nobody, {.learner = ids.learner}), "stories of a learner");
    expect(co_await stories_page(nobody, {.offset = 5}), "stories further on");
    expect(co_await progress_summary(nobody, ids.learner), "summary");
    expect(co_await vocabulary_recommendations(nobody, {.learner = ids.learner}), "vocabulary");
    expect(co_await learning_analytics(nobody, {.from = kPresent - 24h, .to = kPresent}),
           "analytics");
    expect(co_await batch_progress(nobody, {{.user_id = ids.learner, .story_id = ids.story}}),
           "batch");
    expect(co_await batch_progress(nobody, {}), "empty batch");
    co_await expect_working(pool);
  });
  EXPECT_EQ(state(database), before);
}

TEST(Isolation, a_tenant_neither_reads_nor_writes_what_is_anothers) {
  const AppDatabase database;
  const Ids ids(database);
  const auto before = state(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = ids.tenant};
    const auto expect = [](const auto& result, const std::string& what) {
      expect_error(result, ErrorCode::kNotFound, what);
    };
    expect(co_await stories_page(scope, {.learner = ids.other_learner}), "stories");
    expect(co_await stories_page(scope, {.search = "boot", .learner = ids.other_learner}),
           "search");
    expect(co_await progress_summary(scope, ids.other_learner), "summary");
    expect(co_await vocabulary_recommendations(scope, {.learner = ids.other_learner}), "words");
    expect(co_await batch_progress(scope, {{.user_id = ids.other_learner, .story_id = ids.story}}),
           "another's learner");
    expect(co_await batch_progress(scope, {{.user_id = ids.learner, .story_id = ids.other_story}}),
           "another's story");
    expect(co_await batch_progress(scope,
                                   {{.user_id = ids.other_learner, .story_id = ids.other_story}}),
           "another's both");

    // A story of the other tenant alone has the word.
    database.change(fmt::format("update stories set title = 'Quizzaciously' where id = '{}'",
                                to_string(ids.other_story)));
    database.change("update stories set published = true");
    const auto found =
        (co_await stories_page(scope, {.search = "quizzaciously", .include_total = true})).value();
    EXPECT_TRUE(found.stories.empty());
    EXPECT_EQ(found.total_count, 0);
    const auto own = (co_await stories_page({.database = pool, .tenant = ids.other_tenant},
                                            {.search = "quizzaciously", .include_total = true}))
                         .value();
    EXPECT_EQ(own.stories.size(), 1U);
    EXPECT_EQ(own.total_count, 1);
  });
  EXPECT_EQ(state(database), before);
}

// The guide's injection: another tenant's lexeme as a word to search for.
TEST(Isolation, a_search_cannot_name_a_tenant) {
  const auto& database = reading();
  const Ids ids(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = ids.tenant};
    for (const auto& words :
         {"tenant=" + to_string(ids.other_tenant), "'tenant=" + to_string(ids.other_tenant) + "'",
          "boot' | 'tenant=" + to_string(ids.other_tenant)}) {
      const auto page = (co_await stories_page(scope, {.search = words, .limit = 100})).value();
      for (const auto& story : page.stories) {
        EXPECT_EQ(database.value(fmt::format("select tenant_id from stories where id = '{}'",
                                             to_string(story.id))),
                  to_string(ids.tenant));
      }
    }
  });
}

TEST(Isolation, is_checked_before_a_role_is_trusted) {
  const AppDatabase database;
  const auto owner = database.role() + "_owner";
  psql(database.url(), "create role " + owner + " login in role lyceum_owner");
  const auto both = database.role() + "_both";
  psql(database.url(), "create role " + both + " login in role lyceum_owner, lyceum_app");
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto is = co_await check_isolation(pool);
    EXPECT_TRUE(is) << is.error().to_string();
  });
  const auto superuser = std::string(pg::parse_target(database.url()).value().get("user"));
  for (const auto& role : {superuser, owner, both}) {
    with_pool(database.target_as(role), [&](pool::Pool& pool) -> awaitable<void> {
      const auto is = co_await check_isolation(pool);
      EXPECT_TRUE(is.has_error()) << role;
      if (is.has_error()) {
        EXPECT_EQ(is.error().code, ErrorCode::kConfiguration);
        EXPECT_THAT(is.error().hint, ::testing::HasSubstr("lyceum_app"));
      }
    });
  }
  psql(database.url(), "drop role " + owner);
  psql(database.url(), "drop role " + both);
}

TEST(Isolation, without_a_tenant_nothing_is_seen) {
  const auto& database = reading();
  const Ids ids(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    for (const auto* table :
         {"tenants", "users", "stories", "progress", "user_vocabulary_progress", "exercises",
          "exercise_attempts", "learning_sessions", "user_events", "idempotency_keys"}) {
      const auto text = fmt::format("select count(*) from {}", table);
      const Statement statement{.name = text, .text = text};
      // Also after a statement of a tenant on the same connection.
      for (int i = 0; i < 2; ++i) {
        const auto rows = co_await pool.execute(statement, pg::Params{});
        EXPECT_TRUE(rows) << rows.error().to_string();
        if (rows) EXPECT_EQ(rows->value<std::int64_t>(), 0) << table;
        EXPECT_TRUE(co_await pool.execute(statement, pg::Params{}, {.tenant = ids.tenant}));
      }
    }
    const Statement insert{
        .name = "foreign_insert",
        .text = "insert into users (tenant_id, id, email) values ($1, gen_random_uuid(), 'x@y.z')",
        .access = Access::write};
    for (const auto& tenant : {std::optional<Uuid>(), std::optional(ids.tenant)}) {
      const auto rows =
          co_await pool.execute(insert, pg::Params(ids.other_tenant), {.tenant = tenant});
      EXPECT_TRUE(rows.has_error() && rows.error().sqlstate == "42501");
    }
  });
}

}  // namespace
}  // namespace lyceum::learning
