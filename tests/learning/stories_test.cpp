#include "learning/stories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plain_stories.h"

namespace lyceum::learning {
namespace {

constexpr std::array<const char*, 6> kLevels{"A1", "A2", "B1", "B2", "C1", "C2"};
// One word, several, stop words, inflections, words of the title and the text, none at all.
const std::vector<std::string> kSearches{
    "boot",  "red",      "the",          "mina looks",       "yellow boot",   "running",
    "water", "day",      "BIRDS",        "the old house",    "door & window", "it's",
    "!?",    "",         "zzyzx",        "\xF0\x9F\x98\x80", "small 'sound'", "learning to",
    "night", "tree dry", "tenant=a | b", "looking (for)",    "a b c d",       "people work"};

StoriesRequest any_request(Dice& dice, const std::vector<std::string>& learners,
                           const PlainStories& plain) {
  StoriesRequest out;
  if (dice.chance(40)) out.level = dice.pick(kLevels);
  if (dice.chance(30)) out.difficulty_min = static_cast<double>(dice.roll(20)) / 4;
  if (dice.chance(30)) {
    out.difficulty_max = out.difficulty_min.value_or(0) + static_cast<double>(dice.roll(16)) / 4;
  }
  if (dice.chance(60)) out.learner = uuid(dice.pick(learners));
  if (dice.chance(50)) {
    out.search = dice.pick(kSearches);
    if (dice.chance(30)) {
      const auto title = dice.pick(plain.rows()).title;
      out.search = title.substr(0, title.find(' ', title.size() / 3));
    }
  }
  out.limit = 1 + static_cast<int>(dice.roll(100));
  out.include_total = dice.chance(30);
  return out;
}

TEST(Stories, pages_are_the_sorted_list_for_any_filters) {
  const auto& database = reading();
  const People people(database);
  PlainStories plain(database);
  Dice dice(21);
  std::size_t found = 0, searched = 0, opened = 0;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    for (int i = 0; i < 300 && !::testing::Test::HasFailure(); ++i) {
      const auto& tenant = dice.pick(people.tenants);
      auto request = any_request(dice, people.learners.at(tenant), plain);
      const auto ought = plain.all(tenant, request);
      // At most a dozen pages.
      request.limit = std::clamp(static_cast<int>(ought.size() / 12 + 1), request.limit, 100);
      SCOPED_TRACE(fmt::format(
          "request {}: tenant {}, level {}, difficulty {} to {}, search '{}', learner {}, limit {}",
          i, tenant, request.level.value_or("-"), request.difficulty_min.value_or(-1),
          request.difficulty_max.value_or(-1), request.search.value_or("-"),
          request.learner ? to_string(*request.learner) : "-", request.limit));
      const Scope scope{.database = pool, .tenant = uuid(tenant)};
      const auto all = co_await walk(scope, request);
      if (all.has_error()) {
        ADD_FAILURE() << all.error().to_string();
        co_return;
      }
      EXPECT_EQ(difference(*all, ought), "");

      request.offset = static_cast<std::int64_t>(dice.roll(ought.size() + 3));
      const auto page = co_await stories_page(scope, request);
      if (page.has_error()) {
        ADD_FAILURE() << page.error().to_string();
        co_return;
      }
      const auto from = std::min(static_cast<std::size_t>(request.offset), ought.size());
      const auto length = std::min(static_cast<std::size_t>(request.limit), ought.size() - from);
      EXPECT_EQ(difference(page->stories, std::span(ought).subspan(from, length)), "");
      EXPECT_EQ(page->has_more, from + length < ought.size());
      if (request.include_total) {
        EXPECT_EQ(page->total_count, static_cast<std::int64_t>(ought.size()));
      } else {
        EXPECT_FALSE(page->total_count.has_value());
      }

      found += ought.size();
      if (request.search) searched += ought.size();
      opened += static_cast<std::size_t>(
          std::ranges::count_if(ought, [](const auto& s) { return s.progress != nullptr; }));
    }
  });
  // That the requests asked for something.
  EXPECT_GT(found, 10'000U);
  EXPECT_GT(searched, 1000U);
  EXPECT_GT(opened, 300U);
}

TEST(Stories, a_page_continues_where_it_ended_though_stories_come_and_go) {
  const AppDatabase database;
  const People people(database);
  const auto& tenant = people.tenants[0];
  std::vector<std::string> before;
  PlainStories plain(database);
  for (const auto& shown : plain.all(tenant, {})) before.push_back(shown.story->id);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = uuid(tenant)};
    std::vector<std::string> seen;
    StoriesRequest request{.limit = 10};
    for (int i = 0; i < 5; ++i) {
      const auto page = (co_await stories_page(scope, request)).value();
      for (const auto& story : page.stories) seen.push_back(to_string(story.id));
      request.cursor = page.next_cursor;
      // One that was shown goes, the one that the cursor names among them; a newest one comes.
      database.change(fmt::format("delete from progress where story_id = '{}'", seen.back()));
      database.change(fmt::format("delete from stories where id = '{}'", seen.back()));
      database.change(fmt::format(
          "insert into stories (tenant_id, id, title, content, level, difficulty_score, featured, "
          "published) values ('{}', gen_random_uuid(), 'New', 'new', 'A1', 1, true, true)",
          tenant));
    }
    EXPECT_EQ(seen, std::vector(before.begin(), before.begin() + 50));
  });
}

}  // namespace
}  // namespace lyceum::learning
