#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "learning/load_copy.h"
#include "learning/load_simulate.h"

namespace lyceum::learning::load {

struct LoadOptions {
  std::string stories_file;       // load_stories.h
  std::string vocabulary_file;    // load_vocabulary.h; empty: wordnet_directory
  std::string wordnet_directory;  // load_wordnet.h; used where there is no vocabulary file
  std::uint64_t seed = 1;
  Scale scale;
  Timestamp as_of{};     // the present, as the simulated learners see it
  bool replace = false;  // empty all tables of the platform first
};

struct TableReport {
  std::string table;
  std::uint64_t rows = 0;
  double seconds = 0;
};

struct LoadReport {
  std::uint64_t stories_read = 0;  // from the file
  std::uint64_t words_read = 0;
  double read_seconds = 0;  // for both files
  std::vector<TableReport> tables;
  std::uint64_t rows = 0;
  double seconds = 0;  // for all tables
};

// Reads the files and makes the school of them. Errors name file and line; those of the scale are
// School::make's. Blocks for as long as reading takes (all of WordNet: about two seconds).
[[nodiscard]] Result<School> read_school(const LoadOptions& options, LoadReport& report);

// Loads everything: both files are read whole before the first row is sent, so that a malformed one
// leaves the database as it was; then table by table, each in a transaction of its own. Where a
// table fails, those before it stay, and replace = true starts anew. Without replace a database
// that already has rows in these tables is refused (kConflict).
//
// The connection must be idle, outside of a transaction, and its role a superuser or a member of
// lyceum_owner. Ends with finish_load() still to be called.
[[nodiscard]] boost::asio::awaitable<Result<LoadReport>> run(
    std::shared_ptr<pg::Connection> connection, LoadOptions options, ReportProgress report);

// The same with a school that is there already, which must outlive the call.
[[nodiscard]] boost::asio::awaitable<Result<LoadReport>> run(
    std::shared_ptr<pg::Connection> connection, const School& school, bool replace,
    ReportProgress report);

// VACUUM (ANALYZE) of one table after the other: statistics for the planner, and the visibility map
// that lets index-only scans skip the table. A table that the role may not vacuum is an error
// (PostgreSQL itself only warns).
[[nodiscard]] boost::asio::awaitable<Result<void>> finish_load(
    std::shared_ptr<pg::Connection> connection, ReportProgress report);

}  // namespace lyceum::learning::load
