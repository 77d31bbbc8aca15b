#include "learning/learner_deletion.h"

#include <fmt/format.h>

#include "pg/transaction.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;

constexpr int kMostAttempts = 4;

struct Attempt {
  bool found = false;        // the learner was there
  LearnerDeletion deletion;  // what went, or goes where the commit is in doubt
  std::optional<Error> error;
};

awaitable<Attempt> attempt(const Scope& scope, const pg::Params& learner) {
  Attempt out;
  auto lease = co_await scope.database.lease(Access::write, scope.call());
  if (lease.has_error()) {
    out.error = lease.error();
    co_return out;
  }
  const pg::TransactionOptions options{.tenant = &scope.tenant, .deadline = scope.deadline};
  auto transaction = co_await pg::Transaction::begin(lease->connection(), options);
  if (transaction.has_error()) {
    out.error = transaction.error();
    co_return out;
  }
  const auto locked = co_await transaction->execute(sql::learning::learner_lock, learner);
  if (locked.has_error()) {
    out.error = locked.error();
  } else if (locked->empty()) {
    co_return out;
  } else {
    // After the lock, so that it sees all that was written before it.
    const auto removed = co_await transaction->execute(sql::learning::learner_delete, learner);
    if (removed.has_error()) {
      out.error = removed.error();
    } else {
      out.found = true;
      out.deletion = removed->as<LearnerDeletion>().at(0);
      const auto committed = co_await transaction->commit(scope.seen);
      if (committed.has_error()) out.error = committed.error();
    }
  }
  if (out.error && out.error->code != ErrorCode::kInDoubt) {
    out.error->may_have_taken_effect = false;  // nothing was committed
  }
  co_return out;
}

// A deadlock with who writes for the learner, a connection that broke, a commit without an answer.
bool can_be_repeated(const Error& error) {
  return error.code == ErrorCode::kInDoubt || error.code == ErrorCode::kConnectionLost ||
         error.sqlstate == "40P01" || error.sqlstate == "40001";
}

}  // namespace

awaitable<Result<LearnerDeletion>> delete_learner(Scope scope, Uuid learner) {
  const pg::Params params(learner);
  std::optional<LearnerDeletion> in_doubt;
  for (int number = 1;; ++number) {
    auto tried = co_await attempt(scope, params);
    if (!tried.error) {
      if (tried.found) co_return tried.deletion;
      // Gone since an attempt that never heard of its end: that was it.
      if (in_doubt) co_return *in_doubt;
      co_return Error{.code = ErrorCode::kNotFound,
                      .message = fmt::format("tenant {} has no learner {}", to_string(scope.tenant),
                                             to_string(learner)),
                      .node = scope.database.node()};
    }
    auto error = *tried.error;
    if (error.code == ErrorCode::kInDoubt) in_doubt = tried.deletion;
    if (can_be_repeated(error) && number < kMostAttempts) continue;
    if (in_doubt) {
      error.code = ErrorCode::kInDoubt;
      error.may_have_taken_effect = true;
    }
    co_return error;
  }
}

}  // namespace lyceum::learning
