#include "indexes/apply_journal.h"

#include <boost/describe.hpp>
#include <fmt/format.h>

#include "indexes/index_statement.h"
#include "sql/statements.h"

namespace lyceum::indexes {

using boost::asio::awaitable;
using pg::Params;

BOOST_DESCRIBE_STRUCT(BuiltIndex, (), (oid, table_oid, valid, definition, bytes))

namespace {

struct JournalThereRow {
  bool exists, readable, schema_exists;
};
BOOST_DESCRIBE_STRUCT(JournalThereRow, (), (exists, readable, schema_exists))

}  // namespace

awaitable<Result<void>> ApplyJournal::ensure(std::string role) {
  auto rows = co_await connections_.ask(sql::indexing::journal_exists, Params());
  if (!rows) co_return rows.error();
  const auto there = rows->as<JournalThereRow>().at(0);
  if (there.exists) co_return Result<void>{};
  std::string text;
  // CREATE SCHEMA IF NOT EXISTS needs the right to create schemas even where it is there.
  if (!there.schema_exists) text += "CREATE SCHEMA IF NOT EXISTS lyceum; ";
  for (const auto& file : sql::files()) {
    if (file.path == "indexing/journal_table.sql") text += file.text;
  }
  auto made = co_await connections_.monitor()->script(std::move(text));
  if (made) co_return Result<void>{};
  auto error = made.error();
  error.message = "the journal lyceum.index_builds cannot be made: " + error.message;
  error.hint = fmt::format(
      "as the database's owner: CREATE SCHEMA IF NOT EXISTS lyceum; GRANT USAGE, CREATE ON "
      "SCHEMA "
      "lyceum TO {}",
      quoted_name(role));
  co_return error;
}

awaitable<Result<std::int64_t>> ApplyJournal::begin(const PlannedIndex& planned,
                                                    const std::string& build_name) {
  const std::int64_t replaced = planned.standing == Standing::different ? planned.existing->oid : 0;
  const Params params(planned.schema, planned.name(), build_name,
                      static_cast<std::int64_t>(planned.table_oid), planned.create_sql(build_name),
                      std::int32_t{connections_.builder()->server_process()}, replaced);
  auto rows = co_await connections_.ask(sql::indexing::journal_begin, params);
  if (!rows) co_return rows.error();
  co_return rows->value<std::int64_t>();
}

awaitable<Result<void>> ApplyJournal::update(std::int64_t id, BuildState state, std::int64_t oid,
                                             std::string definition, std::string error) {
  const Params params(id, name_of(state), oid, definition, error);
  auto rows = co_await connections_.ask(sql::indexing::journal_update, params);
  if (!rows) co_return rows.error();
  co_return Result<void>{};
}

awaitable<std::optional<BuiltIndex>> ApplyJournal::find(std::string schema, std::string name) {
  const Params params(schema, name);
  auto rows = co_await connections_.ask(sql::indexing::built, params);
  if (!rows || rows->empty()) co_return std::nullopt;
  co_return rows->as<BuiltIndex>().at(0);
}

}  // namespace lyceum::indexes
