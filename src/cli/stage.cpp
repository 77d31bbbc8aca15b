#include "cli/stage.h"

#include <chrono>
#include <fmt/format.h>
#include <ostream>

#include "base/await.h"
#include "cli/table.h"
#include "indexes/apply.h"
#include "schema/migrator.h"
#include "sql/statements.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kApplicationLogin = "lyceum_demo";

double since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

awaitable<Result<std::shared_ptr<pg::Connection>>> open(boost::asio::any_io_executor executor,
                                                        const std::string& url) {
  auto target = pg::parse_target(url);
  if (target.has_error()) co_return target.error();
  co_return co_await pg::Connection::connect(
      executor, {.target = *target, .deadline = Clock::now() + std::chrono::seconds(10)});
}

awaitable<Result<void>> script(pg::Connection& connection, std::string sql) {
  auto done = co_await connection.script(std::move(sql));
  if (done.has_error()) co_return done.error();
  co_return Result<void>{};
}

std::string_view embedded(std::string_view path) {
  for (const auto& file : sql::files()) {
    if (file.path == path) return file.text;
  }
  throw Exception({.code = ErrorCode::kInternal,
                   .message = fmt::format("sql/{} is not part of the program", path)});
}

// Everything after the cluster is up, on one connection.
class Preparation {
 public:
  Preparation(const StageOptions& options, Stage& stage, ProgressLine& progress)
      : options_(options), stage_(stage), progress_(progress) {}

  awaitable<Result<void>> run(boost::asio::any_io_executor executor) {
    auto opened = co_await open(executor, stage_.admin_url);
    if (opened.has_error()) co_return opened.error();
    connection_ = *opened;
    for (auto step : {&Preparation::migrate, &Preparation::load, &Preparation::build_indexes,
                      &Preparation::copy_to_guide, &Preparation::vacuum}) {
      auto done = co_await (this->*step)(executor);
      if (done.has_error()) co_return done.error();
    }
    connection_->close();
    co_return Result<void>{};
  }

 private:
  awaitable<Result<void>> migrate(boost::asio::any_io_executor) {
    const auto begun = Clock::now();
    auto known = schema::find_migrations(sql::files());
    if (known.has_error()) co_return known.error();
    schema::Migrator migrator(connection_, *known);
    auto applied = co_await migrator.apply();
    if (applied.has_error()) co_return applied.error();
    auto login = co_await script(
        *connection_, fmt::format("do $$ begin create role {0} login in role lyceum_app; "
                                  "exception when duplicate_object then null; end $$; "
                                  "create extension if not exists pg_stat_statements",
                                  kApplicationLogin));
    if (login.has_error()) co_return login.error();
    progress_.line(fmt::format("schema: {} migrations, row-level security, login {} in {}",
                               *applied, kApplicationLogin, seconds_text(since(begun))));
    co_return Result<void>{};
  }

  awaitable<Result<void>> load(boost::asio::any_io_executor) {
    auto loaded = co_await learning::load::run(
        connection_, stage_.school, true, [this](const learning::load::Progress& at) {
          if (at.finished) return;
          progress_.update(fmt::format("loading {}: {} of {} rows, {} rows/s", at.table,
                                       count_text(at.rows), count_text(at.total),
                                       count_text(static_cast<std::uint64_t>(at.rows_per_second))));
        });
    if (loaded.has_error()) co_return loaded.error();
    stage_.load = *loaded;
    progress_.line(fmt::format("data: {} rows in {} ({} rows/s) by binary COPY, keys checked",
                               count_text(loaded->rows), seconds_text(loaded->seconds),
                               count_text(static_cast<std::uint64_t>(
                                   static_cast<double>(loaded->rows) / loaded->seconds))));
    co_return Result<void>{};
  }

  awaitable<Result<void>> build_indexes(boost::asio::any_io_executor executor) {
    const auto begun = Clock::now();
    auto catalogue = indexes::embedded_catalogue(options_.profile);
    if (catalogue.has_error()) co_return catalogue.error();
    auto target = pg::parse_target(stage_.admin_url);
    if (target.has_error()) co_return target.error();
    const auto total = catalogue->indexes().size();
    std::size_t built = 0;
    auto applied = co_await indexes::apply(
        executor, *target, *catalogue,
        std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()), {},
        [&](const indexes::ApplyEvent& event) {
          using Kind = indexes::ApplyEvent::Kind;
          if (event.kind == Kind::built) ++built;
          if (event.kind == Kind::began || event.kind == Kind::progress ||
              event.kind == Kind::waiting) {
            progress_.update(
                fmt::format("index {} of {}: {} {}", built + 1, total, event.index, event.text));
          } else if (event.kind == Kind::failed) {
            progress_.line(fmt::format("index {} failed: {}", event.index, event.text));
          }
        });
    if (applied.has_error()) co_return applied.error();
    for (const auto& index : applied->indexes) {
      if (index.error) co_return *index.error;
    }
    progress_.line(fmt::format("indexes: {} of profile {} built concurrently in {}", built,
                               options_.profile, seconds_text(since(begun))));
    co_return Result<void>{};
  }

  awaitable<Result<void>> copy_to_guide(boost::asio::any_io_executor) {
    if (!options_.with_guide) co_return Result<void>{};
    const auto begun = Clock::now();
    auto done = co_await script(*connection_, "drop schema if exists guide cascade");
    for (const std::string_view step : {"schema", "copy_rows", "indexes"}) {
      if (done.has_error()) co_return done.error();
      progress_.update(fmt::format("the guide's own schema: {}", step));
      done = co_await script(*connection_,
                             "begin;\n" +
                                 std::string(embedded(fmt::format("bench/guide/{}.sql", step))) +
                                 "\n;commit");
    }
    if (done.has_error()) co_return done.error();
    progress_.line(fmt::format("the guide's own schema: the same rows, its 40 indexes, in {}",
                               seconds_text(since(begun))));
    co_return Result<void>{};
  }

  awaitable<Result<void>> vacuum(boost::asio::any_io_executor) {
    const auto begun = Clock::now();
    progress_.update("vacuum and analyze");
    auto done = co_await script(*connection_, "vacuum (analyze)");
    if (done.has_error()) co_return done.error();
    done = co_await script(*connection_, "checkpoint");
    if (done.has_error()) co_return done.error();
    progress_.line(fmt::format("vacuum and analyze in {}", seconds_text(since(begun))));
    co_return Result<void>{};
  }

  const StageOptions& options_;
  Stage& stage_;
  ProgressLine& progress_;
  std::shared_ptr<pg::Connection> connection_;
};

// What an earlier run left under the name is removed first.
Result<local::Cluster> fresh_cluster(const StageOptions& options) {
  (void)local::Cluster::down(options.name, options.directory);
  std::optional<std::filesystem::path> binaries;
  if (!options.binaries.empty()) binaries = options.binaries;
  return local::Cluster::up({.name = options.name,
                             .state_directory = options.directory,
                             .binaries = std::move(binaries),
                             .settings = {{"shared_buffers", "1GB"},
                                          {"maintenance_work_mem", "256MB"},
                                          {"max_wal_size", "8GB"},
                                          {"checkpoint_timeout", "30min"},
                                          // What local/ sets for small machines, as PostgreSQL
                                          // has it: the comparisons are on stock settings.
                                          {"work_mem", "4MB"},
                                          {"random_page_cost", "4"}}});
}

}  // namespace

Result<Stage> prepare_stage(const StageOptions& options, ProgressLine& progress) {
  // The simulated learners lived until now.
  const auto as_of =
      std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  learning::load::LoadReport report;
  auto school = learning::load::read_school({.stories_file = options.stories_file,
                                             .vocabulary_file = options.vocabulary_file,
                                             .wordnet_directory = options.wordnet_directory,
                                             .seed = options.seed,
                                             .scale = options.scale,
                                             .as_of = as_of},
                                            report);
  if (school.has_error()) return school.error();
  progress.line(fmt::format("input: {} stories, {} words read in {}", report.stories_read,
                            count_text(report.words_read), seconds_text(report.read_seconds)));

  const auto begun = Clock::now();
  auto cluster = options.reuse ? local::Cluster::open(options.name, options.directory)
                               : fresh_cluster(options);
  if (cluster.has_error()) return cluster.error();
  Stage stage{.name = options.name,
              .directory = options.directory,
              .admin_url = cluster->primary().url(),
              .application_url = {},
              .school = std::move(*school),
              .load = {},
              .as_of = as_of};
  auto application = pg::parse_target(stage.admin_url);
  if (application.has_error()) return application.error();
  stage.application_url =
      fmt::format("host={} port={} dbname={} user={}", application->get("host"),
                  application->get("port"), application->get("dbname"), kApplicationLogin);
  progress.line(fmt::format("PostgreSQL: a private cluster '{}' in {}", options.name,
                            seconds_text(since(begun))));

  if (options.reuse) return stage;
  auto prepared = await([&](auto executor) -> awaitable<Result<void>> {
    co_return co_await Preparation(options, stage, progress).run(executor);
  });
  if (prepared.has_error()) {
    (void)remove_stage(stage);
    return prepared.error();
  }
  return stage;
}

Result<void> remove_stage(const Stage& stage) {
  return local::Cluster::down(stage.name, stage.directory);
}

void remove_interrupted_stage(const StageOptions& options, std::ostream& err) {
  err << "\ninterrupted: removing the private cluster" << std::endl;
  // One that is just being made is waited for.
  const auto removed = local::Cluster::down(options.name, options.directory);
  if (removed.has_error() && removed.error().code != ErrorCode::kNotFound) {
    err << "lyceum: " << removed.error().to_string() << std::endl;
  }
}

}  // namespace lyceum::cli
