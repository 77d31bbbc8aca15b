#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "learning/load_simulate.h"
#include "pg/copy.h"

namespace lyceum::learning::load {

// The rows of one table, given out once, a few at a time.
class RowSource {
 public:
  virtual ~RowSource() = default;
  [[nodiscard]] virtual std::string_view table() const = 0;
  [[nodiscard]] virtual std::string columns() const = 0;  // "id, name", as they are given out
  [[nodiscard]] virtual std::uint64_t total() const = 0;
  // Appends the next row, in COPY's binary or in its text format; false at the end.
  virtual bool append(pg::CopyBuffer& out) = 0;
  virtual bool append(std::string& out) = 0;
};

// One source for each table of the platform, in an order in which every reference finds its row.
// Within a table rows come about as they would have been written: a table of what learners did is
// cut into blocks of some 50,000 rows by learners from all tenants, and each block is in order of
// time. So a learner's rows lie scattered, as in a database that has lived. The school outlives the
// sources.
[[nodiscard]] std::vector<std::unique_ptr<RowSource>> sources_of(const School& school);

// The tables above, and those of requests and of who makes them: what a load needs empty.
inline constexpr std::string_view kAllTables =
    "tenants, vocabulary, users, stories, progress, user_vocabulary_progress, exercises, "
    "learning_sessions, exercise_attempts, user_events, idempotency_keys, api_keys";

// "COPY table (columns) FROM STDIN (FORMAT format)"
[[nodiscard]] std::string copy_statement(const RowSource& source, std::string_view format);

// Writes all tables in COPY's text format as <directory>/<table>.copy, and load.sql that psql loads
// them with, run in that directory: the same rows in the same order as run() loads, for comparison.
// Gives the number of rows. kIo where a file cannot be written.
[[nodiscard]] Result<std::uint64_t> write_copy_files(const School& school,
                                                     const std::string& directory);

}  // namespace lyceum::learning::load
