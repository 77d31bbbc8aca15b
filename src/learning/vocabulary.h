#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "learning/scope.h"

namespace lyceum::learning {

// A word that a learner should meet next.
struct VocabularyRecommendation {
  Uuid id{};
  std::string word;
  std::string definition;
  double difficulty_level = 0;  // 0 to 10
  double frequency = 0;         // occurrences per million words
  std::string part_of_speech;
  double current_mastery = 0;  // 0 to 1
  std::int32_t review_count = 0;
  std::optional<Timestamp> last_reviewed;
  std::optional<pg::Date> next_review_date;
  // 0.4 urgency + 0.3 match of difficulty + 0.3 frequency, as the guide has it.
  double recommendation_score = 0;
};
BOOST_DESCRIBE_STRUCT(VocabularyRecommendation, (),
                      (id, word, definition, difficulty_level, frequency, part_of_speech,
                       current_mastery, review_count, last_reviewed, next_review_date,
                       recommendation_score))

struct VocabularyRequest {
  Uuid learner{};
  int limit = 10;                             // 1 to 200
  std::optional<Timestamp> present = {};      // instead of the server's clock
  std::optional<std::string> time_zone = {};  // whose day counts; default: the session's
};

// The best words, best first: by score, then urgency, frequency, id.
// Errors: kBadInput, kNotFound (learner), those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<std::vector<VocabularyRecommendation>>>
vocabulary_recommendations(Scope scope, VocabularyRequest request);
// The same as the server sent them, with columns as VocabularyRecommendation's members: for who
// passes them on without looking at each word.
[[nodiscard]] boost::asio::awaitable<Result<pg::Rows>> vocabulary_rows(Scope scope,
                                                                       VocabularyRequest request);

}  // namespace lyceum::learning
