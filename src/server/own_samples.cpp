#include "server/own_samples.h"

#include <algorithm>

#include "watch/row_of.h"

namespace lyceum::server {
namespace {

using watch::RowOf;
using watch::Sample;

// Of all tenants those that call most; the others are many, and quiet.
constexpr std::size_t kMostTenants = 50;
constexpr std::string_view kAllStatements = "*";

double milliseconds(double nanoseconds) {
  return nanoseconds * 1e-6;
}

void set_percentiles(RowOf& row, const Histogram& total, Histogram& before) {
  const auto lately = total.since(before);
  before = total;
  if (lately.count() == 0) return;
  for (const auto& [column, q] : {std::pair{"p50_ms", 0.5}, {"p95_ms", 0.95}, {"p99_ms", 0.99}}) {
    row.set(column, milliseconds(static_cast<double>(lately.quantile(q))));
  }
}

Sample pools(const std::vector<WorkerFigures>& workers, const cluster::Topology& topology) {
  const auto& collector = *watch::find_collector("pools");
  Sample out{.source = {.collector = "pools"}};
  for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
    const auto sum = [&](auto member) {
      std::uint64_t total = 0;
      for (const auto& worker : workers) {
        if (i < worker.cluster.nodes.size()) total += worker.cluster.nodes[i].*member;
      }
      return total;
    };
    using Figures = pool::Figures;
    std::uint64_t lost = 0;
    for (const auto& worker : workers) {
      if (i < worker.cluster.nodes.size()) {
        lost += worker.cluster.nodes[i].closed_for(pool::CloseReason::lost);
      }
    }
    RowOf row(collector);
    row.set("name", topology.nodes[i].name)
        .count("open", sum(&Figures::open))
        .count("idle", sum(&Figures::idle))
        .count("leased", sum(&Figures::leased))
        .count("lanes", sum(&Figures::lanes))
        .count("waiting", sum(&Figures::waiting))
        .count("timeouts", sum(&Figures::pool_timeouts) + sum(&Figures::queue_deadlines))
        .count("failures", sum(&Figures::connect_failures) + lost);
    out.rows.push_back(row.take());
  }
  return out;
}

Sample nodes(const cluster::Topology& topology) {
  const auto& collector = *watch::find_collector("nodes");
  Sample out{.source = {.collector = "nodes"}};
  for (const auto& node : topology.nodes) {
    const bool up =
        node.standing != cluster::Standing::down && node.standing != cluster::Standing::unknown;
    RowOf row(collector);
    row.set("node", node.name)
        .set("role", std::string(name_of(node.role)))
        .set("standing", std::string(name_of(node.standing)))
        .set("up", std::int64_t{up ? 1 : 0});
    if (up && node.lag) {
      row.set("lag_seconds", std::chrono::duration<double>(*node.lag).count());
    }
    if (up && node.lag_bytes) row.count("lag_bytes", *node.lag_bytes);
    out.rows.push_back(row.take());
  }
  return out;
}

Sample statements(const StatementStatistics& statistics, std::map<std::string, Histogram>& before) {
  const auto& collector = *watch::find_collector("client_statements");
  Sample out{.source = {.collector = "client_statements"}};
  const auto add = [&](const CallStatistics& one) {
    RowOf row(collector);
    row.set("name", one.name)
        .count("calls", one.total_executions)
        .count("errors", one.error_count)
        .count("rows", one.rows)
        .set("total_ms", milliseconds(static_cast<double>(one.total.sum())))
        .set("queue_ms", milliseconds(static_cast<double>(one.queue.sum())));
    set_percentiles(row, one.total, before[one.name]);
    out.rows.push_back(row.take());
  };
  // Percentiles cannot be added up afterwards.
  CallStatistics all{.name = std::string(kAllStatements)};
  for (const auto& one : statistics.query_statistics()) {
    add(one);
    all.total_executions += one.total_executions;
    all.error_count += one.error_count;
    all.rows += one.rows;
    all.total.merge(one.total);
    all.queue.merge(one.queue);
  }
  add(all);
  return out;
}

Sample tenants(const StatementStatistics& statistics, std::map<std::string, Histogram>& before) {
  const auto& collector = *watch::find_collector("client_tenants");
  Sample out{.source = {.collector = "client_tenants"}};
  auto all = statistics.tenant_statistics();
  const auto told = std::min(all.size(), kMostTenants);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(told), all.end(),
                    [](const CallStatistics& a, const CallStatistics& b) {
                      return a.total_executions > b.total_executions;
                    });
  all.resize(told);
  std::map<std::string, Histogram> now;
  for (const auto& one : all) {
    RowOf row(collector);
    row.set("tenant", one.name)
        .count("calls", one.total_executions)
        .count("errors", one.error_count)
        .set("total_ms", milliseconds(static_cast<double>(one.total.sum())));
    auto& last = now[one.name];
    if (const auto known = before.find(one.name); known != before.end()) last = known->second;
    set_percentiles(row, one.total, last);
    out.rows.push_back(row.take());
  }
  before = std::move(now);
  return out;
}

}  // namespace

std::vector<Sample> OwnSamples::read(const std::vector<WorkerFigures>& workers,
                                     const cluster::Topology& topology,
                                     const StatementStatistics& statistics) {
  std::vector<Sample> out;
  out.push_back(pools(workers, topology));
  out.push_back(nodes(topology));
  out.push_back(statements(statistics, statements_));
  out.push_back(tenants(statistics, tenants_));
  return out;
}

}  // namespace lyceum::server
