#include "base/statement_statistics.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <thread>

namespace lyceum {
namespace {

using namespace std::chrono_literals;

constexpr Statement kRead = {"test.read", "select 1"};
constexpr Statement kWrite = {"test.write", "update t set a = 1", Access::write};

FinishedStatement call_of(const Statement& statement, Duration total) {
  FinishedStatement call;
  call.statement = &statement;
  call.total = total;
  call.queue = total / 10;
  call.server = total / 2;
  return call;
}

Uuid tenant_number(std::uint32_t number) {
  Uuid uuid{};
  for (std::size_t i = 0; i < 4; ++i) uuid.data[i] = static_cast<std::uint8_t>(number >> (8 * i));
  uuid.data[15] = 1;
  return uuid;
}

Error sql_error(std::string sqlstate) {
  Error error;
  error.code = ErrorCode::kSql;
  error.sqlstate = std::move(sqlstate);
  return error;
}

TEST(StatementStatistics, AreTheGuidesFiguresByHand) {
  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  const Error unique = sql_error("23505");
  Error timeout;
  timeout.code = ErrorCode::kTimeout;
  auto call = call_of(kRead, 10ms);
  call.rows = 3;
  call.bytes_sent = 100;
  call.bytes_received = 1000;
  recorder.record(call);
  call.total = 30ms;
  recorder.record(call);
  call.total = 20ms;
  call.error = &unique;
  recorder.record(call);
  call.error = &timeout;
  call.server.reset();
  recorder.record(call);
  recorder.record(call_of(kWrite, 5ms));

  const auto all = statistics.query_statistics();
  ASSERT_EQ(all.size(), 2U);
  const auto& read = all[0];
  EXPECT_EQ(read.name, "test.read");
  EXPECT_EQ(read.total_executions, 4U);
  EXPECT_EQ(read.success_count, 2U);
  EXPECT_EQ(read.error_count, 2U);
  EXPECT_DOUBLE_EQ(read.success_rate(), 0.5);
  EXPECT_EQ(read.total_duration(), 80ms);
  EXPECT_EQ(read.avg_duration(), 20ms);
  EXPECT_EQ(read.min_duration(), 10ms);
  EXPECT_EQ(read.max_duration(), 30ms);
  EXPECT_EQ(read.rows, 12U);
  EXPECT_EQ(read.bytes_sent, 400U);
  EXPECT_EQ(read.bytes_received, 4000U);
  EXPECT_EQ(read.server.count(), 3U) << "a call that was never sent has no server time";
  EXPECT_EQ(read.server_percentile(1), 5ms);
  EXPECT_EQ(read.queue_percentile(0), 1ms);
  EXPECT_EQ(read.errors, (std::map<std::string, std::uint64_t>{{"23505", 1}, {"timeout", 1}}));
  EXPECT_EQ(all[1].name, "test.write");
  EXPECT_EQ(all[1].total_executions, 1U);
}

TEST(StatementStatistics, AStatementIsItsNameAndNotItsAddress) {
  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  Statement moving = kRead;
  recorder.record(call_of(moving, 1ms));
  recorder.record(call_of(kRead, 1ms));
  moving = kWrite;  // the same address, another statement
  recorder.record(call_of(moving, 1ms));
  const auto all = statistics.query_statistics();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].total_executions, 2U);
  EXPECT_EQ(all[1].total_executions, 1U);
}

// Random calls of many statements and tenants over several workers, against plain sums.
TEST(StatementStatistics, AgreeWithPlainSumsOverAllWorkers) {
  struct Plain {
    std::vector<std::uint64_t> totals;
    std::uint64_t errors = 0, rows = 0;
    std::map<std::string, std::uint64_t> by_state;
  };
  std::mt19937_64 random(7);
  std::vector<std::string> names;
  std::vector<Statement> statements;
  for (int i = 0; i < 300; ++i) names.push_back("made_up.number_" + std::to_string(i));
  for (const auto& name : names) statements.push_back({name, "select 1"});
  std::map<std::string, Plain> plain_statements, plain_tenants;
  const std::array errors = {sql_error("23505"), sql_error("40001"), sql_error("57014")};

  StatementStatistics statistics;
  std::array recorders = {&statistics.add_recorder(), &statistics.add_recorder(),
                          &statistics.add_recorder()};
  for (int i = 0; i < 60'000; ++i) {
    auto call = call_of(statements[random() % statements.size()],
                        Duration(static_cast<std::int64_t>(1000 + random() % 100'000'000)));
    const bool with_tenant = random() % 10 != 0;
    if (with_tenant) call.tenant = tenant_number(static_cast<std::uint32_t>(random() % 700));
    call.rows = random() % 50;
    if (random() % 20 == 0) call.error = &errors[random() % errors.size()];
    recorders[random() % recorders.size()]->record(call);
    const auto note = [&](Plain& plain) {
      plain.totals.push_back(static_cast<std::uint64_t>(call.total.count()));
      plain.rows += call.rows;
      if (call.error != nullptr) ++plain.errors, ++plain.by_state[call.error->sqlstate];
    };
    note(plain_statements[std::string(call.statement->name)]);
    if (with_tenant) note(plain_tenants[to_string(call.tenant)]);
  }

  const auto compare = [](const std::vector<CallStatistics>& got,
                          std::map<std::string, Plain>& plain) {
    ASSERT_EQ(got.size(), plain.size());
    for (const auto& one : got) {
      ASSERT_TRUE(plain.contains(one.name)) << one.name;
      auto& want = plain[one.name];
      std::sort(want.totals.begin(), want.totals.end());
      EXPECT_EQ(one.total_executions, want.totals.size());
      EXPECT_EQ(one.error_count, want.errors);
      EXPECT_EQ(one.success_count, want.totals.size() - want.errors);
      EXPECT_EQ(one.errors, want.by_state);
      EXPECT_EQ(one.rows, want.rows);
      std::uint64_t sum = 0;
      for (const auto total : want.totals) sum += total;
      EXPECT_EQ(static_cast<std::uint64_t>(one.total_duration().count()), sum);
      const auto rank =
          static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(want.totals.size())));
      const auto exact = static_cast<double>(want.totals[rank - 1]);
      EXPECT_NEAR(static_cast<double>(one.percentile(0.95).count()), exact, exact * 0.01);
    }
  };
  compare(statistics.query_statistics(), plain_statements);
  compare(statistics.tenant_statistics(), plain_tenants);
}

TEST(StatementStatistics, NamesBeyondTheLimitsCountTogether) {
  StatementStatistics statistics({.max_statements = 2, .max_tenants = 3});
  auto& recorder = statistics.add_recorder();
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) names.push_back("statement_" + std::to_string(i));
  for (int round = 0; round < 2; ++round) {
    for (std::uint32_t i = 0; i < 5; ++i) {
      const Statement statement = {names[i], ""};
      auto call = call_of(statement, 1ms);
      call.tenant = tenant_number(i);
      recorder.record(call);
    }
  }
  const auto statements = statistics.query_statistics();
  ASSERT_EQ(statements.size(), 3U);
  EXPECT_EQ(statements[0].name, CallStatistics::kOther);
  EXPECT_EQ(statements[0].total_executions, 6U);
  const auto tenants = statistics.tenant_statistics();
  ASSERT_EQ(tenants.size(), 4U);
  EXPECT_EQ(tenants[0].name, CallStatistics::kOther);
  EXPECT_EQ(tenants[0].total_executions, 4U);
}

TEST(StatementStatistics, KindsOfErrorsAreBoundedToo) {
  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  for (int i = 0; i < 100; ++i) {
    const auto error = sql_error("U" + std::to_string(1000 + i));
    auto call = call_of(kRead, 1ms);
    call.error = &error;
    recorder.record(call);
    recorder.record(call);
  }
  const auto all = statistics.query_statistics();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].error_count, 200U);
  EXPECT_EQ(all[0].errors.size(), 32U);
  EXPECT_EQ(all[0].errors.at("U1000"), 2U);
  EXPECT_EQ(all[0].errors.at(std::string(CallStatistics::kOther)), 138U);
}

TEST(StatementStatistics, SlowOnesAreThoseByMeanAndThoseByP99) {
  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  constexpr Statement always = {"test.always_slow", ""};
  constexpr Statement sometimes = {"test.sometimes_slow", ""};
  constexpr Statement never = {"test.never_slow", ""};
  for (int i = 0; i < 100; ++i) {
    recorder.record(call_of(always, 1500ms));
    recorder.record(call_of(sometimes, i < 2 ? Duration(3s) : Duration(10ms)));
    recorder.record(call_of(never, 999ms));
  }
  const auto slow = statistics.slow_queries();
  ASSERT_EQ(slow.size(), 2U);
  EXPECT_EQ(slow[0].name, "test.always_slow");
  EXPECT_TRUE(slow[0].slow_by_mean);
  EXPECT_TRUE(slow[0].slow_by_p99);
  EXPECT_EQ(slow[0].mean, 1500ms);
  EXPECT_EQ(slow[1].name, "test.sometimes_slow");
  EXPECT_FALSE(slow[1].slow_by_mean);
  EXPECT_TRUE(slow[1].slow_by_p99);
  EXPECT_EQ(statistics.slow_queries(500ms).size(), 3U);
  EXPECT_TRUE(statistics.slow_queries(10s).empty());
}

TEST(StatementStatistics, RecentServerTimeFollowsTheStatement) {
  StatementRecorder recorder;
  EXPECT_FALSE(recorder.recent_server_time(kRead));
  auto unsent = call_of(kRead, 1s);
  unsent.server.reset();
  recorder.record(unsent);
  EXPECT_FALSE(recorder.recent_server_time(kRead));
  recorder.record(call_of(kRead, 10ms));
  EXPECT_EQ(recorder.recent_server_time(kRead), Duration(5ms));
  for (int i = 0; i < 200; ++i) recorder.record(call_of(kRead, 100ms));
  EXPECT_NEAR(static_cast<double>(recorder.recent_server_time(kRead)->count()), 50e6, 1e5);
  const Statement elsewhere = kRead;
  EXPECT_EQ(recorder.recent_server_time(elsewhere), recorder.recent_server_time(kRead));
  EXPECT_FALSE(recorder.recent_server_time(kWrite));
}

TEST(StatementStatistics, AClockThatWentBackwardsIsNoEternity) {
  StatementStatistics statistics;
  statistics.add_recorder().record(call_of(kRead, -5ms));
  EXPECT_EQ(statistics.query_statistics().at(0).max_duration(), 0ms);
}

TEST(StatementStatistics, AreReadWhileTheWorkersRecord) {
  constexpr int kCalls = 200'000;
  StatementStatistics statistics;
  std::atomic<int> running = 2;
  std::vector<std::thread> workers;
  for (int w = 0; w < 2; ++w) {
    workers.emplace_back([&, w, &recorder = statistics.add_recorder()] {
      const auto error = sql_error("40001");
      for (int i = 0; i < kCalls; ++i) {
        auto call = call_of(i % 2 == 0 ? kRead : kWrite, Duration(1000 + i));
        call.tenant = tenant_number(static_cast<std::uint32_t>(i % 500 + w));
        if (i % 100 < 2) call.error = &error;
        recorder.record(call);
      }
      --running;
    });
  }
  std::uint64_t before = 0;
  while (running > 0) {
    std::uint64_t now = 0;
    for (const auto& one : statistics.query_statistics()) {
      now += one.total_executions;
      EXPECT_EQ(one.success_count + one.error_count, one.total_executions);
    }
    EXPECT_GE(now, before);
    before = now;
    EXPECT_LE(statistics.tenant_statistics().size(), 501U);
  }
  for (auto& worker : workers) worker.join();
  std::uint64_t calls = 0, errors = 0;
  for (const auto& one : statistics.query_statistics()) {
    calls += one.total_executions;
    errors += one.errors.at("40001");
  }
  EXPECT_EQ(calls, 2U * kCalls);
  EXPECT_EQ(errors, 2U * kCalls / 50);
}

}  // namespace
}  // namespace lyceum
