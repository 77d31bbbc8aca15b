#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "indexes/inventory.h"

// The memory of builds: table lyceum.index_builds of the database itself. A row is written before a
// build starts, so that whatever an interruption leaves behind is known to be ours. What the rows
// mean is decided here, without I/O.
namespace lyceum::indexes {

// A build's life:
//   building → done                            a new index
//   building → built → swapped → done          one that takes another's place
//   building → failed | abandoned              an error was seen | nothing is left of it
enum class BuildState { building, built, swapped, done, failed, abandoned };

[[nodiscard]] std::string_view name_of(BuildState state);
[[nodiscard]] std::optional<BuildState> parse_build_state(std::string_view name);

struct BuildRecord {
  std::int64_t id = 0;
  std::string schema;
  std::string name;        // the index's name in the catalogue
  std::string build_name;  // the name it is built under: the same, or building_name() of it
  Oid table_oid = 0;
  std::string declared;    // the statement that builds it, as text
  std::string definition;  // pg_get_indexdef of what was built; empty until it is known
  BuildState state = BuildState::building;
  Oid index_oid = 0;     // 0 until it is known
  Oid replaced_oid = 0;  // the index whose place it took; 0 where there was none

  [[nodiscard]] bool is_replacement() const { return build_name != name; }
  [[nodiscard]] bool is_unfinished() const {
    return state == BuildState::building || state == BuildState::built ||
           state == BuildState::swapped;
  }
};

// Under which name an index is built that takes another's place, and under which the other one
// waits to be dropped. At most 63 bytes; different for different names.
[[nodiscard]] std::string building_name(std::string_view name);
[[nodiscard]] std::string retired_name(std::string_view name);

// Whether this index is what `record`'s build made: the same index by its number where that is
// known, else one of the build's name on its table, defined as the build's statement says, while
// the record says that it is being built. That a build of a taken name fails at once (and its
// record then says so) is what makes the second sound.
[[nodiscard]] bool made_by(const BuildRecord& record, const ExistingIndex& index);

// Whether an index is the wreck of a build of ours: invalid, made by a build that did not come to
// its end. An index of ours that became invalid later (an interrupted DROP INDEX CONCURRENTLY of
// somebody) is none.
[[nodiscard]] bool is_own_wreck(std::span<const BuildRecord> journal, const ExistingIndex& index);

enum class RecoveryKind {
  drop_wreck,      // an invalid index of ours: drop it
  drop_replaced,   // the swap is done: drop the index whose place was taken
  note_built,      // complete under its building name: ready to be swapped in
  note_done,       // complete
  note_abandoned,  // nothing of it is left
};
[[nodiscard]] std::string_view name_of(RecoveryKind kind);

struct RecoveryStep {
  RecoveryKind kind = RecoveryKind::note_done;
  std::int64_t record = 0;
  std::string name;   // of the declared index
  Oid index_oid = 0;  // what is to be dropped, or was found
  std::string schema;
  std::string index;  // its name
};

// What must be done about the traces of earlier builds before anything is built. Each step is
// justified by a journal row and the index itself; an index without a row is never in it, nor one
// that some backend is building just now.
[[nodiscard]] std::vector<RecoveryStep> recover(std::span<const BuildRecord> journal,
                                                const Inventory& inventory);

}  // namespace lyceum::indexes
