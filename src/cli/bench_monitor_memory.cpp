// What the monitor of twenty nodes holds in memory: as many entries that lead to one server, each
// watched as if it were one of its own.

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <fstream>
#include <malloc.h>
#include <unistd.h>

#include "base/await.h"
#include "cli/bench_large_database.h"
#include "cli/bench_suite.h"
#include "local/files.h"
#include "watch/monitor.h"

namespace lyceum::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNodes = 20;
// A server as docs/monitoring.md counts on, at most: 500 tables, 1,500 indexes, 500 statements.
constexpr int kTables = 500;
constexpr double kLimit = 64;  // MB
constexpr auto kPatience = std::chrono::minutes(3);

// Of this process, MB: what it holds of the machine's memory.
double resident() {
  std::ifstream file("/proc/self/statm");
  double whole = 0, pages = 0;
  file >> whole >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

// How often each of what is read slowly has been read of the node that was read least.
std::uint64_t least_runs(const watch::Gather& gather) {
  std::map<std::string, std::uint64_t> nodes;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const auto& one : gather.figures()) {
    const auto& collector = *watch::find_collector(one.collector);
    if (collector.scope != watch::Scope::database) continue;
    ++nodes[one.node];
    least = std::min(least, one.runs);
  }
  return nodes.size() == kNodes ? least : 0;
}

struct Held {
  double most = 0;  // MB, above what the process held before
  std::uint64_t runs = 0;
};

// The monitor at work until every node has been read. It lives and ends within the coroutine that
// asks it, so that the executor that it answers to outlives it.
boost::asio::awaitable<Result<Held>> measure(watch::MonitorOptions options, Log& log,
                                             const SystemClock& clock, double before) {
  auto monitor = watch::Monitor::open(std::move(options), log, clock);
  if (monitor.has_error()) co_return monitor.error();
  (*monitor)->start();
  Held held;
  const auto until = Clock::now() + kPatience;
  // Twice each database of a node (it has two) and once more.
  constexpr std::uint64_t kRuns = 6;
  boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor);
  while (held.runs < kRuns && Clock::now() < until) {
    pause.expires_after(std::chrono::milliseconds(100));
    co_await pause.async_wait(boost::asio::use_awaitable);
    held.runs = co_await (*monitor)->ask(
        [](watch::Monitor::Inside& inside) { return least_runs(inside.gather); });
    held.most = std::max(held.most, resident() - before);
  }
  co_return held;
}

}  // namespace

Result<void> bench_monitor_memory(const BenchOptions& options, ProgressLine& progress,
                                  std::vector<BenchRow>& rows) {
  if (!options.wants("monitor.memory")) return {};
  const int tables = std::min(options.tables, kTables);
  auto database = LargeDatabase::make(tables, tables, progress);
  if (database.has_error()) return database.error();
  progress.update("the monitor's memory");
  const auto directory = local::make_temporary_directory("/tmp", "lyceum-bench-");
  if (directory.has_error()) return directory.error();
  auto target = pg::parse_target(database->url());
  if (target.has_error()) return target.error();
  watch::MonitorOptions monitor_options{.file = *directory / "history.db"};
  for (int i = 1; i <= kNodes; ++i) {
    auto one = *target;
    one.node = fmt::format("node-{:02}", i);
    monitor_options.nodes.push_back(std::move(one));
  }
  monitor_options.settings.fast_interval = std::chrono::seconds(2);
  monitor_options.settings.slow_interval = std::chrono::seconds(10);
  SystemClock clock;
  Log log(LogLevel::off, LogFormat::text, clock);
  // What earlier measurements have freed is none of the monitor's.
  ::malloc_trim(0);
  const auto before = resident();
  const auto held =
      await([&](auto) { return measure(std::move(monitor_options), log, clock, before); });
  (void)local::remove_tree(*directory);
  if (held.has_error()) return held.error();
  BenchRow row{.id = "monitor.memory",
               .what = fmt::format("memory that the monitor of {} nodes holds at most, {} tables, "
                                   "{} indexes and {} statements each; theirs: the design's limit",
                                   kNodes, tables, 3 * tables, tables),
               .unit = "MB",
               .budget = 1};
  if (held->runs == 0) row.mismatch = "not every node was read";
  const BenchRound round{held->most, kLimit};
  summarize({&round, 1}, true, row);
  rows.push_back(row);
  return {};
}

}  // namespace lyceum::cli
