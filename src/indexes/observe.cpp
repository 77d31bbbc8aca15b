#include "indexes/observe.h"

#include <boost/describe.hpp>
#include <fmt/format.h>
#include <set>
#include <utility>

#include "sql/statements.h"

namespace lyceum::indexes {
namespace {

using boost::asio::awaitable;
using pg::Connection;
using pg::Params;

struct IndexRow {
  std::int64_t oid;
  std::string schema, name;
  std::int64_t table_oid;
  std::string table_schema, table, method, definition;
  std::vector<std::string> key_definitions;
  std::vector<std::int64_t> opclasses, collations;
  std::vector<std::int16_t> options;
  std::vector<std::string> included;
  std::string predicate;
  bool unique, nulls_not_distinct, primary, valid, ready, clustered, replica_identity, partition;
  std::string constraint;
  int building_process;
  std::int64_t bytes, scans;
};
BOOST_DESCRIBE_STRUCT(IndexRow, (),
                      (oid, schema, name, table_oid, table_schema, table, method, definition,
                       key_definitions, opclasses, collations, options, included, predicate, unique,
                       nulls_not_distinct, primary, valid, ready, clustered, replica_identity,
                       partition, constraint, building_process, bytes, scans))

struct TableRow {
  std::string schema_as_declared, name;
  std::int64_t oid;
  std::string schema, kind, owner;
  bool may_build;
};
BOOST_DESCRIBE_STRUCT(TableRow, (), (schema_as_declared, name, oid, schema, kind, owner, may_build))

struct OtherRow {
  std::string schema, name, kind;
};
BOOST_DESCRIBE_STRUCT(OtherRow, (), (schema, name, kind))

struct ServerRow {
  std::string role;
  bool in_recovery;
  std::string statistics_since;
};
BOOST_DESCRIBE_STRUCT(ServerRow, (), (role, in_recovery, statistics_since))

struct JournalRow {
  std::int64_t id;
  std::string schema, name, build_name;
  std::int64_t table_oid;
  std::string declared, definition, state;
  std::int64_t index_oid, replaced_oid;
};
BOOST_DESCRIBE_STRUCT(JournalRow, (),
                      (id, schema, name, build_name, table_oid, declared, definition, state,
                       index_oid, replaced_oid))

struct JournalThereRow {
  bool exists, readable, schema_exists;
};
BOOST_DESCRIBE_STRUCT(JournalThereRow, (), (exists, readable, schema_exists))

struct DefinitionRow {
  std::string name, definition;
};
BOOST_DESCRIBE_STRUCT(DefinitionRow, (), (name, definition))

// pg_get_indexdef and pg_get_expr print times as these say. A lock that somebody holds on the
// system's own tables, or on a table that is copied, must not stop a look for long.
constexpr auto kSession =
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET lock_timeout = '5s'; "
    "SET statement_timeout = '60s'";

constexpr std::string_view kPermissionDenied = "42501";
constexpr std::string_view kLockNotAvailable = "55P03";

ExistingIndex to_index(IndexRow row) {
  ExistingIndex out;
  out.oid = static_cast<Oid>(row.oid);
  out.schema = std::move(row.schema);
  out.name = std::move(row.name);
  out.table_oid = static_cast<Oid>(row.table_oid);
  out.table_schema = std::move(row.table_schema);
  out.table = std::move(row.table);
  out.method = std::move(row.method);
  out.definition = std::move(row.definition);
  for (std::size_t i = 0; i < row.key_definitions.size(); ++i) {
    out.keys.push_back({std::move(row.key_definitions[i]), static_cast<Oid>(row.opclasses.at(i)),
                        static_cast<Oid>(row.collations.at(i)), row.options.at(i)});
  }
  out.included = std::move(row.included);
  out.predicate = std::move(row.predicate);
  out.unique = row.unique;
  out.nulls_not_distinct = row.nulls_not_distinct;
  out.primary = row.primary;
  out.valid = row.valid;
  out.ready = row.ready;
  out.clustered = row.clustered;
  out.replica_identity = row.replica_identity;
  out.partition = row.partition;
  out.constraint = std::move(row.constraint);
  out.building_process = row.building_process;
  out.bytes = row.bytes;
  out.scans = row.scans;
  return out;
}

char first_of(const std::string& text) {
  return text.empty() ? '\0' : text.front();
}

awaitable<Result<void>> read_inventory(Connection& connection, const Catalogue& catalogue,
                                       Inventory& out) {
  auto server = co_await connection.execute(sql::indexing::server);
  if (!server) co_return server.error();
  auto facts = server->as<ServerRow>().at(0);
  out.role = std::move(facts.role);
  out.in_recovery = facts.in_recovery;
  out.statistics_since = std::move(facts.statistics_since);
  out.server_version = connection.server_version();

  std::set<std::pair<std::string, std::string>> named;
  std::vector<std::string> names;
  for (const auto& declared : catalogue.indexes()) {
    named.emplace(declared.statement.schema, declared.statement.table);
    names.push_back(declared.name());
  }
  std::vector<std::string> schemas, tables;
  for (const auto& [schema, table] : named) {
    schemas.push_back(schema);
    tables.push_back(table);
  }
  const Params table_params(schemas, tables);
  auto table_rows = co_await connection.execute(sql::indexing::tables, table_params);
  if (!table_rows) co_return table_rows.error();
  for (auto& row : table_rows->as<TableRow>()) {
    out.tables.push_back({row.schema_as_declared, row.name, static_cast<Oid>(row.oid), row.schema,
                          first_of(row.kind), row.owner, row.may_build});
  }

  const Params name_params(names);
  auto others = co_await connection.execute(sql::indexing::other_relations, name_params);
  if (!others) co_return others.error();
  for (auto& row : others->as<OtherRow>()) {
    out.other_relations.push_back({row.schema, row.name, first_of(row.kind)});
  }

  auto indexes = co_await connection.execute(sql::indexing::inventory);
  if (!indexes) co_return indexes.error();
  for (auto& row : indexes->as<IndexRow>()) out.indexes.push_back(to_index(std::move(row)));
  co_return Result<void>{};
}

awaitable<Result<void>> read_journal(Connection& connection, Observation& out) {
  auto there = co_await connection.execute(sql::indexing::journal_exists);
  if (!there) co_return there.error();
  const auto facts = there->as<JournalThereRow>().at(0);
  out.journal_exists = facts.exists;
  if (!facts.exists || !facts.readable) co_return Result<void>{};
  auto rows = co_await connection.execute(sql::indexing::journal);
  if (!rows) co_return rows.error();
  for (auto& row : rows->as<JournalRow>()) {
    BuildRecord record;
    record.id = row.id;
    record.schema = std::move(row.schema);
    record.name = std::move(row.name);
    record.build_name = std::move(row.build_name);
    record.table_oid = static_cast<Oid>(row.table_oid);
    record.declared = std::move(row.declared);
    record.definition = std::move(row.definition);
    record.state = parse_build_state(row.state).value_or(BuildState::failed);
    record.index_oid = static_cast<Oid>(row.index_oid);
    record.replaced_oid = static_cast<Oid>(row.replaced_oid);
    out.journal.push_back(std::move(record));
  }
  co_return Result<void>{};
}

// Asks the server about the declarations that the trees leave open: see plan.h. All in one
// transaction that is rolled back, each declaration behind a savepoint.
class Probe {
 public:
  Probe(Connection& connection, Observation& out) : connection_(connection), out_(out) {}

  awaitable<Result<void>> ask(std::vector<Question> open) {
    if (open.empty()) co_return Result<void>{};
    // Also where the role's default is a read-only transaction; on a replica this fails.
    auto begun = co_await run("BEGIN READ WRITE; SET LOCAL lock_timeout = '1s'");
    if (!begun) {
      out_.why_not_asked = begun.error().message;
      auto ended = co_await run("ROLLBACK");
      if (connection_.closed()) co_return ended.error();
      co_return Result<void>{};
    }
    std::map<std::pair<std::string, std::string>, std::string> copies;  // empty: not to be had
    for (std::size_t i = 0; i < open.size() && !connection_.closed(); ++i) {
      const auto& question = open[i];
      const auto table = std::pair(question.schema, question.table);
      if (!copies.contains(table)) {
        const auto name = fmt::format("lyceum_copy_{}", copies.size());
        copies[table] = co_await copy(question, name) ? name : std::string();
      }
      if (!copies[table].empty()) co_await make(question, i, copies[table]);
    }
    if (!connection_.closed()) {
      auto rows = co_await connection_.execute(sql::indexing::probe_definitions);
      if (rows) take(*rows, open);
    }
    auto ended = co_await run("ROLLBACK");
    if (!ended) co_return ended.error();
    co_return Result<void>{};
  }

 private:
  awaitable<Result<void>> run(std::string text) {
    auto result = co_await connection_.script(std::move(text));
    connection_.set_in_transaction(connection_.transaction_open());
    if (!result) co_return result.error();
    co_return Result<void>{};
  }

  // Names and types are all that an index's definition takes from its table.
  awaitable<bool> copy(const Question& question, std::string name) {
    auto made =
        co_await run(fmt::format("SAVEPOINT copy; CREATE TEMPORARY TABLE {} (LIKE {}); "
                                 "RELEASE copy",
                                 quoted_name(name), quoted_name(question.schema, question.table)));
    if (made) co_return true;
    out_.why_not_asked =
        fmt::format("{} cannot be copied: {}", quoted_name(question.schema, question.table),
                    made.error().message);
    co_await run("ROLLBACK TO copy");
    co_return false;
  }

  awaitable<void> make(const Question& question, std::size_t number, const std::string& copy) {
    const auto create =
        create_index_sql(question.declared->statement, probe_name(number),
                         fmt::format("pg_temp.{}", quoted_name(copy)), question.tail, false);
    auto made = co_await run(fmt::format("SAVEPOINT index; {}; RELEASE index", create));
    if (made) co_return;
    const auto& error = made.error();
    if (error.sqlstate == kPermissionDenied || error.sqlstate == kLockNotAvailable ||
        error.code != ErrorCode::kSql) {
      out_.why_not_asked = error.message;
    } else {
      out_.views[question.name].error = error;
    }
    co_await run("ROLLBACK TO index");
  }

  void take(const pg::Rows& rows, const std::vector<Question>& open) {
    std::map<std::string, std::string> definitions;
    for (auto& row : rows.as<DefinitionRow>()) definitions[row.name] = row.definition;
    for (std::size_t i = 0; i < open.size(); ++i) {
      const auto found = definitions.find(probe_name(i));
      if (found != definitions.end()) out_.views[open[i].name].definition = found->second;
    }
  }

  static std::string probe_name(std::size_t number) {
    return fmt::format("lyceum_probe_{}", number);
  }

  Connection& connection_;
  Observation& out_;
};

}  // namespace

Date utc_day(const Clock& clock) {
  return std::chrono::floor<std::chrono::days>(clock.wall_now());
}

awaitable<Result<Observation>> observe(std::shared_ptr<Connection> connection,
                                       const Catalogue& catalogue, Date today) {
  Observation out;
  auto session = co_await connection->script(kSession);
  if (!session) co_return session.error();
  if (auto read = co_await read_inventory(*connection, catalogue, out.inventory); !read) {
    co_return read.error();
  }
  if (auto read = co_await read_journal(*connection, out); !read) co_return read.error();
  auto open = questions(catalogue, out, today);
  Probe probe(*connection, out);
  if (auto asked = co_await probe.ask(std::move(open)); !asked) co_return asked.error();
  co_return out;
}

awaitable<Result<Plan>> plan(std::shared_ptr<Connection> connection, const Catalogue& catalogue,
                             Date today) {
  auto observation = co_await observe(std::move(connection), catalogue, today);
  if (!observation) co_return observation.error();
  co_return make_plan(catalogue, *observation, today);
}

}  // namespace lyceum::indexes
