#pragma once

#include <optional>
#include <string>
#include <vector>

#include "learning/recorded.h"
#include "learning/scope.h"

namespace lyceum::learning {

// Something that happened to a learner.
struct EventRecord {
  Uuid id{};  // the caller's
  Uuid user_id{};
  std::optional<Uuid> session_id = {};       // a session of this learner's
  std::string event_type;                    // 1 to 100 bytes
  std::string payload = "{}";                // JSON, at most kLongestPayload, 32 levels deep
  std::optional<Timestamp> created_at = {};  // years 1 to 9999; nothing: now
};

inline constexpr std::size_t kMostEvents = 10'000;
inline constexpr std::size_t kLongestPayload = 16 * 1024;  // bytes
inline constexpr std::size_t kLongestEventType = 100;      // bytes

// Stores events, all of a batch or nothing. An event whose id is there already stays as it is, so
// that the same rows sent again change nothing; of one id several times in a batch the first
// counts. Errors: kBadInput (names the row), kNotFound (names learners that the tenant does not
// have, and sessions that are not the learner's), kConflict (names events whose id has another
// learner), those of Pool::execute. What is in doubt may be sent again; that is done here too.
[[nodiscard]] boost::asio::awaitable<Result<Recorded>> record_events(
    Scope scope, std::vector<EventRecord> events);

}  // namespace lyceum::learning
