#pragma once

#include "pg/target.h"
#include "pool/database.h"

namespace lyceum::learning {

// Who asks, through what, and until when: what every operation begins with. The tenant's rows are
// all an operation sees and can change: the database holds that by row-level security, so
// one connects as a member of lyceum_app and never as an owner (see check_isolation).
struct Scope {
  pool::Database& database;
  Uuid tenant;
  SteadyTime deadline = pg::kNoDeadline;
  // The caller's bookmark, where he has one: see pool::Call. It holds within the operation too, so
  // that no statement of it sees less than one before it.
  pg::Position* seen = nullptr;
  bool primary = false;  // see pool::Call

  [[nodiscard]] pool::Call call() const {
    return {.tenant = tenant, .deadline = deadline, .seen = seen, .primary = primary};
  }
};

// The target with the settings that the operations' statements are made for: they are planned once,
// without looking at parameters, and never compiled.
[[nodiscard]] pg::Target tuned(pg::Target target);

// Whether row-level security binds the role that is connected as. Errors: kConfiguration where
// it does not, with the remedy.
[[nodiscard]] boost::asio::awaitable<Result<void>> check_isolation(pool::Database& database);

// kNotFound where there is no such tenant: asked only where an answer was empty.
[[nodiscard]] boost::asio::awaitable<Result<void>> check_tenant(const Scope& scope);

// kNotFound where the tenant has no such learner.
[[nodiscard]] boost::asio::awaitable<Result<void>> check_learner(const Scope& scope,
                                                                 const Uuid& learner);

// A kBadInput error.
[[nodiscard]] Error bad_input(std::string message, std::string hint = {});

// kBadInput where the server could not hold the text: it is no UTF-8, or has a NUL character.
// `what` names it.
[[nodiscard]] std::optional<Error> check_text(std::string_view what, std::string_view text);

// kBadInput where a time is outside of the years 1 to 9999, within which days can be counted in any
// time zone.
[[nodiscard]] std::optional<Error> check_time(std::string_view what, Timestamp time);

}  // namespace lyceum::learning
