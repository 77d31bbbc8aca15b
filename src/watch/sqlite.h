#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

// SQLite behind values and results. One thread at a time uses a database and all that is made from
// it. Errors are kIo and name the file, what SQLite says, and what to do about it.
namespace lyceum::watch::sqlite {

// What kind of trouble an error of SQLite is, for who can do something about it.
enum class Trouble : std::uint8_t {
  none,
  full,     // no room: on the disk, or below the file's own limit
  damaged,  // the file is no sound database
  busy,     // another process holds it for longer than was waited
  other,
};

class Database;

// One run of a statement. Values are bound from 1, read from 0.
class Statement {
 public:
  Statement& bind(int at, std::int64_t value);
  Statement& bind(int at, std::string_view text);
  // Not copied: the bytes must live until the statement ends.
  Statement& bind_bytes(int at, std::string_view bytes);

  // True: there is a row. False: there is none any more.
  [[nodiscard]] Result<bool> step();
  // For what gives no rows.
  [[nodiscard]] Result<void> run();
  // From the start again, with what is bound still bound.
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  // Until the next step.
  [[nodiscard]] std::string_view bytes(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(Database& database, sqlite3_stmt* statement)
      : database_(&database), statement_(statement) {}

  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // Makes the file where it is missing (for its owner alone), unless it is opened for reading.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                              bool read_only);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // Statements without parameters or answers, separated by semicolons.
  [[nodiscard]] Result<void> run(const std::string& statements);
  [[nodiscard]] Result<Statement> prepare(std::string_view statement);
  // The first column of the first row; 0 where there is none.
  [[nodiscard]] Result<std::int64_t> number(std::string_view statement);

  // How many rows the last statement changed.
  [[nodiscard]] std::int64_t changes() const;
  // Whether the path leads to another file now, or to none.
  [[nodiscard]] bool moved() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  // Of the last error that was made here.
  [[nodiscard]] Trouble trouble() const { return trouble_; }

 private:
  friend class Statement;
  friend class Transaction;
  void roll_back();
  explicit Database(std::string path) : path_(std::move(path)) {}
  Error fail(int code);

  std::string path_;
  sqlite3* handle_ = nullptr;
  Trouble trouble_ = Trouble::none;
};

// Writes belong together from its making to commit(); without that they are taken back.
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  [[nodiscard]] Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace lyceum::watch::sqlite
