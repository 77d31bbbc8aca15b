#include "cluster/router.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>
#include <set>

namespace lyceum::cluster {
namespace {

using namespace std::chrono_literals;
using Kind = Route::Kind;

// The nodes' loads and what is known of them, to be changed and told to the router.
struct Bench {
  explicit Bench(std::size_t nodes, RouterOptions options = {})
      : loads(nodes), router(options, pointers()) {
    now.nodes.resize(nodes);
    for (std::size_t i = 0; i < nodes; ++i) {
      now.nodes[i] = {.role = i == 0 ? Role::primary : Role::replica,
                      .standing = Standing::serving,
                      .timeline = 1,
                      .lsn = 1000,
                      .receiving = true,
                      .incarnation = 1,
                      .asked = SteadyTime(1h)};
    }
    now.primary = 0;
    now.primary_answers = true;
    now.timeline = 1;
    tell();
  }
  void tell() {
    ++now.version;
    router.apply(std::make_shared<Topology>(now));
  }
  std::vector<const pool::Load*> pointers() const {
    std::vector<const pool::Load*> out;
    for (const auto& load : loads) out.push_back(&load);
    return out;
  }

  std::vector<pool::Load> loads;
  Topology now;
  Router router;
};

std::uint32_t node_of(const Route& route) {
  EXPECT_EQ(route.kind, Kind::go);
  return route.node;
}

TEST(Router, NothingIsKnownAtFirst) {
  pool::Load load;
  Router router({}, {&load});
  EXPECT_EQ(router.write().kind, Kind::no_primary);
  EXPECT_EQ(router.read({}).kind, Kind::no_replica);
  EXPECT_EQ(router.read_primary(Reason::no_replica, {}).kind, Kind::no_primary);
}

TEST(Router, WritesGoToThePrimaryAndReadsToReplicas) {
  Bench bench(3);
  EXPECT_EQ(node_of(bench.router.write()), 0);
  EXPECT_EQ(bench.router.write().reason, Reason::write);
  std::set<std::uint32_t> chosen;
  for (int i = 0; i < 10; ++i) {
    const auto route = bench.router.read({});
    EXPECT_EQ(route.reason, Reason::fresh);
    chosen.insert(node_of(route));
  }
  EXPECT_EQ(chosen, (std::set<std::uint32_t>{1, 2}));
}

TEST(Router, ASingleNodeServesEverything) {
  Bench bench(1);
  EXPECT_EQ(node_of(bench.router.write()), 0);
  const auto route = bench.router.read({1, 1u << 30});
  EXPECT_EQ(node_of(route), 0);
  EXPECT_EQ(route.reason, Reason::primary_too);
}

TEST(Router, ThePrimaryIsReadLikeAReplicaWhereThatIsWanted) {
  Bench bench(2, {.read_primary = true});
  bench.loads[1].in_flight = 5;
  const auto route = bench.router.read({});
  EXPECT_EQ(node_of(route), 0);
  EXPECT_EQ(route.reason, Reason::primary_too);
}

TEST(Router, OfEqualsEachGetsItsTurnAlsoWhereSomeAreLeftOut) {
  for (const auto balance : {Balance::least_loaded, Balance::round_robin}) {
    Bench bench(6, {.balance = balance});
    bench.now.nodes[3].lsn = 500;  // behind the bookmark
    bench.now.nodes[2].incarnation = bench.now.nodes[3].incarnation = 2;
    bench.tell();
    std::vector<int> times(6);
    for (int i = 0; i < 300; ++i) ++times[node_of(bench.router.read({1, 800}))];
    EXPECT_EQ(times, (std::vector<int>{0, 75, 75, 0, 75, 75}));
  }
}

TEST(Router, RoundRobinLooksAtNoLoad) {
  Bench bench(4, {.balance = Balance::round_robin});
  bench.loads[1].in_flight = 1000;
  bench.loads[2].took(10s);
  std::vector<int> times(4);
  for (int i = 0; i < 30; ++i) ++times[node_of(bench.router.read({}))];
  EXPECT_EQ(times, (std::vector<int>{0, 10, 10, 10}));
}

TEST(Router, AWriteOfWhoHasSeenALaterHistoryWaits) {
  Bench bench(2);
  EXPECT_EQ(bench.router.write({1, 1u << 30}).kind, Kind::go);
  EXPECT_TRUE(bench.router.outdated({2, 1}));
  EXPECT_EQ(bench.router.write({2, 1}).kind, Kind::no_primary);
  EXPECT_EQ(bench.router.read({2, 1}).kind, Kind::ask);
  EXPECT_EQ(bench.router.read_primary(Reason::behind, {2, 1}).kind, Kind::no_primary);
}

TEST(Router, AReplicaMayBeReadAsSoonAsItIsSeenToHaveComeFarEnough) {
  Bench bench(2);
  EXPECT_EQ(bench.router.read({1, 1001}).kind, Kind::ask);
  EXPECT_TRUE(bench.router.may_catch_up(1));
  bench.router.advanced(1, 1001);
  EXPECT_EQ(node_of(bench.router.read({1, 1001})), 1);
  bench.tell();  // a probe that is older than what was seen
  EXPECT_EQ(node_of(bench.router.read({1, 1001})), 1);
  ++bench.now.nodes[1].incarnation;
  bench.tell();
  EXPECT_EQ(bench.router.read({1, 1001}).kind, Kind::ask) << "it was started anew";
}

TEST(Router, WhoWasThePrimaryIsNotPastEverythingAnyMore) {
  Bench bench(2, {.read_primary = true});
  EXPECT_EQ(node_of(bench.router.read({1, 5000})), 0);
  bench.now.primary.reset();
  bench.tell();
  EXPECT_EQ(bench.router.read({1, 5000}).kind, Kind::ask);
}

TEST(Router, AFailedNodeIsTriedByOneRequestAfterAProbeThatBeganLater) {
  Bench bench(3);
  const SteadyTime failed = SteadyTime(2h);
  bench.router.failed(1, failed);
  EXPECT_FALSE(bench.router.may_catch_up(1));
  const auto reads_of_1 = [&] {
    int count = 0;
    for (int i = 0; i < 10; ++i) count += node_of(bench.router.read({})) == 1 ? 1 : 0;
    return count;
  };
  EXPECT_EQ(reads_of_1(), 0);
  bench.now.nodes[1].asked = failed;  // the probe was under way already
  bench.tell();
  EXPECT_EQ(reads_of_1(), 0);
  bench.now.nodes[1].asked = failed + 1ns;
  bench.tell();
  auto trial = bench.router.read({});
  EXPECT_EQ(node_of(trial), 1);
  EXPECT_EQ(trial.reason, Reason::trial);
  EXPECT_EQ(reads_of_1(), 0) << "one at a time";
  bench.router.tried(1, false, failed + 1s);
  bench.tell();
  EXPECT_EQ(reads_of_1(), 0) << "a later probe is needed again";
  bench.now.nodes[1].asked = failed + 2s;
  bench.tell();
  EXPECT_EQ(bench.router.read({}).reason, Reason::trial);
  bench.router.tried(1, true, failed + 3s);
  EXPECT_EQ(reads_of_1(), 5);
}

TEST(Router, APrimaryThatFailedTakesAllAtOnceAfterALaterProbe) {
  Bench bench(2);
  bench.router.failed(0, SteadyTime(2h));
  EXPECT_EQ(bench.router.write().kind, Kind::no_primary);
  bench.now.nodes[0].asked = SteadyTime(3h);
  bench.tell();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(node_of(bench.router.write()), 0);
}

TEST(Router, AnOlderTopologyChangesNothing) {
  Bench bench(2);
  auto old = std::make_shared<Topology>(bench.now);
  bench.now.primary = 1;
  bench.tell();
  bench.router.apply(old);
  EXPECT_EQ(node_of(bench.router.write()), 1);
}

// The same decisions the slow way: everything that is known, looked through for each request.
class SlowRouter {
 public:
  SlowRouter(RouterOptions options, std::size_t nodes) : options_(options), places_(nodes) {}

  void apply(const Topology& topology) {
    if (topology.version < now_.version) return;
    const auto before = now_.primary;
    now_ = topology;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const auto& node = now_.nodes[i];
      auto& place = places_[i];
      const bool another = std::pair(node.incarnation, node.timeline) !=
                           std::pair(place.incarnation, place.timeline);
      if (another || before == i) place.seen.clear();
      if (place.seen.empty() || now_.primary == i || node.lsn > place.furthest()) {
        place.stuck = false;
      }
      place.receiving = node.receiving;
      place.incarnation = node.incarnation;
      place.timeline = node.timeline;
      place.seen.push_back(node.lsn);
      if (place.failed && !place.trying && !place.may_try && node.standing == Standing::serving &&
          node.asked > *place.failed) {
        if (now_.primary == i) {
          place.failed.reset();
        } else {
          place.may_try = true;
        }
      }
    }
  }
  void advanced(std::size_t node, std::uint64_t lsn) {
    if (now_.primary == node) return;
    auto& place = places_[node];
    if (lsn > place.furthest()) place.stuck = false;
    place.seen.push_back(lsn);
  }
  void waited_in_vain(const pg::Position& seen) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (!readable(i) || now_.primary == i) continue;
      if (places_[i].furthest() < seen.lsn) places_[i].stuck = true;
    }
  }
  void failed(std::size_t node, SteadyTime at) {
    places_[node].failed = at;
    places_[node].trying = places_[node].may_try = false;
  }
  void tried(std::size_t node, bool well, SteadyTime at) {
    if (!places_[node].trying) return;
    if (!well) return failed(node, at);
    places_[node].trying = false;
    places_[node].failed.reset();
  }

  [[nodiscard]] bool readable(std::size_t node) const {
    if (node >= now_.nodes.size() || now_.nodes[node].standing != Standing::serving) return false;
    return now_.primary != node || options_.read_primary || places_.size() == 1;
  }
  [[nodiscard]] bool far_enough(std::size_t node, const pg::Position& seen) const {
    const auto& place = places_[node];
    if (place.timeline < seen.timeline) return false;
    if (now_.primary == node) return true;
    return seen.lsn <= place.furthest();
  }
  // Is not being avoided.
  [[nodiscard]] bool healthy(std::size_t node) const {
    return !places_[node].failed || places_[node].may_try;
  }
  [[nodiscard]] bool to_be_tried(std::size_t node) const { return places_[node].may_try; }

  [[nodiscard]] Route write(const pg::Position& seen, Reason reason) const {
    if (seen.timeline > now_.timeline || !now_.primary || !now_.primary_answers) return {};
    const auto& place = places_[*now_.primary];
    if (place.failed && !place.may_try && !place.trying) return {};
    return {Kind::go, static_cast<std::uint32_t>(*now_.primary), reason};
  }

  // Of several that are to be tried any one may be: `took` is which.
  Route read(const std::vector<pool::Load>& loads, const pg::Position& seen,
             const std::set<std::size_t>& tried, std::uint32_t took) {
    std::vector<std::uint32_t> good;
    bool behind = false, coming = false, trial = false;
    for (std::uint32_t i = 0; i < places_.size(); ++i) {
      if (!readable(i) || !healthy(i) || tried.contains(i)) continue;
      if (!far_enough(i, seen)) {
        behind = true;
        const auto& place = places_[i];
        coming = coming || (place.receiving && !place.stuck && !place.failed);
        continue;
      }
      good.push_back(i);
      trial = trial || to_be_tried(i);
    }
    if (good.empty() && !behind) return {Kind::no_replica, 0, Reason::no_replica};
    if (good.empty()) return {coming ? Kind::ask : Kind::behind, 0, Reason::behind};
    if (trial) {
      std::erase_if(good, [&](auto node) { return !to_be_tried(node); });
      const auto chosen = std::find(good.begin(), good.end(), took);
      const auto node = chosen == good.end() ? good.front() : *chosen;
      places_[node].may_try = false;
      places_[node].trying = true;
      turns_.push_back(node);
      return {Kind::go, node, Reason::trial};
    }
    const auto cost = [&](std::uint32_t node) {
      return options_.balance == Balance::round_robin ? 0.0F : loads[node].cost();
    };
    const auto turn = [&](std::uint32_t node) {
      return std::find(turns_.rbegin(), turns_.rend(), node).base() - turns_.begin();
    };
    std::sort(good.begin(), good.end(), [&](auto one, auto other) {
      return std::tuple(cost(one), turn(one), one) < std::tuple(cost(other), turn(other), other);
    });
    turns_.push_back(good.front());
    return {Kind::go, good.front(),
            now_.primary == good.front() ? Reason::primary_too : Reason::fresh};
  }

 private:
  struct Place {
    std::vector<std::uint64_t> seen;
    std::uint64_t incarnation = 0;
    std::int32_t timeline = 0;
    std::optional<SteadyTime> failed;
    bool may_try = false;
    bool trying = false;
    bool receiving = false;
    bool stuck = false;

    [[nodiscard]] std::uint64_t furthest() const {
      return *std::max_element(seen.begin(), seen.end());
    }
  };
  RouterOptions options_;
  std::vector<Place> places_;
  Topology now_;
  std::vector<std::uint32_t> turns_;
};

class Races {
 public:
  explicit Races(unsigned seed)
      : random_(seed),
        options_{.balance = pick(4) == 0 ? Balance::round_robin : Balance::least_loaded,
                 .read_primary = pick(2) == 0},
        bench_(1 + pick(7), options_),
        slow_(options_, bench_.loads.size()) {
    slow_.apply(bench_.now);
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(fmt::format("step {}", step));
      now_ += std::chrono::milliseconds(pick(100));
      switch (pick(12)) {
        case 0:
        case 1:
          change();
          break;
        case 2: {
          const auto node = pick(bench_.loads.size());
          const auto lsn = position().lsn;
          bench_.router.advanced(node, lsn);
          slow_.advanced(node, lsn);
          break;
        }
        case 3: {
          const auto node = pick(bench_.loads.size());
          bench_.router.failed(node, now_);
          slow_.failed(node, now_);
          break;
        }
        case 4: {
          const auto node = pick(bench_.loads.size());
          const bool well = pick(2) == 0;
          bench_.router.tried(node, well, now_);
          slow_.tried(node, well, now_);
          break;
        }
        case 5: {
          auto& load = bench_.loads[pick(bench_.loads.size())];
          load.in_flight = static_cast<std::uint32_t>(pick(3));
          load.latency = static_cast<float>(pick(3)) * 1e-3F;
          break;
        }
        case 6: {
          const auto seen = position();
          expect_same(bench_.router.write(seen), slow_.write(seen, Reason::write));
          expect_same(bench_.router.read_primary(Reason::behind, seen),
                      slow_.write(seen, Reason::behind));
          break;
        }
        default:
          read();
      }
    }
  }
  std::array<int, static_cast<std::size_t>(Reason::kCount)> reasons{};
  int asked = 0, behind = 0, none = 0;

 private:
  std::size_t pick(std::size_t below) { return random_() % below; }
  pg::Position position() {
    return {static_cast<std::int32_t>(pick(4)), pick(5) == 0 ? 0 : 1000 + pick(40)};
  }

  void change() {
    auto& now = bench_.now;
    for (std::size_t i = 0; i < now.nodes.size(); ++i) {
      auto& node = now.nodes[i];
      if (pick(3) == 0) continue;
      node.standing = pick(3) == 0 ? static_cast<Standing>(pick(7)) : Standing::serving;
      node.timeline = static_cast<std::int32_t>(2 + pick(8) / 7);
      node.lsn = 1000 + pick(40);
      node.incarnation += pick(6) == 0 ? 1 : 0;
      node.receiving = pick(4) > 0;
      node.asked = now_ - std::chrono::milliseconds(pick(300));
    }
    now.primary.reset();
    if (pick(5) > 0) now.primary = pick(now.nodes.size());
    now.primary_answers = now.primary && pick(4) > 0;
    now.timeline = static_cast<std::int32_t>(2 + pick(2));
    if (pick(10) == 0) {  // one that comes late
      auto late = std::make_shared<Topology>(now);
      late->version = now.version - 1;
      bench_.router.apply(late);
      slow_.apply(*late);
    }
    bench_.tell();
    slow_.apply(now);
  }

  void read() {
    const auto seen = position();
    Tried tried;
    std::set<std::size_t> left_out;
    for (std::size_t i = 0; i < bench_.loads.size(); ++i) {
      if (pick(6) > 0) continue;
      tried.add(i);
      left_out.insert(i);
    }
    const auto is = bench_.router.read(seen, tried);
    if (is.kind == Kind::go) {
      EXPECT_TRUE(slow_.readable(is.node));
      EXPECT_TRUE(slow_.far_enough(is.node, seen));
      EXPECT_TRUE(slow_.healthy(is.node));
      EXPECT_FALSE(left_out.contains(is.node));
      ++reasons[static_cast<std::size_t>(is.reason)];
    }
    none += is.kind == Kind::no_replica ? 1 : 0;
    expect_same(is, slow_.read(bench_.loads, seen, left_out, is.node));
    asked += is.kind == Kind::ask ? 1 : 0;
    behind += is.kind == Kind::behind ? 1 : 0;
    if ((is.kind == Kind::ask || is.kind == Kind::behind) && pick(4) == 0) {
      bench_.router.waited_in_vain(seen);
      slow_.waited_in_vain(seen);
    }
  }

  static void expect_same(const Route& is, const Route& ought) {
    EXPECT_EQ(is.kind, ought.kind);
    EXPECT_EQ(is.node, ought.node);
    if (is.kind == Kind::go) EXPECT_EQ(name_of(is.reason), name_of(ought.reason));
  }

  std::mt19937 random_;
  RouterOptions options_;
  Bench bench_;
  SlowRouter slow_;
  SteadyTime now_{2h};
};

TEST(Router, WaitsForWhoMovesAndForNobodyElse) {
  Bench bench(3);
  const pg::Position seen{1, 2000};
  EXPECT_EQ(bench.router.read(seen).kind, Kind::ask);
  // Once in vain, and not again, until one moves.
  bench.router.waited_in_vain(seen);
  EXPECT_EQ(bench.router.read(seen).kind, Kind::behind);
  EXPECT_FALSE(bench.router.may_catch_up(1));
  bench.router.advanced(1, 1000);
  EXPECT_EQ(bench.router.read(seen).kind, Kind::behind) << "it has not moved";
  bench.router.advanced(1, 1001);
  EXPECT_EQ(bench.router.read(seen).kind, Kind::ask);
  EXPECT_TRUE(bench.router.may_catch_up(1));
  // Told by a probe it counts as well.
  bench.router.waited_in_vain(seen);
  bench.now.nodes[2].lsn = 1500;
  bench.tell();
  EXPECT_EQ(bench.router.read(seen).kind, Kind::ask);
  // Nor for one that gets nothing.
  for (auto& node : bench.now.nodes) node.receiving = false;
  bench.tell();
  EXPECT_EQ(bench.router.read(seen).kind, Kind::behind);
  bench.router.advanced(2, 2000);
  EXPECT_EQ(bench.router.read(seen).node, 2U);
}

TEST(Router, ForgetsHowFarAServerHadComeThatMayHaveBeenStartedAnew) {
  Bench bench(2);
  const pg::Position seen{1, 900};
  EXPECT_EQ(bench.router.read(seen).node, 1U);
  bench.router.forget(1, SteadyTime(2h));
  EXPECT_EQ(bench.router.read(seen).kind, Kind::ask);
  EXPECT_EQ(bench.router.read({}).node, 1U) << "who has seen nothing may read it";
  bench.tell();
  EXPECT_EQ(bench.router.read(seen).kind, Kind::ask) << "it was asked before";
  bench.now.nodes[1].asked = SteadyTime(3h);
  bench.tell();
  EXPECT_EQ(bench.router.read(seen).node, 1U);
  bench.router.forget(1, SteadyTime(4h));
  bench.router.advanced(1, 950);
  EXPECT_EQ(bench.router.read(seen).node, 1U) << "it said so itself since";
}

TEST(Router, DecidesAsTheSlowWayDoes) {
  std::array<int, static_cast<std::size_t>(Reason::kCount)> reasons{};
  int asked = 0, behind = 0, none = 0;
  for (unsigned seed = 1; seed <= 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Races races(seed);
    races.run(400);
    for (std::size_t i = 0; i < reasons.size(); ++i) reasons[i] += races.reasons[i];
    asked += races.asked;
    behind += races.behind;
    none += races.none;
  }
  // It was put to the test.
  for (const auto reason : {Reason::fresh, Reason::primary_too, Reason::trial}) {
    EXPECT_GT(reasons[static_cast<std::size_t>(reason)], 1000) << name_of(reason);
  }
  EXPECT_GT(asked, 1000);
  EXPECT_GT(behind, 1000);
  EXPECT_GT(none, 1000);
}

}  // namespace
}  // namespace lyceum::cluster
