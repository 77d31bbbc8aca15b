#pragma once

#include <libpq-fe.h>
#include <memory>
#include <stdexcept>
#include <string>

namespace lyceum::testing {

// A connection of the test's own that keeps what it did open: a lock, above all. What is neither
// ended nor committed is rolled back with the object. Blocks; throws std::runtime_error with the
// server's message.
class OpenTransaction {
 public:
  OpenTransaction(const std::string& url, const std::string& sql)
      : connection_(PQconnectdb(url.c_str()), PQfinish) {
    run("begin; " + sql);
  }
  void end() { run("rollback"); }
  void commit() { run("commit"); }

 private:
  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), sql.c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      throw std::runtime_error(PQerrorMessage(connection_.get()));
    }
  }
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace lyceum::testing
