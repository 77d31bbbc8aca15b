#pragma once

#include "pg/target.h"
#include "pool/pool.h"

namespace lyceum::learning {

// Who asks, through what, and until when: what every operation begins with. The tenant's rows are
// all an operation sees and can change: the database holds that by row-level security, so the pool
// connects as a member of lyceum_app and never as an owner (see check_isolation).
struct Scope {
  pool::Pool& pool;
  Uuid tenant;
  SteadyTime deadline = pg::kNoDeadline;

  [[nodiscard]] pool::Call call() const { return {.tenant = tenant, .deadline = deadline}; }
};

// The target with the settings that the operations' statements are made for: they are planned once,
// without looking at parameters, and never compiled.
[[nodiscard]] pg::Target tuned(pg::Target target);

// Whether row-level security binds the role that the pool connects as. Errors: kConfiguration where
// it does not, with the remedy.
[[nodiscard]] boost::asio::awaitable<Result<void>> check_isolation(pool::Pool& pool);

// kNotFound where there is no such tenant: asked only where an answer was empty.
[[nodiscard]] boost::asio::awaitable<Result<void>> check_tenant(const Scope& scope);

// kNotFound where the tenant has no such learner.
[[nodiscard]] boost::asio::awaitable<Result<void>> check_learner(const Scope& scope,
                                                                 const Uuid& learner);

// A kBadInput error.
[[nodiscard]] Error bad_input(std::string message, std::string hint = {});

}  // namespace lyceum::learning
