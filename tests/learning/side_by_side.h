#pragma once

#include <functional>

#include "school.h"

namespace lyceum::learning {

// Runs workers side by side until all have ended. `work` outlives them.
inline awaitable<void> all_together(std::size_t workers,
                                    const std::function<awaitable<void>(std::size_t)>& work) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer done(executor, std::chrono::steady_clock::time_point::max());
  std::size_t left = workers;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    asio::co_spawn(executor, work(worker), [&](std::exception_ptr problem) {
      EXPECT_FALSE(problem);
      if (--left == 0) done.cancel();
    });
  }
  boost::system::error_code ignored;
  co_await done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// A tenant and some of what it has, and a learner of another.
struct Somebody {
  Uuid tenant, other_tenant, learner, second, other_learner;

  explicit Somebody(const AppDatabase& database) {
    const auto tenants = database.query("select id from tenants order by id limit 2");
    tenant = uuid(tenants[0][0]);
    other_tenant = uuid(tenants[1][0]);
    const auto learners = [&](const Uuid& of) {
      return database.query(fmt::format(
          "select user_id from progress p where tenant_id = '{}' group by 1 order by 1 limit 2",
          to_string(of)));
    };
    const auto here = learners(tenant);
    learner = uuid(here[0][0]);
    second = uuid(here[1][0]);
    other_learner = uuid(learners(other_tenant)[0][0]);
  }
};

template <class T>
void expect_code(const Result<T>& result, ErrorCode code, const std::string& part = {}) {
  if (!result.has_error()) {
    ADD_FAILURE() << "accepted, instead of " << name_of(code) << " " << part;
    return;
  }
  EXPECT_EQ(result.error().code, code) << result.error().to_string();
  EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().to_string();
  EXPECT_FALSE(result.error().may_have_taken_effect);
}

}  // namespace lyceum::learning
