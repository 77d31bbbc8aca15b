#include "learning/load_simulate.h"

#include <boost/mp11/algorithm.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "learning/load_text.h"
#include "support/paths.h"

namespace lyceum::learning::load {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr Timestamp kAsOf = std::chrono::sys_days(std::chrono::year(2026) / 3 / 29) + 11h + 7min;

std::vector<StoryText> texts() {
  return read_stories(source_path("data/stories.jsonl")).value();
}

std::vector<Word> words(int count) {
  std::vector<Word> out;
  for (int i = 0; i < count; ++i) {
    const double difficulty = i * 500 / count / 100.0;
    out.push_back({.word = fmt::format("word{}", i),
                   .part_of_speech = i % 2 == 0 ? "noun" : "verb",
                   .definition = "a \"word\",\nwith\ttabs\\",
                   .level = level_of(difficulty),
                   .difficulty = difficulty,
                   .frequency = 1e6 / (i + 1)});
  }
  return out;
}

Scale small() {
  auto out = Scale::demo(0.02);
  out.tenants = 7;
  return out;
}

School make(std::uint64_t seed, const Scale& scale) {
  return School::make(seed, scale, texts(), words(500), kAsOf).value();
}

// All rows of a school, table by table, in its own order.
struct All {
  std::vector<TenantRow> tenants;
  std::vector<UserRow> users;
  std::vector<StoryRow> stories;
  std::vector<VocabularyRow> words;
  std::vector<ExerciseRow> exercises;
  std::vector<ProgressRow> progress;
  std::vector<VocabularyProgressRow> vocabulary_progress;
  std::vector<SessionRow> sessions;
  std::vector<EventRow> events;
  std::vector<AttemptRow> attempts;

  explicit All(const School& school, bool backwards = false) {
    const auto& scale = school.scale();
    const auto each = [backwards](std::uint64_t count, auto visit) {
      for (std::uint64_t i = 0; i < count; ++i) visit(backwards ? count - 1 - i : i);
    };
    each(scale.tenants, [&](auto i) { tenants.push_back(school.tenant(i)); });
    each(scale.learners, [&](auto i) { users.push_back(school.user(i)); });
    each(scale.stories, [&](auto i) { stories.push_back(school.story(i)); });
    each(scale.vocabulary, [&](auto i) { words.push_back(school.word(i)); });
    each(scale.exercises, [&](auto i) { exercises.push_back(school.exercise(i)); });
    each(scale.learners, [&](auto i) { school.progress(i, progress); });
    each(scale.learners, [&](auto i) { school.vocabulary_progress(i, vocabulary_progress); });
    each(scale.learners, [&](auto i) { school.sessions(i, sessions); });
    each(scale.learners, [&](auto i) { school.events(i, events); });
    each(scale.learners, [&](auto i) { school.attempts(i, attempts); });
  }

  [[nodiscard]] std::multiset<std::string> text() const {
    std::multiset<std::string> out;
    const auto add = [&out](const auto& rows) {
      for (const auto& row : rows) {
        std::string line(row.kTable);
        line += '\t';
        append_copy_text(line, row);
        out.insert(std::move(line));
      }
    };
    add(tenants), add(users), add(stories), add(words), add(exercises), add(progress);
    add(vocabulary_progress), add(sessions), add(events), add(attempts);
    return out;
  }
};

TEST(LoadSimulate, TheSameSeedMakesTheSameRowsInAnyOrder) {
  const auto first = All(make(42, small())).text();
  EXPECT_EQ(first, All(make(42, small())).text());
  EXPECT_EQ(first, All(make(42, small()), true).text());
  EXPECT_NE(first, All(make(43, small())).text());
}

TEST(LoadSimulate, WhatASeedMeansDoesNotChange) {
  // From another implementation of the formulas in load_random.h (Python).
  Draws draws(42, Stream::kUser, 7);
  EXPECT_EQ(draws.next(), 0x3E22763E3A26199FU);
  EXPECT_EQ(draws.next(), 0x453BB4A4E0DA3C72U);
  EXPECT_EQ(to_string(Draws(42, Stream::kUser, 7).uuid()), "3e22763e-3a26-899f-853b-b4a4e0da3c72");
}

TEST(LoadSimulate, MakesExactlyAsManyRowsAsAsked) {
  for (const double factor : {0.01, 0.02, 0.05}) {
    const auto scale = Scale::demo(factor);
    auto tenants = scale;
    tenants.tenants = std::min<std::uint64_t>(scale.learners, 5);
    const All all(make(1, tenants));
    EXPECT_EQ(all.tenants.size(), tenants.tenants);
    EXPECT_EQ(all.users.size(), scale.learners);
    EXPECT_EQ(all.stories.size(), scale.stories);
    EXPECT_EQ(all.progress.size(), scale.progress);
    EXPECT_EQ(all.vocabulary_progress.size(), scale.vocabulary_progress);
    EXPECT_EQ(all.sessions.size(), scale.sessions);
    EXPECT_EQ(all.events.size(), scale.events);
    EXPECT_EQ(all.exercises.size(), scale.exercises);
    EXPECT_EQ(all.attempts.size(), scale.attempts);
  }
}

// What the tables' constraints say.
TEST(LoadSimulate, KeepsEveryConstraint) {
  const All all(make(5, small()));
  using Key = std::pair<Uuid, Uuid>;
  std::set<Uuid> tenants, words;
  std::set<Key> users, stories, exercises, sessions, ids;
  std::set<std::string> emails;
  for (const auto& row : all.tenants) EXPECT_TRUE(tenants.insert(row.id).second);
  for (const auto& row : all.words) EXPECT_TRUE(words.insert(row.id).second);
  for (const auto& row : all.users) {
    EXPECT_TRUE(tenants.contains(row.tenant_id));
    EXPECT_TRUE(users.emplace(row.tenant_id, row.id).second);
    EXPECT_TRUE(emails.insert(row.email).second);
    EXPECT_LE(row.created_at, row.updated_at);
    if (row.last_login_at) {
      EXPECT_LE(row.created_at, *row.last_login_at);
    }
    EXPECT_LE(row.updated_at, kAsOf);
  }
  for (const auto& row : all.stories) {
    EXPECT_TRUE(tenants.contains(row.tenant_id));
    EXPECT_TRUE(stories.emplace(row.tenant_id, row.id).second);
    EXPECT_FALSE(row.title.empty());
    EXPECT_FALSE(row.content.empty());
    EXPECT_EQ(name_of(level_of(row.difficulty_score)), row.level);
    EXPECT_EQ(row.difficulty_score * 4, std::round(row.difficulty_score * 4));
    EXPECT_GE(row.estimated_duration, 1);
    EXPECT_GE(row.view_count, 0);
    EXPECT_LE(row.created_at, row.updated_at);
    EXPECT_LE(row.updated_at, kAsOf);
  }
  for (const auto& row : all.exercises) {
    EXPECT_TRUE(exercises.emplace(row.tenant_id, row.id).second);
    EXPECT_TRUE(stories.contains({row.tenant_id, row.story_id}));
    EXPECT_LE(row.created_at, kAsOf);
  }
  std::set<std::tuple<Uuid, Uuid, Uuid>> pairs;
  for (const auto& row : all.progress) {
    EXPECT_TRUE(pairs.emplace(row.tenant_id, row.user_id, row.story_id).second);
    EXPECT_TRUE(users.contains({row.tenant_id, row.user_id}));
    EXPECT_TRUE(stories.contains({row.tenant_id, row.story_id}));
    EXPECT_GE(row.completion_percentage, 0);
    EXPECT_LE(row.completion_percentage, 100);
    EXPECT_GE(row.time_spent, 0);
    EXPECT_LE(row.created_at, row.last_accessed);
    EXPECT_LE(row.updated_at, kAsOf);
  }
  pairs.clear();
  for (const auto& row : all.vocabulary_progress) {
    EXPECT_TRUE(pairs.emplace(row.tenant_id, row.user_id, row.vocabulary_id).second);
    EXPECT_TRUE(users.contains({row.tenant_id, row.user_id}));
    EXPECT_TRUE(words.contains(row.vocabulary_id));
    EXPECT_GE(row.mastery_level, 0);
    EXPECT_LE(row.mastery_level, 1);
    EXPECT_EQ(row.last_reviewed.has_value(), row.next_review_date.has_value());
    if (row.last_reviewed) {
      EXPECT_GE(*row.last_reviewed, row.created_at);
      EXPECT_GE(Timestamp(*row.next_review_date), *row.last_reviewed - days(1));
    }
    EXPECT_LE(row.updated_at, kAsOf);
  }
  for (const auto& row : all.sessions) {
    EXPECT_TRUE(sessions.emplace(row.tenant_id, row.id).second);
    EXPECT_TRUE(users.contains({row.tenant_id, row.user_id}));
    EXPECT_GE(row.duration_minutes, 0);
    EXPECT_LE(row.started_at, kAsOf);
    EXPECT_GE(row.started_at, kAsOf - days(368));
    if (row.completed_at) {
      EXPECT_GE(*row.completed_at, row.started_at);
      EXPECT_LE(*row.completed_at, kAsOf);
    }
  }
  for (const auto& row : all.events) {
    EXPECT_TRUE(ids.emplace(row.tenant_id, row.id).second);
    EXPECT_TRUE(users.contains({row.tenant_id, row.user_id}));
    if (row.session_id) {
      EXPECT_TRUE(sessions.contains({row.tenant_id, *row.session_id}));
    }
    EXPECT_LE(row.created_at, kAsOf);
  }
  ids.clear();
  for (const auto& row : all.attempts) {
    EXPECT_TRUE(ids.emplace(row.tenant_id, row.id).second);
    EXPECT_TRUE(users.contains({row.tenant_id, row.user_id}));
    EXPECT_TRUE(exercises.contains({row.tenant_id, row.exercise_id}));
    EXPECT_LE(row.created_at, kAsOf);
  }
}

TEST(LoadSimulate, LooksLikeSchools) {
  auto scale = Scale::demo(0.1);
  scale.tenants = 20;
  const auto school = make(9, scale);
  const All all(school);

  // Tenants: skewed, and nobody is empty.
  EXPECT_GT(school.learners_of(0).size(), 8 * school.learners_of(19).size());
  EXPECT_GT(school.learners_of(19).size(), 10U);
  EXPECT_GT(school.stories_of(0).size(), 2 * school.stories_of(19).size());

  // Learners: the busiest tenth makes at least a third of the sessions.
  std::map<Uuid, std::vector<Timestamp>> per_learner;
  for (const auto& row : all.sessions) per_learner[row.user_id].push_back(row.started_at);
  std::vector<std::size_t> counts;
  for (const auto& [id, starts] : per_learner) counts.push_back(starts.size());
  std::sort(counts.rbegin(), counts.rend());
  std::size_t busiest = 0;
  for (std::size_t i = 0; i < scale.learners / 10; ++i) busiest += counts[i];
  EXPECT_GT(busiest * 3, all.sessions.size());
  EXPECT_LT(busiest * 5, all.sessions.size() * 4);

  // Time: UTC hours are spread by the zones; a Tokyo evening is a UTC morning.
  std::map<Uuid, std::string_view> zones;
  std::set<std::string_view> different;
  for (const auto& row : all.users) different.insert(zones[row.id] = row.time_zone);
  EXPECT_GE(different.size(), 12U);
  std::size_t tokyo = 0, tokyo_evening = 0;
  for (const auto& row : all.sessions) {
    if (zones[row.user_id] != "Asia/Tokyo") continue;
    const auto local = row.started_at + 9h;
    const auto hour = (local - std::chrono::floor<days>(local)) / 1h;
    ++tokyo;
    tokyo_evening += hour >= 17 && hour < 22 ? 1 : 0;
  }
  EXPECT_GT(tokyo, 100U);
  EXPECT_GT(tokyo_evening * 100, tokyo * 55);
  EXPECT_LT(tokyo_evening * 100, tokyo * 75);

  // Sessions on consecutive days are common, as streaks are; the last month has its share.
  std::size_t consecutive = 0, recent = 0, gaps = 0;
  for (auto& [id, starts] : per_learner) {
    std::sort(starts.begin(), starts.end());
    for (std::size_t i = 0; i < starts.size(); ++i) {
      recent += starts[i] > kAsOf - days(30) ? 1 : 0;
      if (i == 0) continue;
      const auto gap =
          std::chrono::floor<days>(starts[i]) - std::chrono::floor<days>(starts[i - 1]);
      consecutive += gap == days(1) ? 1 : 0;
      gaps += gap > days(1) ? 1 : 0;
    }
  }
  EXPECT_GT(consecutive * 4, all.sessions.size());
  EXPECT_GT(gaps * 20, all.sessions.size());
  EXPECT_GT(recent * 30, all.sessions.size());
  EXPECT_LT(recent * 2, all.sessions.size());

  // Libraries: different titles within a tenant, about a kilobyte of text.
  std::set<std::pair<Uuid, std::string>> titles;
  std::size_t bytes = 0;
  for (const auto& row : all.stories) {
    titles.emplace(row.tenant_id, row.title);
    bytes += row.content.size();
  }
  EXPECT_EQ(titles.size(), all.stories.size());
  EXPECT_GT(bytes / all.stories.size(), 700U);
  EXPECT_LT(bytes / all.stories.size(), 2000U);

  // Reviews: some due, some not yet.
  std::size_t due = 0;
  for (const auto& row : all.vocabulary_progress) {
    due += row.next_review_date && Timestamp(*row.next_review_date) <= kAsOf ? 1 : 0;
  }
  EXPECT_GT(due * 10, all.vocabulary_progress.size());
  EXPECT_LT(due * 10, all.vocabulary_progress.size() * 9);
}

TEST(LoadSimulate, FitsRowsUpToTheLastPair) {
  Scale scale{.tenants = 3,
              .learners = 10,
              .stories = 12,
              .progress = 0,
              .vocabulary_progress = 50,
              .sessions = 1,
              .events = 1,
              .exercises = 1,
              .attempts = 3};
  const auto school = School::make(1, scale, texts(), words(5), kAsOf).value();
  for (std::uint64_t tenant = 0; tenant < 3; ++tenant) {
    scale.progress += school.learners_of(tenant).size() * school.stories_of(tenant).size();
  }
  const auto full = School::make(1, scale, texts(), words(5), kAsOf).value();
  EXPECT_EQ(All(full).progress.size(), scale.progress);
  EXPECT_EQ(All(full).vocabulary_progress.size(), 50U);
  ++scale.progress;
  EXPECT_THAT(School::make(1, scale, texts(), words(5), kAsOf).error().message,
              testing::HasSubstr("rows of progress do not fit"));
  --scale.progress, ++scale.vocabulary_progress;
  EXPECT_THAT(School::make(1, scale, texts(), words(5), kAsOf).error().message,
              testing::HasSubstr("rows of vocabulary progress do not fit"));
}

TEST(LoadSimulate, RefusesWhatCannotBe) {
  const auto fail = [](Scale scale) {
    return School::make(1, scale, texts(), words(500), kAsOf).error().code;
  };
  auto scale = small();
  scale.learners = scale.tenants - 1;
  EXPECT_EQ(fail(scale), ErrorCode::kBadInput);
  scale = small();
  scale.stories = scale.tenants - 1;
  EXPECT_EQ(fail(scale), ErrorCode::kBadInput);
  scale = small();
  scale.exercises = 0;
  EXPECT_EQ(fail(scale), ErrorCode::kBadInput);
  scale = small();
  scale.tenants = 0;
  EXPECT_EQ(fail(scale), ErrorCode::kBadInput);
  EXPECT_FALSE(School::make(1, small(), {}, words(5), kAsOf));
}

}  // namespace
}  // namespace lyceum::learning::load
