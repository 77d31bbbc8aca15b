#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>

#include "learning/scope.h"

namespace lyceum::learning {

// What one learner has done so far; zeros where there is nothing.
struct ProgressSummary {
  std::int64_t stories_started = 0;
  std::int64_t stories_completed = 0;
  double avg_completion = 0;          // percent
  std::int64_t total_time_spent = 0;  // seconds
  std::optional<Timestamp> last_activity;
  std::int64_t vocabulary_learned = 0;
  double avg_vocabulary_mastery = 0;  // 0 to 1
  std::int64_t vocabulary_mastered = 0;
  std::int64_t active_days_last_30 = 0;  // days in the learner's time zone
  std::int32_t current_streak = 0;       // days in a row up to today or yesterday
};
BOOST_DESCRIBE_STRUCT(ProgressSummary, (),
                      (stories_started, stories_completed, avg_completion, total_time_spent,
                       last_activity, vocabulary_learned, avg_vocabulary_mastery,
                       vocabulary_mastered, active_days_last_30, current_streak))

// `present` stands in for the server's clock: for tests and for looking back.
// Errors: kBadInput (present), kNotFound (learner), those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<ProgressSummary>> progress_summary(
    Scope scope, Uuid learner, std::optional<Timestamp> present = std::nullopt);

}  // namespace lyceum::learning
