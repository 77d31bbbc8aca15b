// What choosing a server adds to one request.

#include <random>

#include "cli/bench_suite.h"
#include "cluster/retry_budget.h"
#include "cluster/router.h"

namespace lyceum::cli {
namespace {

// A primary and its replicas, all of which may be read, with some requests in flight on each.
class Routing {
 public:
  explicit Routing(std::size_t nodes) : loads_(nodes), router_({.read_primary = true}, pointers()) {
    auto topology = std::make_shared<cluster::Topology>();
    topology->version = 1;
    topology->primary = 0;
    topology->primary_answers = true;
    topology->timeline = 1;
    for (std::size_t i = 0; i < nodes; ++i) {
      const auto lsn = kWritten - (i % 3) * kApart;
      topology->nodes.push_back({.role = i == 0 ? cluster::Role::primary : cluster::Role::replica,
                                 .standing = cluster::Standing::serving,
                                 .timeline = 1,
                                 .lsn = lsn});
      positions_.push_back(i == 0 ? kWritten : lsn);
    }
    router_.apply(topology);
    std::mt19937 random(1);
    for (auto& one : took_) one = std::chrono::microseconds(100 + random() % 400);
    // A quarter of the callers has just written and is served by a part of the nodes.
    for (auto& one : seen_)
      one = {1, random() % 4 == 0 ? kWritten - kApart : kWritten - 2 * kApart};
  }

  // How long one choice takes, in ns, with what it keeps about the load.
  double round(std::size_t calls) {
    using Clock = std::chrono::steady_clock;
    const auto begun = Clock::now();
    for (std::size_t i = 0; i < calls; ++i) {
      const auto& seen = seen_[i % seen_.size()];
      budget_.request();
      const auto route = router_.read(seen);
      ++loads_[route.node].in_flight;
      wrong_ +=
          route.kind == cluster::Route::Kind::go && positions_[route.node] >= seen.lsn ? 0 : 1;
      // As many later it is answered.
      auto& answered = in_flight_[i % in_flight_.size()];
      if (answered != kNobody) {
        --loads_[answered].in_flight;
        loads_[answered].took(took_[i % took_.size()]);
      }
      answered = route.node;
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - begun;
    return took.count() / static_cast<double>(calls);
  }
  [[nodiscard]] std::size_t wrong() const { return wrong_; }

 private:
  static constexpr std::uint64_t kWritten = 1u << 30, kApart = 1000;
  static constexpr std::uint32_t kNobody = ~0u;

  std::vector<const pool::Load*> pointers() const {
    std::vector<const pool::Load*> out;
    for (const auto& load : loads_) out.push_back(&load);
    return out;
  }

  std::vector<pool::Load> loads_;
  cluster::Router router_;
  cluster::RetryBudget budget_{0.2};
  std::vector<std::uint64_t> positions_;
  std::array<Duration, 1024> took_;
  std::array<pg::Position, 1024> seen_;
  std::vector<std::uint32_t> in_flight_ = std::vector<std::uint32_t>(64, kNobody);
  std::size_t wrong_ = 0;
};

BenchRow measure(std::string id, std::size_t nodes, std::size_t calls, int rounds_wanted) {
  Routing routing(nodes);
  std::vector<BenchRound> rounds;
  for (int round = 0; round <= rounds_wanted; ++round) {
    const auto took = routing.round(calls);
    // The limit that is asked for stands in the place of a peer. The first round warms up.
    if (round > 0) rounds.push_back({took, 300});
  }
  BenchRow row{.id = std::move(id),
               .what = "choosing one of " + std::to_string(nodes) +
                       " servers for a read with a bookmark; theirs: the limit",
               .unit = "ns",
               .budget = 1};
  if (routing.wrong() > 0) row.mismatch = "a server behind the bookmark was chosen";
  summarize(rounds, true, row);
  return row;
}

}  // namespace

Result<void> bench_routing(const BenchOptions& options, std::vector<BenchRow>& rows) {
  if (options.wants("routing.choose")) {
    rows.push_back(measure("routing.choose", 3, 1'000'000, options.rounds));
  }
  if (options.wants("routing.choose_64")) {
    rows.push_back(measure("routing.choose_64", 64, 200'000, options.rounds));
  }
  return {};
}

}  // namespace lyceum::cli
