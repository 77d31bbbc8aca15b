#include "learning/progress_summary.h"

#include <gtest/gtest.h>
#include <set>

#include "school.h"

namespace lyceum::learning {
namespace {

struct Learner {
  std::string tenant, zone;
  ProgressSummary done;  // all but the days
  double completion = 0, mastery = 0;
  std::set<std::int64_t> days;  // with a session, as days since 1970 in the learner's time zone
};

std::map<std::string, Learner> fetch(const AppDatabase& database) {
  std::map<std::string, Learner> out;
  for (const auto& r : database.query("select id, tenant_id, time_zone from users")) {
    out[r[0]] = {.tenant = r[1], .zone = r[2], .done = {}, .days = {}};
  }
  for (const auto& r :
       database.query("select user_id, completion_percentage, time_spent, "
                      "(extract(epoch from updated_at) * 1000000)::bigint from progress")) {
    auto& learner = out.at(r[0]);
    ++learner.done.stories_started;
    if (integer(r[1]) >= 100) ++learner.done.stories_completed;
    learner.completion += real(r[1]);
    learner.done.total_time_spent += integer(r[2]);
    const auto time = at_micros(integer(r[3]));
    learner.done.last_activity = std::max(learner.done.last_activity.value_or(time), time);
  }
  for (const auto& r :
       database.query("select user_id, mastery_level from user_vocabulary_progress")) {
    auto& learner = out.at(r[0]);
    ++learner.done.vocabulary_learned;
    learner.mastery += real(r[1]);
    if (real(r[1]) >= 0.8) ++learner.done.vocabulary_mastered;
  }
  for (const auto& r : database.query(
           "select u.id, (s.started_at at time zone u.time_zone)::date - date '1970-01-01' "
           "from learning_sessions s join users u on u.id = s.user_id")) {
    out.at(r[0]).days.insert(integer(r[1]));
  }
  for (auto& [id, learner] : out) {
    auto& done = learner.done;
    if (done.stories_started > 0) {
      done.avg_completion = learner.completion / static_cast<double>(done.stories_started);
    }
    if (done.vocabulary_learned > 0) {
      done.avg_vocabulary_mastery = learner.mastery / static_cast<double>(done.vocabulary_learned);
    }
  }
  return out;
}

// What the errata says: days in the learner's time zone, of which a streak may also end yesterday.
std::int64_t streak_on(const std::set<std::int64_t>& days, std::int64_t today) {
  auto day = days.contains(today) ? today : today - 1;
  std::int64_t streak = 0;
  for (; days.contains(day); --day) ++streak;
  return streak;
}
std::int64_t active_on(const std::set<std::int64_t>& days, std::int64_t today) {
  std::int64_t active = 0;
  for (auto day = today - 30; day <= today; ++day) active += days.contains(day) ? 1 : 0;
  return active;
}

TEST(ProgressSummary, is_what_the_rows_add_up_to) {
  const auto& database = reading();
  const auto learners = fetch(database);
  std::vector<std::string> ids;
  for (const auto& [id, learner] : learners) ids.push_back(id);
  Dice dice(31);
  std::map<std::int64_t, int> streaks;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    for (int i = 0; i < 500 && !::testing::Test::HasFailure(); ++i) {
      const auto& id = dice.pick(ids);
      const auto& learner = learners.at(id);
      // Any time of the last weeks, or just around a midnight of the learner's.
      auto present = kPresent - std::chrono::minutes(dice.roll(60 * 24 * 40));
      if (i % 5 == 0) present = kPresent;
      if (i % 3 == 0) {
        present =
            at_micros(integer(database.value(fmt::format(
                "select (extract(epoch from (({} at time zone '{}')::date)::timestamp at time "
                "zone '{}') * 1000000)::bigint",
                literal(present), learner.zone, learner.zone)))) -
            std::chrono::microseconds(dice.roll(2));
      }
      const auto today = integer(
          database.value(fmt::format("select ({} at time zone '{}')::date - date '1970-01-01'",
                                     literal(present), learner.zone)));
      SCOPED_TRACE(fmt::format("learner {} in {}, present {}", id, learner.zone, micros(present)));
      const auto summary = co_await progress_summary(
          {.database = pool, .tenant = uuid(learner.tenant)}, uuid(id), present);
      if (summary.has_error()) {
        ADD_FAILURE() << summary.error().to_string();
        co_return;
      }
      const auto& done = learner.done;
      EXPECT_EQ(summary->stories_started, done.stories_started);
      EXPECT_EQ(summary->stories_completed, done.stories_completed);
      EXPECT_NEAR(summary->avg_completion, done.avg_completion, 1e-9);
      EXPECT_EQ(summary->total_time_spent, done.total_time_spent);
      EXPECT_EQ(summary->last_activity, done.last_activity);
      EXPECT_EQ(summary->vocabulary_learned, done.vocabulary_learned);
      EXPECT_NEAR(summary->avg_vocabulary_mastery, done.avg_vocabulary_mastery, 1e-9);
      EXPECT_EQ(summary->vocabulary_mastered, done.vocabulary_mastered);
      EXPECT_EQ(summary->active_days_last_30, active_on(learner.days, today));
      const auto streak = streak_on(learner.days, today);
      EXPECT_EQ(summary->current_streak, streak);
      ++streaks[streak];
    }
  });
  EXPECT_GT(streaks[0], 20);
  EXPECT_GE(streaks.size(), 30U);           // of many lengths
  EXPECT_GT(streaks.rbegin()->first, 100);  // the longest beyond what is looked back at once
}

TEST(ProgressSummary, is_zero_for_who_did_nothing) {
  const auto& database = reading();
  const auto learner = database.query(
      "select u.tenant_id, u.id from users u where not exists (select from learning_sessions s "
      "where "
      "s.user_id = u.id) and not exists (select from progress p where p.user_id = u.id) and not "
      "exists (select from user_vocabulary_progress v where v.user_id = u.id) limit 1");
  ASSERT_EQ(learner.size(), 1U);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto summary =
        (co_await progress_summary({.database = pool, .tenant = uuid(learner[0][0])},
                                   uuid(learner[0][1])))
            .value();
    EXPECT_EQ(summary.stories_started, 0);
    EXPECT_EQ(summary.stories_completed, 0);
    EXPECT_EQ(summary.avg_completion, 0);
    EXPECT_EQ(summary.total_time_spent, 0);
    EXPECT_FALSE(summary.last_activity.has_value());
    EXPECT_EQ(summary.vocabulary_learned, 0);
    EXPECT_EQ(summary.avg_vocabulary_mastery, 0);
    EXPECT_EQ(summary.vocabulary_mastered, 0);
    EXPECT_EQ(summary.active_days_last_30, 0);
    EXPECT_EQ(summary.current_streak, 0);
  });
}

}  // namespace
}  // namespace lyceum::learning
