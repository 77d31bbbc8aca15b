#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What a database has: indexes with all that decides whether one may stand in for another, and the
// tables that a catalogue names. Data only; observe.h reads it.
namespace lyceum::indexes {

using Oid = std::uint32_t;

// How much an index is used, by the guide's classes.
enum class Usage { never, rarely, moderately, frequently };

// Scans since counting began: 0, below 100, below 1000, more.
[[nodiscard]] constexpr Usage usage_of(std::int64_t scans) {
  if (scans <= 0) return Usage::never;
  if (scans < 100) return Usage::rarely;
  return scans < 1000 ? Usage::moderately : Usage::frequently;
}
[[nodiscard]] std::string_view name_of(Usage usage);

// One key of an index: the column or expression as the server prints it, and what decides its
// order.
struct IndexKey {
  std::string definition;
  Oid opclass = 0;
  Oid collation = 0;
  int options = 0;  // pg_index.indoption: 1 descending, 2 nulls first

  bool operator==(const IndexKey&) const = default;
};

struct ExistingIndex {
  Oid oid = 0;
  std::string schema;
  std::string name;
  Oid table_oid = 0;
  std::string table_schema;
  std::string table;
  std::string method;
  std::string definition;  // pg_get_indexdef
  std::vector<IndexKey> keys;
  std::vector<std::string> included;
  std::string predicate;  // as the server prints it; empty where there is none
  bool unique = false;
  bool nulls_not_distinct = false;
  bool primary = false;
  bool valid = true;  // complete: may answer queries
  bool ready = true;  // written to
  bool clustered = false;
  bool replica_identity = false;
  bool partition = false;    // part of a partitioned index
  std::string constraint;    // the one it backs or that refers to it; empty where there is none
  int building_process = 0;  // the backend that is building it just now; 0 where none is
  // By pg_class.relpages: as of the last build, VACUUM or ANALYZE. Takes no lock.
  std::int64_t bytes = 0;
  std::int64_t scans = 0;  // on this server, since its statistics were reset

  // Dropping it would take away more than speed: it backs a constraint, identifies rows for
  // replication, or is part of another index.
  [[nodiscard]] bool needed_beyond_speed() const {
    return primary || replica_identity || partition || !constraint.empty();
  }
  [[nodiscard]] Usage usage() const { return usage_of(scans); }
};

// A table that a catalogue names, as it is found on the search path.
struct TableFacts {
  std::string schema_as_declared;  // as the catalogue writes it; empty where it gives none
  std::string name;
  Oid oid = 0;         // 0: there is none
  std::string schema;  // where it was found
  char kind = 'r';     // pg_class.relkind
  std::string owner;
  bool may_build = false;  // this role owns the table and may create in its schema
};

struct Inventory {
  std::vector<ExistingIndex> indexes;
  std::vector<TableFacts> tables;
  // Names in the tables' schemas that belong to something else than an index.
  struct OtherRelation {
    std::string schema;
    std::string name;
    char kind = 'r';
  };
  std::vector<OtherRelation> other_relations;
  std::string role;
  int server_version = 0;  // 150004 for 15.4
  bool in_recovery = false;
  std::string statistics_since;  // when the database's counters were last reset; empty if unknown

  [[nodiscard]] const ExistingIndex* find(std::string_view schema, std::string_view name) const;
  [[nodiscard]] const ExistingIndex* find(Oid oid) const;
  [[nodiscard]] const TableFacts* table(std::string_view schema_as_declared,
                                        std::string_view name) const;
};

// An index that another one can do all the work of.
struct Redundancy {
  std::string schema;
  std::string index;
  std::string covered_by;
  std::int64_t bytes = 0;  // of the one that could go
  bool equal = false;      // the two are defined alike; otherwise the other one has further keys
};

// B-tree indexes whose keys are the first keys of another valid B-tree index of the same table with
// the same predicate, operator classes, collations and order, and whose included columns the other
// one has too. Unique ones are named only where the other is unique on the same keys; those needed
// beyond speed never.
// A scan of the wider index reads more pages: a hint, not a verdict.
[[nodiscard]] std::vector<Redundancy> find_redundant(std::span<const ExistingIndex> indexes);

}  // namespace lyceum::indexes
