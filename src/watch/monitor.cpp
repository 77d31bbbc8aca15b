#include "watch/monitor.h"

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "watch/collector.h"

namespace lyceum::watch {

namespace asio = boost::asio;
using asio::awaitable;

namespace {

GatherOptions gather_options(const MonitorOptions& options) {
  return {.nodes = options.nodes,
          .fast = options.settings.fast_interval,
          .slow = options.settings.slow_interval};
}

}  // namespace

Result<std::unique_ptr<Monitor>> Monitor::open(MonitorOptions options, Log& log,
                                               const Clock& clock) {
  auto store = Store::open(
      options.file, clock,
      {.max_bytes = static_cast<std::uint64_t>(options.settings.history_max_mib) << 20U});
  if (store.has_error()) return store.error();
  return std::unique_ptr<Monitor>(new Monitor(std::move(options), std::move(*store), log, clock));
}

Monitor::Monitor(MonitorOptions options, Store store, Log& log, const Clock& clock)
    : options_(std::move(options)),
      log_(log),
      clock_(clock),
      work_(io_.get_executor()),
      store_(std::move(store)),
      history_(store_, {.retention = options_.settings.history_retention}),
      gather_(io_.get_executor(), gather_options(options_),
              [this](const Reading& reading) { take(reading); }) {
  if (const auto& aside = store_.moved_aside()) {
    log_.warning("the history was damaged, and is begun anew", {{"aside", aside->string()}});
  }
  // Epochs go on where they were, so that nothing is subtracted across a restart of the server.
  if (const auto latest = history_.latest({}); latest.has_value()) {
    for (const auto& sample : *latest) gather_.remember(sample.source, sample.epoch);
  }
  own_epoch_ = clock_.wall_now().time_since_epoch().count();
}

Monitor::~Monitor() {
  stop();
}

void Monitor::start() {
  gather_.start();
  asio::co_spawn(io_, watch_own(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

void Monitor::stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    stopping_ = true;
    own_timer_.cancel();
    gather_.stop();
    work_.reset();
  });
  thread_.join();
}

void Monitor::take(const Reading& reading) {
  // One line when something begins to be wrong, and one when it is well again.
  std::string complaint;
  if (reading.error) {
    complaint = reading.error->to_string();
  } else if (reading.gap) {
    complaint = reading.gap->why;
  }
  auto& last = complaints_[reading.source];
  if (last != complaint) {
    const auto& source = reading.source;
    if (complaint.empty()) {
      log_.info(
          "collector works again",
          {{"collector", source.collector}, {"node", source.node}, {"database", source.database}});
    } else if (reading.gap && !reading.error) {
      log_.info("collector switched off", {{"collector", source.collector},
                                           {"node", source.node},
                                           {"database", source.database},
                                           {"why", complaint},
                                           {"mend", reading.gap->mend}});
    } else {
      log_.warning("collector failed", *reading.error,
                   {{"collector", source.collector}, {"database", source.database}});
    }
    last = std::move(complaint);
  }
  if (reading.sample) keep(*reading.sample);
}

void Monitor::keep(const Sample& sample) {
  const auto kept = history_.append(sample);
  if (kept.has_error()) {
    if (!std::exchange(complained_of_history_, true)) {
      log_.error("the history is not kept", kept.error());
    }
  } else if (std::exchange(complained_of_history_, false)) {
    log_.info("the history is kept again", {{"lost", history_.counts().lost}});
  }
}

awaitable<void> Monitor::watch_own() {
  boost::system::error_code ignored;
  while (!stopping_) {
    std::vector<Sample> samples;
    if (options_.own) samples = co_await options_.own();
    if (stopping_) break;
    samples.push_back(costs());
    for (auto& sample : samples) {
      sample.epoch = own_epoch_;
      if (sample.at == Timestamp{}) sample.at = clock_.wall_now();
      keep(sample);
    }
    own_timer_.expires_after(options_.settings.fast_interval);
    co_await own_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// What the collectors cost, as the collector "collectors".
Sample Monitor::costs() const {
  Sample out{.source = {.collector = "collectors"}};
  const auto& collector = *find_collector("collectors");
  for (const auto& figures : gather_.figures()) {
    Row row(collector.columns.size());
    const auto set = [&](std::string_view column, Value value) {
      row.at(static_cast<std::size_t>(collector.position(column))) = std::move(value);
    };
    const bool failing = !figures.last_error.empty();
    set("collector", figures.collector);
    set("node", figures.node);
    set("state", std::string(failing ? "failing" : figures.gap.empty() ? "running" : "off"));
    set("seconds_total", figures.seconds);
    set("runs", static_cast<std::int64_t>(figures.runs));
    set("failures", static_cast<std::int64_t>(figures.failures));
    set("rows", static_cast<std::int64_t>(figures.rows));
    set("last_error", failing ? figures.last_error : figures.gap);
    out.rows.push_back(std::move(row));
  }
  return out;
}

}  // namespace lyceum::watch
