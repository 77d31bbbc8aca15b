// Loading a whole school, beside psql's \copy of the same rows in the same order: each into an
// empty database of the same schema, keys checked, once.

#include <filesystem>
#include <fmt/format.h>

#include "base/await.h"
#include "cli/bench_suite.h"
#include "local/cluster.h"
#include "schema/migrator.h"
#include "sql/statements.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

// A directory that goes away again.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lyceum-load-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      throw Exception({.code = ErrorCode::kIo, .message = "cannot make a directory in /tmp"});
    }
    path_ = pattern;
    // psql runs as the servers' account.
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// An empty database of the platform's schema beside the stage's.
Result<std::string> empty_database(local::Server& server, const std::string& name) {
  auto made = server.query(fmt::format("drop database if exists {0} with (force)", name));
  if (made.has_error()) return made.error();
  made = server.query("create database " + name);
  if (made.has_error()) return made.error();
  auto url = server.url(name);
  auto migrated = await([&](auto executor) -> awaitable<Result<void>> {
    auto connection =
        co_await pg::Connection::connect(executor, {.target = pg::parse_target(url).value()});
    if (connection.has_error()) co_return connection.error();
    schema::Migrator migrator(*connection, schema::find_migrations(sql::files()).value());
    auto applied = co_await migrator.apply();
    (*connection)->close();
    if (applied.has_error()) co_return applied.error();
    co_return Result<void>{};
  });
  if (migrated.has_error()) return migrated.error();
  return url;
}

}  // namespace

Result<void> bench_load(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                        std::vector<BenchRow>& rows) {
  if (!options.wants("load.copy")) return {};
  auto cluster = local::Cluster::open(stage.name, stage.directory);
  if (cluster.has_error()) return cluster.error();
  auto& server = cluster->primary();

  progress.update("writing the rows for psql");
  const Scratch scratch;
  auto written = learning::load::write_copy_files(stage.school, scratch.path().string());
  if (written.has_error()) return written.error();
  auto peer = empty_database(server, "bench_psql");
  if (peer.has_error()) return peer.error();
  progress.update("psql \\copy");
  auto command = server.psql("bench_psql", {"-q", "-v", "ON_ERROR_STOP=1", "-f", "load.sql"});
  command.directory = scratch.path();
  command.timeout = std::chrono::minutes(30);
  auto begun = Clock::now();
  auto ran = local::run(command);
  const std::chrono::duration<double> their_time = Clock::now() - begun;
  if (ran.has_error()) return ran.error();
  if (ran->exit_status != 0) {
    return Error{.code = ErrorCode::kSql, .message = "psql failed: " + ran->err};
  }

  auto own = empty_database(server, "bench_load");
  if (own.has_error()) return own.error();
  progress.update("lyceum load");
  begun = Clock::now();
  auto loaded = await([&](auto executor) -> awaitable<Result<learning::load::LoadReport>> {
    auto connection =
        co_await pg::Connection::connect(executor, {.target = pg::parse_target(*own).value()});
    if (connection.has_error()) co_return connection.error();
    auto report = co_await learning::load::run(*connection, stage.school, false, {});
    (*connection)->close();
    co_return report;
  });
  const std::chrono::duration<double> our_time = Clock::now() - begun;
  if (loaded.has_error()) return loaded.error();

  BenchRow row{.id = "load.copy",
               .what =
                   "loading the school, simulation and key checks included; theirs: psql "
                   "\\copy of the same rows from files (one round)",
               .unit = "rows/s",
               .budget = 0.5};
  if (loaded->rows != *written) {
    row.mismatch = fmt::format("{} rows loaded, {} by psql", loaded->rows, *written);
  }
  const BenchRound round{static_cast<double>(loaded->rows) / our_time.count(),
                         static_cast<double>(*written) / their_time.count()};
  summarize(std::span(&round, 1), false, row);
  rows.push_back(row);
  for (const std::string_view name : {"bench_psql", "bench_load"}) {
    auto dropped = server.query(fmt::format("drop database {} with (force)", name));
    if (dropped.has_error()) return dropped.error();
  }
  return {};
}

}  // namespace lyceum::cli
