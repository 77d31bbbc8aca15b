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

#include "pg/connection.h"
#include "support/postgres.h"

namespace lyceum::pg::testing {

namespace asio = boost::asio;
using asio::awaitable;
using lyceum::testing::shared_server;
using lyceum::testing::TestDatabase;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// One io_context with what a test does on it.
class Loop {
 public:
  // Runs a coroutine to its end. Throws what it throws, and where it does not end in time.
  template <class T>
  T run(awaitable<T> work, milliseconds limit = seconds(60)) {
    std::optional<T> value;
    run(keep(std::move(work), value), limit);
    return std::move(*value);
  }
  void run(awaitable<void> work, milliseconds limit = seconds(60)) {
    std::exception_ptr problem;
    bool done = false;
    asio::co_spawn(context_, std::move(work), [&](std::exception_ptr thrown) {
      problem = thrown;
      done = true;
    });
    until(done, limit);
    if (problem) std::rethrow_exception(problem);
  }

  // Lets the loop turn until the condition holds. Throws where it does not come to hold in time.
  void until(const std::function<bool()>& condition, milliseconds limit = seconds(60)) {
    const auto deadline = Clock::now() + limit;
    while (!condition()) {
      if (Clock::now() >= deadline) throw std::runtime_error("a condition did not come to hold");
      context_.restart();
      context_.run_one_for(milliseconds(5));
    }
  }

  asio::any_io_executor executor() { return context_.get_executor(); }
  asio::io_context& context() { return context_; }

  // A connection; throws where none can be made.
  std::shared_ptr<Connection> connect(const std::string& url) {
    return run(Connection::connect(executor(), {.target = parse_target(url).value()})).value();
  }
  Result<std::shared_ptr<Connection>> try_connect(const std::string& url,
                                                  milliseconds limit = seconds(20)) {
    return run(Connection::connect(
        executor(), {.target = parse_target(url).value(), .deadline = Clock::now() + limit}));
  }
  // Executes an unnamed statement.
  Result<Rows> execute(Connection& connection, std::string_view text, const Params& params = {},
                       Access access = Access::write) {
    return execute(connection, Statement{"", text, access}, params);
  }
  Result<Rows> execute(Connection& connection, const Statement& statement,
                       const Params& params = {}, SteadyTime deadline = kNoDeadline,
                       const Uuid* tenant = nullptr) {
    return run(connection.execute(statement, params, deadline, tenant));
  }
  Result<std::vector<Rows>> script(Connection& connection, std::string sql,
                                   SteadyTime deadline = kNoDeadline) {
    return run(connection.script(std::move(sql), deadline));
  }

 private:
  template <class T>
  static awaitable<void> keep(awaitable<T> work, std::optional<T>& value) {
    value.emplace(co_await std::move(work));
  }
  void until(const bool& done, milliseconds limit) {
    until([&done] { return done; }, limit);
  }

  asio::io_context context_;
};

// An exchange that keeps its answers, so that a test can count them.
struct Recorded final : Exchange {
  Recorded(const Statement& statement, const Params& params, const Uuid* tenant = nullptr)
      : Exchange(statement, params, tenant) {}
  void finished(Result<Rows> answer) override {
    ++times;
    result.emplace(std::move(answer));
    if (then) then();
  }
  int times = 0;
  std::optional<Result<Rows>> result;
  std::function<void()> then;
};

// One database for all tests of a suite; each makes tables of its own names in it.
class DatabaseTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { database_ = new TestDatabase(); }
  static void TearDownTestSuite() {
    delete database_;
    database_ = nullptr;
  }
  static TestDatabase& database() { return *database_; }
  static inline TestDatabase* database_ = nullptr;

  Loop loop;
};

}  // namespace lyceum::pg::testing
