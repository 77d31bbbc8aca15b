#include "watch/collection.h"

#include <fmt/format.h>
#include <map>
#include <string>

namespace lyceum::watch {

void set_standing(RowOf& row, std::string_view error, std::string_view gap, std::string_view mend) {
  const auto* state = !error.empty() ? "failing"
                      : gap.empty()  ? "running"
                      : mend.empty() ? "absent"
                                     : "off";
  row.set("state", std::string(state))
      .set("last_error", std::string(error.empty() ? gap : error))
      .set("mend", std::string(gap.empty() ? std::string_view() : mend));
}

std::vector<Sample> samples_of(std::span<const pg::Target> nodes,
                               const std::vector<Reading>& readings, Timestamp now) {
  const auto& node_columns = *find_collector("nodes");
  const auto& collector_columns = *find_collector("collectors");
  std::vector<Sample> out;
  std::map<std::string, std::string> unreachable;
  std::map<std::string, Sample> collectors;  // by node
  for (const auto& reading : readings) {
    const auto& source = reading.source;
    if (source.collector.empty()) {
      if (reading.error) unreachable[source.node] = reading.error->to_string();
      continue;
    }
    if (reading.sample) out.push_back(*reading.sample);
    if (!reading.error && !reading.gap) continue;
    RowOf row(collector_columns);
    row.set("collector", source.collector);
    const auto where = source.database.empty() ? "" : fmt::format("in {}: ", source.database);
    set_standing(row, reading.error ? where + reading.error->to_string() : "",
                 reading.gap ? where + reading.gap->why : "", reading.gap ? reading.gap->mend : "");
    auto& sample = collectors[source.node];
    sample.source = {.collector = "collectors", .node = source.node};
    sample.at = now;
    sample.rows.push_back(row.take());
  }
  Sample seen{.source = {.collector = "nodes"}, .at = now};
  for (const auto& node : nodes) {
    const auto why = unreachable.find(node.node);
    const bool up = why == unreachable.end();
    RowOf row(node_columns);
    row.set("node", node.node)
        .set("role", std::string("unknown"))
        .set("standing", up ? std::string("answers") : why->second)
        .set("up", std::int64_t{up ? 1 : 0});
    seen.rows.push_back(row.take());
  }
  for (auto& [node, sample] : collectors) out.push_back(std::move(sample));
  out.push_back(std::move(seen));
  return out;
}

}  // namespace lyceum::watch
