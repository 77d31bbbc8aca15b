#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/describe.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "pg/connection.h"

namespace lyceum::watch {

// What is to be known of a connection before anything is asked over it.
struct Facts {
  std::string role;
  std::string database;
  bool in_recovery = false;
  double started_at = 0;                 // the server's start, seconds since 1970
  bool reads_statistics = false;         // has pg_read_all_stats, as by pg_monitor
  bool reads_settings = false;           // has pg_read_all_settings
  std::optional<std::string> preloaded;  // shared_preload_libraries, where it may be read
  std::string statements_version;        // of pg_stat_statements here, "1.10"; empty: none
  std::string statements_schema;
};
BOOST_DESCRIBE_STRUCT(Facts, (),
                      (role, database, in_recovery, started_at, reads_statistics, reads_settings,
                       preloaded, statements_version, statements_schema))

// Errors: as Connection::execute.
[[nodiscard]] boost::asio::awaitable<Result<Facts>> read_facts(
    std::shared_ptr<pg::Connection> connection, SteadyTime deadline);

}  // namespace lyceum::watch
