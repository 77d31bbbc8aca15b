#include "learning/load_run.h"

#include <fmt/format.h>

#include "learning/load_wordnet.h"

namespace lyceum::learning::load {
namespace {

namespace asio = boost::asio;

double seconds_since(SteadyTime begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

std::vector<std::string> all_tables() {
  std::vector<std::string> out;
  std::string_view rest = kAllTables;
  while (!rest.empty()) {
    const auto comma = rest.find(", ");
    out.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 2);
  }
  return out;
}

Error explain(Error error, std::string_view doing) {
  error.message = fmt::format("{}: {}", doing, error.message);
  if (error.sqlstate == "42P01") error.hint = "create the tables first: lyceum migrate";
  if (error.sqlstate == "42501") error.hint = "connect as a member of lyceum_owner";
  return error;
}

asio::awaitable<Result<void>> make_room(pg::Connection& connection, bool replace) {
  if (replace) {
    // The counts that are kept of stories refer to tenants; what is loaded is counted by triggers.
    auto emptied = co_await connection.script(fmt::format("TRUNCATE {}, story_counts", kAllTables));
    if (emptied.has_error()) co_return explain(emptied.error(), "emptying the tables failed");
    co_return Result<void>{};
  }
  std::string sql;
  for (const auto& table : all_tables()) {
    if (!sql.empty()) sql += " UNION ALL ";
    sql += fmt::format("SELECT '{0}' WHERE EXISTS (SELECT FROM {0})", table);
  }
  auto found = co_await connection.script(sql);
  if (found.has_error()) co_return explain(found.error(), "looking at the tables failed");
  const auto& rows = found->back();
  if (!rows.empty()) {
    co_return Error{
        .code = ErrorCode::kConflict,
        .message = fmt::format("{} already holds rows, and nothing was loaded", rows[0].bytes(0)),
        .hint = "load into an empty database, or replace what is there",
        .node = connection.node()};
  }
  co_return Result<void>{};
}

asio::awaitable<Result<LoadReport>> load_all(std::shared_ptr<pg::Connection> connection,
                                             const School& school, LoadReport out, bool replace,
                                             ReportProgress report) {
  auto room = co_await make_room(*connection, replace);
  if (room.has_error()) co_return room.error();
  const auto begun = std::chrono::steady_clock::now();
  for (const auto& source : sources_of(school)) {
    const auto table_begun = std::chrono::steady_clock::now();
    auto rows = co_await copy_table(connection, *source, report, ForeignKeys::at_end);
    if (rows.has_error()) co_return rows.error();
    out.tables.push_back({std::string(source->table()), *rows, seconds_since(table_begun)});
    out.rows += *rows;
  }
  out.seconds = seconds_since(begun);
  co_return out;
}

}  // namespace

Result<School> read_school(const LoadOptions& options, LoadReport& report) {
  const auto begun = std::chrono::steady_clock::now();
  auto stories = read_stories(options.stories_file);
  if (stories.has_error()) return stories.error();
  auto words = options.vocabulary_file.empty() ? read_wordnet(options.wordnet_directory)
                                               : read_vocabulary(options.vocabulary_file);
  if (words.has_error()) return words.error();
  report.stories_read = stories->size();
  report.words_read = words->size();
  report.read_seconds = seconds_since(begun);
  return School::make(options.seed, options.scale, std::move(*stories),
                      most_frequent(std::move(*words), options.scale.vocabulary), options.as_of);
}

asio::awaitable<Result<LoadReport>> run(std::shared_ptr<pg::Connection> connection,
                                        LoadOptions options, ReportProgress report) {
  LoadReport out;
  auto school = read_school(options, out);
  if (school.has_error()) co_return school.error();
  co_return co_await load_all(std::move(connection), *school, std::move(out), options.replace,
                              std::move(report));
}

asio::awaitable<Result<LoadReport>> run(std::shared_ptr<pg::Connection> connection,
                                        const School& school, bool replace, ReportProgress report) {
  co_return co_await load_all(std::move(connection), school, {}, replace, std::move(report));
}

asio::awaitable<Result<void>> finish_load(std::shared_ptr<pg::Connection> connection,
                                          ReportProgress report) {
  const auto tables = all_tables();
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const auto& table = tables[i];
    if (report) report({.table = table});
    const auto begun = std::chrono::steady_clock::now();
    // Who may not vacuum is told so by an empty answer here, where VACUUM would only warn.
    auto done = co_await connection->script(
        fmt::format("SELECT pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE') "
                    "FROM pg_class c, pg_database d "
                    "WHERE c.oid = '{}'::regclass AND d.datname = current_database()",
                    table));
    if (done.has_error()) co_return explain(done.error(), fmt::format("vacuuming {}", table));
    if (done->back().empty() || done->back()[0].bytes(0) != "t") {
      co_return Error{.code = ErrorCode::kSql,
                      .message = fmt::format("vacuuming {} needs a member of its owner", table),
                      .hint = "connect as a member of lyceum_owner",
                      .sqlstate = "42501",
                      .node = connection->node()};
    }
    done = co_await connection->script(fmt::format("VACUUM (ANALYZE) {}", table));
    if (done.has_error()) co_return explain(done.error(), fmt::format("vacuuming {}", table));
    auto counted = co_await connection->script(
        fmt::format("SELECT reltuples::bigint FROM pg_class WHERE oid = '{}'::regclass", table));
    if (counted.has_error()) co_return explain(counted.error(), fmt::format("vacuuming {}", table));
    std::uint64_t rows = 0;
    if (!counted->back().empty()) {
      rows = std::strtoull(std::string(counted->back()[0].bytes(0)).c_str(), nullptr, 10);
    }
    if (report) {
      report({.table = table,
              .rows = rows,
              .total = rows,
              .rows_per_second = static_cast<double>(rows) / std::max(seconds_since(begun), 1e-6),
              .finished = true});
    }
  }
  co_return Result<void>{};
}

}  // namespace lyceum::learning::load
