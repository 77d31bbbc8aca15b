#include "cli/top_lists.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "cli/screen_text.h"
#include "watch/live.h"
#include "watch/rate.h"

namespace lyceum::cli::live {
namespace {

using watch::Collector;
using watch::Row;
using watch::Sample;
using watch::Value;

constexpr std::array<std::string_view, kViews> kViewNames{"sessions", "statements", "tables",
                                                          "replication"};

constexpr std::array kNodeColumns = {
    Column{"node", "node", Shown::name, 0},
    Column{"role", "role", Shown::text, 1},
    Column{"lag_seconds", "lag", Shown::seconds, 0},
    Column{"used", "used", Shown::count, 0},
    Column{"usable", "of", Shown::count, 2},
    Column{"active", "active", Shown::count, 0},
    Column{"waiting", "locked", Shown::count, 3},
    Column{"tps", "TPS", Shown::rate, 0},
    Column{"rollbacks", "rollb/s", Shown::rate, 6},
    Column{"cache_hit", "hit", Shown::percent, 4},
    Column{"wal_bytes", "WAL/s", Shown::bytes_rate, 0},
    Column{"up_seconds", "up", Shown::seconds, 5},
    Column{"trouble", "", Shown::text, 0},
};
constexpr std::array kSessionColumns = {
    Column{"pid", "pid", Shown::name, 0},
    Column{"node", "node", Shown::name, 3},
    Column{"database", "database", Shown::text, 5},
    Column{"user", "user", Shown::text, 6},
    Column{"application", "application", Shown::text, 8},
    Column{"client", "client", Shown::text, 9},
    Column{"state", "state", Shown::text, 2},
    Column{"wait", "waits for", Shown::text, 4},
    Column{"transaction_seconds", "xact", Shown::seconds, 7},
    Column{"seconds", "time", Shown::seconds, 0},
    Column{"blocked_by", "blocked by", Shown::text, 1},
    Column{"query", "query", Shown::text, 0},
};
constexpr std::array kStatementColumns = {
    Column{"queryid", "queryid", Shown::name, 8},
    Column{"node", "node", Shown::name, 3},
    Column{"database", "database", Shown::text, 6},
    Column{"user", "user", Shown::text, 5},
    Column{"share", "share", Shown::percent, 0},
    Column{"calls_per_second", "calls/s", Shown::rate, 0},
    Column{"mean_ms", "mean ms", Shown::milliseconds, 0},
    Column{"rows_per_second", "rows/s", Shown::rate, 2},
    Column{"hit", "hit", Shown::percent, 4},
    Column{"calls", "calls", Shown::count, 7},
    Column{"query", "query", Shown::text, 0},
};
constexpr std::array kTableColumns = {
    Column{"node", "node", Shown::name, 4},
    Column{"dead_tuples", "dead rows", Shown::count, 0},
    Column{"dead_share", "dead", Shown::percent, 0},
    Column{"live_tuples", "rows", Shown::count, 2},
    Column{"size_bytes", "size", Shown::bytes, 3},
    Column{"seq_scans_per_second", "seq/s", Shown::rate, 0},
    Column{"idx_scans_per_second", "idx/s", Shown::rate, 0},
    Column{"writes_per_second", "writes/s", Shown::rate, 1},
    Column{"hot_share", "hot", Shown::percent, 7},
    Column{"seconds_since_vacuum", "vacuumed", Shown::seconds, 6},
    Column{"xid_age", "xid age", Shown::count, 8},
    Column{"table", "table", Shown::name, 0},
};
constexpr std::array kReplicationColumns = {
    Column{"node", "of", Shown::name, 0},
    Column{"pid", "pid", Shown::text, 3},
    Column{"state", "state", Shown::text, 0},
    Column{"sync_state", "sync", Shown::text, 1},
    Column{"replay_lag_seconds", "lag", Shown::seconds, 0},
    Column{"replay_lag_bytes", "not replayed", Shown::bytes, 0},
    Column{"flush_lag_bytes", "not flushed", Shown::bytes, 2},
    Column{"sent_lag_bytes", "not sent", Shown::bytes, 4},
    Column{"application", "follower", Shown::name, 0},
};

std::span<const Column> columns_of(View view) {
  switch (view) {
    case View::sessions:
      return kSessionColumns;
    case View::statements:
      return kStatementColumns;
    case View::tables:
      return kTableColumns;
    case View::replication:
      return kReplicationColumns;
  }
  return kSessionColumns;
}

// std::stable_sort of this library uses what C++20 deprecates, which the compiler refuses.
template <class T, class Less>
void sort_stably(std::vector<T>& all, Less less) {
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return less(all[a], all[b]) || (!less(all[b], all[a]) && a < b);
  });
  std::vector<T> sorted;
  sorted.reserve(all.size());
  for (const auto at : order) sorted.push_back(std::move(all[at]));
  all = std::move(sorted);
}

// A row of a sample and the same row of the sample before.
class Seen {
 public:
  Seen(const Collector& collector, const Row& now, const Row* before, double seconds)
      : collector_(collector), now_(now), before_(before), seconds_(seconds) {}

  [[nodiscard]] const Value& get(std::string_view column) const {
    return now_.at(static_cast<std::size_t>(collector_.position(column)));
  }
  [[nodiscard]] std::optional<double> number(std::string_view column) const {
    return watch::number_of(get(column));
  }
  [[nodiscard]] std::string text(std::string_view column) const {
    return watch::text_of(get(column));
  }
  [[nodiscard]] std::optional<double> rise(std::string_view column) const {
    if (before_ == nullptr) return std::nullopt;
    return watch::rise(before_->at(static_cast<std::size_t>(collector_.position(column))),
                       get(column));
  }
  [[nodiscard]] Value rate(std::string_view column) const {
    const auto more = rise(column);
    return more && seconds_ > 0 ? Value(*more / seconds_) : Value();
  }
  // Whether there is something to compare with.
  [[nodiscard]] bool known_before() const { return before_ != nullptr; }
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  const Collector& collector_;
  const Row& now_;
  const Row* before_;
  double seconds_;
};

std::string identity(const Collector& collector, const Row& row) {
  std::string out;
  for (std::size_t i = 0; i < collector.columns.size() && i < row.size(); ++i) {
    if (collector.columns[i].kind != watch::Kind::key) continue;
    const auto text = watch::text_of(row[i]);
    out += std::to_string(text.size()) + ':' + text;
  }
  return out;
}

// Each row of the newest sample. Two that have one name in it are compared with nothing.
template <class Take>
void each_row(const NodeReadings& node, const Collector& collector, Take take) {
  const auto found = node.pairs.find(collector.name);
  if (found == node.pairs.end()) return;
  const auto& [before, now] = found->second;
  const double seconds = before && before->epoch == now.epoch
                             ? std::chrono::duration<double>(now.at - before->at).count()
                             : 0;
  std::map<std::string, const Row*> were;
  if (seconds > 0) {
    for (const auto& row : before->rows) were.emplace(identity(collector, row), &row);
  }
  for (const auto& row : now.rows) {
    const auto was = were.find(identity(collector, row));
    take(Seen(collector, row, was == were.end() ? nullptr : was->second, seconds));
  }
}

Value share(std::optional<double> part, std::optional<double> other) {
  return part && other && *part + *other > 0 ? Value(*part / (*part + *other)) : Value();
}

std::vector<std::string> parts(std::string_view text, char by) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = std::min(text.find(by), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

struct Session {
  ListRow row;
  std::string pid;
  std::vector<std::string> blocked_by;
  double seconds = 0;
  int order = 0;  // active, in a transaction, the others
  bool idle = false;
  std::vector<std::size_t> waiters;  // direct, by position
};

Session session_of(const NodeReadings& node, const Seen& look) {
  Session out;
  out.pid = look.text("pid");
  const auto state = look.text("state");
  out.idle = state == "idle" || state.empty();
  out.order = state == "active" ? 0 : state.starts_with("idle in transaction") ? 1 : 2;
  out.seconds = look.number("seconds").value_or(0);
  out.blocked_by = parts(look.text("blocked_by"), ',');
  const auto query = without_passwords(look.text("query"));
  const bool client =
      look.text("backend_type").empty() || look.text("backend_type") == "client backend";
  out.row.cells = {look.get("pid"),
                   node.node,
                   look.get("database"),
                   look.get("user"),
                   client ? look.get("application") : look.get("backend_type"),
                   look.get("client"),
                   look.get("state"),
                   look.get("wait"),
                   look.get("transaction_seconds"),
                   look.get("seconds"),
                   look.get("blocked_by"),
                   query};
  return out;
}

std::size_t waiting_for(const std::vector<Session>& all, std::size_t at,
                        std::set<std::size_t>& seen) {
  std::size_t count = 0;
  for (const auto waiter : all[at].waiters) {
    if (seen.insert(waiter).second) count += 1 + waiting_for(all, waiter, seen);
  }
  return count;
}

void add_tree(const std::vector<Session>& all, std::size_t at, int depth, std::vector<bool>& placed,
              std::vector<ListRow>& out) {
  if (placed[at]) return;
  placed[at] = true;
  auto row = all[at].row;
  row.depth = depth;
  row.mark = !all[at].blocked_by.empty() ? Mark::warning
             : !all[at].waiters.empty()  ? Mark::bad
             : all[at].order == 1        ? Mark::faint
                                         : Mark::none;
  out.push_back(std::move(row));
  for (const auto waiter : all[at].waiters) add_tree(all, waiter, depth + 1, placed, out);
}

void add_sessions(const NodeReadings& node, std::vector<ListRow>& trees,
                  std::vector<Session>& others) {
  std::vector<Session> all;
  each_row(node, watch::activity(),
           [&](const Seen& look) { all.push_back(session_of(node, look)); });
  sort_stably(all, [](const Session& a, const Session& b) {
    return std::tie(a.order, b.seconds) < std::tie(b.order, a.seconds);
  });
  std::map<std::string, std::size_t> position;
  for (std::size_t i = 0; i < all.size(); ++i) position.emplace(all[i].pid, i);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const auto& pid : all[i].blocked_by) {
      const auto blocker = position.find(pid);
      if (blocker != position.end()) all[blocker->second].waiters.push_back(i);
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> roots;  // how many wait for it, and which
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].waiters.empty() || !all[i].blocked_by.empty()) continue;
    std::set<std::size_t> seen{i};
    roots.emplace_back(waiting_for(all, i, seen), i);
  }
  sort_stably(roots, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<bool> placed(all.size());
  for (const auto& [count, root] : roots) add_tree(all, root, 0, placed, trees);
  // Who waits for somebody that is not seen, and circles.
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].blocked_by.empty()) add_tree(all, i, 0, placed, trees);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (placed[i] || all[i].idle) continue;
    if (all[i].order == 1) all[i].row.mark = Mark::faint;
    others.push_back(std::move(all[i]));
  }
}

std::vector<ListRow> session_rows(std::span<const NodeReadings> nodes) {
  std::vector<ListRow> out;
  std::vector<Session> others;
  for (const auto& node : nodes) add_sessions(node, out, others);
  sort_stably(others, [](const Session& a, const Session& b) {
    return std::tie(a.order, b.seconds) < std::tie(b.order, a.seconds);
  });
  for (auto& one : others) out.push_back(std::move(one.row));
  return out;
}

std::vector<ListRow> statement_rows(std::span<const NodeReadings> nodes) {
  const auto& collector = *watch::find_collector("statements");
  struct Spent {
    ListRow row;
    double time = 0;
  };
  std::vector<Spent> lately, ever;
  double all_lately = 0, all_ever = 0;
  for (const auto& node : nodes) {
    const auto source = node.pairs.find(collector.name);
    if (source == node.pairs.end()) continue;
    const auto& before = source->second.before;
    const bool comparable = before && before->epoch == source->second.now.epoch;
    each_row(node, collector, [&](const Seen& look) {
      const auto total = look.number("total_exec_time").value_or(0);
      const auto calls = look.number("calls").value_or(0);
      // A statement that was not there before began from nothing since.
      const bool is_new = comparable && !look.known_before();
      const auto time = is_new ? std::optional(total) : look.rise("total_exec_time");
      const auto called = is_new ? std::optional(calls) : look.rise("calls");
      const auto per_second = [&](std::string_view column) -> Value {
        if (!is_new) return look.rate(column);
        const auto value = look.number(column);
        const double seconds =
            std::chrono::duration<double>(source->second.now.at - before->at).count();
        return value && seconds > 0 ? Value(*value / seconds) : Value();
      };
      const auto query = without_passwords(look.text("query"));
      Spent one;
      one.time = comparable ? time.value_or(0) : total;
      if (comparable && called.value_or(0) <= 0) return;
      const auto mean = comparable  ? *called > 0 ? time.value_or(0) / *called : 0
                        : calls > 0 ? total / calls
                                    : 0;
      one.row.cells = {look.get("queryid"),
                       node.node,
                       source->second.now.source.database,
                       look.get("user"),
                       Value(),
                       per_second("calls"),
                       mean,
                       per_second("rows"),
                       share(look.number("shared_blks_hit"), look.number("shared_blks_read")),
                       look.get("calls"),
                       query};
      (comparable ? all_lately : all_ever) += one.time;
      (comparable ? lately : ever).push_back(std::move(one));
    });
  }
  const auto finish = [](std::vector<Spent>& some, double all, std::vector<ListRow>& out) {
    sort_stably(some, [](const Spent& a, const Spent& b) { return a.time > b.time; });
    for (auto& one : some) {
      if (all > 0) one.row.cells[4] = one.time / all;
      out.push_back(std::move(one.row));
    }
  };
  std::vector<ListRow> out;
  finish(lately, all_lately, out);
  finish(ever, all_ever, out);
  return out;
}

std::vector<ListRow> table_rows(std::span<const NodeReadings> nodes) {
  const auto& collector = *watch::find_collector("tables");
  std::vector<std::pair<double, ListRow>> rows;
  for (const auto& node : nodes) {
    each_row(node, collector, [&](const Seen& look) {
      const auto dead = look.number("dead_tuples");
      Value writes;
      for (const auto* column : {"inserts", "updates", "deletes"}) {
        const auto one = watch::number_of(look.rate(column));
        if (one) writes = watch::number_of(writes).value_or(0) + *one;
      }
      const auto by_hand = look.number("seconds_since_vacuum");
      const auto automatic = look.number("seconds_since_autovacuum");
      Value vacuumed;
      if (by_hand || automatic) {
        vacuumed = std::min(by_hand.value_or(INFINITY), automatic.value_or(INFINITY));
      }
      const auto updates = look.number("updates").value_or(0);
      const auto threshold = look.number("vacuum_threshold");
      ListRow row;
      row.cells = {node.node,
                   look.get("dead_tuples"),
                   share(dead, look.number("live_tuples")),
                   look.get("live_tuples"),
                   look.get("size_bytes"),
                   look.rate("seq_scans"),
                   look.rate("idx_scans"),
                   writes,
                   updates > 0 ? Value(look.number("hot_updates").value_or(0) / updates) : Value(),
                   vacuumed,
                   look.get("xid_age"),
                   look.text("schemaname") + "." + look.text("relname")};
      if (dead && threshold && *dead > *threshold) row.mark = Mark::warning;
      rows.emplace_back(dead.value_or(0), std::move(row));
    });
  }
  sort_stably(rows, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<ListRow> out;
  for (auto& [dead, row] : rows) out.push_back(std::move(row));
  return out;
}

std::vector<ListRow> replication_rows(std::span<const NodeReadings> nodes) {
  const auto& collector = *watch::find_collector("replication");
  std::vector<std::pair<double, ListRow>> rows;
  for (const auto& node : nodes) {
    each_row(node, collector, [&](const Seen& look) {
      ListRow row;
      row.cells = {node.node,
                   look.get("pid"),
                   look.get("state"),
                   look.get("sync_state"),
                   look.get("replay_lag_seconds"),
                   look.get("replay_lag_bytes"),
                   look.get("flush_lag_bytes"),
                   look.get("sent_lag_bytes"),
                   look.get("application")};
      if (look.text("state") != "streaming") row.mark = Mark::warning;
      rows.emplace_back(look.number("replay_lag_bytes").value_or(0), std::move(row));
    });
  }
  sort_stably(rows, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<ListRow> out;
  for (auto& [lag, row] : rows) out.push_back(std::move(row));
  return out;
}

}  // namespace

bool is_number(Shown shown) {
  return shown != Shown::text && shown != Shown::name;
}

std::string_view name_of(View view) {
  return kViewNames.at(static_cast<std::size_t>(view));
}

std::optional<View> parse_view(std::string_view name) {
  for (std::size_t i = 0; i < kViews; ++i) {
    if (kViewNames.at(i) == name) return static_cast<View>(i);
  }
  return std::nullopt;
}

std::vector<const Collector*> collectors_of(View view) {
  switch (view) {
    case View::sessions:
      return {&watch::activity()};
    case View::statements:
      return {watch::find_collector("statements")};
    case View::tables:
      return {watch::find_collector("tables")};
    case View::replication:
      return {watch::find_collector("replication")};
  }
  return {};
}

void NodeReadings::take(Sample sample) {
  auto [at, first] = pairs.try_emplace(sample.source.collector);
  if (!first) at->second.before = std::move(at->second.now);
  at->second.now = std::move(sample);
}

List nodes_list(std::span<const NodeReadings> nodes) {
  List out{.columns = kNodeColumns};
  for (const auto& node : nodes) {
    ListRow row;
    row.cells.resize(kNodeColumns.size());
    row.cells[0] = node.node;
    bool any = false;
    if (node.trouble.empty()) {
      each_row(node, watch::overview(), [&](const Seen& look) {
        any = true;
        const bool replica = look.number("in_recovery") == 1;
        const auto hit = look.rise("blocks_hit");
        const auto read = look.rise("blocks_read");
        const auto rollbacks = watch::number_of(look.rate("rollbacks"));
        const auto commits = watch::number_of(look.rate("commits"));
        row.cells = {node.node,
                     std::string(replica ? "replica" : "primary"),
                     look.get("lag_seconds"),
                     look.get("used"),
                     look.get("usable"),
                     look.get("active"),
                     look.get("waiting_for_lock"),
                     commits && rollbacks ? Value(*commits + *rollbacks) : Value(),
                     look.rate("rollbacks"),
                     share(hit, read),
                     look.rate("wal_bytes"),
                     look.get("up_seconds"),
                     Value()};
      });
    }
    if (!any) {
      row.cells[1] = std::string(node.trouble.empty() ? "..." : "down");
      row.cells.back() = node.trouble;
      if (!node.trouble.empty()) row.mark = Mark::bad;
    }
    out.rows.push_back(std::move(row));
  }
  return out;
}

ListRow totals(const List& nodes) {
  ListRow out;
  out.cells.resize(nodes.columns.size());
  out.cells[0] = std::string("all");
  for (std::size_t i = 1; i < nodes.columns.size(); ++i) {
    const auto& column = nodes.columns[i];
    const bool whole = column.shown == Shown::count;
    if (!whole && column.shown != Shown::rate && column.shown != Shown::bytes_rate) continue;
    // The log of a replica is its primary's.
    const bool primary_alone = column.shown == Shown::bytes_rate;
    std::optional<double> sum;
    for (const auto& row : nodes.rows) {
      if (primary_alone && watch::text_of(row.cells[1]) != "primary") continue;
      if (const auto one = watch::number_of(row.cells[i])) sum = sum.value_or(0) + *one;
    }
    if (sum) out.cells[i] = whole ? Value(static_cast<std::int64_t>(*sum)) : Value(*sum);
  }
  return out;
}

List list_of(View view, std::span<const NodeReadings> nodes) {
  List out{.columns = columns_of(view)};
  switch (view) {
    case View::sessions:
      out.rows = session_rows(nodes);
      break;
    case View::statements:
      out.rows = statement_rows(nodes);
      break;
    case View::tables:
      out.rows = table_rows(nodes);
      break;
    case View::replication:
      out.rows = replication_rows(nodes);
      break;
  }
  for (const auto& node : nodes) {
    for (const auto* collector : collectors_of(view)) {
      const auto gap = node.gaps.find(collector->name);
      if (gap != node.gaps.end()) out.notes.push_back(node.node + ": " + gap->second);
    }
  }
  return out;
}

void sort_by(List& list, std::size_t column) {
  if (column == 0 || column >= list.columns.size()) return;
  const bool numbers = is_number(list.columns[column].shown);
  for (auto& row : list.rows) row.depth = 0;
  sort_stably(list.rows, [&](const ListRow& a, const ListRow& b) {
    if (!numbers) {
      const auto left = watch::text_of(a.cells[column]), right = watch::text_of(b.cells[column]);
      return left.empty() != right.empty() ? right.empty() : left < right;
    }
    const auto left = watch::number_of(a.cells[column]), right = watch::number_of(b.cells[column]);
    return left && right ? *left > *right : left.has_value() && !right.has_value();
  });
}

std::size_t next_sort(const List& list, std::size_t column) {
  for (auto next = column + 1; next < list.columns.size(); ++next) {
    const auto key = list.columns[next].key;
    if (is_number(list.columns[next].shown) || key == "user" || key == "table") return next;
  }
  return 0;
}

}  // namespace lyceum::cli::live
