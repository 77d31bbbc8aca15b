#pragma once

#include <string>
#include <vector>

#include "base/statement_statistics.h"
#include "server/api_figures.h"
#include "server/worker.h"

namespace lyceum::server {

struct MetricsInput {
  std::vector<WorkerFigures> workers;
  std::vector<const ApiFigures*> requests;
  const StatementStatistics& statistics;
  bool ready = false;
  std::shared_ptr<const cluster::Topology> topology;
  std::string version;
};

// Everything the service knows of itself, in Prometheus' text format. Labels are of a bounded
// number: routes, classes of status, statements, SQLSTATEs, nodes; tenants are none.
[[nodiscard]] std::string metrics_text(const MetricsInput& input);

}  // namespace lyceum::server
