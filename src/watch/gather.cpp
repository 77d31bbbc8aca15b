#include "watch/gather.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <mutex>
#include <random>

#include "base/backoff.h"
#include "pg/waiter.h"
#include "watch/schedule.h"
#include "watch/versions.h"

namespace lyceum::watch {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using Steady = std::chrono::steady_clock;

namespace {

// Looks for databases that are new or gone; no collector has that name.
constexpr std::string_view kDiscovery = "(databases)";
constexpr auto kFirstReconnect = std::chrono::milliseconds(500);
constexpr auto kLeastReconnect = std::chrono::milliseconds(50);
// A connection to a further database outlives what is due there one after another.
constexpr auto kUnused = std::chrono::seconds(5);

Reading gap_reading(const std::string& node, std::string database, Gap gap) {
  Reading out{.source = {"", node, std::move(database)}};
  out.gap = std::move(gap);
  return out;
}

Gap not_allowed(const Database& database, const std::string& role) {
  return {fmt::format("{} may not connect to the database {}", role, database.name),
          fmt::format("GRANT CONNECT ON DATABASE {} TO {};", quoted(database.name), quoted(role))};
}

// Those that are read, and what is to be said of the others.
struct Chosen {
  std::vector<std::string> databases;
  std::vector<Reading> gaps;
};

Chosen choose(const Node& node, const std::vector<Database>& found, std::size_t most) {
  Chosen out;
  // Its own first: there is a connection to it already.
  for (const auto& database : found) {
    if (database.name == node.own_database()) out.databases.push_back(database.name);
  }
  std::size_t beyond = 0;
  for (const auto& database : found) {
    if (database.name == node.own_database()) continue;
    if (!database.allowed) {
      out.gaps.push_back(
          gap_reading(node.name(), database.name, not_allowed(database, node.role())));
    } else if (out.databases.size() < most) {
      out.databases.push_back(database.name);
    } else {
      ++beyond;
    }
  }
  if (beyond > 0) {
    out.gaps.push_back(gap_reading(
        node.name(), "",
        {fmt::format("{} of the databases are not read: at most {} are", beyond, most), ""}));
  }
  return out;
}

}  // namespace

struct Gather::State : std::enable_shared_from_this<State> {
  struct Watch {
    Watch(const asio::any_io_executor& executor, const pg::Target& target, Limits limits,
          const Clock& clock)
        : pause(executor), node(executor, target, limits, clock), schedule(target.node) {}
    asio::steady_timer pause;
    Node node;
    Schedule schedule;
    std::set<std::string> databases;
  };

  State(asio::any_io_executor on, GatherOptions with, Listener to)
      : executor(std::move(on)), options(std::move(with)), listener(std::move(to)) {
    for (const auto& target : options.nodes) {
      watches.push_back(std::make_unique<Watch>(executor, target, options.limits, *options.clock));
    }
  }

  [[nodiscard]] Duration interval_of(const Collector& collector) const {
    const auto own = options.intervals.find(collector.name);
    if (own != options.intervals.end()) return own->second;
    return collector.pace == Pace::fast ? options.fast : options.slow;
  }

  // What is read of the server, and the look for its databases.
  void plan_node(Watch& watch) {
    const auto now = Steady::now();
    for (const auto& collector : collectors()) {
      if (collector.scope != Scope::node || options.without.contains(collector.name)) continue;
      // The fast ones run together: they tell of one moment, and are cheap.
      const auto phase = collector.pace == Pace::fast ? std::string_view{} : collector.name;
      watch.schedule.add({std::string(collector.name), ""}, interval_of(collector), phase, now);
    }
    watch.schedule.add({std::string(kDiscovery), ""}, options.slow, kDiscovery, now);
  }

  void plan_databases(Watch& watch, const Chosen& chosen) {
    const auto now = Steady::now();
    const std::set<std::string> present(chosen.databases.begin(), chosen.databases.end());
    for (const auto& collector : collectors()) {
      if (collector.scope != Scope::database || options.without.contains(collector.name)) continue;
      for (const auto& database : present) {
        watch.schedule.add({std::string(collector.name), database}, interval_of(collector),
                           database, now);
      }
      for (const auto& database : watch.databases) {
        if (!present.contains(database)) {
          watch.schedule.remove({std::string(collector.name), database});
        }
      }
    }
    for (const auto& database : watch.databases) {
      if (!present.contains(database)) watch.node.forget(database);
    }
    watch.databases = present;
  }

  void tell(Reading reading) {
    if (!stopped) listener(std::move(reading));
  }

  void note(const Reading& reading) {
    const std::lock_guard lock(mutex);
    auto& one = figures[{reading.source.node, reading.source.collector}];
    one.collector = reading.source.collector;
    one.node = reading.source.node;
    ++one.runs;
    one.failures += reading.error ? 1 : 0;
    one.rows += static_cast<std::uint64_t>(reading.rows);
    one.bytes += reading.bytes;
    one.seconds += std::chrono::duration<double>(reading.took).count();
    one.last_error = reading.error ? reading.error->to_string() : "";
    one.gap = reading.gap ? reading.gap->why : "";
  }

  awaitable<void> pause(Watch& watch, SteadyTime until) {
    if (stopped) co_return;
    error_code ignored;
    watch.pause.expires_at(until);
    co_await watch.pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  awaitable<bool> discover(Watch& watch) {
    const auto found = co_await watch.node.databases(Steady::now() + options.limits.fast);
    if (stopped) co_return false;
    if (found.has_error()) {
      Reading failed{.source = {"", watch.node.name(), ""}};
      failed.error = found.error();
      tell(std::move(failed));
      co_return false;
    }
    auto chosen = choose(watch.node, *found, options.most_databases);
    plan_databases(watch, chosen);
    for (auto& gap : chosen.gaps) tell(std::move(gap));
    co_return true;
  }

  static awaitable<void> run(std::shared_ptr<State> self, std::size_t index) {
    auto& watch = *self->watches[index];
    std::minstd_rand random(static_cast<unsigned>(index) + std::random_device{}());
    Backoff backoff(std::min<Duration>(kFirstReconnect, self->options.reconnect),
                    self->options.reconnect);
    self->plan_node(watch);
    while (!self->stopped) {
      if (!watch.node.connected()) {
        const auto opened = co_await watch.node.connect(SteadyTime::max());
        if (self->stopped) break;
        if (opened.has_error()) {
          Reading failed{.source = {"", watch.node.name(), ""}};
          failed.error = opened.error();
          self->tell(std::move(failed));
          const auto wait = std::max<Duration>(
              backoff.next(std::uniform_real_distribution<double>(0, 1)(random)), kLeastReconnect);
          co_await self->pause(watch, Steady::now() + wait);
          continue;
        }
      }
      const auto task = watch.schedule.begin(Steady::now());
      if (!task) {
        watch.node.close_unused(Steady::now() - kUnused);
        // Awake now and then, to end connections that are not used any more.
        const auto until = std::min<SteadyTime>(watch.schedule.next(), Steady::now() + kUnused);
        co_await self->pause(watch, until);
        continue;
      }
      bool succeeded = false;
      if (task->collector == kDiscovery) {
        succeeded = co_await self->discover(watch);
      } else {
        const auto* collector = find_collector(task->collector);
        auto reading = co_await watch.node.read(collector, task->database, SteadyTime::max());
        if (self->stopped) break;
        succeeded = !reading.error;
        self->note(reading);
        self->tell(std::move(reading));
      }
      watch.schedule.end(Steady::now(), succeeded);
      if (succeeded) {
        backoff.reset();
      } else if (!watch.node.connected()) {
        // It was reached and lost: as bad as not reached.
        const auto wait = std::max<Duration>(
            backoff.next(std::uniform_real_distribution<double>(0, 1)(random)), kLeastReconnect);
        co_await self->pause(watch, Steady::now() + wait);
      }
    }
    watch.node.close("the collection was stopped");
  }

  asio::any_io_executor executor;
  GatherOptions options;
  Listener listener;
  std::vector<std::unique_ptr<Watch>> watches;
  bool started = false;
  bool stopped = false;

  mutable std::mutex mutex;
  std::map<std::pair<std::string, std::string>, CollectorFigures> figures;  // by node, collector
};

Gather::Gather(asio::any_io_executor executor, GatherOptions options, Listener listener)
    : state_(
          std::make_shared<State>(std::move(executor), std::move(options), std::move(listener))) {}

Gather::~Gather() {
  stop();
}

void Gather::remember(const Source& source, std::int64_t epoch) {
  for (const auto& watch : state_->watches) {
    if (watch->node.name() == source.node) watch->node.remember(source, epoch);
  }
}

void Gather::start() {
  if (std::exchange(state_->started, true)) return;
  for (std::size_t i = 0; i < state_->watches.size(); ++i) {
    asio::co_spawn(state_->executor, State::run(state_, i), asio::detached);
  }
}

void Gather::stop() {
  if (std::exchange(state_->stopped, true)) return;
  for (const auto& watch : state_->watches) {
    watch->pause.cancel();
    watch->node.close("the collection was stopped");
  }
}

std::vector<CollectorFigures> Gather::figures() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<CollectorFigures> out;
  for (const auto& [key, one] : state_->figures) out.push_back(one);
  return out;
}

namespace {

struct Reader {
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<std::vector<Reading>> readings;
  std::size_t working = 0;
  pg::Waiter waiter;
  ReadAllOptions options;
};

awaitable<void> read_node(std::shared_ptr<Reader> reader, std::size_t index) {
  auto& node = *reader->nodes[index];
  auto& out = reader->readings[index];
  const auto deadline = reader->options.deadline;
  const auto wanted = [&](const Collector& collector, Scope scope) {
    return collector.scope == scope && !reader->options.without.contains(collector.name);
  };
  const auto found = co_await node.databases(deadline);
  if (found.has_error()) {
    Reading failed{.source = {"", node.name(), ""}};
    failed.error = found.error();
    out.push_back(std::move(failed));
  } else {
    for (const auto& collector : collectors()) {
      if (!wanted(collector, Scope::node)) continue;
      out.push_back(co_await node.read(&collector, "", deadline));
    }
    auto chosen = choose(node, *found, reader->options.most_databases);
    for (auto& gap : chosen.gaps) out.push_back(std::move(gap));
    for (const auto& database : chosen.databases) {
      for (const auto& collector : collectors()) {
        if (!wanted(collector, Scope::database)) continue;
        out.push_back(co_await node.read(&collector, database, deadline));
      }
      node.close_unused(SteadyTime::max());
    }
  }
  node.close("all was read");
  if (--reader->working == 0) reader->waiter.notify();
}

}  // namespace

awaitable<std::vector<Reading>> read_all(asio::any_io_executor executor,
                                         std::vector<pg::Target> targets, ReadAllOptions options) {
  const auto reader = std::make_shared<Reader>();
  reader->options = std::move(options);
  reader->working = targets.size();
  reader->readings.resize(targets.size());
  for (auto& target : targets) {
    reader->nodes.push_back(
        std::make_unique<Node>(executor, std::move(target), reader->options.limits));
  }
  for (std::size_t i = 0; i < reader->nodes.size(); ++i) {
    asio::co_spawn(executor, read_node(reader, i), asio::detached);
  }
  if (reader->working > 0) co_await reader->waiter.wait();
  std::vector<Reading> out;
  for (auto& of_node : reader->readings) {
    for (auto& reading : of_node) out.push_back(std::move(reading));
  }
  co_return out;
}

}  // namespace lyceum::watch
