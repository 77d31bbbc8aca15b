#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

// What Lyceum understands of CREATE INDEX, by PostgreSQL's own parser (libpg_query, which only
// index_statement.cpp includes). Nothing here knows a database.
namespace lyceum::indexes {

// A constant of type date, timestamp or timestamptz in an index's predicate.
struct TemporalConstant {
  std::string type;   // "date", "timestamp" or "timestamptz"
  std::string value;  // as written between the quotes
  // Where the quoted literal stands in IndexStatement::tail; length counts the quotes.
  std::size_t offset = 0;
  std::size_t length = 0;
};

// One CREATE INDEX, taken apart.
struct IndexStatement {
  std::string name;    // empty where the statement gives none
  std::string schema;  // of the table; empty where the statement gives none
  std::string table;
  std::string method;  // "btree", "gin", ...
  bool unique = false;
  bool concurrently = false;
  bool if_not_exists = false;
  bool only = false;
  bool has_predicate = false;
  // All that follows the table's name, as written: " USING gin (...) WHERE ...".
  std::string tail;
  std::vector<TemporalConstant> temporal;  // of the predicate, in the order of the text

  // The parse tree as text, without names (index, table), positions, CONCURRENTLY, IF NOT EXISTS
  // and TABLESPACE (which pg_get_indexdef does not show). Equal for two outputs of pg_get_indexdef
  // exactly when the two indexes are defined alike.
  std::string shape;
  // The same with the differences removed that the server's rewriting makes: casts of constants,
  // casts to text, IN against = ANY, nested AND. Equal for a definition and what the server made of
  // it in all but rare cases; two different definitions may be equal too (a constant of another
  // type), so this only stands in where the server cannot be asked.
  std::string loose_shape;

  std::string comment;   // the comment lines directly before the statement, without their marks
  std::size_t line = 0;  // of the statement's first word, from 1
};

// Takes a script apart that holds CREATE INDEX statements and nothing else. An error (kBadInput)
// names `file` and the line.
[[nodiscard]] Result<std::vector<IndexStatement>> parse_index_statements(std::string_view text,
                                                                         std::string_view file);

// The same for one statement without a file: what pg_get_indexdef says.
[[nodiscard]] Result<IndexStatement> parse_index_definition(std::string_view text);

// An identifier as SQL: always in double quotes, so that no keyword needs to be known.
[[nodiscard]] std::string quoted_name(std::string_view identifier);
// A string constant as SQL, whatever standard_conforming_strings says.
[[nodiscard]] std::string quoted_literal(std::string_view text);
// "schema"."name", or "name" where there is no schema.
[[nodiscard]] std::string quoted_name(std::string_view schema, std::string_view name);

// CREATE [UNIQUE] INDEX [CONCURRENTLY] "name" ON table tail: the statement with another name,
// another table (SQL text, already quoted) and another tail.
[[nodiscard]] std::string create_index_sql(const IndexStatement& statement, std::string_view name,
                                           std::string_view table_sql, std::string_view tail,
                                           bool concurrently);

}  // namespace lyceum::indexes
