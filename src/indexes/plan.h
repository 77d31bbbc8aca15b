#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "indexes/catalogue.h"
#include "indexes/inventory.h"
#include "indexes/journal.h"

// What is between a catalogue and a database. Pure: observe.h reads what it works on.
//
// Whether an existing index is the declared one cannot be read off the texts: the server prints
// to_tsvector('english'::regconfig, (title)::text) for to_tsvector('english', title), drops
// parentheses and defaults, adds operator classes and casts, and which casts depends on the
// columns' types. So, in this order:
//   1. The two parse trees are equal: the same.
//   2. The journal says that this very index was built from this very declaration, and it is still
//      defined as it was then: the same. This keeps a second apply free of DDL.
//   3. The server is asked: in a transaction that is rolled back, it makes the declared index on an
//      empty temporary copy of the table, and the two outputs of pg_get_indexdef are compared, as
//      parse trees without names. That is exact, whatever the server's version normalizes, and
//      finds declarations that cannot be built at all before anything is built.
//   4. Where it cannot be asked (a replica, a role that may not make temporary tables), parse trees
//      without the usual rewritings are compared, and the plan says that it is not confirmed.
namespace lyceum::indexes {

// What the server answered about a declared index.
struct ServerView {
  std::string definition;      // of the index on the empty copy; empty where there is an error
  std::optional<Error> error;  // it refuses the declaration
};

// Everything a plan is made of.
struct Observation {
  Inventory inventory;
  std::vector<BuildRecord> journal;
  bool journal_exists = false;
  std::map<std::string, ServerView, std::less<>> views;  // by the declared index's name
  std::string why_not_asked;  // why some declared index has no view; empty where all have
};

enum class Standing {
  same,
  missing,
  different,    // of that name, valid, defined otherwise, or a rolling one due for renewal
  invalid,      // of that name, left incomplete by a build
  unbuildable,  // the declaration does not fit this database
};
[[nodiscard]] std::string_view name_of(Standing standing);

struct PlannedIndex {
  DeclaredIndex declared;
  Standing standing = Standing::missing;
  std::string reason;  // one sentence where the standing needs one
  std::string schema;  // of the table and the index; empty where the table is not there
  Oid table_oid = 0;
  std::string tail;  // of the statement, with literal dates
  std::optional<ExistingIndex> existing;
  bool ours = false;      // of an invalid one: its build is in the journal, so apply may drop it
  bool confirmed = true;  // compared by the server
  std::string obstacle;   // why this role cannot build it here; empty where it can
  std::string defined_alike;  // of a missing one: an index of another name that does its work

  [[nodiscard]] const std::string& name() const { return declared.name(); }
  // Apply has something to do here: build it, or build it anew.
  [[nodiscard]] bool to_build() const {
    return standing == Standing::missing || standing == Standing::different ||
           (standing == Standing::invalid && ours);
  }
  // The statement, under `name`.
  [[nodiscard]] std::string create_sql(std::string_view name, bool concurrently = true) const;
};

struct Plan {
  std::vector<PlannedIndex> indexes;    // in the catalogue's order
  std::vector<ExistingIndex> extra;     // on the catalogue's tables, not declared, for speed only
  std::vector<Redundancy> redundant;    // on the catalogue's tables
  std::vector<RecoveryStep> leftovers;  // of earlier builds: apply clears them first
  std::string unconfirmed;              // why the server was not asked; empty where it was

  [[nodiscard]] std::size_t count(Standing standing) const;
  // Apply would change nothing.
  [[nodiscard]] bool nothing_to_build() const;
  // All declared indexes are there, and nothing is left to do or to look at but extra ones.
  [[nodiscard]] bool all_same() const { return count(Standing::same) == indexes.size(); }
};

// A question to the server: would this be the same index?
struct Question {
  std::string name;    // of the declared index
  std::string schema;  // of the table
  std::string table;
  const DeclaredIndex* declared = nullptr;
  std::string tail;
};

// The declared indexes that steps 1 and 2 do not settle.
[[nodiscard]] std::vector<Question> questions(const Catalogue& catalogue,
                                              const Observation& observation, Date today);

[[nodiscard]] Plan make_plan(const Catalogue& catalogue, const Observation& observation,
                             Date today);

// Why this server must not build indexes concurrently; empty where it may. PostgreSQL 14.0 to 14.3
// can leave such an index without some rows (release notes of 14.4).
[[nodiscard]] std::string concurrent_build_obstacle(int server_version);

}  // namespace lyceum::indexes
