#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "watch/alerts.h"
#include "watch/evaluate.h"

namespace lyceum::watch {

// Samples from a text, in the order of their times: either a line each,
//
//   {"collector": "connections", "timestamp": 1767225600000, "node": "h1", "database": "",
//    "epoch": 1, "data": [{"used": 81, "usable": 97}]}
//
// or what `lyceum history --json` prints: one object of such samples by collector. Timestamps are
// milliseconds since 1970. Collectors and columns that there are no more are left out; columns that
// are not given are missing. Error: kBadInput, with the line of a sample.
[[nodiscard]] Result<std::vector<Sample>> read_samples(std::string_view text);

// Plays samples through the rules as they would have been: each change, in its order.
[[nodiscard]] std::vector<AlertChange> replay(std::span<const Sample> samples,
                                              std::shared_ptr<const RuleSet> rules);

}  // namespace lyceum::watch
