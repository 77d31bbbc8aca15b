// The real router, its retry budget left out, over servers that exist only here: what comes of a
// choice by load when the servers, not we, are the limit. Time is virtual and chance has a seed, so
// a run is the same on every machine.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <queue>
#include <random>

#include "cluster/router.h"

namespace lyceum::cluster {
namespace {

using namespace std::chrono_literals;

enum class Spread { even, exponential, heavy_tail };

// A server: so many requests at once, the rest wait in line.
struct Server {
  unsigned concurrency = 4;
  Duration service = 2ms;  // the mean
  Spread spread = Spread::exponential;
  Duration distance = 200us;  // there and back
  // Serves nothing in the first part of each period.
  Duration stall = 0s;
  Duration period = 1s;

  [[nodiscard]] double capacity() const {
    return concurrency / std::chrono::duration<double>(service).count();
  }
};

struct Outcome {
  double per_second = 0;
  std::vector<double> each;         // per second, by server
  std::vector<std::uint32_t> most;  // in flight there, by server
  Duration mean{};                  // from asking to answer
  Duration p99{};
};

struct Plan {
  std::vector<Server> servers;
  // Either so many callers, each of which asks again as soon as it is answered, or requests that
  // come by themselves, so many a second.
  unsigned callers = 0;
  double arrivals = 0;
  Balance balance = Balance::least_loaded;
  unsigned workers = 1;  // each with a router and loads of its own
  Duration warm_up = 500ms;
  Duration length = 1s;
  unsigned seed = 1;
};

class Simulation {
 public:
  explicit Simulation(Plan plan) : plan_(std::move(plan)), random_(plan_.seed) {
    const auto nodes = plan_.servers.size();
    lines_.resize(nodes);
    outcome_.each.resize(nodes);
    outcome_.most.resize(nodes);
    auto topology = std::make_shared<Topology>();
    topology->version = 1;
    topology->timeline = 1;
    for (std::size_t i = 0; i < nodes; ++i) {
      topology->nodes.push_back({.role = Role::replica,
                                 .standing = Standing::serving,
                                 .timeline = 1,
                                 .lsn = 1000,
                                 .incarnation = 1});
    }
    for (unsigned i = 0; i < plan_.workers; ++i) {
      auto worker = std::make_unique<Worker>();
      worker->loads.resize(nodes);
      // What a probe took, which waits in no line.
      for (std::size_t k = 0; k < nodes; ++k) worker->loads[k].took(plan_.servers[k].distance);
      std::vector<const pool::Load*> loads;
      for (const auto& load : worker->loads) loads.push_back(&load);
      worker->router.emplace(RouterOptions{.balance = plan_.balance}, loads);
      worker->router->apply(topology);
      workers_.push_back(std::move(worker));
    }
  }

  Outcome run() {
    const auto end = plan_.warm_up + plan_.length;
    for (unsigned i = 0; i < plan_.callers; ++i) at(Duration(i), {What::ask, i % plan_.workers});
    if (plan_.arrivals > 0) at(0s, {What::come, 0});
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (plan_.servers[i].stall > 0s) at(plan_.servers[i].stall, {What::go_on, 0, i});
    }
    while (!events_.empty() && events_.top().time < end) {
      const auto event = events_.top();
      events_.pop();
      now_ = event.time;
      happen(event.step);
    }
    const auto seconds = std::chrono::duration<double>(plan_.length).count();
    for (auto& count : outcome_.each) outcome_.per_second += count /= seconds;
    std::sort(took_.begin(), took_.end());
    if (!took_.empty()) {
      outcome_.p99 = took_[took_.size() * 99 / 100];
      for (const auto one : took_) outcome_.mean += one / static_cast<long>(took_.size());
    }
    return outcome_;
  }

 private:
  enum class What { ask, come, arrive, done, answer, go_on };
  struct Step {
    What what;
    unsigned worker;
    std::size_t node = 0;
    Duration asked{};
  };
  struct Event {
    Duration time;
    std::uint64_t number;
    Step step;
    bool operator>(const Event& other) const {
      return std::pair(time, number) > std::pair(other.time, other.number);
    }
  };
  struct Line {
    std::deque<Step> waiting;
    unsigned busy = 0;
    std::uint32_t in_flight = 0;
  };
  struct Worker {
    std::vector<pool::Load> loads;
    std::optional<Router> router;
  };

  void at(Duration time, Step step) { events_.push({time, ++number_, step}); }

  Duration service_time(const Server& server) {
    std::uniform_real_distribution<double> even(0, 1);
    double factor = 1;
    if (server.spread == Spread::exponential) factor = -std::log(1 - even(random_));
    // Nine of ten take a third of the mean, one takes seven times as long.
    if (server.spread == Spread::heavy_tail) factor = even(random_) < 0.9 ? 1.0 / 3 : 7;
    return std::chrono::duration_cast<Duration>(server.service * factor);
  }
  [[nodiscard]] bool stalls(const Server& server) const {
    return server.stall > 0s && now_ % server.period < server.stall;
  }

  void serve(std::size_t node) {
    auto& line = lines_[node];
    const auto& server = plan_.servers[node];
    while (!stalls(server) && line.busy < server.concurrency && !line.waiting.empty()) {
      auto step = line.waiting.front();
      line.waiting.pop_front();
      ++line.busy;
      step.what = What::done;
      at(now_ + service_time(server), step);
    }
  }

  void happen(Step step) {
    auto& worker = *workers_[step.worker];
    switch (step.what) {
      case What::come: {
        std::exponential_distribution<double> gap(plan_.arrivals);
        at(now_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(gap(random_))),
           {What::come, (step.worker + 1) % plan_.workers});
        [[fallthrough]];
      }
      case What::ask: {
        const auto route = worker.router->read({});
        ASSERT_EQ(route.kind, Route::Kind::go);
        step = {What::arrive, step.worker, route.node, now_};
        ++worker.loads[step.node].in_flight;
        const auto there = ++lines_[step.node].in_flight;
        if (now_ >= plan_.warm_up) {
          outcome_.most[step.node] = std::max(outcome_.most[step.node], there);
        }
        at(now_ + plan_.servers[step.node].distance / 2, step);
        break;
      }
      case What::arrive:
        lines_[step.node].waiting.push_back(step);
        serve(step.node);
        break;
      case What::done:
        --lines_[step.node].busy;
        step.what = What::answer;
        at(now_ + plan_.servers[step.node].distance / 2, step);
        serve(step.node);
        break;
      case What::answer:
        --worker.loads[step.node].in_flight;
        --lines_[step.node].in_flight;
        worker.loads[step.node].took(now_ - step.asked);
        if (now_ >= plan_.warm_up) {
          ++outcome_.each[step.node];
          took_.push_back(now_ - step.asked);
        }
        if (plan_.callers > 0) at(now_, {What::ask, step.worker});
        break;
      case What::go_on: {
        const auto& server = plan_.servers[step.node];
        at(now_ + server.period, step);
        serve(step.node);
      }
    }
  }

  Plan plan_;
  std::mt19937_64 random_;
  std::vector<Line> lines_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t number_ = 0;
  Duration now_{};
  std::vector<Duration> took_;
  Outcome outcome_;
};

Outcome run(Plan plan) {
  return Simulation(std::move(plan)).run();
}

// What each gives alone, to the callers that a plan has for it, and at least what it can by its
// figures, added up.
double sum_alone(const Plan& plan) {
  double sum = 0;
  auto alone = plan;
  for (const auto& server : plan.servers) {
    alone.servers = {server};
    alone.callers = plan.callers / static_cast<unsigned>(plan.servers.size());
    ++alone.seed;
    sum += std::max(run(alone).per_second, server.capacity());
  }
  return sum;
}

std::string shown(const Outcome& outcome, double sum) {
  std::string text = fmt::format("{:.0f} a second of {:.0f}: {:.3f}; each", outcome.per_second, sum,
                                 outcome.per_second / sum);
  for (const auto one : outcome.each) text += fmt::format(" {:.0f}", one);
  return text;
}

// For each server, so that every one of them is kept busy.
constexpr unsigned kCallers = 64;

class Simulated : public ::testing::TestWithParam<unsigned> {
 protected:
  static unsigned nodes() { return GetParam(); }
  void expect_scale(Plan plan, unsigned callers = kCallers) {
    plan.callers = nodes() * callers;
    const auto sum = sum_alone(plan);
    const auto outcome = run(plan);
    RecordProperty("of_the_sum", fmt::format("{:.3f}", outcome.per_second / sum));
    EXPECT_GE(outcome.per_second, 0.9 * sum) << shown(outcome, sum);
  }
};

TEST_P(Simulated, EqualServersGiveNearlyTheirSum) {
  for (const auto spread : {Spread::even, Spread::exponential, Spread::heavy_tail}) {
    expect_scale({.servers = std::vector<Server>(nodes(), {.spread = spread})});
  }
}

TEST_P(Simulated, UnequalServersGiveNearlyTheirSum) {
  Plan plan;
  // From one to eight times as fast, and from two to sixteen requests at once.
  for (unsigned i = 0; i < nodes(); ++i) {
    plan.servers.push_back({.concurrency = 2u << (i * 7 % 4), .service = (1 + i * 3 % 8) * 1ms});
  }
  expect_scale(plan);
}

TEST_P(Simulated, ItTakesNotManyMoreCallersThanServersServeAtOnce) {
  Plan plan;
  for (unsigned i = 0; i < nodes(); ++i) plan.servers.push_back({.service = (1 + i % 4) * 1ms});
  expect_scale(plan, 12);
}

TEST_P(Simulated, WorkersThatKnowNothingOfEachOtherGiveNearlyTheSum) {
  Plan plan{.workers = 4};
  for (unsigned i = 0; i < nodes(); ++i) {
    plan.servers.push_back({.concurrency = 8, .service = (1 + i % 4) * 1ms});
  }
  expect_scale(plan);
}

TEST_P(Simulated, ByTurnsEqualServersGiveNearlyTheirSum) {
  expect_scale({.servers = std::vector<Server>(nodes()), .balance = Balance::round_robin});
}

INSTANTIATE_TEST_SUITE_P(Nodes, Simulated, ::testing::Values(1, 2, 3, 5, 8, 16, 32, 64),
                         [](const auto& of) { return fmt::format("{}", of.param); });

// One that is 200 ms away is no limit of its own: it must not become one for the others.
TEST(Simulation, AFarServerHoldsNobodyUp) {
  Plan plan{.servers = std::vector<Server>(3), .callers = 3 * kCallers};
  const auto near = sum_alone(plan);
  plan.servers.push_back({.distance = 200ms});
  plan.warm_up = 2s;
  plan.length = 2s;
  const auto busy = run(plan);
  EXPECT_GE(busy.per_second, 0.95 * near) << shown(busy, near);

  // Where the near ones have time for everybody, hardly anybody goes there.
  plan.callers = 0;
  plan.arrivals = near / 2;
  const auto calm = run(plan);
  EXPECT_GE(calm.per_second, 0.95 * plan.arrivals);
  EXPECT_LE(calm.each[3], 0.01 * calm.per_second) << shown(calm, near);
  EXPECT_LE(calm.p99, 20ms);
  RecordProperty("busy", shown(busy, near));
  RecordProperty("calm", shown(calm, near));
}

// Half of the time it serves nothing: the others give what they can, and it gives its half.
TEST(Simulation, AServerThatStallsHoldsUpNoMoreThanItsShare) {
  for (const unsigned nodes : {2u, 3u, 8u}) {
    Plan plan{.servers = std::vector<Server>(nodes), .callers = nodes * kCallers};
    plan.servers[0].stall = 500ms;
    plan.warm_up = 1s;
    plan.length = 4s;
    const auto outcome = run(plan);
    const auto sum = plan.servers[1].capacity() * (nodes - 1) + plan.servers[0].capacity() / 2;
    EXPECT_GE(outcome.per_second, 0.9 * sum) << shown(outcome, sum);
    // Its latency is known by then. One that stalls before it was ever busy is taken for as fast
    // as its probes were, and draws them all.
    EXPECT_LE(outcome.most[0], 3 * kCallers) << "so many wait on it at once";
    EXPECT_LT(outcome.most[0], plan.callers);
    RecordProperty(fmt::format("of_{}", nodes),
                   shown(outcome, sum) + fmt::format("; most {}", outcome.most[0]));
  }
}

// One of three is five times as slow as the others. By turns it gets a third, which it cannot
// serve; by load it gets what it can.
TEST(Simulation, ASlowServerGetsWhatItCanServe) {
  Plan plan{.servers = std::vector<Server>(3)};
  plan.servers[0].service = 10ms;
  plan.warm_up = plan.length = 4s;
  plan.arrivals = 0.7 * (2 * plan.servers[1].capacity() + plan.servers[0].capacity());
  const auto by_load = run(plan);
  EXPECT_GE(by_load.per_second, 0.97 * plan.arrivals) << shown(by_load, plan.arrivals);
  EXPECT_LE(by_load.p99, 60ms);
  plan.balance = Balance::round_robin;
  const auto by_turns = run(plan);
  EXPECT_LT(by_turns.per_second, 0.9 * plan.arrivals) << shown(by_turns, plan.arrivals);
  RecordProperty("by_load_mean_us", static_cast<int>(by_load.mean / 1us));
  RecordProperty("by_load_p99_us", static_cast<int>(by_load.p99 / 1us));
}

TEST(Simulation, IsTheSameEachTime) {
  const Plan plan{.servers = std::vector<Server>(5), .callers = 100, .workers = 2, .seed = 9};
  const auto one = run(plan), other = run(plan);
  EXPECT_EQ(one.each, other.each);
  EXPECT_EQ(one.p99, other.p99);
}

}  // namespace
}  // namespace lyceum::cluster
