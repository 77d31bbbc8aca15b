#pragma once

#include <string>
#include <vector>

#include "base/statement_statistics.h"
#include "server/api_figures.h"
#include "server/worker.h"
#include "watch/alerts.h"
#include "watch/delivery.h"
#include "watch/sample.h"

namespace lyceum::server {

struct MetricsInput {
  std::vector<WorkerFigures> workers;
  std::vector<const ApiFigures*> requests;
  const StatementStatistics& statistics;
  bool ready = false;
  std::shared_ptr<const cluster::Topology> topology;
  std::vector<watch::Sample> samples;  // the monitor's newest of each source
  std::vector<watch::Alert> alerts;
  std::vector<watch::DeliveryFigures> delivery;
  std::string version;
};

// Everything the service knows of itself and what its monitor has read, in Prometheus' text format
// or in OpenMetrics. Labels are of a bounded number: routes, classes of status, statements,
// SQLSTATEs, nodes, and so many rows of each collector; tenants are none.
[[nodiscard]] std::string metrics_text(const MetricsInput& input, bool openmetrics = false);

}  // namespace lyceum::server
