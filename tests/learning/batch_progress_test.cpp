#include "learning/batch_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "school.h"
#include "support/open_transaction.h"

namespace lyceum::learning {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Pair = std::pair<std::string, std::string>;
struct Done {
  std::int64_t completion = 0, time_spent = 0;
  bool operator==(const Done&) const = default;
};
using Model = std::map<Pair, Done>;

Model stored(const AppDatabase& database, const std::string& tenant) {
  Model out;
  for (const auto& r : database.query(fmt::format(
           "select user_id, story_id, completion_percentage, time_spent from progress where "
           "tenant_id = '{}'",
           tenant))) {
    out[{r[0], r[1]}] = {integer(r[2]), integer(r[3])};
  }
  return out;
}

void add_up(Model& model, const std::vector<ProgressUpdate>& updates) {
  for (const auto& update : updates) {
    auto& done = model[{to_string(update.user_id), to_string(update.story_id)}];
    done.completion = std::max<std::int64_t>(done.completion, update.completion_percentage);
    done.time_spent += update.time_spent;
  }
}

struct Place {
  std::string tenant;
  std::vector<Uuid> learners, stories;
};

Place place(const AppDatabase& database, std::size_t number, int most) {
  Place out;
  out.tenant =
      database.value(fmt::format("select id from tenants order by id offset {} limit 1", number));
  for (const auto* table : {"users", "stories"}) {
    auto& ids = std::string_view(table) == "users" ? out.learners : out.stories;
    for (const auto& r :
         database.query(fmt::format("select id from {} where tenant_id = '{}' order by id limit {}",
                                    table, out.tenant, most))) {
      ids.push_back(uuid(r[0]));
    }
  }
  return out;
}

std::vector<ProgressUpdate> any_batch(Dice& dice, const Place& place, std::size_t most) {
  std::vector<ProgressUpdate> out(1 + dice.roll(most));
  for (auto& update : out) {
    update = {
        .user_id = dice.pick(place.learners),
        .story_id = dice.pick(place.stories),
        .completion_percentage = static_cast<std::int32_t>(dice.roll(101)),
        .time_spent = dice.chance(5) ? 2'147'483'647 : static_cast<std::int32_t>(dice.roll(4000))};
  }
  return out;
}

std::size_t pairs_of(const std::vector<ProgressUpdate>& updates) {
  std::set<std::pair<Uuid, Uuid>> pairs;
  for (const auto& update : updates) pairs.emplace(update.user_id, update.story_id);
  return pairs.size();
}

TEST(BatchProgress, stores_what_adding_row_by_row_stores) {
  const AppDatabase database;
  const auto here = place(database, 0, 12);
  auto model = stored(database, here.tenant);
  const auto others =
      "select md5(string_agg(p::text, ',' order by p::text)) from progress p where "
      "tenant_id <> '" +
      here.tenant + "'";
  const auto before = database.value(others);
  Dice dice(61);
  std::map<std::string, std::vector<ProgressUpdate>> sent;
  int replays = 0, conflicts = 0;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = uuid(here.tenant)};
    for (int i = 0; i < 300 && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE(fmt::format("batch {}", i));
      const auto batch = any_batch(dice, here, 60);
      const auto key = dice.chance(30) ? std::string() : fmt::format("key {}", i);
      const auto outcome = co_await batch_progress(scope, batch, key);
      if (outcome.has_error()) {
        ADD_FAILURE() << outcome.error().to_string();
        co_return;
      }
      add_up(model, batch);
      if (!key.empty()) sent[key] = batch;
      EXPECT_EQ(outcome->received, static_cast<std::int64_t>(batch.size()));
      EXPECT_EQ(outcome->written, static_cast<std::int64_t>(pairs_of(batch)));
      EXPECT_FALSE(outcome->replayed);

      if (dice.chance(30) && !sent.empty()) {  // a client repeats itself
        const auto& [again, first] =
            *std::next(sent.begin(), static_cast<long>(dice.roll(sent.size())));
        const auto replay = co_await batch_progress(scope, first, again);
        EXPECT_TRUE(replay && replay->replayed);
        if (replay) {
          EXPECT_EQ(replay->received, static_cast<std::int64_t>(first.size()));
          EXPECT_EQ(replay->written, static_cast<std::int64_t>(pairs_of(first)));
        }
        ++replays;
        auto other = first;
        other[dice.roll(other.size())].time_spent ^= 1;
        const auto conflict = co_await batch_progress(scope, other, again);
        EXPECT_TRUE(conflict.has_error() && conflict.error().code == ErrorCode::kConflict);
        ++conflicts;
      }
      if (i % 10 == 0) EXPECT_EQ(stored(database, here.tenant), model);
    }
  });
  EXPECT_EQ(stored(database, here.tenant), model);
  EXPECT_EQ(database.value(others), before);
  EXPECT_GT(replays, 30);
  EXPECT_GT(conflicts, 30);
}

TEST(BatchProgress, marks_the_time_and_only_where_it_wrote) {
  const AppDatabase database;
  const auto here = place(database, 0, 6);
  Dice dice(62);
  const auto batch = any_batch(dice, here, 20);
  const auto start = database.value("select clock_timestamp()");
  const auto old = database.value("select count(*) from progress");
  const auto touched = fmt::format(
      "select count(*) from progress where last_accessed >= '{0}' and last_accessed <= "
      "clock_timestamp() and updated_at >= '{0}'",
      start);
  EXPECT_EQ(database.value(touched), "0");
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    EXPECT_TRUE(
        co_await batch_progress({.database = pool, .tenant = uuid(here.tenant)}, batch, "k"));
    EXPECT_EQ(database.value(touched), std::to_string(pairs_of(batch)));
    const auto marked = database.value("select clock_timestamp()");
    EXPECT_TRUE(
        co_await batch_progress({.database = pool, .tenant = uuid(here.tenant)}, batch, "k"));
    EXPECT_EQ(database.value(
                  fmt::format("select count(*) from progress where updated_at > '{}'", marked)),
              "0");
    // The tenant alone decides whose key it is.
    const auto there = place(database, 1, 6);
    const auto other = any_batch(dice, there, 20);
    const auto outcome =
        co_await batch_progress({.database = pool, .tenant = uuid(there.tenant)}, other, "k");
    EXPECT_TRUE(outcome && !outcome->replayed);
  });
}

TEST(BatchProgress, names_whom_it_does_not_know_and_writes_nothing) {
  const AppDatabase database;
  const auto here = place(database, 0, 12);
  const auto there = place(database, 1, 12);
  const auto before = stored(database, here.tenant);
  Dice dice(63);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = uuid(here.tenant)};
    for (int i = 0; i < 60; ++i) {
      auto batch = any_batch(dice, here, 20);
      // Nobody's, or another tenant's.
      std::vector<std::string> strangers;
      auto& bad = batch[dice.roll(batch.size())];
      Uuid nobody;
      for (auto& byte : nobody.data) byte = static_cast<std::uint8_t>(dice.roll(256));
      const bool is_learner = dice.chance(50), is_story = !is_learner || dice.chance(50);
      if (is_learner) {
        bad.user_id = dice.chance(50) ? dice.pick(there.learners) : nobody;
        strangers.push_back(to_string(bad.user_id));
      }
      if (is_story) {
        bad.story_id = dice.chance(50) ? dice.pick(there.stories) : nobody;
        strangers.push_back(to_string(bad.story_id));
      }
      const auto key = fmt::format("refused {}", i);
      const auto refused = co_await batch_progress(scope, batch, key);
      EXPECT_TRUE(refused.has_error());
      if (!refused.has_error()) continue;
      EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
      EXPECT_FALSE(refused.error().may_have_taken_effect);
      for (const auto& id : strangers) EXPECT_THAT(refused.error().message, HasSubstr(id));
    }
  });
  EXPECT_EQ(stored(database, here.tenant), before);
  EXPECT_EQ(database.value("select count(*) from idempotency_keys"), "0");
}

// Goes on when as many sessions of the application wait for a lock.
void expect_waiting(const AppDatabase& database, const std::string& count) {
  EXPECT_TRUE(lyceum::testing::eventually([&] {
    return database.value(
               "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
               "and usename = '" +
               database.role() + "'") == count;
  }));
}

// The batch has seen the learner and waits for who is removing them.
TEST(BatchProgress, names_who_went_while_it_was_written) {
  const AppDatabase database;
  const auto here = place(database, 0, 12);
  const auto going = uuid("5dbd1c1e-0000-4000-8000-000000000001");
  database.change(
      fmt::format("insert into users (tenant_id, id, email) values ('{}', '{}', 'going@x.example')",
                  here.tenant, to_string(going)));
  const auto before = stored(database, here.tenant);
  std::vector<ProgressUpdate> batch(2, {.story_id = here.stories[0], .time_spent = 1});
  batch[0].user_id = here.learners[0];
  batch[1].user_id = going;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    lyceum::testing::OpenTransaction removal(
        database.url(), "delete from users where id = '" + to_string(going) + "'");
    std::jthread removing([&] {
      expect_waiting(database, "1");
      removal.commit();
    });
    const auto refused =
        co_await batch_progress({.database = pool, .tenant = uuid(here.tenant)}, batch, "k");
    EXPECT_TRUE(refused.has_error());
    if (!refused.has_error()) co_return;
    EXPECT_EQ(refused.error().code, ErrorCode::kNotFound) << refused.error().to_string();
    EXPECT_THAT(refused.error().message, HasSubstr(to_string(going)));
    EXPECT_THAT(refused.error().message, Not(HasSubstr(to_string(here.learners[0]))));
    EXPECT_FALSE(refused.error().may_have_taken_effect);
  });
  EXPECT_EQ(stored(database, here.tenant), before);
  EXPECT_EQ(database.value("select count(*) from idempotency_keys"), "0");
}

// Runs them all at once and gives what each came to.
awaitable<std::vector<Result<BatchOutcome>>> all_at_once(
    Scope scope, std::vector<std::pair<std::string, std::vector<ProgressUpdate>>> batches) {
  const auto executor = co_await asio::this_coro::executor;
  std::vector<Result<BatchOutcome>> out;
  std::size_t left = batches.size();
  asio::steady_timer done(executor, std::chrono::steady_clock::time_point::max());
  for (auto& [key, batch] : batches) {
    asio::co_spawn(executor, batch_progress(scope, std::move(batch), key),
                   [&](std::exception_ptr problem, Result<BatchOutcome> outcome) {
                     EXPECT_FALSE(problem);
                     out.push_back(std::move(outcome));
                     if (--left == 0) done.cancel();
                   });
  }
  if (left > 0) {
    boost::system::error_code ignored;
    co_await done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return out;
}

TEST(BatchProgress, overlapping_batches_at_once_all_count) {
  const AppDatabase database;
  const auto here = place(database, 0, 8);
  auto model = stored(database, here.tenant);
  Dice dice(64);
  with_pool(database,
            [&](pool::Pool& pool) -> awaitable<void> {
              const Scope scope{.database = pool, .tenant = uuid(here.tenant)};
              for (int round = 0; round < 40 && !::testing::Test::HasFailure(); ++round) {
                std::vector<std::pair<std::string, std::vector<ProgressUpdate>>> batches;
                for (int i = 0; i < 8; ++i) {
                  auto batch = any_batch(dice, here, 200);
                  add_up(model, batch);
                  batches.emplace_back("", std::move(batch));
                }
                for (const auto& outcome : co_await all_at_once(scope, std::move(batches))) {
                  EXPECT_TRUE(outcome) << outcome.error().to_string();
                }
              }
            },
            {.lanes = 8, .lane_depth = 1});
  EXPECT_EQ(stored(database, here.tenant), model);
}

TEST(BatchProgress, one_key_at_once_is_written_once) {
  const AppDatabase database;
  const auto here = place(database, 0, 8);
  auto model = stored(database, here.tenant);
  Dice dice(65);
  with_pool(database,
            [&](pool::Pool& pool) -> awaitable<void> {
              const Scope scope{.database = pool, .tenant = uuid(here.tenant)};
              for (int round = 0; round < 30 && !::testing::Test::HasFailure(); ++round) {
                const auto batch = any_batch(dice, here, 100);
                add_up(model, batch);
                const std::vector batches(6, std::pair(fmt::format("round {}", round), batch));
                int written = 0;
                for (const auto& outcome : co_await all_at_once(scope, batches)) {
                  EXPECT_TRUE(outcome) << outcome.error().to_string();
                  if (outcome && !outcome->replayed) ++written;
                }
                EXPECT_EQ(written, 1);
              }
            },
            {.lanes = 6, .lane_depth = 1});
  EXPECT_EQ(stored(database, here.tenant), model);
}

TEST(BatchProgress, takes_the_largest_batch) {
  const AppDatabase database;
  const auto here = place(database, 0, 60);
  auto model = stored(database, here.tenant);
  Dice dice(66);
  auto batch = any_batch(dice, here, 1);
  while (batch.size() < kMostUpdates) {
    const auto more = any_batch(dice, here, 1);
    batch.push_back(more[0]);
  }
  add_up(model, batch);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto outcome =
        co_await batch_progress({.database = pool, .tenant = uuid(here.tenant)}, batch);
    EXPECT_TRUE(outcome) << outcome.error().to_string();
    EXPECT_EQ(outcome->received, 10'000);
  });
  EXPECT_EQ(stored(database, here.tenant), model);
}

}  // namespace
}  // namespace lyceum::learning
