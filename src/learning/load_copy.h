#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "learning/load_source.h"
#include "pg/connection.h"

namespace lyceum::learning::load {

// How far the work on one table is.
struct Progress {
  std::string_view table;
  std::uint64_t rows = 0;
  std::uint64_t total = 0;  // 0 where it is not known
  double rows_per_second = 0;
  bool finished = false;  // once a table, with rows == total
};
// Called about ten times a second, and once when a table is finished. Runs on the connection's
// thread; keep it short.
using ReportProgress = std::function<void(const Progress&)>;

// When the server compares foreign keys with the tables that they refer to.
enum class ForeignKeys {
  each_row,  // as it always does: one look-up a row and key
  at_end,    // by one join after the last row; for tables that were empty
};

// Loads all rows of a source by binary COPY, in one transaction of its own: after an error nothing
// of it is stored. The error says the table, how many rows had been sent, and the server's reason.
//
// COPY refuses tables with row-level security that holds for the role (0A000), and ours is forced
// on the owner too. Where that is so, force is lifted and put back within the transaction; it holds
// the table's lock, so nobody ever reads the table without it. The role has to be a member of the
// table's owner.
//
// With ForeignKeys::at_end the table's foreign keys are dropped and made again, checked, in the
// same transaction: as sound, several times as fast, and it locks the tables referred to until the
// end.
//
// The connection must be idle, outside of a transaction.
[[nodiscard]] boost::asio::awaitable<Result<std::uint64_t>> copy_table(
    std::shared_ptr<pg::Connection> connection, RowSource& source, ReportProgress report,
    ForeignKeys keys = ForeignKeys::each_row);

}  // namespace lyceum::learning::load
