#include "watch/store.h"

#include <algorithm>
#include <array>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fstream>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace lyceum::watch {
namespace {

namespace fs = std::filesystem;
using sqlite::Database;
using sqlite::Trouble;

// What says that an SQLite file is ours: "LYCM".
constexpr std::int64_t kApplicationId = 0x4c59434d;

// Version n of the file is made by the first n of these, each once.
constexpr std::array kMigrations = {
    // A film is a run of samples of one source and epoch: a key frame and differences after it.
    // `observed` is how long had been watched when it began, microseconds: a clock that cannot
    // jump. A sample's id is film * 4096 + its place in it, so that a film lies together and needs
    // no index.
    R"(CREATE TABLE source (
         id INTEGER PRIMARY KEY,
         collector TEXT NOT NULL,
         node TEXT NOT NULL,
         database TEXT NOT NULL,
         UNIQUE (collector, node, database)
       ) STRICT;
       CREATE TABLE film (
         id INTEGER PRIMARY KEY,
         source INTEGER NOT NULL,
         epoch INTEGER NOT NULL,
         first_at INTEGER NOT NULL,
         observed INTEGER NOT NULL
       ) STRICT;
       CREATE INDEX film_by_source ON film (source, id);
       CREATE TABLE sample (
         id INTEGER PRIMARY KEY,
         at INTEGER NOT NULL,
         frame BLOB NOT NULL
       ) STRICT;)",
};

// Pages given back at a time: 1 MiB.
constexpr int kPagesAtATime = 256;

bool has_sqlite_header(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string header(16, '\0');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  return header == std::string_view("SQLite format 3\0", 16);
}

std::string variable(const std::map<std::string, std::string>& environment,
                     const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

Error io_error(std::string what, const std::error_code& why) {
  return {.code = ErrorCode::kIo,
          .message = fmt::format("{}: {}", std::move(what), why.message()),
          .hint = "set watch.history_file, or who owns its directory"};
}

// The file with what SQLite keeps beside it.
std::vector<fs::path> files_of(const fs::path& path) {
  return {path, path.string() + "-wal", path.string() + "-shm"};
}

}  // namespace

Result<fs::path> history_path(const WatchSettings& settings,
                              const std::map<std::string, std::string>& environment) {
  if (!settings.history_file.empty()) return fs::path(settings.history_file);
  if (const auto state = variable(environment, "STATE_DIRECTORY"); state.starts_with('/')) {
    // The first, where there are several.
    return fs::path(state.substr(0, state.find(':'))) / "history.db";
  }
  if (::geteuid() == 0) return fs::path("/var/lib/lyceum-watch/history.db");
  for (const auto& [name, rest] : {std::pair{"XDG_STATE_HOME", "lyceum/history.db"},
                                   std::pair{"HOME", ".local/state/lyceum/history.db"}}) {
    const auto value = variable(environment, name);
    // The XDG specification: a relative path is invalid and ignored.
    if (value.starts_with('/')) return fs::path(value) / rest;
  }
  return Error{
      .code = ErrorCode::kConfiguration,
      .message = "there is no place for the history: neither XDG_STATE_HOME nor HOME is set",
      .hint = "set watch.history_file"};
}

Result<Store> Store::open(fs::path path, const Clock& clock, StoreOptions options) {
  std::error_code error;
  if (options.read_only && !fs::exists(path, error)) {
    return Error{.code = ErrorCode::kNotFound,
                 .message = fmt::format("there is no history at {}", path.string()),
                 .hint = "the service writes it while it watches; watch.history_file says where"};
  }
  if (!options.read_only && path.has_parent_path() && !fs::exists(path.parent_path(), error)) {
    fs::create_directories(path.parent_path(), error);
    if (error) return io_error("cannot make " + path.parent_path().string(), error);
    fs::permissions(path.parent_path(), fs::perms::owner_all, error);
  }
  // Not moved aside: a setting that names a wrong file must not take that from its owner.
  if (fs::exists(path, error) && fs::file_size(path, error) > 0 && !has_sqlite_header(path) &&
      path.extension() != ".db") {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = fmt::format("{} is no history, nor any SQLite database", path.string()),
                 .hint = "set watch.history_file to another place, or move that file away"};
  }
  Store store(std::move(path), clock, options);
  auto connected = store.connect();
  if (connected.has_error() && store.damaged_ && !options.read_only) {
    auto begun = store.ready();
    if (begun.has_error()) return begun.error();
  } else if (connected.has_error()) {
    return connected.error();
  }
  return store;
}

Result<void> Store::connect() {
  auto opened = Database::open(path_.string(), options_.read_only);
  if (opened.has_error()) return opened.error();
  database_ = *std::move(opened);
  auto prepared = prepare();
  if (prepared.has_error()) failed();
  return prepared;
}

Result<void> Store::prepare() {
  const auto newest = static_cast<std::int64_t>(kMigrations.size());
  auto& database = *database_;
  // Before anything is made: whether the file keeps account of free pages is settled once.
  if (!options_.read_only) {
    auto set = database.run(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA trusted_schema = OFF;"
        "PRAGMA cell_size_check = ON;");
    if (set.has_error()) return set;
  }
  auto application = database.number("PRAGMA application_id");
  if (application.has_error()) return application.error();
  auto version = database.number("PRAGMA user_version");
  if (version.has_error()) return version.error();
  auto tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (tables.has_error()) return tables.error();
  if (*application != kApplicationId && *tables > 0) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = fmt::format("{} is a database of another program", path_.string()),
                 .hint = "set watch.history_file to another place"};
  }
  if (*version > newest) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = fmt::format("{} was written by a newer Lyceum (version {}, this one "
                                        "knows {})",
                                        path_.string(), *version, newest),
                 .hint = "use that Lyceum, or move the file away to begin a new one"};
  }
  if (options_.read_only) {
    if (*version == newest) return {};
    return Error{.code = ErrorCode::kConfiguration,
                 .message = fmt::format("{} is of an older version ({}, not {})", path_.string(),
                                        *version, newest),
                 .hint = "start the service once: it brings the file up to date"};
  }

  // In this mode readers and the writer do not wait for each other; a crash of the machine may lose
  // the last moments, one of the process nothing.
  auto mode = database.run(fmt::format(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = {};",
      1U << 20U));
  if (mode.has_error()) return mode;
  if (*version < newest) {
    auto transaction = sqlite::Transaction::begin(database);
    if (transaction.has_error()) return transaction.error();
    // Asked again: another process may have been first.
    version = database.number("PRAGMA user_version");
    if (version.has_error()) return version.error();
    for (auto next = *version; next < newest; ++next) {
      auto done = database.run(kMigrations[static_cast<std::size_t>(next)]);
      if (done.has_error()) return done;
    }
    auto marked = database.run(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                           kApplicationId, std::max(*version, newest)));
    if (marked.has_error()) return marked;
    auto done = transaction->commit();
    if (done.has_error()) return done;
  }
  auto page = database.number("PRAGMA page_size");
  if (page.has_error()) return page.error();
  const auto pages = [&](std::uint64_t bytes) { return bytes / static_cast<std::uint64_t>(*page); };
  // The most pages are not reached where the history is cut in time: they hold whatever goes wrong.
  const auto room = options_.max_bytes - most_used_bytes();
  // What is written is not read again soon: a smaller cache than SQLite's own does.
  return database.run(fmt::format(
      "PRAGMA cache_size = -500; PRAGMA wal_autocheckpoint = {}; "
      "PRAGMA max_page_count = {};",
      std::min<std::uint64_t>(pages(room / 4), 1000), pages(most_used_bytes() + room / 2)));
}

Result<void> Store::ready() {
  if (options_.read_only) {
    return Error{.code = ErrorCode::kInternal,
                 .message = fmt::format("{} is open to be read", path_.string())};
  }
  bool another = false;
  if (std::exchange(damaged_, false)) {
    auto moved = move_aside();
    if (moved.has_error()) {
      damaged_ = true;
      return moved.error();
    }
    another = true;
  } else if (database_ == nullptr || database_->moved()) {
    database_.reset();
    // They belong to the file that is gone.
    std::error_code error;
    if (!fs::exists(path_, error)) {
      for (const auto& file : files_of(path_)) fs::remove(file, error);
    }
    another = true;
  }
  if (another) {
    auto connected = connect();
    if (connected.has_error()) {
      database_.reset();
      return connected.error();
    }
    ++generation_;
  }
  return {};
}

void Store::failed() {
  if (database_ != nullptr && database_->trouble() == Trouble::damaged) damaged_ = true;
}

Result<void> Store::move_aside() {
  database_.reset();
  std::error_code error;
  const auto prefix = path_.filename().string() + ".corrupt-";
  const auto directory = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  std::vector<fs::path> older;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().filename().string().starts_with(prefix)) older.push_back(entry.path());
  }
  for (const auto& file : older) fs::remove(file, error);
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_->wall_now());
  const fs::path aside = path_.string() + fmt::format(".corrupt-{:%Y%m%dT%H%M%SZ}", now);
  const auto from = files_of(path_);
  const auto to = files_of(aside);
  // The file last: while it is there, another try moves the rest.
  for (std::size_t i = from.size(); i-- > 0;) {
    if (!fs::exists(from[i], error)) continue;
    fs::rename(from[i], to[i], error);
    if (error) return io_error("cannot move " + from[i].string() + " aside", error);
  }
  aside_ = aside;
  return {};
}

std::uint64_t Store::most_used_bytes() const {
  // The rest is for SQLite's log beside the file (a quarter of it, more while somebody reads for
  // long), and for what comes before the oldest goes.
  return options_.max_bytes - std::min<std::uint64_t>(options_.max_bytes / 8, 16U << 20U);
}

Result<std::uint64_t> Store::used_bytes() {
  auto used = database_->number(
      "SELECT (page_count - freelist_count) * page_size"
      "  FROM pragma_page_count, pragma_freelist_count, pragma_page_size");
  if (used.has_error()) return used.error();
  return static_cast<std::uint64_t>(*used);
}

Result<void> Store::shrink() {
  auto size =
      database_->number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
  if (size.has_error()) return size.error();
  if (static_cast<std::uint64_t>(*size) <= most_used_bytes()) return {};
  return database_->run(fmt::format("PRAGMA incremental_vacuum({})", kPagesAtATime));
}

}  // namespace lyceum::watch
