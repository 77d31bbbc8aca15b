// Whether three nodes give what each gives alone, where the servers are the limit: every statement
// sleeps on its server, so that neither our side nor the processors decide.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/await.h"
#include "cli/bench_suite.h"
#include "cluster/cluster.h"
#include "local/ephemeral.h"
#include "pg/waiter.h"

namespace lyceum::cli {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kLanes = 4;  // to each node
constexpr int kCallers = 24;       // twice what the nodes take at once
constexpr auto kHangs = std::chrono::seconds(30);

// Reads per second through a cluster of these nodes.
Result<double> read_from(const std::vector<pg::Target>& nodes, double seconds) {
  return await([&](auto executor) -> awaitable<Result<double>> {
    cluster::ClusterOptions options{.nodes = nodes, .router = {.read_primary = true}};
    // One statement at a time on a lane: what a node gives is a number of lanes by their sleep.
    options.pool.limits = {
        .connection_limit = kLanes, .lanes = kLanes, .lane_depth = 1, .min_idle = kLanes};
    cluster::Cluster cluster(executor, std::move(options));
    (void)co_await cluster.ready();
    static constexpr Statement kSleep{"bench_sleep", "select pg_sleep(0.01)", Access::read};
    const pg::Params none;
    std::uint64_t calls = 0;
    std::optional<Error> failure;
    int running = kCallers;
    pg::Waiter done;
    // The first part warms up: connections are made, latencies become known.
    const auto warm = Clock::now() + std::chrono::milliseconds(300);
    const auto end =
        warm + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    const auto caller = [&]() -> awaitable<void> {
      while (Clock::now() < end && !failure) {
        auto slept = co_await cluster.execute(kSleep, none, {.deadline = Clock::now() + kHangs});
        if (slept.has_error()) failure = slept.error();
        if (Clock::now() >= warm) ++calls;
      }
      if (--running == 0) done.notify();
    };
    for (int i = 0; i < kCallers; ++i) asio::co_spawn(executor, caller(), asio::detached);
    co_await done.wait();
    const auto took = std::chrono::duration<double>(Clock::now() - warm).count();
    (void)co_await cluster.shutdown(std::chrono::seconds(5));
    if (failure) co_return *failure;
    co_return static_cast<double>(calls) / took;
  });
}

}  // namespace

Result<void> bench_cluster(const BenchOptions& options, ProgressLine& progress,
                           std::vector<BenchRow>& rows) {
  if (!options.wants("routing.nodes")) return {};
  progress.update("routing over three nodes");
  const auto place = local::Ephemeral::make();
  if (place.has_error()) return place.error();
  auto servers = place->up({.replicas = 2, .durable = false});
  if (servers.has_error()) return servers.error();
  std::vector<pg::Target> nodes;
  for (const auto& server : servers->servers()) {
    auto target = pg::parse_target(server.url());
    if (target.has_error()) return target.error();
    nodes.push_back(std::move(*target));
  }
  std::vector<BenchRound> rounds;
  for (int round = 0; round < options.rounds; ++round) {
    const auto together = read_from(nodes, options.seconds);
    if (together.has_error()) return together.error();
    double sum = 0;
    for (const auto& node : nodes) {
      const auto alone = read_from({node}, options.seconds);
      if (alone.has_error()) return alone.error();
      sum += *alone;
    }
    rounds.push_back({*together, sum});
  }
  BenchRow row{.id = "routing.nodes",
               .what =
                   "reads that sleep 10 ms on a primary and two replicas; theirs: the sum of what "
                   "each gives alone",
               .unit = "per s",
               .budget = 0.9};
  summarize(rounds, false, row);
  rows.push_back(row);
  return {};
}

}  // namespace lyceum::cli
