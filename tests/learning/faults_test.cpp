#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "learning/analytics.h"
#include "learning/batch_progress.h"
#include "learning/health.h"
#include "learning/progress_summary.h"
#include "learning/stories.h"
#include "learning/vocabulary.h"
#include "side_by_side.h"

namespace lyceum::learning {
namespace {

// Does harm in a thread of its own until it is done or told to end.
class Harm {
 public:
  explicit Harm(std::function<void(std::stop_token)> harm) : thread_(std::move(harm)) {}
  void end() {
    thread_.request_stop();
    thread_.join();
  }

 private:
  std::jthread thread_;
};

// Kills all backends of the application, again and again; each time when `done` has grown by so
// many since the last, so that nobody is hit all the time.
Harm killer(const AppDatabase& database, std::atomic<int>& killed, const std::atomic<int>& done,
            int between) {
  return Harm([&, between](std::stop_token stop) {
    Dice dice(71);
    while (!stop.stop_requested()) {
      killed += static_cast<int>(
          database
              .query("select pg_terminate_backend(pid) from pg_stat_activity where usename = '" +
                     database.role() + "'")
              .size());
      const int before = done;
      std::this_thread::sleep_for(std::chrono::milliseconds(10 + dice.roll(20)));
      while (!stop.stop_requested() && done < before + between) std::this_thread::sleep_for(1ms);
    }
  });
}

pool::Limits patient() {
  pool::Limits limits;
  limits.backoff_initial = 5ms;
  limits.backoff_max = 50ms;
  return limits;
}

// The failures that a broken connection may come to; anything else is not clear.
bool is_clear(const Error& error) {
  return error.code == ErrorCode::kConnectionLost || error.code == ErrorCode::kConnect ||
         error.code == ErrorCode::kTimeout || error.code == ErrorCode::kInDoubt;
}

struct Ids {
  Uuid tenant;
  std::vector<Uuid> learners, stories;

  explicit Ids(const AppDatabase& database)
      : tenant(uuid(database.value("select id from tenants order by id limit 1"))) {
    const auto fetch = [&](const std::string& table) {
      std::vector<Uuid> out;
      for (const auto& r : database.query(
               fmt::format("select id from {} where tenant_id = '{}' order by id limit 5", table,
                           to_string(tenant)))) {
        out.push_back(uuid(r[0]));
      }
      return out;
    };
    learners = fetch("users");
    stories = fetch("stories");
  }
};

struct Tally {
  std::atomic<int> done = 0;
  int failed = 0;
  std::string why;

  void count(const std::optional<Error>& error) {
    if (!error) {
      ++done;
      return;
    }
    ++failed;
    why = error->to_string();
    EXPECT_TRUE(is_clear(*error)) << why;
  }
};

template <class T>
std::optional<Error> error_of(const Result<T>& result) {
  if (result.has_error()) return result.error();
  return std::nullopt;
}

using Operation = std::function<awaitable<std::optional<Error>>(const Scope&)>;

std::vector<std::pair<std::string, Operation>> reads_of(const Ids& ids) {
  // Coroutines of these use what the lambdas hold: the list has to live until they end.
  return {
      {"stories_page",
       [&ids](const Scope& scope) -> awaitable<std::optional<Error>> {
         co_return error_of(co_await stories_page(
             scope, {.search = "boot", .learner = ids.learners[0], .include_total = true}));
       }},
      {"progress_summary",
       [&ids](const Scope& scope) -> awaitable<std::optional<Error>> {
         co_return error_of(co_await progress_summary(scope, ids.learners[0]));
       }},
      {"vocabulary_recommendations",
       [&ids](const Scope& scope) -> awaitable<std::optional<Error>> {
         co_return error_of(
             co_await vocabulary_recommendations(scope, {.learner = ids.learners[0]}));
       }},
      {"learning_analytics",
       [](const Scope& scope) -> awaitable<std::optional<Error>> {
         co_return error_of(co_await learning_analytics(
             scope, {.from = kPresent - std::chrono::days(30), .to = kPresent}));
       }},
      {"health",
       [](const Scope& scope) -> awaitable<std::optional<Error>> {
         auto& pool = dynamic_cast<pool::Pool&>(scope.database);
         co_return (co_await health(pool, scope.deadline)).error;
       }},
  };
}

awaitable<void> expect_all_working(const Scope& scope, const Ids& ids) {
  for (const auto& [name, operation] : reads_of(ids)) {
    const auto error = co_await operation(scope);
    EXPECT_FALSE(error) << name << ": " << error->to_string();
  }
  const auto outcome = co_await batch_progress(
      scope, {{.user_id = ids.learners[0], .story_id = ids.stories[0]}}, "at the end");
  EXPECT_TRUE(outcome) << outcome.error().to_string();
}

TEST(Faults, killed_backends_do_not_fail_reads) {
  const AppDatabase database;
  const Ids ids(database);
  for (const auto& [name, operation] : reads_of(ids)) {
    SCOPED_TRACE(name);
    std::atomic<int> killed = 0;
    Tally tally;
    with_pool(
        database,
        [&](pool::Pool& pool) -> awaitable<void> {
          auto harm = killer(database, killed, tally.done, 24);
          const auto until = std::chrono::steady_clock::now() + 500ms;
          const std::function<awaitable<void>(std::size_t)> work =
              [&](std::size_t) -> awaitable<void> {
            while (std::chrono::steady_clock::now() < until || killed < 20 || tally.done <= 20) {
              tally.count(co_await operation({.database = pool,
                                              .tenant = ids.tenant,
                                              .deadline = std::chrono::steady_clock::now() + 20s}));
            }
          };
          co_await all_together(8, work);
          harm.end();
          co_await expect_all_working({.database = pool, .tenant = ids.tenant}, ids);
        },
        patient());
    EXPECT_GE(killed, 20);
    EXPECT_GT(tally.done, 20);
    // The pool repeats a read whose connection broke; who is hit time and again is told so.
    EXPECT_LE(tally.failed, tally.done / 10) << tally.why;
  }
}

// Batches under harm: each adds one second to each of four rows, so that the sums tell how often
// each was stored.
class Batches {
 public:
  Batches(const AppDatabase& database, const Ids& ids) : database_(database) {
    for (std::size_t i = 0; i < 4; ++i) {
      updates_.push_back({.user_id = ids.learners[i / 2],
                          .story_id = ids.stories[i % 2],
                          .completion_percentage = 50,
                          .time_spent = 1});
    }
    before_ = seconds();
  }

  awaitable<void> send(const Scope& scope, const std::string& key) {
    const auto outcome = co_await batch_progress(scope, updates_, key);
    if (outcome.has_error()) {
      EXPECT_TRUE(is_clear(outcome.error())) << outcome.error().to_string();
      (outcome.error().may_have_taken_effect ? in_doubt_ : failed_).insert(key);
    } else {
      acknowledged_.insert(key);
      ++acknowledged_count_;
    }
  }

  // How many were acknowledged so far. Any thread.
  [[nodiscard]] const std::atomic<int>& acknowledged() const { return acknowledged_count_; }

  // What was acknowledged stands, what was refused does not, and all that stands stands once.
  void check() const {
    std::set<std::string> stored;
    for (const auto& row : database_.query("select key from idempotency_keys"))
      stored.insert(row[0]);
    for (const auto& key : acknowledged_) EXPECT_TRUE(stored.contains(key)) << key;
    for (const auto& key : failed_) EXPECT_FALSE(stored.contains(key)) << key;
    for (const auto& key : stored) {
      EXPECT_TRUE(acknowledged_.contains(key) || in_doubt_.contains(key)) << key;
    }
    EXPECT_EQ(seconds() - before_, static_cast<std::int64_t>(4 * stored.size()));
    EXPECT_GT(acknowledged_.size(), 20U);
  }

  // What a client does: sends all of it again. Then everything is stored, once.
  awaitable<void> send_again(const Scope& scope) {
    auto keys = acknowledged_;
    keys.insert(failed_.begin(), failed_.end());
    keys.insert(in_doubt_.begin(), in_doubt_.end());
    failed_.clear();
    in_doubt_.clear();
    for (const auto& key : keys) {
      const bool is_known = acknowledged_.contains(key);
      const auto outcome = co_await batch_progress(scope, updates_, key);
      EXPECT_TRUE(outcome) << outcome.error().to_string();
      if (outcome && is_known) EXPECT_TRUE(outcome->replayed) << key;
      acknowledged_.insert(key);
    }
    check();
  }

 private:
  [[nodiscard]] std::int64_t seconds() const {
    return integer(database_.value("select sum(time_spent) from progress"));
  }

  const AppDatabase& database_;
  std::vector<ProgressUpdate> updates_;
  std::int64_t before_ = 0;
  std::set<std::string> acknowledged_, failed_, in_doubt_;
  std::atomic<int> acknowledged_count_ = 0;
};

TEST(Faults, killed_backends_lose_and_double_no_batch) {
  const AppDatabase database;
  const Ids ids(database);
  Batches batches(database, ids);
  std::atomic<int> killed = 0;
  with_pool(
      database,
      [&](pool::Pool& pool) -> awaitable<void> {
        const std::atomic<int> any = 0;
        auto harm = killer(database, killed, any, 0);
        const auto until = std::chrono::steady_clock::now() + 2s;
        const std::function<awaitable<void>(std::size_t)> work =
            [&](std::size_t worker) -> awaitable<void> {
          // Enough of both, however slow the machine is.
          const auto enough = [&] { return killed >= 40 && batches.acknowledged() > 20; };
          for (int i = 0; std::chrono::steady_clock::now() < until || !enough(); ++i) {
            co_await batches.send({.database = pool,
                                   .tenant = ids.tenant,
                                   .deadline = std::chrono::steady_clock::now() + 20s},
                                  fmt::format("{} {}", worker, i));
          }
        };
        co_await all_together(8, work);
        harm.end();
        // What was cut off is rolled back by now, or was never to be.
        EXPECT_TRUE(lyceum::testing::eventually([&] {
          return database.value(
                     "select count(*) from pg_stat_activity where state <> 'idle' and "
                     "usename = '" +
                     database.role() + "'") == "0";
        }));
        batches.check();
        co_await batches.send_again({.database = pool, .tenant = ids.tenant});
      },
      patient());
  EXPECT_GE(killed, 40);
}

TEST(Faults, a_server_restarted_under_load_loses_nothing_acknowledged) {
  const AppDatabase database;
  const Ids ids(database);
  Batches batches(database, ids);
  Tally tally;
  with_pool(
      database,
      [&](pool::Pool& pool) -> awaitable<void> {
        std::atomic<bool> over = false;
        Harm harm([&](std::stop_token) {
          // It strikes where there is something under way, however slow the machine is.
          const auto more = [&] {
            const int wanted = batches.acknowledged() + 10;
            EXPECT_TRUE(
                lyceum::testing::eventually([&] { return batches.acknowledged() >= wanted; }));
          };
          for (const auto mode : {local::StopMode::kFast, local::StopMode::kImmediate}) {
            more();
            const auto done = shared_server().restart(mode);
            EXPECT_TRUE(done) << done.error().to_string();
          }
          more();
          over = true;
        });
        const auto operations = reads_of(ids);
        const std::function<awaitable<void>(std::size_t)> work =
            [&](std::size_t worker) -> awaitable<void> {
          for (std::size_t i = 0; !over; ++i) {
            const Scope scope{.database = pool,
                              .tenant = ids.tenant,
                              .deadline = std::chrono::steady_clock::now() + 10s};
            co_await batches.send(scope, fmt::format("{} {}", worker, i));
            tally.count(co_await operations[i % operations.size()].second(scope));
          }
        };
        co_await all_together(8, work);
        harm.end();
        co_await expect_all_working({.database = pool, .tenant = ids.tenant}, ids);
        database.change("delete from idempotency_keys where key = 'at the end'");
        batches.check();
        co_await batches.send_again({.database = pool, .tenant = ids.tenant});
      },
      patient());
  EXPECT_GT(tally.done, 20);
}

}  // namespace
}  // namespace lyceum::learning
