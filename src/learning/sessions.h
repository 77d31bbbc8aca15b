#pragma once

#include <optional>
#include <vector>

#include "learning/recorded.h"
#include "learning/scope.h"

namespace lyceum::learning {

// A stretch of learning. Times are within the years 1 to 9999.
struct SessionRecord {
  Uuid id{};  // the caller's
  Uuid user_id{};
  Timestamp started_at{};
  std::optional<Timestamp> completed_at = {};  // not before started_at; nothing: not yet
  std::int32_t duration_minutes = 0;           // not negative
};

inline constexpr std::size_t kMostSessions = 10'000;

// Stores sessions, all of a batch or nothing. A session that is there already is completed: the
// later completed_at and the longer duration stand, so that the same rows sent again change nothing
// and rows sent late take nothing back. The same holds for one id several times in a batch.
// Errors: kBadInput (names the row), kNotFound (names learners that the tenant does not have),
// kConflict (names sessions whose id has another learner or another start, in the batch or stored),
// those of Pool::execute. What is in doubt may be sent again; that is done here too.
[[nodiscard]] boost::asio::awaitable<Result<Recorded>> record_sessions(
    Scope scope, std::vector<SessionRecord> sessions);

}  // namespace lyceum::learning
