#include "learning/reviews.h"

#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "side_by_side.h"

namespace lyceum::learning {
namespace {

using std::chrono::days;

std::vector<Uuid> words_of(const AppDatabase& database, int count) {
  std::vector<Uuid> out;
  for (const auto& row :
       database.query(fmt::format("select id from vocabulary order by id limit {}", count))) {
    out.push_back(uuid(row[0]));
  }
  return out;
}

bool same(const ReviewedWord& a, const ReviewedWord& b) {
  return a.vocabulary_id == b.vocabulary_id && a.stability == b.stability &&
         a.difficulty == b.difficulty && a.state == b.state && a.due == b.due &&
         a.next_review_date == b.next_review_date && a.mastery_level == b.mastery_level &&
         a.review_count == b.review_count;
}

struct Known {
  std::optional<fsrs::Memory> memory;
  std::int32_t count = 0;
};

TEST(Reviews, store_what_the_scheduler_says_one_by_one) {
  const AppDatabase database;
  const Somebody who(database);
  const auto words = words_of(database, 30);
  const auto here = fmt::format("tenant_id = '{}' and user_id = '{}'", to_string(who.tenant),
                                to_string(who.learner));
  database.change("delete from user_vocabulary_progress where " + here);
  database.change(fmt::format("update users set time_zone = 'Pacific/Kiritimati' where id = '{}'",
                              to_string(who.learner)));
  const auto others =
      "select md5(string_agg(p::text, ',' order by p::text)) from "
      "user_vocabulary_progress p where not (" +
      here + ")";
  const auto before = database.value(others);
  std::map<Uuid, Known> model;
  Dice dice(101);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    Timestamp present = kPresent;
    for (int i = 0; i < 60 && !::testing::Test::HasFailure(); ++i) {
      present += std::chrono::minutes(dice.chance(50) ? dice.roll(60) : dice.roll(20'000));
      std::vector<Review> reviews(1 + dice.roll(12));
      for (auto& review : reviews) {
        review.vocabulary_id = dice.pick(words);
        review.rating = static_cast<std::int32_t>(1 + dice.roll(4));
        if (dice.chance(60)) review.reviewed_at = present - std::chrono::minutes(dice.roll(5000));
      }
      // Row by row, in order of time.
      std::vector<std::size_t> order;
      for (std::size_t k = 0; k < reviews.size(); ++k) order.push_back(k);
      std::sort(order.begin(), order.end(), [&](auto a, auto b) {
        return std::pair(reviews[a].reviewed_at.value_or(present), a) <
               std::pair(reviews[b].reviewed_at.value_or(present), b);
      });
      std::vector<std::pair<fsrs::Scheduled, std::int32_t>> ought(reviews.size());
      for (const auto k : order) {
        auto& known = model[reviews[k].vocabulary_id];
        const auto next = fsrs::schedule(known.memory, static_cast<fsrs::Rating>(reviews[k].rating),
                                         reviews[k].reviewed_at.value_or(present));
        known = {next.memory, known.count + 1};
        ought[k] = {next, known.count};
      }
      const auto key = fmt::format("key {}", i);
      const auto got = co_await review_vocabulary(scope, who.learner, reviews, key, present);
      EXPECT_TRUE(got) << got.error().to_string();
      if (!got) co_return;
      EXPECT_FALSE(got->replayed);
      EXPECT_EQ(got->reviews.size(), reviews.size());
      for (std::size_t k = 0; k < got->reviews.size(); ++k) {
        const auto& word = got->reviews[k];
        const auto& [next, count] = ought[k];
        EXPECT_EQ(word.vocabulary_id, reviews[k].vocabulary_id);
        EXPECT_EQ(word.stability, next.memory.stability);
        EXPECT_EQ(word.difficulty, next.memory.difficulty);
        EXPECT_EQ(word.state, fsrs::name_of(next.memory.state));
        EXPECT_EQ(word.due, next.due);
        EXPECT_EQ(word.next_review_date, std::chrono::floor<days>(next.due + 14h));
        EXPECT_EQ(word.mastery_level, mastery_of(next.memory.stability));
        EXPECT_EQ(word.review_count, count);
      }
      const auto again = co_await review_vocabulary(scope, who.learner, reviews, key);
      EXPECT_TRUE(again && again->replayed && again->reviews.size() == got->reviews.size());
      for (std::size_t k = 0; again && k < again->reviews.size(); ++k) {
        EXPECT_TRUE(same(again->reviews[k], got->reviews[k]));
      }
      auto other = reviews;
      other[0].rating = other[0].rating % 4 + 1;
      expect_code(co_await review_vocabulary(scope, who.learner, other, key, present),
                  ErrorCode::kConflict);
      expect_code(co_await review_vocabulary(scope, who.second, reviews, key, present),
                  ErrorCode::kConflict);
    }
  });
  std::size_t rows = 0;
  for (const auto& row : database.query(
           "select vocabulary_id, stability, review_count, learning_state, learning_step, "
           "extract(epoch from last_reviewed) * 1000000, mastery_level from "
           "user_vocabulary_progress where " +
           here)) {
    const auto& known = model.at(uuid(row[0]));
    EXPECT_EQ(real(row[1]), known.memory->stability);
    EXPECT_EQ(integer(row[2]), known.count);
    EXPECT_EQ(row[3], fsrs::name_of(known.memory->state));
    EXPECT_EQ(integer(row[4]), known.memory->step);
    EXPECT_EQ(integer(row[5]), micros(known.memory->last_review));
    EXPECT_EQ(real(row[6]), mastery_of(known.memory->stability));
    ++rows;
  }
  EXPECT_EQ(rows, model.size());
  EXPECT_EQ(database.value(others), before);
}

TEST(Reviews, mastery_rises_with_stability) {
  double last = 0;
  for (double stability = fsrs::kLeastStability; stability < 40'000; stability *= 1.3) {
    EXPECT_GT(mastery_of(stability), last);
    EXPECT_LT(mastery_of(stability), 1);
    last = mastery_of(stability);
  }
  EXPECT_DOUBLE_EQ(mastery_of(kMasteredStability), 0.8);
}

// The loader and the guide know an interval only.
TEST(Reviews, go_on_from_an_interval) {
  const auto start = kPresent;
  const auto today = std::chrono::floor<days>(start);
  const auto memory = memory_from_interval(start, today + days(20));
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->stability, 20);
  EXPECT_EQ(memory->state, fsrs::State::review);
  EXPECT_EQ(memory->last_review, start);
  EXPECT_FALSE(memory_from_interval(start, today));
  EXPECT_FALSE(memory_from_interval(start, std::nullopt));
  EXPECT_FALSE(memory_from_interval(std::nullopt, today));
  EXPECT_FALSE(memory_from_interval(Timestamp::max(), today));
  EXPECT_EQ(memory_from_interval(start, today + days(1'000'000))->stability, fsrs::kMostStability);

  const AppDatabase database;
  const Somebody who(database);
  const auto word = words_of(database, 1)[0];
  database.change(fmt::format(
      "insert into user_vocabulary_progress (tenant_id, user_id, vocabulary_id, mastery_level, "
      "review_count, last_reviewed, next_review_date) values ('{}', '{}', '{}', 0.5, 7, {}, "
      "{}::date "
      "+ 20) on conflict (tenant_id, user_id, vocabulary_id) do update set review_count = 7, "
      "last_reviewed = excluded.last_reviewed, next_review_date = excluded.next_review_date",
      to_string(who.tenant), to_string(who.learner), to_string(word), literal(start),
      quoted("2025-03-31")));
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto got =
        co_await review_vocabulary({.database = pool, .tenant = who.tenant}, who.learner,
                                   {{.vocabulary_id = word, .rating = 3}}, "k", start + days(20));
    EXPECT_TRUE(got) << got.error().to_string();
    if (!got) co_return;
    const auto next = fsrs::schedule(memory, fsrs::Rating::good, start + days(20));
    EXPECT_EQ(got->reviews[0].stability, next.memory.stability);
    EXPECT_GT(got->reviews[0].stability, 20);
    EXPECT_EQ(got->reviews[0].review_count, 8);
  });
}

TEST(Reviews, of_one_word_at_once_all_count) {
  const AppDatabase database;
  const Somebody who(database);
  const auto words = words_of(database, 3);
  const auto counted = [&] {
    return integer(database.value(fmt::format(
        "select coalesce(sum(review_count), 0) from user_vocabulary_progress where user_id = '{}' "
        "and vocabulary_id in (select id from vocabulary order by id limit 3)",
        to_string(who.learner))));
  };
  const auto before = counted();
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    const std::function<awaitable<void>(std::size_t)> device =
        [&](std::size_t worker) -> awaitable<void> {
      for (int i = 0; i < 10; ++i) {
        // In another order each; and a key that two devices share.
        const auto key = fmt::format("{} {}", worker / 2, i);
        std::vector<Review> reviews;
        for (std::size_t k = 0; k < 3; ++k) {
          reviews.push_back({.vocabulary_id = words[(k + worker / 2) % 3], .rating = 3});
        }
        const auto got = co_await review_vocabulary(scope, who.learner, reviews, key);
        EXPECT_TRUE(got) << got.error().to_string();
      }
    };
    co_await all_together(8, device);
  });
  EXPECT_EQ(counted() - before, 4 * 10 * 3);
}

TEST(Reviews, refuse_bad_input_and_write_nothing) {
  const AppDatabase database;
  const Somebody who(database);
  const auto words = words_of(database, 2);
  const auto state = [&] {
    return database.value(
        "select (select md5(string_agg(p::text, ',' order by p::text)) from "
        "user_vocabulary_progress p) || (select count(*) from idempotency_keys)");
  };
  const auto before = state();
  const Review good{.vocabulary_id = words[0], .rating = 3};
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = who.tenant};
    const auto send = [&](Review bad, std::string key) {
      return review_vocabulary(scope, who.learner, {good, bad}, std::move(key), kPresent);
    };
    for (const std::int32_t rating : {0, 5, -1, std::numeric_limits<std::int32_t>::max()}) {
      expect_code(co_await send({words[1], rating, {}}, "k"), ErrorCode::kBadInput, "review 2");
    }
    for (const auto time : {Timestamp::min(), Timestamp::max(), Timestamp{}, kPresent + 6min}) {
      expect_code(co_await send({words[1], 3, time}, "k"), ErrorCode::kBadInput, "review 2");
    }
    // By the server's clock too.
    expect_code(co_await review_vocabulary(
                    scope, who.learner,
                    {{words[0], 3, std::chrono::sys_days(std::chrono::year(9000) / 1 / 1)}}, "k"),
                ErrorCode::kBadInput, "review 1");
    expect_code(co_await send(good, std::string("a\0b", 3)), ErrorCode::kBadInput);
    expect_code(co_await send(good, "\xFF"), ErrorCode::kBadInput);
    expect_code(co_await send(good, std::string(256, 'k')), ErrorCode::kBadInput);
    expect_code(co_await review_vocabulary(scope, who.learner, std::vector(501, good), "k"),
                ErrorCode::kBadInput);
    expect_code(co_await review_vocabulary(scope, who.learner, {good}, "k", Timestamp::max()),
                ErrorCode::kBadInput, "present");
    expect_code(co_await send({who.learner, 3, {}}, "k"), ErrorCode::kNotFound,
                to_string(who.learner));
    expect_code(co_await review_vocabulary(scope, who.other_learner, {good}, "k"),
                ErrorCode::kNotFound, to_string(who.other_learner));
    expect_code(co_await review_vocabulary(scope, who.other_learner, {}), ErrorCode::kNotFound);
    const auto none = co_await review_vocabulary(scope, who.learner, {});
    EXPECT_TRUE(none && none->reviews.empty());
    EXPECT_EQ(state(), before);

    const auto most =
        co_await review_vocabulary(scope, who.learner, std::vector(500, good), "k", kPresent);
    EXPECT_TRUE(most && most->reviews.size() == 500);
  });
}

// Backends die all the time: what was acknowledged is there, and all that is there is there once.
TEST(Reviews, under_killed_backends_count_once) {
  const AppDatabase database;
  const Somebody who(database);
  const auto word = words_of(database, 1)[0];
  const auto counted = [&] {
    return integer(database.value(
        fmt::format("select coalesce(sum(review_count), 0) from user_vocabulary_progress where "
                    "user_id = '{}' and vocabulary_id = '{}'",
                    to_string(who.learner), to_string(word))));
  };
  const auto before = counted();
  std::atomic<int> killed = 0;
  std::set<std::string> acknowledged, tried;
  pool::Limits limits;
  limits.backoff_initial = 5ms;
  limits.backoff_max = 50ms;
  with_pool(
      database,
      [&](pool::Pool& pool) -> awaitable<void> {
        std::jthread harm([&](std::stop_token stop) {
          while (!stop.stop_requested()) {
            killed += static_cast<int>(
                database
                    .query("select pg_terminate_backend(pid) from pg_stat_activity where usename "
                           "= '" +
                           database.role() + "'")
                    .size());
            std::this_thread::sleep_for(10ms);
          }
        });
        const auto until = std::chrono::steady_clock::now() + 1s;
        const std::function<awaitable<void>(std::size_t)> device =
            [&](std::size_t worker) -> awaitable<void> {
          // Enough of both, however slow the machine is.
          const auto enough = [&] { return killed >= 20 && acknowledged.size() > 5; };
          for (int i = 0; std::chrono::steady_clock::now() < until || !enough(); ++i) {
            const auto key = fmt::format("{} {}", worker, i);
            tried.insert(key);
            const Scope scope{.database = pool,
                              .tenant = who.tenant,
                              .deadline = std::chrono::steady_clock::now() + 20s};
            const auto got = co_await review_vocabulary(
                scope, who.learner, {{.vocabulary_id = word, .rating = 3}}, key);
            if (got) acknowledged.insert(key);
          }
        };
        co_await all_together(4, device);
        harm.request_stop();
        harm.join();
        EXPECT_TRUE(lyceum::testing::eventually([&] {
          return database.value(
                     "select count(*) from pg_stat_activity where state <> 'idle' and "
                     "usename = '" +
                     database.role() + "'") == "0";
        }));
        std::set<std::string> stored;
        for (const auto& row : database.query("select key from idempotency_keys")) {
          stored.insert(row[0]);
        }
        for (const auto& key : acknowledged) EXPECT_TRUE(stored.contains(key)) << key;
        EXPECT_EQ(counted() - before, static_cast<std::int64_t>(stored.size()));
        // All of it again: then everything is stored, once.
        for (const auto& key : tried) {
          const auto got =
              co_await review_vocabulary({.database = pool, .tenant = who.tenant}, who.learner,
                                         {{.vocabulary_id = word, .rating = 3}}, key);
          EXPECT_TRUE(got) << got.error().to_string();
          if (got) EXPECT_EQ(got->replayed, stored.contains(key));
        }
      },
      limits);
  EXPECT_EQ(counted() - before, static_cast<std::int64_t>(tried.size()));
  EXPECT_GT(acknowledged.size(), 5U);
}

}  // namespace
}  // namespace lyceum::learning
