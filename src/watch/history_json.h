#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "watch/history.h"

namespace lyceum::watch {

// The collectors that a name stands for: its own, or one of the guide's types. `query_performance`
// is statements; `connections` is sessions, which has the guide's columns, and connections, which
// is ours of the same name. Error (kBadInput): none; the hint lists them.
[[nodiscard]] Result<std::vector<std::string>> collectors_named(std::string_view name);

// Where the document goes, piece by piece: a day of large tables is more than fits into memory.
using TextSink = std::function<void(std::string_view)>;

// The guide's getMetrics(type, hours) and getAllMetrics() as one JSON document, by collector:
//
//   {"sessions": [{"timestamp": 1767225600000, "node": "db1:5432", "database": "", "epoch": 1,
//                  "data": [{"database": "app", "state": "active", ...}, ...]}, ...], ...}
//
// Timestamps are milliseconds since 1970, data has a row's columns by name; what JSON has no number
// for is null. Samples come in the order of time. Collectors that are asked for and have none are
// empty arrays; where none is named, those that have samples are there. `columns`, where there are
// any, are those that rows are cut to; keys stay.
//
// Error: kIo. Some of the document may have been written then.
[[nodiscard]] Result<void> write_history_json(History& history, const Selection& selection,
                                              const std::vector<std::string>& columns,
                                              const TextSink& sink);

// As a text.
[[nodiscard]] Result<std::string> history_json(History& history, const Selection& selection,
                                               const std::vector<std::string>& columns = {});

// {"sources": [{"collector", "node", "database", "samples", "bytes", "first", "last"}, ...],
//  "file", "bytes"}: what there is, times as above.
[[nodiscard]] Result<std::string> history_list_json(History& history);

}  // namespace lyceum::watch
