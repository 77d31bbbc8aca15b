#include "cluster/prober.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <mutex>

#include "pg/connection.h"
#include "pg/waiter.h"
#include "sql/statements.h"

namespace lyceum::cluster {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

// While there is no primary, or a node is coming back, a tenth of the interval, but not below.
constexpr auto kOften = std::chrono::milliseconds(20);
// However many hurry.
constexpr auto kLeastPause = std::chrono::milliseconds(5);

}  // namespace

class Prober::Subscription {
 public:
  Subscription(asio::any_io_executor executor, Listener listener)
      : executor_(std::move(executor)), listener_(std::move(listener)) {}
  static void tell(const std::shared_ptr<Subscription>& self,
                   std::shared_ptr<const Topology> topology) {
    asio::post(self->executor_, [weak = std::weak_ptr(self), topology = std::move(topology)] {
      if (const auto held = weak.lock()) held->listener_(topology);
    });
  }

 private:
  asio::any_io_executor executor_;
  Listener listener_;
};

struct Prober::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor on, ProberOptions with)
      : executor(std::move(on)),
        options(std::move(with)),
        tracker(options.tracker, names()),
        latest(tracker.topology()) {
    for (std::size_t i = 0; i < options.nodes.size(); ++i) {
      watches.push_back(std::make_unique<Watch>(executor));
    }
  }

  struct Watch {
    explicit Watch(asio::any_io_executor executor) : pause(executor), limit(executor) {}
    asio::steady_timer pause;
    asio::steady_timer limit;
    std::shared_ptr<pg::Connection> connection;
    bool hurried = false;
    bool asked = false;  // at least once
    bool late = false;
    std::string node;  // it answered last as
    Standing standing = Standing::unknown;
  };

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& node : options.nodes) out.push_back(node.node);
    return out;
  }

  awaitable<Observation> probe(std::size_t index) {
    auto& watch = *watches[index];
    Observation seen{.asked = Clock::now()};
    const auto deadline = seen.asked + options.timeout;
    seen.connected_anew = watch.connection && watch.connection->closed();
    if (!watch.connection || watch.connection->closed()) {
      auto opened = co_await pg::Connection::connect(executor, {.target = options.nodes[index],
                                                                .application_name = "lyceum probe",
                                                                .deadline = deadline});
      if (opened.has_error()) {
        seen.at = Clock::now();
        seen.error = opened.error();
        co_return seen;
      }
      watch.connection = *opened;
    }
    // A server that does not answer does not answer a cancel either: past the time it is left.
    watch.late = false;
    watch.limit.expires_at(deadline);
    watch.limit.async_wait([self = shared_from_this(), index](error_code cancelled) {
      if (cancelled) return;
      self->watches[index]->late = true;
      if (auto held = self->watches[index]->connection) held->close("no answer to a probe");
    });
    const auto connection = watch.connection;
    const auto asked = Clock::now();
    const auto rows = co_await connection->execute(sql::cluster::probe);
    watch.limit.cancel();
    seen.at = Clock::now();
    if (rows.has_value()) {
      seen.asked = asked;  // the latency is the answer's, not the connection's
      seen.answer = rows->as<ServerAnswer>().at(0);
      co_return seen;
    }
    seen.error = rows.error();
    if (watch.late) {
      seen.error->code = ErrorCode::kTimeout;
      seen.error->message = fmt::format(
          "no answer within {} ms",
          std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout).count());
    }
    watch.connection.reset();
    co_return seen;
  }

  static awaitable<void> watch(std::shared_ptr<State> self, std::size_t index) {
    auto& watch = *self->watches[index];
    while (!self->stopped) {
      watch.hurried = false;
      const auto seen = co_await self->probe(index);
      if (self->stopped) break;
      watch.asked = true;
      const bool was_unsettled = self->tracker.unsettled();
      self->tracker.observe(index, seen);
      self->publish();
      // The others are to be asked as often from now on.
      if (!was_unsettled && self->tracker.unsettled()) self->wake_others(index);
      auto pause = self->options.interval;
      if (self->tracker.unsettled()) {
        pause = std::min(pause, std::max<Duration>(pause / 10, kOften));
      }
      if (watch.hurried) pause = std::min<Duration>(pause, kLeastPause);
      error_code ignored;
      watch.pause.expires_after(pause);
      co_await watch.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      // Cut short by who hurries, and many may.
      if (self->stopped || Clock::now() - seen.at >= kLeastPause) continue;
      watch.pause.expires_at(seen.at + kLeastPause);
      co_await watch.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (watch.connection) watch.connection->close();
    watch.connection.reset();
  }

  void wake_others(std::size_t index) {
    for (std::size_t i = 0; i < watches.size(); ++i) {
      if (i != index) watches[i]->pause.cancel();
    }
  }

  void publish() {
    auto topology = tracker.topology();
    report(*topology);
    std::vector<std::shared_ptr<Subscription>> listening;
    {
      const std::lock_guard lock(mutex);
      latest = topology;
      std::erase_if(subscriptions, [](const auto& one) { return one.expired(); });
      for (const auto& one : subscriptions) {
        if (auto held = one.lock()) listening.push_back(std::move(held));
      }
    }
    for (const auto& one : listening) Subscription::tell(one, topology);
    bool all = true;
    for (const auto& watch : watches) all = all && watch->asked;
    if (all) {
      for (const auto& waiter : std::exchange(first_waiters, {})) waiter->notify();
    }
  }

  void report(const Topology& topology) {
    if (!options.on_event) return;
    for (std::size_t i = 0; i < watches.size(); ++i) {
      const auto& node = topology.nodes[i];
      if (std::exchange(watches[i]->standing, node.standing) == node.standing) continue;
      options.on_event(node.name,
                       fmt::format("{} {}{}{}", name_of(node.role), name_of(node.standing),
                                   node.why.empty() ? "" : ": ", node.why));
    }
    const bool had = reported_primary.has_value();
    if (reported_primary != topology.primary) {
      reported_primary = topology.primary;
      if (reported_primary) {
        options.on_event(topology.nodes[*reported_primary].name,
                         fmt::format("is the primary, on timeline {}", topology.timeline));
      } else if (had) {
        options.on_event("", "there is no primary");
      }
    }
    if (std::exchange(reported_alarm, topology.alarm) != topology.alarm) {
      options.on_event("", topology.alarm.empty() ? "alarm over" : "alarm: " + topology.alarm);
    }
  }

  asio::any_io_executor executor;
  ProberOptions options;
  Tracker tracker;
  std::vector<std::unique_ptr<Watch>> watches;
  bool started = false;
  bool stopped = false;
  std::vector<std::shared_ptr<pg::Waiter>> first_waiters;
  std::optional<std::size_t> reported_primary;
  std::string reported_alarm;

  mutable std::mutex mutex;
  std::shared_ptr<const Topology> latest;
  std::vector<std::weak_ptr<Subscription>> subscriptions;
};

Prober::Prober(asio::any_io_executor executor, ProberOptions options)
    : state_(std::make_shared<State>(std::move(executor), std::move(options))) {}

Prober::~Prober() {
  stop();
}

void Prober::start() {
  if (std::exchange(state_->started, true)) return;
  for (std::size_t i = 0; i < state_->watches.size(); ++i) {
    asio::co_spawn(state_->executor, State::watch(state_, i), asio::detached);
  }
}

void Prober::stop() {
  if (std::exchange(state_->stopped, true)) return;
  for (auto& watch : state_->watches) {
    watch->pause.cancel();
    watch->limit.cancel();
    if (auto connection = watch->connection) connection->close("the prober was stopped");
  }
  for (const auto& waiter : std::exchange(state_->first_waiters, {})) waiter->notify();
}

awaitable<std::shared_ptr<const Topology>> Prober::first() {
  const auto state = state_;
  bool all = state->stopped;
  if (!all) {
    all = true;
    for (const auto& watch : state->watches) all = all && watch->asked;
  }
  if (!all) {
    const auto waiter = std::make_shared<pg::Waiter>();
    state->first_waiters.push_back(waiter);
    co_await waiter->wait();
  }
  co_return topology();
}

std::shared_ptr<const Topology> Prober::topology() const {
  const std::lock_guard lock(state_->mutex);
  return state_->latest;
}

std::shared_ptr<Prober::Subscription> Prober::subscribe(asio::any_io_executor executor,
                                                        Listener listener) {
  auto subscription = std::make_shared<Subscription>(std::move(executor), std::move(listener));
  const std::lock_guard lock(state_->mutex);
  state_->subscriptions.push_back(subscription);
  Subscription::tell(subscription, state_->latest);
  return subscription;
}

void Prober::hurry(std::size_t node) {
  asio::post(state_->executor, [weak = std::weak_ptr(state_), node] {
    const auto state = weak.lock();
    if (!state || state->stopped) return;
    auto& watch = *state->watches[node];
    watch.hurried = true;
    // Where it is asked right now, that counts only if it began after the failure: once more then.
    watch.pause.cancel();
  });
}

}  // namespace lyceum::cluster
