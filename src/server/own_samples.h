#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/statement_statistics.h"
#include "cluster/topology.h"
#include "server/worker.h"
#include "watch/sample.h"

namespace lyceum::server {

// What the service knows of itself as samples of the monitor: pools, nodes, statements and tenants.
// Percentiles are those of the calls since the reading before. One thread at a time.
class OwnSamples {
 public:
  [[nodiscard]] std::vector<watch::Sample> read(const std::vector<WorkerFigures>& workers,
                                                const cluster::Topology& topology,
                                                const StatementStatistics& statistics);

 private:
  std::map<std::string, Histogram> statements_;
  std::map<std::string, Histogram> tenants_;
};

}  // namespace lyceum::server
