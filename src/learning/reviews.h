#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "learning/fsrs.h"
#include "learning/scope.h"

namespace lyceum::learning {

// That a learner met a word, and how well it was known.
struct Review {
  Uuid vocabulary_id{};
  std::int32_t rating = 0;  // 1 again (forgotten), 2 hard, 3 good, 4 easy
  // When; nothing: now. From the year 2000 on, at most kMostAhead after the present.
  std::optional<Timestamp> reviewed_at = {};
};

// What is stored of a word after one review.
struct ReviewedWord {
  Uuid vocabulary_id{};
  double stability = 0;   // days until the chance of recall is 90 %
  double difficulty = 0;  // 1 to 10
  std::string state;      // "learning", "review" or "relearning"
  Timestamp due{};
  pg::Date next_review_date{};  // the day of `due` in the learner's time zone
  double mastery_level = 0;     // 0 to 1, see mastery_of
  std::int32_t review_count = 0;
};
BOOST_DESCRIBE_STRUCT(ReviewedWord, (),
                      (vocabulary_id, stability, difficulty, state, due, next_review_date,
                       mastery_level, review_count))

struct ReviewsOutcome {
  std::vector<ReviewedWord> reviews;  // one for each review, in the request's order
  bool replayed = false;  // this key was answered before: the answer is that one, nothing is new
};

inline constexpr std::size_t kMostReviews = 500;
// How far a device's clock may be ahead of ours.
inline constexpr std::chrono::minutes kMostAhead{5};

// A word whose memory lasts kMasteredStability counts as mastered (0.8, as in progress_summary):
// mastery = stability ÷ (stability + kMasteredStability ÷ 4). Rises with stability, towards 1. 21
// days is where flash-card programs call a card mature.
inline constexpr double kMasteredStability = 21;
[[nodiscard]] double mastery_of(double stability);

// What a row tells that was made without this scheduler (by the loader, or as the guide does): the
// interval that was set is taken for the stability, since a word is due when the chance of recall
// is 90 % and that is what stability means; the difficulty is that of a word that was known at
// first. Nothing where the row has no such interval of a day or more: the review is then like a
// first one.
[[nodiscard]] std::optional<fsrs::Memory> memory_from_interval(
    std::optional<Timestamp> last_reviewed, std::optional<pg::Date> next_review_date);

// Stores reviews and says when each word is due, all of them or nothing. Several of one word are
// applied in order of time (equal times: of the request); one that is older than the last stored
// review counts as made at that one's moment. Reviews of one learner wait for each other, so that
// two devices at once both count.
//
// A request with a key is stored once, however often it is sent, and every time gets the same
// answer. Without one a key is made, so that what is in doubt after a broken connection is resolved
// here; but then the caller cannot repeat it without harm. No reviews write nothing, not even their
// key, and are answered under any. `present` stands in for the server's clock.
// Errors: kBadInput (names the review; more than kMostReviews, a bad key), kNotFound (the learner;
// or names words that there are not), kConflict (the key came with another request), kInDoubt (only
// where the server stays unreachable), those of Pool::lease and Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<ReviewsOutcome>> review_vocabulary(
    Scope scope, Uuid learner, std::vector<Review> reviews, std::string idempotency_key = {},
    std::optional<Timestamp> present = std::nullopt);

}  // namespace lyceum::learning
