#include "support/postgres.h"

#include <atomic>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <memory>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <utility>

#include "local/cluster.h"
#include "local/ephemeral.h"
#include "local/process.h"
#include "support/process.h"

namespace lyceum::testing {
namespace {

struct SharedCluster {
  local::Ephemeral place;
  local::Cluster cluster;

  static SharedCluster make() {
    auto place = local::Ephemeral::make();
    auto cluster = place.value().up();
    return {std::move(place.value()), std::move(cluster.value())};
  }
};

// RFC 4180, with line feeds alone as psql writes them.
Rows parse_csv(std::string_view text) {
  Rows rows;
  Row row;
  std::string field;
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char character = text[i];
    if (is_quoted) {
      if (character != '"') {
        field += character;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += '"';
        ++i;
      } else {
        is_quoted = false;
      }
    } else if (character == '"') {
      is_quoted = true;
    } else if (character == ',' || character == '\n') {
      row.push_back(std::exchange(field, {}));
      if (character == '\n') rows.push_back(std::exchange(row, {}));
    } else {
      field += character;
    }
  }
  return rows;
}

// For one statement, libpq does what psql does, without the cost of a process.
Rows query_by_libpq(const std::string& url, const std::string& sql) {
  const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(url.c_str()), PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    throw std::runtime_error(std::string("psql: ") + PQerrorMessage(connection.get()));
  }
  PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
  const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(connection.get(), sql.c_str()),
                                                              PQclear);
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    throw std::runtime_error(std::string("psql: ") + PQerrorMessage(connection.get()));
  }
  Rows rows;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    Row& fields = rows.emplace_back();
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      const bool is_null = PQgetisnull(result.get(), row, column) != 0;
      fields.emplace_back(is_null ? kNull : PQgetvalue(result.get(), row, column));
    }
  }
  return rows;
}

// Semicolons may separate statements and backslashes may begin psql's own commands; where they do
// not, psql merely is slower.
bool needs_psql(std::string_view sql) {
  const auto last = sql.find_last_not_of(" \n\t;");
  return sql.substr(0, last + 1).find_first_of(";\\") != std::string_view::npos;
}

// Names of databases are unique in a run; a server lives for one run.
std::string fresh_name() {
  static std::atomic<int> count{0};
  return fmt::format("test_{}_{}", ::getpid(), ++count);
}

}  // namespace

local::Server& shared_server() {
  static SharedCluster shared = SharedCluster::make();
  return shared.cluster.primary();
}

Rows psql(const std::string& url, const std::string& sql) {
  if (!needs_psql(sql)) return query_by_libpq(url, sql);
  static const auto program = local::find_binaries().value().program("psql").string();
  const auto done = run_process({program, url, "-Xtq", "--csv", "-v", "ON_ERROR_STOP=1", "-P",
                                 "null=" + std::string(kNull), "-f", "-"},
                                {.input = sql + "\n"});
  if (done.exit_status != 0) throw std::runtime_error("psql: " + done.err);
  return parse_csv(done.out);
}

std::string psql_value(const std::string& url, const std::string& sql) {
  const auto rows = psql(url, sql);
  if (rows.size() != 1 || rows[0].size() != 1) {
    throw std::runtime_error(
        fmt::format("psql: {} rows in place of one value: {}", rows.size(), sql));
  }
  return rows[0][0];
}

TestDatabase::TestDatabase(local::Server& server) : TestDatabase(server, "template1") {}

TestDatabase::TestDatabase(local::Server& server, const std::string& template_name)
    : server_(server), name_(fresh_name()) {
  psql(server_.url("postgres"),
       fmt::format("create database {} template {}", name_, template_name));
}

TestDatabase::~TestDatabase() {
  try {
    psql(server_.url("postgres"), fmt::format("drop database if exists {} with (force)", name_));
  } catch (const std::exception&) {
    // The test stopped the server: the database goes with its directory.
  }
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace lyceum::testing
