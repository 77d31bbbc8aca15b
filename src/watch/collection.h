#pragma once

#include <span>
#include <vector>

#include "pg/target.h"
#include "watch/node.h"
#include "watch/row_of.h"

namespace lyceum::watch {

// How a collection itself stands, in the columns of the collector "collectors": `error` is why it
// fails now, `gap` why it is switched off, `mend` what switches it on again; each may be empty.
//   failing  it was asked and failed
//   off      something is missing that can be mended
//   absent   the server has no such thing
//   running  else
void set_standing(RowOf& row, std::string_view error, std::string_view gap, std::string_view mend);

// What came of reading every collector once (read_all): what was read, and the samples that a
// running monitor would make of the reading itself: "nodes", which servers answer, and, for each
// node, "collectors", which could not run.
[[nodiscard]] std::vector<Sample> samples_of(std::span<const pg::Target> nodes,
                                             const std::vector<Reading>& readings, Timestamp now);

}  // namespace lyceum::watch
