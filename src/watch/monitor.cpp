#include "watch/monitor.h"

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <set>

#include "watch/collection.h"
#include "watch/receivers.h"

namespace lyceum::watch {

namespace asio = boost::asio;
using asio::awaitable;

namespace {

// How often alerts are looked at for what time alone changes.
constexpr auto kTurn = std::chrono::seconds(1);
constexpr auto kPlanLimit = std::chrono::seconds(5);
// Of one message to a receiver: who stops the monitor waits for it.
constexpr auto kDeliveryLimit = std::chrono::seconds(5);

GatherOptions gather_options(const MonitorOptions& options, const Clock& clock) {
  GatherOptions out{.nodes = options.nodes,
                    .fast = options.settings.fast_interval,
                    .slow = options.settings.slow_interval,
                    .clock = &clock};
  // What was mended is seen at the next reading.
  out.limits.facts = std::min(out.limits.facts, options.settings.slow_interval);
  return out;
}

// By more the wall clock moves only where somebody sets it, or the machine slept.
constexpr auto kClockMoved = std::chrono::seconds(5);
// What is remembered at the start: so long at a stretch, so that who asks is answered, and so long
// in all.
constexpr auto kStretch = std::chrono::milliseconds(10);
constexpr auto kRemembering = std::chrono::seconds(5);

// As the collector has its columns now; the headings are those of who wrote it.
Sample sample_of(const KeptSample& kept, const Collector& collector) {
  Sample out{.source = kept.source, .at = kept.at, .epoch = kept.epoch};
  std::vector<int> places;
  for (const auto& column : collector.columns) places.push_back(kept.picture.position(column.name));
  for (const auto& row : kept.picture.rows) {
    Row cells;
    cells.reserve(places.size());
    for (const auto place : places) {
      cells.push_back(place < 0 ? Value{} : row.at(static_cast<std::size_t>(place)));
    }
    out.rows.push_back(std::move(cells));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Monitor>> Monitor::open(MonitorOptions options, Log& log,
                                               const Clock& clock) {
  auto rules = load_rules(options.settings.rules_file);
  if (rules.has_error()) return rules.error();
  auto receivers = receivers_of(options.settings);
  if (receivers.has_error()) return receivers.error();
  auto store = Store::open(
      options.file, clock,
      {.max_bytes = static_cast<std::uint64_t>(options.settings.history_max_mib) << 20U});
  if (store.has_error()) return store.error();
  auto beside = options.file;
  auto outbox = Outbox::open(beside.replace_extension(".alerts.db").string());
  if (outbox.has_error()) return outbox.error();
  std::vector<std::string> names;
  for (const auto& receiver : *receivers) names.push_back(receiver.name);
  const auto forgotten = (*outbox)->forget_all_but(names);
  if (forgotten.has_error()) return forgotten.error();
  if (*forgotten > 0) {
    log.warning("messages of receivers that are no more are dropped", {{"messages", *forgotten}});
  }
  auto monitor = std::unique_ptr<Monitor>(
      new Monitor(std::move(options),
                  {.store = std::move(*store),
                   .outbox = std::move(*outbox),
                   .rules = std::make_shared<const RuleSet>(std::move(*rules)),
                   .receivers = std::move(*receivers)},
                  log, clock));
  auto state = monitor->outbox_->state();
  if (state.has_error()) return state.error();
  if (!state->empty()) {
    const auto restored = monitor->book_.restore(*state, monitor->now());
    if (restored.has_error()) log.warning("alerts begin anew", restored.error());
    (void)monitor->book_.keep_rules(*monitor->rules_, monitor->now());
  }
  return monitor;
}

Monitor::Monitor(MonitorOptions options, Parts parts, Log& log, const Clock& clock)
    : options_(std::move(options)),
      log_(log),
      clock_(clock),
      work_(io_.get_executor()),
      store_(std::move(parts.store)),
      history_(store_, {.retention = options_.settings.history_retention}),
      gather_(io_.get_executor(), gather_options(options_, clock_),
              [this](const Reading& reading) { take(reading); }),
      rules_(std::move(parts.rules)),
      evaluator_(rules_),
      // A slow collector that has not come twice is late.
      book_({.stale_after = std::max<Duration>(std::chrono::minutes(10),
                                               2 * options_.settings.slow_interval)}),
      outbox_(std::move(parts.outbox)),
      delivery_(io_.get_executor(), std::move(parts.receivers), *outbox_, log_, clock_,
                {.timeout = kDeliveryLimit}, [this] { return book_.firing(now()); }) {
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
  delivery_.start();
  asio::co_spawn(io_, begin(), asio::detached);
  asio::co_spawn(io_, watch_alerts(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

awaitable<void> Monitor::begin() {
  co_await remember();
  if (stopping_) co_return;
  gather_.start();
  co_await watch_own();
}

// What the history has, for the rules that look back: as if this process had read it, but that
// nothing is said of the past. What there is no time for is as if it had not been kept.
awaitable<void> Monitor::remember() {
  std::set<std::string, std::less<>> watched{""};
  for (const auto& target : options_.nodes) watched.insert(target.node);
  const auto present = clock_.wall_now();
  const auto until = std::chrono::steady_clock::now() + kRemembering;
  auto pause_at = std::chrono::steady_clock::now() + kStretch;
  const auto wanted = evaluator_.wanted();
  const auto ago = [&](Duration time) {
    return present - std::chrono::ceil<std::chrono::microseconds>(time);
  };
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& one = wanted[i];
    const auto& collector = *find_collector(one.collector);
    const bool last = i + 1 == wanted.size() || wanted[i + 1].collector != one.collector;
    auto cursor = history_.read({.collectors = {std::string(one.collector)},
                                 .from = ago(one.reach),
                                 .to = last ? present : ago(wanted[i + 1].reach),
                                 .step = std::chrono::floor<std::chrono::microseconds>(one.step)});
    while (cursor.has_value()) {
      const auto next = cursor->next();
      if (next.has_error() || *next == nullptr) break;
      const auto& kept = **next;
      if (watched.contains(kept.source.node)) evaluator_.remember(sample_of(kept, collector));
      const auto now = std::chrono::steady_clock::now();
      if (now > until) co_return;
      if (now < pause_at) continue;
      co_await asio::post(io_, asio::use_awaitable);
      if (stopping_) co_return;
      pause_at = std::chrono::steady_clock::now() + kStretch;
    }
  }
}

void Monitor::begin_stop() {
  asio::post(io_, [this] {
    if (std::exchange(stopping_, true)) return;
    own_timer_.cancel();
    alert_timer_.cancel();
    gather_.stop();
    tell();
    delivery_.stop();
    work_.reset();
  });
}

void Monitor::stop() {
  if (!thread_.joinable()) return;
  begin_stop();
  thread_.join();
}

awaitable<Plan> Monitor::plan(std::string queryid, std::string database, std::string node) {
  co_return co_await asio::co_spawn(
      io_, find_plan(std::move(queryid), std::move(database), std::move(node)),
      asio::use_awaitable);
}

awaitable<Plan> Monitor::find_plan(std::string queryid, std::string database, std::string node) {
  const auto* collector = find_collector("statements");
  const auto id = static_cast<std::size_t>(collector->position("queryid"));
  const auto text = static_cast<std::size_t>(collector->position("query"));
  Source where;
  std::string statement;
  history_.present([&](const Source& source, Timestamp, std::int64_t, const Picture& picture) {
    if (source.collector != collector->name || source.database != database ||
        (!node.empty() && source.node != node)) {
      return;
    }
    for (const auto& row : picture.rows) {
      const auto* own = std::get_if<Text>(&row[id]);
      const auto* found = std::get_if<Text>(&row[text]);
      if (own == nullptr || own->view() != queryid || found == nullptr) continue;
      where = source;
      statement = found->string();
    }
  });
  if (statement.empty()) co_return Plan{.why_not = "no such statement has been read there"};
  for (auto target : options_.nodes) {
    if (target.node != where.node) continue;
    target.set("dbname", where.database);
    co_return co_await plan_of(io_.get_executor(), std::move(target), std::move(statement),
                               std::chrono::steady_clock::now() + kPlanLimit);
  }
  co_return Plan{.why_not = "the node is none of those that are watched"};
}

void Monitor::take(const Reading& reading) {
  complain(reading);
  const auto& node = reading.source.node;
  if (reading.source.collector.empty() && reading.error) {
    unreachable_[node] = reading.error->to_string();
  } else if (reading.sample && unreachable_.erase(node) > 0) {
    complaints_.erase({.collector = "", .node = node, .database = ""});
    log_.info("server is read again", {{"node", node}});
  }
  if (!reading.sample) return;
  keep(*reading.sample);
  judge(*reading.sample);
}

// One line when something begins to be wrong, and one when it is well again.
void Monitor::complain(const Reading& reading) {
  std::string complaint;
  if (reading.error) {
    complaint = reading.error->to_string();
  } else if (reading.gap) {
    complaint = reading.gap->why;
  }
  const auto& source = reading.source;
  auto& last = complaints_[source];
  if (last == complaint) return;
  last = complaint;
  if (complaint.empty()) {
    log_.info(
        "collector works again",
        {{"collector", source.collector}, {"node", source.node}, {"database", source.database}});
  } else if (reading.error && source.collector.empty()) {
    log_.warning("server cannot be read", *reading.error);
  } else if (reading.error) {
    log_.warning("collector failed", *reading.error,
                 {{"collector", source.collector}, {"database", source.database}});
  } else {
    log_.info("collector switched off", {{"collector", source.collector},
                                         {"node", source.node},
                                         {"database", source.database},
                                         {"why", complaint},
                                         {"mend", reading.gap->mend}});
  }
}

void Monitor::judge(const Sample& sample) {
  const auto moment = now();
  const auto judgement = evaluator_.take(sample, moment.steady);
  changed_ |= !book_.observe(sample.source, judgement, moment).empty();
}

// Stores what is to be told, and how the alerts stand, in one step: it is told then, whatever
// comes.
void Monitor::tell() {
  for (auto& notice : book_.take_notices(now())) {
    changed_ = true;
    untold_.push_back(std::move(notice));
  }
  if (!changed_) return;
  const auto stored = store_alerts();
  if (stored.has_error() && !std::exchange(complained_of_outbox_, true)) {
    log_.error("alerts cannot be stored", stored.error());
  }
}

// Where it fails it is tried once more at the next turn.
Result<void> Monitor::store_alerts() {
  auto stored = delivery_.send(untold_, book_.save(now()));
  changed_ = stored.has_error();
  if (stored.has_error()) return stored.error();
  untold_.clear();
  complained_of_outbox_ = false;
  return {};
}

awaitable<Result<std::uint64_t>> Monitor::silence(Silence silence) {
  co_return co_await ask([&](Inside&) -> Result<std::uint64_t> {
    const auto id = book_.add_silence(silence);
    const auto stored = store_alerts();
    if (stored.has_value()) return id;
    (void)book_.end_silence(id);
    return stored.error();
  });
}

awaitable<Result<bool>> Monitor::end_silence(std::uint64_t id) {
  co_return co_await ask([&](Inside&) -> Result<bool> {
    const auto before = book_.silences();
    if (!book_.end_silence(id)) return false;
    const auto stored = store_alerts();
    if (stored.has_value()) return true;
    for (const auto& one : before) {
      if (one.id == id) book_.put_back(one);
    }
    return stored.error();
  });
}

// Nothing is to be done: durations are steady. But times that people read are not what they were.
void Monitor::watch_clock() {
  const auto ahead = clock_.wall_now().time_since_epoch() -
                     std::chrono::floor<std::chrono::microseconds>(clock_.now().time_since_epoch());
  if (ahead_ && std::chrono::abs(ahead - *ahead_) > kClockMoved) {
    const auto by = std::chrono::round<std::chrono::seconds>(ahead - *ahead_);
    log_.warning("the machine's clock was set", {{"seconds", by.count()}});
  }
  ahead_ = ahead;
}

awaitable<void> Monitor::watch_alerts() {
  boost::system::error_code ignored;
  while (!stopping_) {
    watch_clock();
    changed_ |= !book_.tick(now()).empty();
    tell();
    alert_timer_.expires_after(kTurn);
    co_await alert_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

std::vector<Sample> Monitor::Inside::present() const {
  std::vector<Sample> out;
  history.present(
      [&](const Source& source, Timestamp at, std::int64_t epoch, const Picture& picture) {
        out.push_back({.source = source, .at = at, .epoch = epoch, .rows = picture.rows});
      });
  return out;
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
    for (auto& sample : samples) {
      if (sample.source.collector == "client_statements") names().put_into(sample);
    }
    for (auto& sample : costs()) samples.push_back(std::move(sample));
    for (auto& sample : samples) {
      sample.epoch = own_epoch_;
      if (sample.at == Timestamp{}) sample.at = clock_.wall_now();
      keep(sample);
      judge(sample);
    }
    own_timer_.expires_after(options_.settings.fast_interval);
    co_await own_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// What the statements of the servers are called, as they were read last.
StatementNames Monitor::names() const {
  const auto& collector = *find_collector("statements");
  const auto column = [&](std::string_view name) {
    return static_cast<std::size_t>(collector.position(name));
  };
  const auto queryid = column("queryid"), query = column("query"), calls = column("calls");
  StatementNames out;
  history_.present([&](const Source& source, Timestamp, std::int64_t, const Picture& picture) {
    if (source.collector != collector.name) return;
    for (const auto& row : picture.rows) {
      const auto* text = std::get_if<Text>(&row[query]);
      const auto* id = std::get_if<Text>(&row[queryid]);
      const auto* count = std::get_if<std::int64_t>(&row[calls]);
      if (text != nullptr && id != nullptr && count != nullptr) out.add(*text, *id, *count);
    }
  });
  return out;
}

// What the collectors cost, as the collector "collectors": a sample for each node, and one of what
// all of them are kept in.
std::vector<Sample> Monitor::costs() const {
  const auto& collector = *find_collector("collectors");
  std::map<std::string, Sample> by_node;
  const auto add = [&](const std::string& node, RowOf row) {
    auto& sample = by_node[node];
    sample.source = {.collector = "collectors", .node = node};
    sample.rows.push_back(row.take());
  };
  for (const auto& figures : gather_.figures()) {
    RowOf row(collector);
    row.set("collector", figures.collector)
        .set("seconds_total", figures.seconds)
        .count("runs", figures.runs)
        .count("failures", figures.failures)
        .count("rows", figures.rows);
    set_standing(row, figures.last_error, figures.gap, figures.mend);
    add(figures.node, std::move(row));
  }
  // What all of them need, as if it were one of them: a connection.
  for (const auto& [node, why] : unreachable_) {
    RowOf row(collector);
    row.set("collector", std::string("connection"));
    set_standing(row, why, "", "");
    add(node, std::move(row));
  }
  // The history is no collector, and of no node; but what it costs to miss is the same.
  const auto& counts = history_.counts();
  RowOf row(collector);
  row.set("collector", std::string("history"))
      .count("runs", counts.kept + counts.lost)
      .count("failures", counts.lost);
  set_standing(row, counts.last_error ? counts.last_error->to_string() : std::string(), "", "");
  add("", std::move(row));
  std::vector<Sample> out;
  for (auto& [node, sample] : by_node) out.push_back(std::move(sample));
  return out;
}

}  // namespace lyceum::watch
