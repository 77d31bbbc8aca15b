#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "pool/pool.h"
#include "support/postgres.h"

namespace lyceum::pool {

namespace asio = boost::asio;
using asio::awaitable;
using lyceum::testing::eventually;
using lyceum::testing::TestDatabase;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

inline SteadyTime in(Duration time) {
  return SteadyClock::now() + time;
}

// Parameters for a statement of a test, which are the text itself: '… where id = 7'.
inline const pg::Params kNoParams;

inline Statement read_of(std::string_view text, std::string_view name = {}) {
  return {name.empty() ? text : name, text, Access::read};
}
inline Statement write_of(std::string_view text, std::string_view name = {}) {
  return {name.empty() ? text : name, text, Access::write};
}

// One io_context and what a test does on it.
class Loop {
 public:
  // Runs a coroutine to its end. Throws what it throws, and where it does not end in time.
  template <class T>
  T run(awaitable<T> work, Duration limit = 60s) {
    std::optional<T> value;
    run(keep(std::move(work), value), limit);
    return std::move(*value);
  }
  void run(awaitable<void> work, Duration limit = 60s) {
    std::exception_ptr problem;
    bool done = false;
    asio::co_spawn(context, std::move(work), [&](std::exception_ptr thrown) {
      problem = thrown;
      done = true;
    });
    until([&] { return done; }, limit);
    if (problem) std::rethrow_exception(problem);
  }
  // Lets the loop turn until the condition holds. Throws where it does not come to hold in time.
  template <class Condition>
  void until(Condition condition, Duration limit = 60s) {
    const auto deadline = in(limit);
    while (!condition()) {
      if (SteadyClock::now() >= deadline) {
        throw std::runtime_error("a condition did not come to hold");
      }
      context.restart();
      context.run_one_for(std::chrono::milliseconds(5));
    }
  }
  void spawn(awaitable<void> work) { asio::co_spawn(context, std::move(work), asio::detached); }

  asio::io_context context{1};

 private:
  template <class T>
  static awaitable<void> keep(awaitable<T> work, std::optional<T>& value) {
    value.emplace(co_await std::move(work));
  }
};

inline awaitable<void> pause(Duration time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

// A call in the background and what became of it.
struct Asked {
  std::optional<Result<pg::Rows>> result;
  Duration took{};
  [[nodiscard]] bool ok() const { return result && result->has_value(); }
  [[nodiscard]] std::string what() const {
    if (!result) return "no answer";
    return result->has_value() ? "ok" : result->error().to_string();
  }
};

inline awaitable<void> ask_into(Pool& pool, Statement statement, pg::Params params, Call call,
                                std::shared_ptr<Asked> asked) {
  const auto since = SteadyClock::now();
  asked->result = co_await pool.execute(statement, params, call);
  asked->took = SteadyClock::now() - since;
}

}  // namespace lyceum::pool
