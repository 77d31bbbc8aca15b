// What watching costs, on a database with many tables and statements: one cycle of all collectors
// beside one scrape of Debian's prometheus-postgres-exporter, and the whole of `lyceum doctor`
// against the design's limit.

#include <charconv>
#include <filesystem>
#include <fmt/format.h>

#include "base/await.h"
#include "cli/bench_exporter.h"
#include "cli/bench_large_database.h"
#include "cli/bench_suite.h"
#include "cli/command.h"
#include "cli/processor_time.h"
#include "local/files.h"
#include "watch/alerts.h"
#include "watch/evaluate.h"
#include "watch/history.h"
#include "watch/node.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

// Of one side of a round, so that ticks of processor time (10 ms) do not matter.
constexpr int kCycles = 4;
constexpr double kDoctorLimit = 2000;  // ms

// What was seen of the database, to be held against what the other side saw.
struct Seen {
  std::uint64_t tables = 0, indexes = 0, statements = 0;
  bool operator==(const Seen&) const = default;
};

std::string text_of(const Seen& seen) {
  return fmt::format("{} tables, {} indexes, {} statements", seen.tables, seen.indexes,
                     seen.statements);
}

// Processor time of the server with all its backends.
class ServerTime {
 public:
  explicit ServerTime(const local::Server& server) : server_(server) {}
  [[nodiscard]] std::chrono::duration<double> now() const {
    return processor_time_of(server_.processes());
  }

 private:
  const local::Server& server_;
};

// What a monitor does with what its collectors read: it keeps it, and holds its rules against it.
class Watcher {
 public:
  static Result<std::unique_ptr<Watcher>> make() {
    auto directory = local::make_temporary_directory("/tmp", "lyceum-bench-");
    if (directory.has_error()) return directory.error();
    auto store = watch::Store::open(*directory / "history.db", machine_clock());
    auto rules = watch::load_rules("");
    std::unique_ptr<Watcher> out;
    if (store.has_value() && rules.has_value()) {
      out.reset(new Watcher(*directory, std::move(*store), std::move(*rules)));
      return out;
    }
    (void)local::remove_tree(*directory);
    return store.has_error() ? store.error() : rules.error();
  }
  ~Watcher() { (void)local::remove_tree(directory_); }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  [[nodiscard]] Result<void> take(const watch::Sample& sample) {
    auto kept = history_.append(sample);
    if (kept.has_error()) return kept;
    const watch::Moment now{machine_clock().now(), machine_clock().wall_now()};
    (void)book_.observe(sample.source, evaluator_.take(sample, now.steady), now);
    return {};
  }

 private:
  Watcher(std::filesystem::path directory, watch::Store store, watch::RuleSet rules)
      : directory_(std::move(directory)),
        store_(std::move(store)),
        history_(store_),
        evaluator_(std::make_shared<const watch::RuleSet>(std::move(rules))) {}

  std::filesystem::path directory_;
  watch::Store store_;
  watch::History history_;
  watch::Evaluator evaluator_;
  watch::AlertBook book_;
};

// All collectors once, as a monitor runs them that has been running for a while: over connections
// that are open, with texts that it knows.
awaitable<Result<Seen>> cycle(watch::Node& node, Watcher& watcher) {
  const auto databases = co_await node.databases(SteadyTime::max());
  if (databases.has_error()) co_return databases.error();
  Seen seen;
  for (const auto& collector : watch::collectors()) {
    if (collector.scope == watch::Scope::client) continue;
    auto reading = co_await node.read(&collector, "", SteadyTime::max());
    if (reading.error) co_return *reading.error;
    if (!reading.sample) continue;
    const auto taken = watcher.take(*reading.sample);
    if (taken.has_error()) co_return taken.error();
    const auto rows = reading.sample->rows.size();
    if (collector.name == "tables") seen.tables = rows;
    if (collector.name == "indexes") seen.indexes = rows;
    if (collector.name == "statements") seen.statements = rows;
  }
  co_return seen;
}

std::uint64_t lines_of(const std::string& text, std::string_view metric) {
  std::uint64_t count = 0;
  for (auto at = text.find(metric); at != std::string::npos; at = text.find(metric, at + 1)) {
    count += at > 0 && text[at - 1] == '\n';
  }
  return count;
}

Seen seen_by_exporter(const std::string& metrics) {
  return {.tables = lines_of(metrics, "pg_stat_user_tables_n_live_tup{"),
          .indexes = lines_of(metrics, "pg_stat_user_indexes_idx_scan{"),
          .statements = lines_of(metrics, "pg_stat_statements_calls{")};
}

Result<void> against_exporter(LargeDatabase& database, const BenchOptions& options,
                              const std::string& program, std::vector<BenchRow>& rows) {
  auto target = pg::parse_target(database.url());
  if (target.has_error()) return target.error();
  auto exporter = Exporter::start(program, database.url());
  if (exporter.has_error()) return exporter.error();
  BenchRow row{
      .id = "collectors.exporter",
      .what = fmt::format(
          "a cycle of all collectors with history and rules, {} "
          "tables and {} statements, processor time of server and client; theirs: a scrape of "
          "prometheus-postgres-exporter",
          database.tables(), database.statements()),
      .unit = "ms",
      .budget = 3};
  auto watcher = Watcher::make();
  if (watcher.has_error()) return watcher.error();
  const ServerTime server(database.server());
  const pid_t exporters[] = {(*exporter)->pid()};
  std::vector<BenchRound> rounds;
  const auto measured = await([&](auto executor) -> awaitable<Result<void>> {
    watch::Node node(executor, *target, watch::Limits{.slow = std::chrono::seconds(60)});
    // The first round of both warms up: connections, plans, texts.
    for (int round = 0; round <= options.rounds; ++round) {
      auto before = server.now() + own_processor_time();
      Seen ours, theirs;
      for (int i = 0; i < kCycles; ++i) {
        auto seen = co_await cycle(node, **watcher);
        if (seen.has_error()) co_return seen.error();
        ours = *seen;
      }
      const Milliseconds our_cost = server.now() + own_processor_time() - before;
      before = server.now() + processor_time_of(exporters);
      for (int i = 0; i < kCycles; ++i) {
        auto metrics = (*exporter)->scrape();
        if (metrics.has_error()) co_return metrics.error();
        theirs = seen_by_exporter(*metrics);
      }
      const Milliseconds their_cost = server.now() + processor_time_of(exporters) - before;
      if (round > 0) rounds.push_back({our_cost.count() / kCycles, their_cost.count() / kCycles});
      // Each side's own statements come to be among the statements as it asks for them.
      constexpr std::uint64_t kOwn = 60;
      const auto close = [](std::uint64_t a, std::uint64_t b) {
        return std::max(a, b) - std::min(a, b) <= kOwn;
      };
      if (ours.tables != theirs.tables || ours.indexes != theirs.indexes ||
          !close(ours.statements, theirs.statements)) {
        row.mismatch = fmt::format("{} here, {} there", text_of(ours), text_of(theirs));
      }
    }
    co_return Result<void>();
  });
  if (measured.has_error()) return measured.error();
  summarize(rounds, true, row);
  rows.push_back(row);
  return {};
}

// The whole command, from its start as a process to its end.
Result<void> time_doctor(LargeDatabase& database, const BenchOptions& options,
                         std::vector<BenchRow>& rows) {
  BenchRow row{.id = "doctor.time",
               .what = fmt::format("lyceum doctor, {} tables and {} statements; theirs: the "
                                   "design's limit",
                                   database.tables(), database.statements()),
               .unit = "ms",
               .budget = 1};
  const local::Command command{
      .argv = {std::filesystem::read_symlink("/proc/self/exe").string(), "doctor", "--database-url",
               database.url()},
      .environment = local::clean_environment({"LYCEUM_CONFIG=", "DATABASE_URL="})};
  std::vector<BenchRound> rounds;
  for (int round = 0; round <= options.rounds; ++round) {
    const auto begun = Clock::now();
    const auto ran = local::run(command);
    const Milliseconds took = Clock::now() - begun;
    if (ran.has_error()) return ran.error();
    if (ran->exit_status != kDone && ran->exit_status != kNeedsAttention) {
      return Error{.code = ErrorCode::kIo, .message = "lyceum doctor failed: " + ran->err};
    }
    if (round > 0) rounds.push_back({took.count(), kDoctorLimit});
  }
  summarize(rounds, true, row);
  rows.push_back(row);
  return {};
}

}  // namespace

Result<void> bench_monitor(const BenchOptions& options, ProgressLine& progress,
                           std::vector<BenchRow>& rows) {
  const auto program = Exporter::find();
  const bool exporter = options.wants("collectors.exporter") && program.has_value();
  if (options.wants("collectors.exporter") && !program) {
    progress.line("prometheus-postgres-exporter is not on this machine: no comparison with it");
  }
  if (!exporter && !options.wants("doctor.time")) return {};
  auto database = LargeDatabase::make(options.tables, options.tables * 5 / 3, progress);
  if (database.has_error()) return database.error();
  if (exporter) {
    progress.update("the collectors");
    auto done = against_exporter(*database, options, *program, rows);
    if (done.has_error()) return done.error();
  }
  if (options.wants("doctor.time")) {
    progress.update("the doctor");
    return time_doctor(*database, options, rows);
  }
  return {};
}

}  // namespace lyceum::cli
