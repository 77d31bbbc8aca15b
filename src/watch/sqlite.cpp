#include "watch/sqlite.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

namespace lyceum::watch::sqlite {
namespace {

// A reader holds the file for moments only.
constexpr int kBusyMilliseconds = 1000;

Trouble trouble_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Trouble::full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Trouble::damaged;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Trouble::busy;
    default:
      return Trouble::other;
  }
}

std::string hint_for(Trouble trouble) {
  switch (trouble) {
    case Trouble::full:
      return "make room on its disk, or lower watch.history_max_mib";
    case Trouble::damaged:
      return "the service moves it aside and begins a new one; or move it away by hand";
    case Trouble::busy:
      return "another process holds it";
    default:
      return "look at the disk, and at who owns the file and its directory";
  }
}

Error error_of(const std::string& path, std::string_view why, int code) {
  const auto trouble = trouble_of(code);
  return {.code = ErrorCode::kIo,
          .message = fmt::format("the monitor's file {} fails: {}", path, why),
          .hint = hint_for(trouble)};
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

// Binding fails on a wrong position alone, which the run then shows as a missing value.
Statement& Statement::bind(int at, std::int64_t value) {
  (void)sqlite3_bind_int64(statement_.get(), at, value);
  return *this;
}

Statement& Statement::bind(int at, std::string_view text) {
  (void)sqlite3_bind_text64(statement_.get(), at, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_bytes(int at, std::string_view bytes) {
  (void)sqlite3_bind_blob64(statement_.get(), at, bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->fail(code);
}

Result<void> Statement::run() {
  auto row = step();
  if (row.has_error()) return row.error();
  return {};
}

void Statement::reset() {
  (void)sqlite3_reset(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
  return std::string(bytes(column));
}

std::string_view Statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const auto size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? std::string_view() : std::string_view(data, static_cast<size_t>(size));
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, bool read_only) {
  if (!read_only) {
    // SQLite would make it for all to read; its -wal and -shm then take after it.
    const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0) {
      return Error{
          .code = ErrorCode::kIo,
          .message = fmt::format("cannot open the monitor's file {}: {}", path, strerror(errno)),
          .hint = "set watch.history_file, or who owns its directory"};
    }
    ::close(made);
  }
  std::unique_ptr<Database> database(new Database(path));
  const int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &database->handle_, flags, nullptr);
  if (code != SQLITE_OK) {
    if (database->handle_ == nullptr) return error_of(path, sqlite3_errstr(code), code);
    return database->fail(code);
  }
  (void)sqlite3_busy_timeout(database->handle_, kBusyMilliseconds);
  return database;
}

Database::~Database() {
  (void)sqlite3_close_v2(handle_);
}

Result<void> Database::run(const std::string& statements) {
  const int code = sqlite3_exec(handle_, statements.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(code);
  return {};
}

Result<Statement> Database::prepare(std::string_view statement) {
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v2(handle_, statement.data(), static_cast<int>(statement.size()),
                                      &prepared, nullptr);
  if (code != SQLITE_OK) return fail(code);
  return Statement(*this, prepared);
}

Result<std::int64_t> Database::number(std::string_view statement) {
  auto prepared = prepare(statement);
  if (prepared.has_error()) return prepared.error();
  auto row = prepared->step();
  if (row.has_error()) return row.error();
  return *row ? prepared->integer(0) : 0;
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(handle_);
}

bool Database::moved() const {
  int moved = 0;
  const int code =
      sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, static_cast<void*>(&moved));
  return code == SQLITE_OK && moved != 0;
}

void Database::roll_back() {
  // Some errors have ended it already. What made it end is what trouble() goes on to say.
  if (sqlite3_get_autocommit(handle_) != 0) return;
  (void)sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Error Database::fail(int code) {
  trouble_ = trouble_of(code);
  // The extended code tells a full disk from one that breaks.
  return error_of(path_, fmt::format("{} ({})", sqlite3_errmsg(handle_), code), code);
}

Result<Transaction> Transaction::begin(Database& database) {
  auto begun = database.run("BEGIN IMMEDIATE");
  if (begun.has_error()) return begun.error();
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) database_->roll_back();
}

Result<void> Transaction::commit() {
  auto done = database_->run("COMMIT");
  if (done.has_error()) return done.error();
  database_ = nullptr;
  return {};
}

}  // namespace lyceum::watch::sqlite
