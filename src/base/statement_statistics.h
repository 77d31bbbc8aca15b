#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/finished_statement.h"
#include "base/histogram.h"

namespace lyceum {

// What is known of all calls of one statement, or of one tenant: a copy that its owner may keep.
// The words of the guide's QueryPerformanceMonitor stand (total_executions, avg_duration, ...);
// durations are of the whole call unless they say otherwise.
struct CallStatistics {
  std::string name;  // the statement's name, or the tenant's UUID; kOther for the overflow
  std::uint64_t total_executions = 0;
  std::uint64_t success_count = 0;
  std::uint64_t error_count = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  // By SQLSTATE, or by the name of the ErrorCode where the server gave none.
  std::map<std::string, std::uint64_t> errors;

  // In nanoseconds. `server` counts only the calls that were sent to a server.
  Histogram total;
  Histogram queue;
  Histogram server;

  // All zero (success_rate: one) where nothing was executed.
  [[nodiscard]] Duration total_duration() const;
  [[nodiscard]] Duration min_duration() const;
  [[nodiscard]] Duration max_duration() const;
  [[nodiscard]] Duration avg_duration() const;
  [[nodiscard]] double success_rate() const;
  // Within 1 %; q from 0 to 1 (0.95: p95).
  [[nodiscard]] Duration percentile(double q) const;
  [[nodiscard]] Duration queue_percentile(double q) const;
  [[nodiscard]] Duration server_percentile(double q) const;

  static constexpr std::string_view kOther = "(other)";
};

// A statement that is slow on average, or for one call in a hundred.
struct SlowQuery {
  std::string name;
  std::uint64_t total_executions = 0;
  Duration mean{};
  Duration p99{};
  bool slow_by_mean = false;  // what the guide's getSlowQueries lists
  bool slow_by_p99 = false;
};

// Counts are kept apart for so many names; what comes later counts under CallStatistics::kOther, so
// that memory is bounded whatever the callers send. Both are per worker.
struct StatisticsLimits {
  std::size_t max_statements = 2'000;
  std::size_t max_tenants = 10'000;
};

namespace detail {

// The live figures behind CallStatistics. One thread writes, any may read.
class CallFigures {
 public:
  CallFigures() = default;
  CallFigures(const CallFigures&) = delete;
  CallFigures& operator=(const CallFigures&) = delete;
  ~CallFigures();

  void record(const FinishedStatement& call);
  void add_to(CallStatistics& sum) const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct ErrorCounts;

  void record_error(const Error& error);

  Histogram total_;
  Histogram queue_;
  Histogram server_;
  Counter errors_{0};
  Counter rows_{0};
  Counter bytes_sent_{0};
  Counter bytes_received_{0};
  std::atomic<ErrorCounts*> error_counts_{nullptr};  // allocated by the first error
};

struct StatementEntry {
  std::string name;
  CallFigures figures;
  double recent_server_ns = -1;  // the writer's own; negative: never sent
  StatementEntry* next = nullptr;
};

struct TenantEntry {
  Uuid tenant{};
  bool overflow = false;
  CallFigures figures;
  TenantEntry* next = nullptr;
};

}  // namespace detail

// The statistics that one worker records. Only the worker's thread may call record() and
// recent_server_time(); any thread may read at the same time, and neither waits for the other.
//
// A call costs some 35 ns: the statement is found by its address (its name is only compared), the
// tenant by its sixteen bytes, and every figure is a plain load and store. Where tenants come in no
// order it is the cache that costs: some 50 ns with 200 of them, 100 ns with 1,000, 300 ns with
// 10,000 (measured; asking the processor for the memory ahead did not help). Memory: 1.6 kB for a
// statement or tenant and 0.5 kB for every power of two of nanoseconds its three times spread over,
// some 6 to 10 kB in practice.
class StatementRecorder {
 public:
  explicit StatementRecorder(StatisticsLimits limits = {});
  ~StatementRecorder();
  StatementRecorder(const StatementRecorder&) = delete;
  StatementRecorder& operator=(const StatementRecorder&) = delete;

  void record(const FinishedStatement& call);

  // How long the server takes for this statement lately: an exponentially weighted mean, the newest
  // call counting one sixteenth. Nothing before the first call that reached a server. What decides
  // whether a statement may go onto a lane.
  [[nodiscard]] std::optional<Duration> recent_server_time(const Statement& statement) const;

  // Adds what was recorded so far to what is there under the same names. Any thread.
  void add_statements_to(std::map<std::string, CallStatistics, std::less<>>& sums) const;
  void add_tenants_to(std::map<std::string, CallStatistics, std::less<>>& sums) const;

 private:
  struct TenantSlot {
    Uuid tenant{};
    detail::TenantEntry* entry = nullptr;
  };
  struct StatementSlot {
    const Statement* statement = nullptr;
    detail::StatementEntry* entry = nullptr;
  };

  detail::StatementEntry& statement_entry(const Statement& statement);
  detail::StatementEntry& find_or_add_statement(std::string_view name);
  detail::TenantEntry& tenant_entry(const Uuid& tenant);
  detail::TenantEntry& add_tenant(const Uuid& tenant);
  detail::TenantEntry& push_tenant(const Uuid& tenant, bool overflow);
  detail::StatementEntry& push_statement(std::string_view name);
  void grow_tenant_table();

  StatisticsLimits limits_;

  // Entries are only ever added, at the front, and live as long as the recorder: a reader that has
  // seen the front can walk to the end without a lock.
  std::atomic<detail::StatementEntry*> first_statement_{nullptr};
  std::atomic<detail::TenantEntry*> first_tenant_{nullptr};

  // The writer's own ways to the entries.
  static constexpr std::size_t kStatementSlots = 1024;
  std::vector<StatementSlot> statement_slots_;
  std::unordered_map<std::string_view, detail::StatementEntry*> statements_by_name_;
  detail::StatementEntry* other_statement_ = nullptr;
  std::vector<TenantSlot> tenant_slots_;  // open addressing, a power of two, at most half full
  std::size_t tenants_ = 0;
  detail::TenantEntry* other_tenant_ = nullptr;
};

// The statistics of all workers together. Any thread.
class StatementStatistics {
 public:
  explicit StatementStatistics(StatisticsLimits limits = {}) : limits_(limits) {}

  // A recorder for one more worker. It lives as long as this object, so that what a worker counted
  // stays counted when the worker ends.
  [[nodiscard]] StatementRecorder& add_recorder();

  // Every statement that was called, by name: the guide's getQueryStatistics.
  [[nodiscard]] std::vector<CallStatistics> query_statistics() const;
  // Every tenant, by UUID.
  [[nodiscard]] std::vector<CallStatistics> tenant_statistics() const;
  // The statements whose mean or p99 is above the threshold, slowest mean first: the guide's
  // getSlowQueries (which looks at the mean), and those that only some callers wait for.
  [[nodiscard]] std::vector<SlowQuery> slow_queries(
      Duration threshold = std::chrono::seconds(1)) const;

 private:
  StatisticsLimits limits_;
  mutable std::mutex mutex_;  // guards the list, not the recorders
  std::vector<std::unique_ptr<StatementRecorder>> recorders_;
};

}  // namespace lyceum
