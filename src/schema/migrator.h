#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pg/connection.h"
#include "schema/migration.h"

namespace lyceum::schema {

// Brings one database to the schema this program knows. The table lyceum_migrations says what it
// has had; it is made where it is missing. One connection, used by nobody else meanwhile.
class Migrator {
 public:
  Migrator(std::shared_ptr<pg::Connection> connection, std::vector<Migration> migrations)
      : connection_(std::move(connection)), migrations_(std::move(migrations)) {}

  // Changes nothing. A database that never had a migration has all of them pending.
  [[nodiscard]] boost::asio::awaitable<Result<std::vector<MigrationStatus>>> status();

  // Applies what is pending, in order, each in a transaction of its own together with its mark (or
  // outside of one where it says so: then the mark follows it, and a run that ends in between runs
  // it again). An advisory lock keeps two migrators of one database apart: the second waits, says
  // so through `progress`, and finds nothing left to do.
  // Gives how many were applied. Errors: kConflict (see check()), kSql with the migration's name.
  [[nodiscard]] boost::asio::awaitable<Result<int>> apply(
      std::function<void(const std::string&)> progress = {});

 private:
  boost::asio::awaitable<Result<void>> apply_one(const Migration& migration);

  std::shared_ptr<pg::Connection> connection_;
  std::vector<Migration> migrations_;
};

}  // namespace lyceum::schema
