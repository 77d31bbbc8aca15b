#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "learning/scope.h"

namespace lyceum::learning {

struct DailyStatistics {
  pg::Date date{};
  std::int64_t active_users = 0;
  std::int64_t total_sessions = 0;
  double avg_session_duration = 0;       // minutes
  std::int64_t total_learning_time = 0;  // minutes
};
BOOST_DESCRIBE_STRUCT(DailyStatistics, (),
                      (date, active_users, total_sessions, avg_session_duration,
                       total_learning_time))

// What a tenant's learners did in a span of time; zeros and an empty list where nothing happened.
struct LearningAnalytics {
  std::vector<DailyStatistics> daily_stats;  // days with a session, in order
  std::int64_t users_completed_stories = 0;
  double avg_completion_rate = 0;  // percent
  std::int64_t users_learning_vocabulary = 0;
  double avg_vocabulary_mastery = 0;  // 0 to 1
};
BOOST_DESCRIBE_STRUCT(LearningAnalytics, (),
                      (daily_stats, users_completed_stories, avg_completion_rate,
                       users_learning_vocabulary, avg_vocabulary_mastery))

struct AnalyticsRequest {
  Timestamp from{};
  Timestamp to{};                             // exclusive; at most ten years after from
  std::optional<std::string> time_zone = {};  // whose days; default: the tenant's
};

// Errors: kBadInput, kNotFound (tenant), those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<LearningAnalytics>> learning_analytics(
    Scope scope, AnalyticsRequest request);

}  // namespace lyceum::learning
