// What it costs to record one statement, with its tenant.

#include "base/statement_statistics.h"
#include "cli/bench_suite.h"

namespace lyceum::cli {

Result<void> bench_statistics(const BenchOptions& options, std::vector<BenchRow>& rows) {
  if (!options.wants("statistics.record")) return {};
  using Clock = std::chrono::steady_clock;
  constexpr int kCalls = 500'000;
  constexpr std::size_t kStatements = 12, kTenants = 200;
  static constexpr std::array<std::string_view, kStatements> kNames{
      "a.one",   "a.two",  "a.three", "a.four", "b.one",   "b.two",
      "b.three", "b.four", "c.one",   "c.two",  "c.three", "c.four"};
  std::vector<Statement> statements;
  for (const auto name : kNames) statements.push_back({name, "select", Access::read});
  std::vector<Uuid> tenants;
  for (std::size_t i = 0; i < kTenants; ++i) tenants.push_back(random_uuid());

  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  std::vector<BenchRound> rounds;
  std::uint64_t expected = 0;
  for (int round = 0; round <= options.rounds; ++round) {
    const auto begun = Clock::now();
    for (std::size_t i = 0; i < kCalls; ++i) {
      // Times as they occur: a hundred microseconds to some milliseconds.
      const Duration server{100'000 + static_cast<Duration::rep>(i * 7919 % 5'000'000)};
      recorder.record({.statement = &statements[i % kStatements],
                       .tenant = tenants[i * 31 % kTenants],
                       .total = server + std::chrono::microseconds(30),
                       .queue = std::chrono::microseconds(10),
                       .server = server,
                       .rows = 20,
                       .bytes_sent = 100,
                       .bytes_received = 4000});
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - begun;
    expected += kCalls;
    // The design's limit stands in the place of a peer. The first round warms up.
    if (round > 0) rounds.push_back({took.count() / kCalls, 100});
  }
  BenchRow row{.id = "statistics.record",
               .what = "recording one statement and its tenant, of 200; theirs: the design's limit",
               .unit = "ns",
               .budget = 1};
  std::uint64_t recorded = 0;
  for (const auto& one : statistics.query_statistics()) recorded += one.total_executions;
  if (recorded != expected) row.mismatch = "not every call was recorded";
  summarize(rounds, true, row);
  rows.push_back(row);
  return {};
}

}  // namespace lyceum::cli
