#include "learning/analytics.h"

#include <gtest/gtest.h>
#include <set>

#include "school.h"

namespace lyceum::learning {
namespace {

struct Session {
  std::string user;
  std::int64_t started_at = 0, minutes = 0;
  std::map<std::string, std::int64_t> day;  // by time zone
};
struct Mark {
  std::string user;
  std::int64_t updated_at = 0;
  double value = 0;
};
struct Tenant {
  std::string id, zone;
  std::vector<Session> sessions;
  std::vector<Mark> progress, vocabulary;
};

const std::vector<std::string> kZones{"UTC",
                                      "America/New_York",
                                      "Europe/Berlin",
                                      "Asia/Kathmandu",
                                      "Pacific/Kiritimati",
                                      "America/Santiago"};

std::vector<Tenant> fetch(const AppDatabase& database) {
  std::vector<Tenant> out;
  for (const auto& t : database.query("select id, time_zone from tenants order by id")) {
    Tenant tenant{.id = t[0], .zone = t[1], .sessions = {}, .progress = {}, .vocabulary = {}};
    auto zones = kZones;
    zones.push_back(tenant.zone);
    std::string days;
    for (const auto& zone : zones) {
      days += fmt::format(", (started_at at time zone '{}')::date - date '1970-01-01'", zone);
    }
    for (const auto& r : database.query(fmt::format(
             "select user_id, (extract(epoch from started_at) * 1000000)::bigint, duration_minutes "
             "{} from learning_sessions where tenant_id = '{}'",
             days, tenant.id))) {
      Session session{
          .user = r[0], .started_at = integer(r[1]), .minutes = integer(r[2]), .day = {}};
      for (std::size_t i = 0; i < zones.size(); ++i) session.day[zones[i]] = integer(r[3 + i]);
      tenant.sessions.push_back(std::move(session));
    }
    const auto marks = [&](const std::string& table, const std::string& value) {
      std::vector<Mark> rows;
      for (const auto& r :
           database.query(fmt::format("select user_id, (extract(epoch from updated_at) * "
                                      "1000000)::bigint, {} from {} where "
                                      "tenant_id = '{}'",
                                      value, table, tenant.id))) {
        rows.push_back({.user = r[0], .updated_at = integer(r[1]), .value = real(r[2])});
      }
      return rows;
    };
    tenant.progress = marks("progress", "completion_percentage");
    tenant.vocabulary = marks("user_vocabulary_progress", "mastery_level");
    out.push_back(std::move(tenant));
  }
  return out;
}

TEST(Analytics, is_what_the_rows_add_up_to) {
  const auto& database = reading();
  const auto tenants = fetch(database);
  Dice dice(51);
  std::size_t days_seen = 0, edges = 0;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    for (int i = 0; i < 300 && !::testing::Test::HasFailure(); ++i) {
      const auto& tenant = dice.pick(tenants);
      AnalyticsRequest request;
      request.from = kPresent - std::chrono::minutes(dice.roll(60 * 24 * 90));
      request.to = request.from + std::chrono::minutes(dice.roll(60 * 24 * 40));
      // The instants of sessions themselves: the first is in, the last is not.
      if (dice.chance(40)) {
        const auto a = dice.pick(tenant.sessions).started_at;
        const auto b = dice.pick(tenant.sessions).started_at;
        request.from = at_micros(std::min(a, b));
        request.to = at_micros(std::max(a, b));
        ++edges;
      }
      if (dice.chance(10)) request.to = request.from;
      if (dice.chance(70)) request.time_zone = dice.pick(kZones);
      const auto zone = request.time_zone.value_or(tenant.zone);
      SCOPED_TRACE(fmt::format("request {}: tenant {}, {} to {}, zone {}", i, tenant.id,
                               micros(request.from), micros(request.to), zone));
      const auto within = [&](std::int64_t time) {
        return time >= micros(request.from) && time < micros(request.to);
      };

      struct Day {
        std::set<std::string> users;
        std::int64_t sessions = 0, minutes = 0;
      };
      std::map<std::int64_t, Day> days;
      for (const auto& session : tenant.sessions) {
        if (!within(session.started_at)) continue;
        auto& day = days[session.day.at(zone)];
        day.users.insert(session.user);
        ++day.sessions;
        day.minutes += session.minutes;
      }
      std::set<std::string> completed, learning;
      double completion = 0, mastery = 0;
      int touched = 0, words = 0;
      for (const auto& row : tenant.progress) {
        if (!within(row.updated_at)) continue;
        ++touched;
        completion += row.value;
        if (row.value >= 100) completed.insert(row.user);
      }
      for (const auto& row : tenant.vocabulary) {
        if (!within(row.updated_at)) continue;
        ++words;
        mastery += row.value;
        learning.insert(row.user);
      }

      const auto is =
          co_await learning_analytics({.database = pool, .tenant = uuid(tenant.id)}, request);
      if (is.has_error()) {
        ADD_FAILURE() << is.error().to_string();
        co_return;
      }
      EXPECT_EQ(is->daily_stats.size(), days.size());
      std::size_t place = 0;
      for (const auto& [number, day] : days) {
        if (place >= is->daily_stats.size()) break;
        const auto& daily = is->daily_stats[place++];
        EXPECT_EQ(daily.date.time_since_epoch().count(), number);
        EXPECT_EQ(daily.active_users, static_cast<std::int64_t>(day.users.size()));
        EXPECT_EQ(daily.total_sessions, day.sessions);
        EXPECT_EQ(daily.total_learning_time, day.minutes);
        EXPECT_NEAR(daily.avg_session_duration,
                    static_cast<double>(day.minutes) / static_cast<double>(day.sessions), 1e-9);
      }
      EXPECT_EQ(is->users_completed_stories, static_cast<std::int64_t>(completed.size()));
      EXPECT_EQ(is->users_learning_vocabulary, static_cast<std::int64_t>(learning.size()));
      EXPECT_NEAR(is->avg_completion_rate, touched == 0 ? 0 : completion / touched, 1e-9);
      EXPECT_NEAR(is->avg_vocabulary_mastery, words == 0 ? 0 : mastery / words, 1e-9);
      days_seen += days.size();
    }
  });
  EXPECT_GT(days_seen, 1000U);
  EXPECT_GT(edges, 50U);
}

TEST(Analytics, is_zero_where_nothing_happened) {
  const auto& database = reading();
  const auto tenant = database.value("select id from tenants order by id limit 1");
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto from = kPresent - std::chrono::days(20'000);
    const auto is =
        (co_await learning_analytics({.database = pool, .tenant = uuid(tenant)},
                                     {.from = from, .to = from + std::chrono::days(30)}))
            .value();
    EXPECT_TRUE(is.daily_stats.empty());
    EXPECT_EQ(is.users_completed_stories, 0);
    EXPECT_EQ(is.avg_completion_rate, 0);
    EXPECT_EQ(is.users_learning_vocabulary, 0);
    EXPECT_EQ(is.avg_vocabulary_mastery, 0);
  });
}

}  // namespace
}  // namespace lyceum::learning
