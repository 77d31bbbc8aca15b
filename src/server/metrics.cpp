#include "server/metrics.h"

#include "server/exposition.h"
#include "server/watch_metrics.h"
namespace lyceum::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = Exposition::Labels;

void add_requests(Exposition& out, const std::vector<const ApiFigures*>& workers) {
  constexpr std::array<std::string_view, 6> kClasses{"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
  MetricFamily counts{"lyceum_http_requests_total", "Requests answered", MetricType::Counter, {}};
  MetricFamily durations{"lyceum_http_request_duration_seconds",
                         "From a request's last byte to its answer",
                         MetricType::Histogram,
                         {}};
  for (std::size_t i = 0; i <= routes().size(); ++i) {
    const bool known = i < routes().size();
    const Labels labels{
        {"method", std::string(known ? name_of(routes()[i].method) : "none")},
        {"route", std::string(known ? routes()[i].path : std::string_view("none"))}};
    Histogram duration;
    std::array<std::uint64_t, kClasses.size()> by_class{};
    for (const auto* worker : workers) {
      const auto& figures = worker->routes()[i];
      duration.merge(figures.duration);
      for (std::size_t k = 0; k < by_class.size(); ++k) {
        by_class[k] += figures.by_class[k].load(std::memory_order_relaxed);
      }
    }
    for (std::size_t k = 0; k < by_class.size(); ++k) {
      if (by_class[k] == 0) continue;
      auto with_class = labels;
      with_class.push_back({"status", std::string(kClasses[k])});
      Exposition::add(counts, std::move(with_class), static_cast<double>(by_class[k]));
    }
    if (duration.count() > 0) Exposition::add(durations, labels, duration);
  }
  for (auto* family : {&counts, &durations}) {
    out.family(family->name, family->help, family->type).metric = std::move(family->metric);
  }
}

void add_statements(Exposition& out, const StatementStatistics& statistics) {
  MetricFamily calls{"lyceum_statements_total", "Calls of a statement", MetricType::Counter, {}};
  MetricFamily errors{"lyceum_statement_errors_total",
                      "Failed calls of a statement, by SQLSTATE or by Lyceum's own code",
                      MetricType::Counter,
                      {}};
  MetricFamily rows{
      "lyceum_statement_rows_total", "Rows returned or affected", MetricType::Counter, {}};
  MetricFamily total{"lyceum_statement_duration_seconds",
                     "From the call to its answer, waiting included",
                     MetricType::Histogram,
                     {}};
  MetricFamily queue{"lyceum_statement_queue_seconds",
                     "Of that, waiting for a connection",
                     MetricType::Histogram,
                     {}};
  for (const auto& one : statistics.query_statistics()) {
    const Labels labels{{"statement", one.name}};
    Exposition::add(calls, labels, static_cast<double>(one.total_executions));
    Exposition::add(rows, labels, static_cast<double>(one.rows));
    Exposition::add(total, labels, one.total);
    Exposition::add(queue, labels, one.queue);
    for (const auto& [code, count] : one.errors) {
      Exposition::add(errors, {{"statement", one.name}, {"code", code}},
                      static_cast<double>(count));
    }
  }
  for (auto* family : {&calls, &errors, &rows, &total, &queue}) {
    if (family->metric.empty()) continue;
    out.family(family->name, family->help, family->type).metric = std::move(family->metric);
  }
}

void add_pools(Exposition& out, const std::vector<WorkerFigures>& workers) {
  const auto sum = [&](auto read) {
    double total = 0;
    for (const auto& worker : workers) total += static_cast<double>(read(worker));
    return total;
  };
  const auto pool = [&](auto member) {
    return sum([member](const WorkerFigures& worker) {
      double of_all = 0;
      for (const auto& node : worker.cluster.nodes) of_all += static_cast<double>(node.*member);
      return of_all;
    });
  };
  using Figures = pool::Figures;
  out.gauge("lyceum_pool_connections", "Open connections", pool(&Figures::open));
  out.gauge("lyceum_pool_connections_connecting", "Connections being made",
            pool(&Figures::connecting));
  out.gauge("lyceum_pool_connections_idle", "Connections with nothing in flight",
            pool(&Figures::idle));
  out.gauge("lyceum_pool_leases", "Connections held by one caller", pool(&Figures::leased));
  out.gauge("lyceum_pool_lanes", "Connections that carry single statements", pool(&Figures::lanes));
  out.gauge("lyceum_pool_lane_depth", "Statements in flight on all lanes", pool(&Figures::depth));
  out.gauge("lyceum_pool_waiting", "Requests that wait for a connection", pool(&Figures::waiting));
  out.counter("lyceum_pool_statements_total", "Statements sent", pool(&Figures::statements));
  out.counter("lyceum_pool_queued_total", "Requests that had to wait", pool(&Figures::queued));
  out.counter("lyceum_pool_connects_total", "Connections made", pool(&Figures::connects));
  out.counter("lyceum_pool_connect_failures_total", "Connections that could not be made",
              pool(&Figures::connect_failures));
  out.counter("lyceum_pool_cancels_total", "Cancel requests sent", pool(&Figures::cancels));
  out.counter("lyceum_pool_retries_total", "Statements sent again, having had no effect",
              pool(&Figures::retries));
  auto& failures = out.family("lyceum_pool_refused_total", "Requests that ended without an answer",
                              MetricType::Counter);
  Exposition::add(failures, {{"reason", "queue_full"}}, pool(&Figures::queue_full));
  Exposition::add(failures, {{"reason", "pool_timeout"}}, pool(&Figures::pool_timeouts));
  Exposition::add(failures, {{"reason", "deadline_waiting"}}, pool(&Figures::queue_deadlines));
  Exposition::add(failures, {{"reason", "deadline_running"}}, pool(&Figures::sent_deadlines));
  Exposition::add(failures, {{"reason", "shutting_down"}}, pool(&Figures::shut_out));
  out.gauge("lyceum_http_requests_in_flight", "Requests at work",
            sum([](const WorkerFigures& worker) { return worker.in_flight; }));
  out.gauge("lyceum_http_requests_waiting", "Requests that wait for their tenant's turn",
            sum([](const WorkerFigures& worker) { return worker.waiting; }));
}

void add_routes(Exposition& out, const std::vector<WorkerFigures>& workers) {
  const auto sum = [&](auto read) {
    double total = 0;
    for (const auto& worker : workers) total += static_cast<double>(read(worker.cluster));
    return total;
  };
  using Figures = cluster::Figures;
  auto& routes =
      out.family("lyceum_routes_total", "Requests by where they went and why", MetricType::Counter);
  for (std::size_t i = 0; i < static_cast<std::size_t>(cluster::Reason::kCount); ++i) {
    const auto reason = static_cast<cluster::Reason>(i);
    Exposition::add(routes, {{"reason", std::string(name_of(reason))}},
                    sum([reason](const Figures& figures) { return figures.routed(reason); }));
  }
  out.counter("lyceum_routes_moved_total", "Requests sent again after a node failed them",
              sum([](const Figures& figures) { return figures.moved; }));
  out.counter("lyceum_routes_out_of_budget_total", "And that were not, because too many failed",
              sum([](const Figures& figures) { return figures.out_of_budget; }));
  out.counter("lyceum_routes_waited_behind_total",
              "Reads that waited for a replica to come as far as their bookmark",
              sum([](const Figures& figures) { return figures.waited_behind; }));
  out.counter("lyceum_routes_waited_primary_total", "Requests that waited for a primary",
              sum([](const Figures& figures) { return figures.waited_primary; }));
  out.counter("lyceum_routes_no_primary_total", "And that did so in vain",
              sum([](const Figures& figures) { return figures.no_primary; }));
  out.counter("lyceum_routes_share_used_up_total",
              "Reads that found the primary's share for reads in use",
              sum([](const Figures& figures) { return figures.share_used_up; }));
}

void add_nodes(Exposition& out, const cluster::Topology& topology) {
  out.gauge("lyceum_cluster_alarm", "Whether nobody may take writes though somebody would",
            topology.alarm.empty() ? 0 : 1);
  auto& up = out.family("lyceum_node_info", "A server as it is now", MetricType::Gauge);
  for (const auto& node : topology.nodes) {
    Exposition::add(up,
                    {{"node", node.name},
                     {"role", std::string(name_of(node.role))},
                     {"standing", std::string(name_of(node.standing))}},
                    1);
  }
  const auto each = [&](const char* name, const char* help, auto read) {
    auto& family = out.family(name, help, MetricType::Gauge);
    for (const auto& node : topology.nodes) {
      if (const auto value = read(node)) Exposition::add(family, {{"node", node.name}}, *value);
    }
  };
  using cluster::NodeState;
  using Value = std::optional<double>;
  const auto seconds = [](Duration duration) {
    return std::chrono::duration<double>(duration).count();
  };
  each("lyceum_node_serving", "Whether it is the primary, or a replica that may be read",
       [](const NodeState& node) -> Value {
         return node.standing == cluster::Standing::serving ? 1 : 0;
       });
  each("lyceum_node_timeline", "The timeline that it is on",
       [](const NodeState& node) -> Value { return node.timeline; });
  each("lyceum_node_lsn_bytes", "Written on a primary, replayed on a replica",
       [](const NodeState& node) -> Value { return static_cast<double>(node.lsn); });
  each("lyceum_node_lag_bytes", "What a replica has still to replay",
       [](const NodeState& node) -> Value {
         if (!node.lag_bytes) return std::nullopt;
         return static_cast<double>(*node.lag_bytes);
       });
  each("lyceum_node_lag_seconds", "Since when the primary is further than the replica",
       [&](const NodeState& node) -> Value {
         if (!node.lag) return std::nullopt;
         return seconds(*node.lag);
       });
  each("lyceum_node_latency_seconds", "Of the last probe that was answered",
       [&](const NodeState& node) -> Value { return seconds(node.latency); });
  each("lyceum_node_connections", "Sessions on the server, anybody's",
       [](const NodeState& node) -> Value { return static_cast<double>(node.connections); });
  each("lyceum_node_max_connections", "Sessions that it allows",
       [](const NodeState& node) -> Value { return node.max_connections; });
}

void add_connections(Exposition& out, const std::vector<WorkerFigures>& workers) {
  const auto sum = [&](auto member) {
    double total = 0;
    for (const auto& worker : workers) total += static_cast<double>(worker.connections.*member);
    return total;
  };
  using Figures = ListenerFigures;
  out.gauge("lyceum_http_connections", "Open connections of the data API", sum(&Figures::open));
  out.counter("lyceum_http_connections_total", "Connections accepted", sum(&Figures::accepted));
  out.counter("lyceum_http_connections_turned_away_total", "Connections over the limit",
              sum(&Figures::turned_away));
  out.counter("lyceum_http_malformed_total", "Requests that were no HTTP, or too large",
              sum(&Figures::malformed));
  out.counter("lyceum_http_timed_out_total", "Connections that were too slow",
              sum(&Figures::timed_out));
}

void add_alerts(Exposition& out, const MetricsInput& input) {
  std::map<std::tuple<std::string, std::string, std::string>, int> counts;
  for (const auto& alert : input.alerts) {
    ++counts[{alert.rule, std::string(name_of(alert.severity)), std::string(name_of(alert.state))}];
  }
  if (!counts.empty()) {
    auto& alerts =
        out.family("lyceum_alerts", "Alerts by rule, pending and firing", MetricType::Gauge);
    for (const auto& [labels, count] : counts) {
      const auto& [rule, severity, state] = labels;
      Exposition::add(alerts, {{"rule", rule}, {"severity", severity}, {"state", state}}, count);
    }
  }
  if (input.delivery.empty()) return;
  const auto each = [&](const char* name, const char* help, auto member) {
    auto& family = out.family(name, help, MetricType::Counter);
    for (const auto& one : input.delivery) {
      Exposition::add(family, {{"receiver", one.receiver}}, static_cast<double>(one.*member));
    }
  };
  using Figures = watch::DeliveryFigures;
  each("lyceum_alerts_delivered_total", "Messages that a receiver took", &Figures::delivered);
  each("lyceum_alerts_delivery_failures_total", "Attempts that failed", &Figures::failures);
  each("lyceum_alerts_given_up_total", "Messages that a receiver refused for good",
       &Figures::given_up);
}

}  // namespace

std::string metrics_text(const MetricsInput& input, bool openmetrics) {
  Exposition out;
  Exposition::add(out.family("lyceum_build_info", "Which Lyceum this is", MetricType::Gauge),
                  {{"version", input.version}}, 1);
  out.gauge("lyceum_ready", "Whether requests are taken and the primary answers",
            input.ready ? 1 : 0);
  add_requests(out, input.requests);
  add_connections(out, input.workers);
  add_pools(out, input.workers);
  add_routes(out, input.workers);
  if (input.topology) add_nodes(out, *input.topology);
  add_statements(out, input.statistics);
  add_samples(out, input.samples);
  add_alerts(out, input);
  return openmetrics ? out.openmetrics() : out.text();
}

}  // namespace lyceum::server
