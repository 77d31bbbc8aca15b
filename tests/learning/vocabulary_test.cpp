#include "learning/vocabulary.h"

#include <gtest/gtest.h>

#include "school.h"

namespace lyceum::learning {
namespace {

struct Word {
  std::string id, word, definition, part_of_speech;
  double difficulty = 0, frequency = 0;
};
struct Known {
  double mastery = 0;
  std::int64_t reviews = 0;
  std::optional<std::int64_t> last_reviewed, next_review;  // microseconds; days
};
struct Scored {
  const Word* word = nullptr;
  const Known* known = nullptr;
  double urgency = 0, score = 0;
};

std::optional<std::int64_t> maybe(const std::string& text) {
  if (text == testing::kNull) return std::nullopt;
  return integer(text);
}

// The guide's formula, over every word there is.
class PlainVocabulary {
 public:
  explicit PlainVocabulary(const AppDatabase& database) {
    for (const auto& r : database.query("select id, word, definition, part_of_speech, "
                                        "difficulty_level, frequency from vocabulary")) {
      words_.push_back({r[0], r[1], r[2], r[3], real(r[4]), real(r[5])});
    }
    for (const auto& r : database.query(
             "select user_id, vocabulary_id, mastery_level, review_count, (extract(epoch from "
             "last_reviewed) * 1000000)::bigint, next_review_date - date '1970-01-01' "
             "from user_vocabulary_progress")) {
      known_[r[0]][r[1]] = {real(r[2]), integer(r[3]), maybe(r[4]), maybe(r[5])};
    }
    for (const auto& r : database.query(
             "select p.user_id, s.difficulty_score from progress p join stories s on s.id = "
             "p.story_id where p.completion_percentage > 80")) {
      auto& [sum, count] = finished_[r[0]];
      sum += real(r[1]);
      ++count;
    }
  }

  struct Day {
    std::int64_t today = 0, week_ago = 0, three_days_ago = 0;  // a day, and two midnights
  };

  std::vector<Scored> recommend(const std::string& learner, const Day& day) {
    const auto finished = finished_.find(learner);
    const double level =
        finished == finished_.end()
            ? 1.0
            : finished->second.first / static_cast<double>(finished->second.second);
    const auto& known = known_[learner];
    std::vector<Scored> out;
    for (const auto& word : words_) {
      if (word.difficulty > level + 0.5) continue;
      Scored scored{.word = &word, .urgency = 1.0};
      if (const auto found = known.find(word.id); found != known.end()) {
        const auto& row = found->second;
        if (row.mastery >= 0.9) continue;
        scored.known = &row;
        if (row.next_review && *row.next_review > day.today) {
          scored.urgency = row.last_reviewed && *row.last_reviewed < day.week_ago         ? 0.9
                           : row.last_reviewed && *row.last_reviewed < day.three_days_ago ? 0.7
                                                                                          : 0.3;
        }
      }
      // 0.4 times the urgency is exact on the server.
      const double urgency = std::round(scored.urgency * 40) / 100;
      scored.score = urgency + (1.0 - std::abs(word.difficulty - level) / 2.0) * 0.3 +
                     std::min(word.frequency / 1000.0, 1.0) * 0.3;
      out.push_back(scored);
    }
    std::ranges::sort(out, [](const Scored& a, const Scored& b) {
      return std::tuple(-a.score, -a.urgency, -a.word->frequency, a.word->id) <
             std::tuple(-b.score, -b.urgency, -b.word->frequency, b.word->id);
    });
    return out;
  }

 private:
  std::vector<Word> words_;
  std::map<std::string, std::map<std::string, Known>> known_;
  std::map<std::string, std::pair<double, int>> finished_;
};

TEST(Vocabulary, recommends_what_scoring_every_word_recommends) {
  const AppDatabase database;
  // Whoever learns knows a quarter of all words, with reviews of every age, half of them not yet
  // due: a simulation makes few of these. So few words are left that a long list has bad ones too.
  database.change(
      "delete from user_vocabulary_progress where abs(hashtext(vocabulary_id::text)) % 4 <> 0");
  database.change("delete from vocabulary where abs(hashtext(id::text)) % 4 <> 0");
  database.change(
      "insert into user_vocabulary_progress (tenant_id, user_id, vocabulary_id, mastery_level, "
      "review_count) select u.tenant_id, u.user_id, v.id, abs(hashtext(v.id || u.user_id::text)) % "
      "100 / 100.0, 1 "
      "from (select distinct tenant_id, user_id from user_vocabulary_progress) u, vocabulary v "
      "where "
      "abs(hashtext(u.user_id::text || v.id)) % 4 = 0 on conflict do nothing");
  database.change(
      "update user_vocabulary_progress set next_review_date = date '2025-04-20', last_reviewed = "
      "timestamptz '2025-04-05 00:00:00+00' - abs(hashtext(vocabulary_id::text)) % 20 * interval "
      "'13 hours' where abs(hashtext(vocabulary_id || user_id::text)) % 2 = 0");
  const People people(database);
  // Mostly those who learn: the simulated ones, not those of the streaks.
  std::map<std::string, std::vector<std::string>> busy;
  for (const auto& row : database.query(
           "select distinct tenant_id, user_id from user_vocabulary_progress order by 1, 2")) {
    busy[row[0]].push_back(row[1]);
  }
  PlainVocabulary plain(database);
  const std::vector<std::string> zones{"UTC", "America/New_York", "Pacific/Kiritimati",
                                       "Pacific/Pago_Pago", "Asia/Kathmandu"};
  const auto session_zone = database.value("select current_setting('TimeZone')");
  Dice dice(41);
  std::size_t reviewed = 0, fresh = 0;
  std::map<double, int> urgencies;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    for (int i = 0; i < 400 && !::testing::Test::HasFailure(); ++i) {
      const auto& tenant = dice.pick(people.tenants);
      const auto& learner =
          dice.pick(dice.chance(70) ? busy.at(tenant) : people.learners.at(tenant));
      VocabularyRequest request{
          .learner = uuid(learner),
          .limit = 1 + static_cast<int>(dice.roll(dice.chance(50) ? 200 : 10))};
      request.present =
          kPresent + std::chrono::hours(24) * 5 - std::chrono::minutes(dice.roll(60 * 24 * 60));
      if (dice.chance(70)) request.time_zone = dice.pick(zones);
      const auto zone = request.time_zone.value_or(session_zone);
      const auto day = database.query(fmt::format(
          "select d - date '1970-01-01', (extract(epoch from (d - 7)::timestamp at time zone "
          "'{1}') "
          "* 1000000)::bigint, (extract(epoch from (d - 3)::timestamp at time zone '{1}') * "
          "1000000)::bigint from (select ({0} at time zone '{1}')::date) t (d)",
          literal(*request.present), zone))[0];
      const auto ought =
          plain.recommend(learner, {integer(day[0]), integer(day[1]), integer(day[2])});
      SCOPED_TRACE(fmt::format("request {}: learner {}, limit {}, zone {}, present {}", i, learner,
                               request.limit, zone, micros(*request.present)));
      const auto words =
          co_await vocabulary_recommendations({.database = pool, .tenant = uuid(tenant)}, request);
      if (words.has_error()) {
        ADD_FAILURE() << words.error().to_string();
        co_return;
      }
      EXPECT_EQ(words->size(), std::min(ought.size(), static_cast<std::size_t>(request.limit)));
      for (std::size_t place = 0; place < std::min(words->size(), ought.size()); ++place) {
        const auto& is = (*words)[place];
        const auto& should = ought[place];
        if (to_string(is.id) != should.word->id) {
          ADD_FAILURE() << "place " << place << ": " << is.word << " with "
                        << is.recommendation_score << " in place of " << should.word->word
                        << " with " << should.score;
          co_return;
        }
        EXPECT_DOUBLE_EQ(is.recommendation_score, should.score);
        EXPECT_EQ(is.word, should.word->word);
        EXPECT_EQ(is.definition, should.word->definition);
        EXPECT_EQ(is.part_of_speech, should.word->part_of_speech);
        EXPECT_EQ(is.difficulty_level, should.word->difficulty);
        EXPECT_EQ(is.frequency, should.word->frequency);
        ++urgencies[should.urgency];
        if (should.known != nullptr) {
          ++reviewed;
          EXPECT_EQ(is.current_mastery, should.known->mastery);
          EXPECT_EQ(is.review_count, should.known->reviews);
          EXPECT_EQ(is.last_reviewed ? std::optional(micros(*is.last_reviewed)) : std::nullopt,
                    should.known->last_reviewed);
          EXPECT_EQ(is.next_review_date ? std::optional<std::int64_t>(
                                              is.next_review_date->time_since_epoch().count())
                                        : std::nullopt,
                    should.known->next_review);
        } else {
          ++fresh;
          EXPECT_EQ(is.current_mastery, 0);
          EXPECT_EQ(is.review_count, 0);
          EXPECT_FALSE(is.last_reviewed.has_value());
          EXPECT_FALSE(is.next_review_date.has_value());
        }
      }
    }
  });
  EXPECT_GT(reviewed, 500U);
  EXPECT_GT(fresh, 1000U);
  EXPECT_EQ(urgencies.size(), 4U);
}

TEST(Vocabulary, gives_the_easiest_to_a_learner_who_has_read_nothing) {
  const auto& database = reading();
  const auto row = database.query(
      "select tenant_id, id from users u where not exists (select from progress p where p.user_id "
      "= "
      "u.id) and not exists (select from user_vocabulary_progress v where v.user_id = u.id) limit "
      "1")[0];
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto words = (co_await vocabulary_recommendations(
                            {.database = pool, .tenant = uuid(row[0])}, {.learner = uuid(row[1])}))
                           .value();
    EXPECT_EQ(words.size(), 10U);
    for (const auto& word : words) EXPECT_LE(word.difficulty_level, 1.5);
  });
}

}  // namespace
}  // namespace lyceum::learning
