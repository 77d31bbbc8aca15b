#pragma once

#include <libpq-fe.h>
#include <memory>
#include <stdexcept>
#include <string>

namespace lyceum::testing {

// A connection of the test's own whose last statement may still be waiting. Throws
// std::runtime_error with the server's message.
class Session {
 public:
  explicit Session(const std::string& url) : connection_(PQconnectdb(url.c_str()), PQfinish) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail();
  }
  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), sql.c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail();
  }
  // Sends, and does not wait for the answer.
  void send(const std::string& sql) {
    if (PQsendQuery(connection_.get(), sql.c_str()) != 1) fail();
  }
  [[nodiscard]] int pid() const { return PQbackendPID(connection_.get()); }

 private:
  [[noreturn]] void fail() const { throw std::runtime_error(PQerrorMessage(connection_.get())); }
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace lyceum::testing
