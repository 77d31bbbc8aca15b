#pragma once

#include <optional>
#include <span>
#include <string>

#include "server/exposition.h"
#include "watch/collector.h"

namespace lyceum::server {

// The monitor's newest samples as metrics: lyceum_pg_<collector>_<column>, in seconds and bytes,
// labelled with the node, the database where there is one, and the row's keys. Of a collector with
// many rows only so many are told, the largest; rows whose keys come and go (processes) are told by
// their number and their worst alone.
void add_samples(Exposition& out, std::span<const watch::Sample> samples);

// The metric of a column, and what its values are multiplied by to be in the base unit. Nothing for
// what is no number or means nothing by itself (keys, texts, means).
struct ColumnMetric {
  std::string name;
  double factor = 1;
};
[[nodiscard]] std::optional<ColumnMetric> metric_of(const watch::Collector& collector,
                                                    const watch::Column& column);

}  // namespace lyceum::server
