#include "cluster/cluster.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "cluster/failure.h"
#include "cluster/retry_budget.h"
#include "pg/waiter.h"
#include "sql/statements.h"

namespace lyceum::cluster {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

// A request is sent to as many nodes, or as often to one, at most.
constexpr int kMostAttempts = 8;
// Between two looks at how far a replica has come, while a read waits for it.
constexpr Duration kFirstLook = std::chrono::milliseconds(1);
constexpr Duration kLastLook = std::chrono::milliseconds(10);

// What a request was failed by last.
struct FailedBy {
  std::size_t node;
  Error error;
};

const pg::Params kNone;

pg::Position seen_by(const pool::Call& call) {
  return call.seen != nullptr ? *call.seen : pg::Position{};
}

}  // namespace

struct Cluster::State final : std::enable_shared_from_this<State>, pool::Elsewhere {
  State(asio::any_io_executor on, ClusterOptions with, Prober& asks)
      : executor(std::move(on)),
        options(std::move(with)),
        prober(asks),
        pools(make_pools()),
        router(options.router, loads()),
        budget(options.retry_budget),
        once(std::make_shared<Once>(*this)) {
    const auto& limits = options.pool.limits;
    most_shared = std::max<std::size_t>(
        1, static_cast<std::size_t>(options.primary_read_share *
                                    static_cast<double>(limits.lanes * limits.lane_depth)));
    following.resize(pools.size());
    router.apply(prober.topology());
  }

  // Reports a failure and does not go on: for whoever goes on himself.
  struct Once final : pool::Elsewhere {
    explicit Once(const State& of) : state(of) {}
    const State& state;
    [[nodiscard]] bool moves(std::size_t server, const Statement& statement,
                             const Error& error) const override {
      return state.moves(server, statement, error);
    }
    [[nodiscard]] awaitable<Result<pg::Rows>> resume(std::size_t, const Statement&,
                                                     const pg::Params&, const pool::Call&,
                                                     Error error) override {
      co_return error;
    }
  };

  asio::any_io_executor executor;
  ClusterOptions options;
  Prober& prober;
  // A pool may still be connecting when the cluster is gone.
  std::shared_ptr<State*> anchor = std::make_shared<State*>(this);
  std::vector<std::unique_ptr<pool::Pool>> pools;
  Router router;
  RetryBudget budget;
  std::shared_ptr<Once> once;
  std::shared_ptr<Prober::Subscription> subscription;
  std::vector<asio::steady_timer*> waiting;  // for anything to change
  std::vector<char> following;               // by node: its position is being asked for
  std::size_t behind = 0;                    // reads that wait for a position
  std::size_t shared = 0;                    // reads on the primary because no replica can be read
  std::size_t most_shared = 1;
  bool stopping = false;
  Figures figures;

  std::vector<std::unique_ptr<pool::Pool>> make_pools() {
    std::vector<std::unique_ptr<pool::Pool>> out;
    for (std::size_t i = 0; i < options.nodes.size(); ++i) {
      auto own = options.pool;
      own.target = options.nodes[i];
      own.number = i;
      own.limits.impatient = true;
      own.on_change = [weak = std::weak_ptr(anchor), i] {
        if (const auto held = weak.lock()) (*held)->changed(i);
      };
      out.push_back(std::make_unique<pool::Pool>(executor, std::move(own)));
    }
    return out;
  }
  std::vector<const pool::Load*> loads() const {
    std::vector<const pool::Load*> out;
    for (const auto& pool : pools) out.push_back(&pool->load());
    return out;
  }

  // ── the topology ────────────────────────────────────────────────────────────────────────────

  void apply(std::shared_ptr<const Topology> now) {
    if (stopping) return;
    const auto before = router.snapshot();
    router.apply(now);
    for (std::size_t i = 0; i < pools.size() && i < now->nodes.size(); ++i) {
      const auto& node = now->nodes[i];
      const auto was = i < before->nodes.size() ? before->nodes[i].standing : Standing::unknown;
      const bool is_primary = now->primary == i;
      if (node.standing == Standing::serving) {
        const bool new_answer = i >= before->nodes.size() || before->nodes[i].asked != node.asked;
        if (new_answer) pools[i]->observed(node.latency);
        pools[i]->retry_now();
      }
      // What is under way there goes on elsewhere, or is in doubt. On a primary that is silent it
      // may yet end, and nobody else could do it: that is given up once another is the primary.
      const bool demoted = before->primary == i && !is_primary;
      const bool left = was != node.standing &&
                        (node.standing == Standing::down || node.standing == Standing::astray ||
                         node.standing == Standing::foreign);
      if (demoted || (left && !is_primary)) {
        pools[i]->sever(node.why.empty() ? "it is not the primary any more" : node.why);
      }
    }
    wake();
  }

  // A replica that was started anew replays from further back than it had come.
  void changed(std::size_t node) {
    if (stopping || options.nodes.size() == 1) return;
    router.forget(node, Clock::now());
    prober.hurry(node);
  }

  void wake() {
    for (auto* timer : waiting) timer->cancel();
  }

  // Until something has changed, or the time has come.
  static awaitable<void> change(State& self, SteadyTime until) {
    struct Waiting {
      State& state;
      asio::steady_timer timer;
      explicit Waiting(State& of, SteadyTime at) : state(of), timer(of.executor, at) {
        state.waiting.push_back(&timer);
      }
      ~Waiting() { std::erase(state.waiting, &timer); }
    };
    Waiting here(self, until);
    error_code ignored;
    co_await here.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  // ── positions ───────────────────────────────────────────────────────────────────────────────

  void follow_all() {
    for (std::size_t i = 0; i < pools.size(); ++i) {
      if (following[i] != 0 || !router.may_catch_up(i) || router.topology().primary == i) continue;
      following[i] = 1;
      asio::co_spawn(executor, follow(shared_from_this(), i), asio::detached);
    }
  }

  // Asks a replica how far it has come as long as a read waits for that: one question for all that
  // wait.
  static awaitable<void> follow(std::shared_ptr<State> self, std::size_t node) {
    auto pause = kFirstLook;
    asio::steady_timer timer(self->executor);
    while (!self->stopping && self->behind > 0 && self->router.may_catch_up(node)) {
      pool::Call call;
      call.deadline = Clock::now() + self->options.probe_timeout;
      const auto rows = co_await self->pools[node]->run(sql::pg::position, kNone, call, self->once);
      if (rows.has_error() || rows->empty()) break;
      self->router.advanced(
          node, static_cast<std::uint64_t>((*rows)[0].get<std::int64_t>(rows->column("lsn"))));
      self->wake();
      error_code ignored;
      timer.expires_after(pause);
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      pause = std::min(pause * 2, kLastLook);
    }
    self->following[node] = 0;
  }

  // ── failures ────────────────────────────────────────────────────────────────────────────────

  [[nodiscard]] bool on_replica(std::size_t node) const {
    const auto& nodes = router.topology().nodes;
    return node < nodes.size() && nodes[node].role == Role::replica;
  }

  [[nodiscard]] bool moves(std::size_t server, const Statement& statement,
                           const Error& error) const override {
    return judge(error, statement.access, on_replica(server)) != Failure::own;
  }

  [[nodiscard]] awaitable<Result<pg::Rows>> resume(std::size_t server, const Statement& statement,
                                                   const pg::Params& params, const pool::Call& call,
                                                   Error error) override {
    return go_on(shared_from_this(), statement, params, call, std::nullopt,
                 FailedBy{server, std::move(error)});
  }

  // Takes note of a failure. False where the request is not to go on.
  bool note(const FailedBy& by, Access access) {
    const auto now = Clock::now();
    const auto failure = judge(by.error, access, on_replica(by.node));
    switch (failure) {
      case Failure::own:
        return false;
      case Failure::unreachable:
        router.failed(by.node, now);
        prober.hurry(by.node);
        break;
      case Failure::not_primary:
        router.failed(by.node, now);
        for (std::size_t i = 0; i < pools.size(); ++i) prober.hurry(i);
        break;
      case Failure::broken:
        prober.hurry(by.node);
        break;
      case Failure::conflict:
        break;
    }
    // What waits for a probe is paced by it; only what is sent again at once needs a limit.
    const bool at_once = failure == Failure::broken || failure == Failure::conflict;
    if (stopping || (at_once && !budget.take(now))) {
      ++figures.out_of_budget;
      return false;
    }
    ++figures.moved;
    return true;
  }

  // ── requests ────────────────────────────────────────────────────────────────────────────────

  Route choose(Access access, const pool::Call& call, const Tried& tried) {
    if (access == Access::write) return router.write(seen_by(call));
    const auto seen = seen_by(call);
    if (call.primary || seen.beyond()) return router.read_primary(Reason::unplaced, seen);
    return router.read(seen, tried);
  }

  awaitable<Result<pg::Rows>> execute(const Statement& statement, const pg::Params& params,
                                      const pool::Call& call) {
    budget.request();
    const auto route = choose(statement.access, call, {});
    if (route.kind == Route::Kind::go && route.reason != Reason::trial) {
      ++figures.routes[static_cast<std::size_t>(route.reason)];
      return pools[route.node]->run(statement, params, call, shared_from_this());
    }
    return go_on(shared_from_this(), statement, params, call, route, std::nullopt);
  }

  // What a request holds while it runs: the trial of a node, a part of the primary's share.
  struct Held {
    State& state;
    Route route;
    bool shares = false;
    bool well = false;
    Held(State& of, Route which) : state(of), route(which) {
      shares = route.reason == Reason::no_replica && state.pools.size() > 1;
      if (shares) ++state.shared;
      ++state.figures.routes[static_cast<std::size_t>(route.reason)];
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() {
      if (route.reason == Reason::trial) state.router.tried(route.node, well, Clock::now());
      if (shares) {
        --state.shared;
        state.wake();
      }
    }
  };

  // Where to go, waiting for it as long as that makes sense. `first` is a choice made already.
  static awaitable<Result<Route>> place(std::shared_ptr<State> self, Access access,
                                        const pool::Call& call, Tried& tried, SteadyTime deadline,
                                        std::optional<Route> first) {
    const auto begun = Clock::now();
    const auto behind_until = std::min(deadline, begun + self->options.bookmark_wait);
    const auto primary_until = std::min(deadline, begun + self->options.primary_wait);
    bool counted_behind = false, counted_primary = false, counted_share = false;
    bool hurried = false;
    for (;;) {
      if (self->router.outdated(seen_by(call)) && !std::exchange(hurried, true)) {
        for (std::size_t i = 0; i < self->pools.size(); ++i) self->prober.hurry(i);
      }
      if (self->stopping) {
        co_return Error{.code = ErrorCode::kShuttingDown,
                        .message = "the connections to the cluster are shutting down"};
      }
      auto route = first ? *first : self->choose(access, call, tried);
      first.reset();
      if (route.kind == Route::Kind::go) co_return route;
      auto until = primary_until;
      struct Behind {
        State& state;
        explicit Behind(State& of) : state(of) { ++state.behind; }
        ~Behind() { --state.behind; }
      };
      if (route.kind == Route::Kind::ask) {
        if (Clock::now() < behind_until) {
          if (!std::exchange(counted_behind, true)) ++self->figures.waited_behind;
          const Behind here(*self);
          self->follow_all();
          co_await change(*self, behind_until);
          continue;
        }
        self->router.waited_in_vain(seen_by(call));
      }
      if (route.kind == Route::Kind::ask || route.kind == Route::Kind::behind) {
        route = self->router.read_primary(Reason::behind, seen_by(call));
        if (route.kind == Route::Kind::go) co_return route;
        // No primary either: a replica may come so far yet, as the probes will tell.
      } else if (route.kind == Route::Kind::no_replica) {
        route = self->router.read_primary(Reason::no_replica, seen_by(call));
        if (route.kind == Route::Kind::go) {
          if (self->pools.size() == 1 || self->shared < self->most_shared) co_return route;
          if (!std::exchange(counted_share, true)) ++self->figures.share_used_up;
          until = std::min(deadline, begun + self->options.pool.limits.pool_timeout);
          if (Clock::now() >= until) {
            co_return Error{
                .code = ErrorCode::kQueueFull,
                .message =
                    "no replica can be read, and what the primary spares for reads is in use",
                .hint = "lyceum replicas says why; cluster.primary_read_share is the part",
                .node = self->node()};
          }
          co_await change(*self, until);
          continue;
        }
        // A node that failed this request may do better by now: better than nothing.
        tried.clear();
      }
      if (!std::exchange(counted_primary, true)) ++self->figures.waited_primary;
      if (Clock::now() >= until) {
        ++self->figures.no_primary;
        co_return self->nobody(access);
      }
      co_await change(*self, until);
    }
  }

  // Why nobody serves. Where servers answer and none takes writes, with the SQLSTATE that one of
  // them would give.
  [[nodiscard]] Error nobody(Access access) const {
    const auto& topology = router.topology();
    Error error{.code = ErrorCode::kConnect, .node = node()};
    if (!topology.alarm.empty()) {
      error.message = topology.alarm;
      return error;
    }
    const auto what = access == Access::write ? "takes writes" : "can be read";
    error.message = pools.size() == 1 ? std::string("the server cannot be reached")
                                      : fmt::format("no server of the cluster {}", what);
    for (const auto& node : topology.nodes) {
      if (!node.why.empty()) error.message += fmt::format("; {}: {}", node.name, node.why);
    }
    error.hint = "lyceum replicas shows each server and what is wrong with it";
    const bool some =
        std::any_of(topology.nodes.begin(), topology.nodes.end(), [](const NodeState& node) {
          return node.standing != Standing::down && node.standing != Standing::unknown;
        });
    if (access == Access::write && some) error.sqlstate = "25006";
    return error;
  }

  static awaitable<Result<pg::Rows>> go_on(std::shared_ptr<State> self, const Statement& statement,
                                           const pg::Params& params, const pool::Call& call,
                                           std::optional<Route> first,
                                           std::optional<FailedBy> failed) {
    const auto access = statement.access;
    const auto deadline =
        std::min(call.deadline, Clock::now() + self->options.pool.limits.statement_timeout);
    Tried tried;
    for (int attempt = failed ? 2 : 1;; ++attempt) {
      if (failed) {
        if (attempt > kMostAttempts || Clock::now() >= deadline || !self->note(*failed, access)) {
          co_return failed->error;
        }
        tried.add(failed->node);
      }
      const auto route = co_await place(self, access, call, tried, deadline, first);
      first.reset();
      if (route.has_error()) {
        auto error = route.error();
        error.statement = statement.name;
        co_return error;
      }
      Held held(*self, *route);
      auto result = co_await self->pools[route->node]->run(statement, params, call, self->once);
      held.well = result.has_value() || !self->moves(route->node, statement, result.error());
      if (held.well) co_return result;
      failed = FailedBy{route->node, result.error()};
    }
  }

  static awaitable<Result<pool::Lease>> lease(std::shared_ptr<State> self, Access access,
                                              const pool::Call& call) {
    const auto deadline =
        std::min(call.deadline, Clock::now() + std::max(self->options.pool.limits.pool_timeout,
                                                        self->options.primary_wait));
    Tried tried;
    std::optional<FailedBy> failed;
    for (int attempt = 1;; ++attempt) {
      if (failed) {
        if (attempt > kMostAttempts || Clock::now() >= deadline || !self->note(*failed, access)) {
          co_return failed->error;
        }
        tried.add(failed->node);
      }
      const auto route = co_await place(self, access, call, tried, deadline, std::nullopt);
      if (route.has_error()) co_return route.error();
      Held held(*self, *route);
      auto leased = co_await self->pools[route->node]->lease(access, call);
      held.well = leased.has_value() || judge(leased.error(), access, false) == Failure::own;
      if (held.well) co_return leased;
      failed = FailedBy{route->node, leased.error()};
    }
  }

  [[nodiscard]] const std::string& node() const {
    const auto& primary = router.topology().primary;
    return options.nodes[primary.value_or(0)].node;
  }
};

ProberOptions prober_options(const ClusterOptions& options) {
  return {.nodes = options.nodes,
          .interval = options.probe_interval,
          .timeout = options.probe_timeout,
          .tracker = options.tracker};
}

Cluster::Cluster(asio::any_io_executor executor, ClusterOptions options)
    : own_prober_(std::make_unique<Prober>(executor, prober_options(options))),
      state_(std::make_shared<State>(executor, std::move(options), *own_prober_)) {
  own_prober_->start();
  state_->subscription = own_prober_->subscribe(
      executor, [state = state_.get()](std::shared_ptr<const Topology> t) { state->apply(t); });
}

Cluster::Cluster(asio::any_io_executor executor, ClusterOptions options, Prober& prober)
    : state_(std::make_shared<State>(executor, std::move(options), prober)) {
  state_->subscription = prober.subscribe(
      executor, [state = state_.get()](std::shared_ptr<const Topology> t) { state->apply(t); });
}

Cluster::~Cluster() {
  state_->subscription.reset();
  state_->stopping = true;
  state_->wake();
  // Their ends are told to whoever waits on them.
  state_->pools.clear();
}

awaitable<Result<pg::Rows>> Cluster::execute(const Statement& statement, const pg::Params& params,
                                             const pool::Call& call) {
  return state_->execute(statement, params, call);
}

awaitable<Result<pool::Lease>> Cluster::lease(Access access, const pool::Call& call) {
  return State::lease(state_, access, call);
}

const std::string& Cluster::node() const {
  return state_->node();
}

awaitable<std::shared_ptr<const Topology>> Cluster::ready() {
  const auto state = state_;
  auto known = co_await state->prober.first();
  state->apply(known);
  co_return known;
}

awaitable<bool> Cluster::shutdown(Duration within) {
  const auto state = state_;
  state->subscription.reset();
  state->stopping = true;
  if (own_prober_) own_prober_->stop();
  state->wake();
  bool clean = true;
  std::size_t left = state->pools.size();
  pg::Waiter done;
  for (auto& pool : state->pools) {
    asio::co_spawn(state->executor, pool->shutdown(within),
                   [&](std::exception_ptr thrown, bool well) {
                     clean = clean && !thrown && well;
                     if (--left == 0) done.notify();
                   });
  }
  if (left > 0) co_await done.wait();
  co_return clean;
}

Figures Cluster::figures() const {
  auto out = state_->figures;
  for (const auto& pool : state_->pools) out.nodes.push_back(pool->figures());
  return out;
}

const Topology& Cluster::topology() const {
  return state_->router.topology();
}

}  // namespace lyceum::cluster
