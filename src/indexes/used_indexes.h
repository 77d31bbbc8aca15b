#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lyceum::indexes {

// The indexes that a plan reads, from the text of EXPLAIN (FORMAT JSON): by index scans, index-only
// scans and bitmap index scans, in sub-plans and CTEs too. Error (kBadInput): the text is no plan.
[[nodiscard]] Result<std::set<std::string>> indexes_used(std::string_view explain_json);

// The relations that a plan reads from end to end (Seq Scan), by name.
[[nodiscard]] Result<std::set<std::string>> tables_scanned(std::string_view explain_json);

// The names in a statement's `-- uses:` header: separated by commas, blanks around them dropped.
[[nodiscard]] std::set<std::string> names_in(std::string_view uses);

}  // namespace lyceum::indexes
