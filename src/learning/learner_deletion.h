#pragma once

#include <boost/describe.hpp>
#include <cstdint>

#include "learning/scope.h"

namespace lyceum::learning {

// Rows that went, of each table.
struct LearnerDeletion {
  std::int64_t learners = 0;  // 1
  std::int64_t progress = 0;
  std::int64_t vocabulary_progress = 0;
  std::int64_t sessions = 0;
  std::int64_t events = 0;
  std::int64_t exercise_attempts = 0;
  std::int64_t idempotency_keys = 0;  // stored answers that hold data of the learner's
};
BOOST_DESCRIBE_STRUCT(LearnerDeletion, (),
                      (learners, progress, vocabulary_progress, sessions, events, exercise_attempts,
                       idempotency_keys))

// Removes one learner and everything that is kept of them, or nothing. Of the ledger of idempotency
// keys go the answers to reviews, which name the learner; an answer to a batch of progress holds
// counts only, and ends with its retention. An event of another learner that names a session of
// this one's loses that name. What others write for the learner at the same time is removed too, or
// fails. Errors: kNotFound (also where it was deleted before), kInDoubt (only where the server
// stays unreachable), those of Pool::lease and Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<LearnerDeletion>> delete_learner(Scope scope,
                                                                             Uuid learner);

}  // namespace lyceum::learning
