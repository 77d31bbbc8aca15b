#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/await.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cluster/nodes.h"
#include "cluster/prober.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using cluster::NodeState;
using cluster::Role;
using cluster::Standing;
using cluster::Topology;

// As PostgreSQL writes it: 16/B374D848.
std::string lsn_text(std::uint64_t lsn) {
  return fmt::format("{:X}/{:X}", lsn >> 32U, lsn & 0xffff'ffffU);
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

bool needs_attention(const Topology& topology) {
  return !topology.writable() || !topology.alarm.empty() ||
         std::any_of(topology.nodes.begin(), topology.nodes.end(),
                     [](const NodeState& node) { return node.standing != Standing::serving; });
}

template <class T, class Make>
boost::json::value optional(const std::optional<T>& value, Make make) {
  return value ? boost::json::value(make(*value)) : boost::json::value(nullptr);
}

boost::json::object describe(const NodeState& node) {
  const bool answered = node.standing != Standing::down && node.role != Role::unknown;
  return {{"name", node.name},
          {"role", name_of(node.role)},
          {"standing", name_of(node.standing)},
          {"why", node.why},
          {"timeline", node.timeline},
          {"lsn", lsn_text(node.lsn)},
          {"received_lsn", optional(node.received_lsn, lsn_text)},
          {"receiving", node.receiving},
          {"lag_bytes", optional(node.lag_bytes, [](std::uint64_t bytes) { return bytes; })},
          {"lag_seconds", optional(node.lag, seconds)},
          {"latency_ms", answered ? boost::json::value(seconds(node.latency) * 1000)
                                  : boost::json::value(nullptr)},
          {"connections", node.connections},
          {"max_connections", node.max_connections}};
}

// The guide's ReplicationLagInfo, by its names.
boost::json::object lag_info(const Topology& topology, std::size_t index, const NodeState& node) {
  const bool answers = node.standing != Standing::down && node.standing != Standing::unknown;
  boost::json::object out{{"replicaIndex", index},
                          {"healthy", node.standing == Standing::serving},
                          {"lagSeconds", answers && node.lag ? seconds(*node.lag) : -1}};
  if (topology.primary) out["primaryLSN"] = lsn_text(topology.nodes[*topology.primary].lsn);
  if (answers) out["replicaLSN"] = lsn_text(node.lsn);
  if (!node.why.empty()) out["error"] = node.why;
  return out;
}

void print(const Context& context, const Topology& topology) {
  if (context.json) {
    boost::json::array nodes, replicas;
    std::size_t index = 0;
    for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
      nodes.push_back(describe(topology.nodes[i]));
      if (topology.primary != i) replicas.push_back(lag_info(topology, index++, topology.nodes[i]));
    }
    boost::json::object document{{"primary", nullptr},
                                 {"timeline", topology.timeline},
                                 {"alarm", topology.alarm},
                                 {"nodes", std::move(nodes)},
                                 {"replicas", std::move(replicas)}};
    if (topology.primary) document["primary"] = topology.nodes[*topology.primary].name;
    context.out << boost::json::serialize(document) << std::endl;
    return;
  }
  Table table(
      {"node", "role", "standing", "timeline", "lag", "behind", "latency", "sessions", "why"});
  for (const auto& node : topology.nodes) {
    const bool answers = node.standing != Standing::down && node.role != Role::unknown;
    table.row({node.name, std::string(name_of(node.role)), std::string(name_of(node.standing)),
               std::to_string(node.timeline), node.lag ? seconds_text(seconds(*node.lag)) : "",
               node.lag_bytes ? bytes_text(static_cast<std::int64_t>(*node.lag_bytes)) : "",
               answers ? fmt::format("{:.1f} ms", seconds(node.latency) * 1000) : "",
               answers ? fmt::format("{} of {}", node.connections, node.max_connections) : "",
               node.why});
  }
  table.print(context.out);
  if (!topology.alarm.empty()) context.out << "alarm: " << topology.alarm << '\n';
}

int run_replicas(Context& context) {
  auto loaded = context.configuration();
  if (loaded.has_error()) return context.fail(loaded.error());
  auto nodes = cluster::nodes_of(loaded->values.database);
  if (nodes.has_error()) return context.fail(nodes.error());
  const auto& settings = loaded->values.cluster;
  const auto topology = await([&](auto executor) -> awaitable<std::shared_ptr<const Topology>> {
    cluster::Prober prober(executor, {.nodes = *nodes,
                                      .interval = std::chrono::milliseconds(100),
                                      .timeout = settings.probe_timeout,
                                      .tracker = {.max_lag = settings.max_lag}});
    prober.start();
    (void)co_await prober.first();
    // Once more: who was asked before the primary was known has no lag yet.
    boost::asio::steady_timer pause(executor, std::chrono::milliseconds(250));
    co_await pause.async_wait(boost::asio::use_awaitable);
    auto seen = prober.topology();
    prober.stop();
    co_return seen;
  });
  print(context, *topology);
  return needs_attention(*topology) ? kNeedsAttention : kDone;
}

}  // namespace

Command replicas() {
  return {.path = "replicas",
          .summary =
              "Each server of the cluster: role, lag, and whether it is read; exit 3 where "
              "one is not well",
          .examples =
              "  lyceum replicas\n"
              "  DATABASE_PRIMARY_URL=postgresql://h1/lyceum "
              "DATABASE_REPLICA_1_URL=postgresql://h2/lyceum lyceum replicas --json",
          .declare = [](std::vector<Option>&) -> Run {
            return [](Context& context) { return run_replicas(context); };
          }};
}

}  // namespace lyceum::cli
