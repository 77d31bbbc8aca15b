#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "learning/load_grade.h"
#include "learning/load_run.h"
#include "learning/scope.h"
#include "pg/connection.h"
#include "pool/pool.h"
#include "schema/migrator.h"
#include "sql/statements.h"
#include "support/paths.h"
#include "support/postgres.h"
#include "support/run.h"

namespace lyceum::learning {

namespace asio = boost::asio;
using asio::awaitable;
using lyceum::testing::psql;
using lyceum::testing::shared_server;
using lyceum::testing::TestDatabase;
using namespace std::chrono_literals;

// The present of the simulated learners: the day after Berlin went over to summer time.
inline constexpr Timestamp kPresent = std::chrono::sys_days(std::chrono::year(2025) / 3 / 31) + 11h;

// Equal on every platform, unlike the standard library's distributions.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  // 0 to below - 1
  std::size_t roll(std::size_t below) { return static_cast<std::size_t>(engine_() % below); }
  bool chance(std::size_t percent) { return roll(100) < percent; }
  template <class Container>
  const auto& pick(const Container& from) {
    return from[roll(from.size())];
  }

 private:
  std::mt19937_64 engine_;
};

inline std::int64_t micros(Timestamp time) {
  return time.time_since_epoch().count();
}
inline Timestamp at_micros(std::int64_t count) {
  return Timestamp(std::chrono::microseconds(count));
}
inline std::int64_t integer(const std::string& text) {
  return std::stoll(text);
}
inline double real(const std::string& text) {
  return std::strtod(text.c_str(), nullptr);
}
inline Uuid uuid(const std::string& text) {
  return parse_uuid(text).value();
}
inline std::string literal(Timestamp time) {
  return fmt::format("(timestamptz 'epoch' + {} * interval '1 microsecond')", micros(time));
}
inline std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char character : text) out += std::string(character == '\'' ? 2 : 1, character);
  return out + "'";
}

inline std::string_view embedded(std::string_view path) {
  for (const auto& file : sql::files()) {
    if (file.path == path) return file.text;
  }
  throw std::runtime_error("no such embedded file");
}

// A migrated and loaded database, made once; never connected to, so that it can be copied. What a
// simulation makes seldom is added: ties in every order, long streaks across the change to summer
// time, two sessions a day, a learner who did nothing.
inline const std::string& loaded_template() {
  static const TestDatabase database;
  static const bool loaded = [] {
    std::vector<load::Word> words;
    for (int i = 0; i < 1500; ++i) {
      words.push_back({.word = fmt::format("word {}", i),
                       .part_of_speech = i % 3 == 0 ? "verb" : "noun",
                       .definition = fmt::format("what word {} means", i),
                       .level = load::level_of(i % 250 / 50.0),
                       .difficulty = i % 250 / 50.0,
                       .frequency = i % 7 == 0 ? 1500.0 : i * 7919 % 1000 / 2.0});
    }
    const load::Scale scale{.tenants = 4,
                            .learners = 160,
                            .stories = 2000,
                            .progress = 6000,
                            .vocabulary_progress = 6000,
                            .sessions = 10'000,
                            .events = 0,
                            .exercises = 0,
                            .attempts = 0};
    const auto school =
        load::School::make(11, scale, load::read_stories(source_path("data/stories.jsonl")).value(),
                           std::move(words), kPresent)
            .value();
    lyceum::testing::run([&](asio::any_io_executor executor) -> awaitable<void> {
      auto connection = (co_await pg::Connection::connect(
                             executor, {.target = pg::parse_target(database.url()).value()}))
                            .value();
      schema::Migrator migrator(connection, schema::find_migrations(sql::files()).value());
      (co_await migrator.apply()).value();
      (co_await load::run(connection, school, false, {})).value();
      connection->close();
    });
    psql(database.url(), R"(
      update stories set difficulty_score = round(difficulty_score * 4) / 4;
      update stories set created_at = date_trunc('month', created_at)
        where abs(hashtext(id::text)) % 3 = 0;
      update stories set published = abs(hashtext(id::text || 'p')) % 11 <> 0,
                         featured = abs(hashtext(id::text || 'f')) % 4 = 0,
                         thumbnail_url = case when abs(hashtext(id::text || 't')) % 2 = 0
                                              then 'https://example.org/' || id end;
      update progress set last_accessed = date_trunc('month', last_accessed)
        where abs(hashtext(story_id::text)) % 2 = 0;
      update user_vocabulary_progress set next_review_date = null
        where abs(hashtext(vocabulary_id::text)) % 9 = 0;
      update user_vocabulary_progress set last_reviewed = null
        where abs(hashtext(vocabulary_id::text)) % 8 = 0;

      create temp table streaks as
      select t.id as tenant_id, md5('streak ' || t.id || zone || length || ended)::uuid as id,
             zone, length, ended
      from (select id from tenants order by id limit 2) t,
           unnest(array['UTC', 'America/New_York', 'Europe/Berlin', 'Asia/Kathmandu',
                        'Pacific/Kiritimati', 'Pacific/Pago_Pago', 'America/Santiago']) zone,
           unnest(array[0, 1, 2, 29, 30, 31, 32, 33, 60, 120]) length,
           unnest(array[0, 1, 2]) ended;
      insert into users (tenant_id, id, email, time_zone)
        select tenant_id, id, id || '@streaks.example', zone from streaks;
      insert into learning_sessions (tenant_id, id, user_id, started_at, duration_minutes)
        select s.tenant_id, md5(s.id || ' ' || d || t)::uuid, s.id,
               (date '2025-03-31' - s.ended - d + t) at time zone s.zone, d % 50
        from streaks s, generate_series(0, s.length - 1) d, unnest(array[time '00:00',
             time '23:59:59.999999']) t
        where d % 3 = 0 or t = time '00:00';)");
    psql(database.url(), std::string(embedded("indexes/lean.sql")));
    psql(database.url(), "vacuum analyze");
    // A monitor that a test runs looks into every database of the server that lets it.
    psql(database.server().url("postgres"),
         fmt::format("alter database {} allow_connections false", database.name()));
    return true;
  }();
  (void)loaded;
  return database.name();
}

// A copy of it, and a login of the application's for it.
class AppDatabase {
 public:
  AppDatabase() : database_(shared_server(), loaded_template()), role_("app_" + database_.name()) {
    psql(database_.url(), "create role " + role_ + " login in role lyceum_app");
  }
  AppDatabase(const AppDatabase&) = delete;
  AppDatabase& operator=(const AppDatabase&) = delete;
  ~AppDatabase() {
    try {
      psql(database_.url(), "drop role if exists " + role_);
    } catch (const std::exception&) {
    }
  }

  [[nodiscard]] const std::string& role() const { return role_; }
  [[nodiscard]] std::string url() const { return database_.url(); }  // as superuser
  [[nodiscard]] testing::Rows query(const std::string& sql) const { return database_.query(sql); }
  [[nodiscard]] std::string value(const std::string& sql) const { return database_.value(sql); }
  void change(const std::string& sql) const { database_.query(sql); }
  [[nodiscard]] pg::Target target() const { return target_as(role_); }
  [[nodiscard]] pg::Target target_as(const std::string& role) const {
    auto target = pg::parse_target(database_.url()).value();
    target.set("user", role);
    return target;
  }

 private:
  TestDatabase database_;
  std::string role_;
};

// For tests that only read.
inline AppDatabase& reading() {
  static AppDatabase database;
  return database;
}

// Runs a test's coroutine with a pool of the application's. EXPECT only, in a coroutine.
template <class Body>
void with_pool(const pg::Target& target, Body body, pool::Limits limits = {}) {
  lyceum::testing::run(
      [&](asio::any_io_executor executor) -> awaitable<void> {
        pool::Pool pool(executor, {.target = tuned(target), .limits = limits});
        co_await body(pool);
        EXPECT_TRUE(co_await pool.shutdown(10s));
      },
      std::chrono::seconds(180));
}
template <class Body>
void with_pool(const AppDatabase& database, Body body, pool::Limits limits = {}) {
  with_pool(database.target(), std::move(body), limits);
}

// The tenants, and the learners of each, as plain text.
struct People {
  std::vector<std::string> tenants;
  std::map<std::string, std::vector<std::string>> learners;

  explicit People(const AppDatabase& database) {
    for (const auto& row : database.query("select id from tenants order by id")) {
      tenants.push_back(row[0]);
    }
    for (const auto& row : database.query("select tenant_id, id from users order by id")) {
      learners[row[0]].push_back(row[1]);
    }
  }
};

}  // namespace lyceum::learning
