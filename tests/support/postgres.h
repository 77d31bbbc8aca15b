#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local/server.h"

namespace lyceum::testing {

// A PostgreSQL primary for all tests of this executable: started at the first call, ended and
// removed with the process, however that ends. Throws Exception where it cannot be started.
[[nodiscard]] local::Server& shared_server();

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

// How NULL appears in Rows.
inline constexpr std::string_view kNull = "\\N";

// Runs SQL and returns all rows of all its results as text: an oracle that shares no code with
// Lyceum. Each statement is its own transaction, and psql's \ commands work. One statement takes a
// few milliseconds, several some ten more. Throws std::runtime_error with the server's message at
// the first error.
Rows psql(const std::string& url, const std::string& sql);

// The only value of the only row. Throws where there are more or fewer.
std::string psql_value(const std::string& url, const std::string& sql);

// A fresh, empty database on the shared server (or on the one given), dropped at the end, whoever
// is still connected.
class TestDatabase {
 public:
  TestDatabase() : TestDatabase(shared_server()) {}
  explicit TestDatabase(local::Server& server);
  // A copy of another database, to which nobody may be connected: faster than migrating again.
  TestDatabase(local::Server& server, const std::string& template_name);
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;
  ~TestDatabase();

  [[nodiscard]] const std::string& name() const { return name_; }
  // Over the Unix socket, as superuser, without a secret.
  [[nodiscard]] std::string url() const { return server_.url(name_); }
  // Over TCP, with the password.
  [[nodiscard]] std::string tcp_url() const { return server_.tcp_url(name_); }
  [[nodiscard]] local::Server& server() const { return server_; }

  Rows query(const std::string& sql) const { return psql(url(), sql); }
  [[nodiscard]] std::string value(const std::string& sql) const { return psql_value(url(), sql); }

 private:
  local::Server& server_;
  std::string name_;
};

// Whether the condition came to hold within the time; asks every 5 ms.
[[nodiscard]] bool eventually(const std::function<bool()>& condition,
                              std::chrono::milliseconds timeout = std::chrono::seconds(20));

}  // namespace lyceum::testing
