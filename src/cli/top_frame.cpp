#include "cli/top_frame.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <cmath>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <set>

#include "base/duration.h"
#include "cli/screen_text.h"
#include "cli/table.h"
#include "watch/live.h"
#include "watch/rate.h"
#include "watch/value_json.h"
#include "watch/verdict_json.h"

namespace lyceum::cli::top {
namespace {

namespace json = boost::json;
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

// A row of a sample and the same row of the sample before.
class Look2 {
 public:
  Look2(const Collector& collector, const Row& now, const Row* before, double seconds)
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
  const double seconds =
      before && before->epoch == now.epoch
          ? std::chrono::duration<double>(now.at - before->at).count()
          : 0;
  std::map<std::string, const Row*> were;
  if (seconds > 0) {
    for (const auto& row : before->rows) were.emplace(identity(collector, row), &row);
  }
  for (const auto& row : now.rows) {
    const auto was = were.find(identity(collector, row));
    take(Look2(collector, row, was == were.end() ? nullptr : was->second, seconds));
  }
}

Value share(std::optional<double> part, std::optional<double> other) {
  return part && other && *part + *other > 0 ? Value(*part / (*part + *other)) : Value();
}

std::vector<std::string_view> parts(std::string_view text, char by) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = std::min(text.find(by), text.size());
    if (end > 0) out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// ── the lists ──────────────────────────────────────────────────────────────────────────────────

struct Session {
  ListRow row;
  std::string pid;
  std::vector<std::string> blocked_by;
  double seconds = 0;
  int order = 0;  // active, in a transaction, the others
  bool idle = false;
  std::vector<std::size_t> waiters;  // direct, by position
};

Session session_of(const NodeReadings& node, const Look2& look) {
  Session out;
  out.pid = look.text("pid");
  const auto state = look.text("state");
  out.idle = state == "idle" || state.empty();
  out.order = state == "active" ? 0 : state.starts_with("idle in transaction") ? 1 : 2;
  out.seconds = look.number("seconds").value_or(0);
  for (const auto pid : parts(look.text("blocked_by"), ',')) out.blocked_by.emplace_back(pid);
  const auto query = without_passwords(look.text("query"));
  const bool client = look.text("backend_type").empty() ||
                      look.text("backend_type") == "client backend";
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

void add_tree(const std::vector<Session>& all, std::size_t at, int depth,
              std::vector<bool>& placed, std::vector<ListRow>& out) {
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
           [&](const Look2& look) { all.push_back(session_of(node, look)); });
  std::stable_sort(all.begin(), all.end(), [](const Session& a, const Session& b) {
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
  std::stable_sort(roots.begin(), roots.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
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
  std::stable_sort(others.begin(), others.end(), [](const Session& a, const Session& b) {
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
    each_row(node, collector, [&](const Look2& look) {
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
      const auto mean = comparable ? *called > 0 ? time.value_or(0) / *called : 0
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
    std::stable_sort(some.begin(), some.end(),
                     [](const Spent& a, const Spent& b) { return a.time > b.time; });
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
    each_row(node, collector, [&](const Look2& look) {
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
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<ListRow> out;
  for (auto& [dead, row] : rows) out.push_back(std::move(row));
  return out;
}

std::vector<ListRow> replication_rows(std::span<const NodeReadings> nodes) {
  const auto& collector = *watch::find_collector("replication");
  std::vector<std::pair<double, ListRow>> rows;
  for (const auto& node : nodes) {
    each_row(node, collector, [&](const Look2& look) {
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
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<ListRow> out;
  for (auto& [lag, row] : rows) out.push_back(std::move(row));
  return out;
}

// ── cells and lines ────────────────────────────────────────────────────────────────────────────

bool to_the_right(Shown shown) {
  return shown != Shown::text && shown != Shown::name;
}

// At most six characters, so that columns stand still.
std::string short_time(double seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", std::floor(seconds / 60));
  if (seconds < 172'800) return fmt::format("{:.0f} h", std::floor(seconds / 3600));
  return fmt::format("{:.0f} d", std::floor(seconds / 86'400));
}

std::string cell_text(const Value& value, Shown shown) {
  if (shown == Shown::text || shown == Shown::name) return watch::text_of(value);
  const auto number = watch::number_of(value);
  if (!number || !std::isfinite(*number)) return {};
  constexpr double kMost = 9e18;
  const double bounded = std::clamp(*number, 0.0, kMost);
  switch (shown) {
    case Shown::count:
      return count_text(static_cast<std::uint64_t>(bounded));
    case Shown::rate:
      return bounded == 0 ? "0" : bounded < 10 ? fmt::format("{:.1f}", bounded)
                                               : count_text(static_cast<std::uint64_t>(bounded));
    case Shown::bytes:
    case Shown::bytes_rate:
      return bytes_text(static_cast<std::int64_t>(bounded));
    case Shown::percent:
      return fmt::format("{:.1f}%", *number * 100);
    case Shown::seconds:
      return short_time(*number);
    case Shown::milliseconds:
      return fmt::format("{:.2f}", *number);
    case Shown::text:
    case Shown::name:
      break;
  }
  return {};
}

// SGR parameters.
std::string_view sgr(Mark mark) {
  switch (mark) {
    case Mark::none:
      return "";
    case Mark::good:
      return "32";
    case Mark::warning:
      return "33";
    case Mark::bad:
      return "31";
    case Mark::faint:
      return "2";
  }
  return "";
}

std::string painted(std::string line, std::string_view parameters, bool colours) {
  if (!colours || parameters.empty()) return line;
  return fmt::format("\x1b[{}m{}\x1b[0m", parameters, line);
}

constexpr std::string_view kHeadingSgr = "1";
constexpr std::size_t kGap = 2;
constexpr std::size_t kWidestText = 24;
constexpr std::size_t kLeastLast = 20;  // of the column that takes the rest

std::string tree_text(const ListRow& row, std::string text) {
  if (row.depth == 0) return text;
  return std::string(static_cast<std::size_t>(std::min(row.depth, 8) - 1) * 2, ' ') + "\\_ " + text;
}

// Lays a list out: which columns have room, and how wide they are.
class Layout {
 public:
  Layout(const List& list, std::size_t rows, std::size_t width, bool one_node)
      : list_(list), width_(width) {
    const auto& columns = list.columns;
    widths_.resize(columns.size());
    shown_.assign(columns.size(), true);
    const auto last = columns.size() - 1;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      bool any = false;
      widths_[i] = columns[i].heading.size();
      for (std::size_t r = 0; r < rows; ++r) {
        const auto text = text_of(list.rows[r], i);
        any = any || !text.empty();
        widths_[i] = std::max(widths_[i], display_width(harmless(text)));
      }
      if (i != last && !to_the_right(columns[i].shown)) {
        widths_[i] = std::min(widths_[i], kWidestText);
      }
      // One server needs no column for its name, nor does what nobody has.
      const bool node = columns[i].key == "node" && columns[i].rank > 0;
      if ((node && one_node) || (!any && rows > 0 && columns[i].rank > 0)) shown_[i] = false;
    }
    const auto least = std::min(kLeastLast, widths_[last]);
    while (taken() + least > width_) {
      std::size_t drop = columns.size();
      for (std::size_t i = 0; i < last; ++i) {
        if (!shown_[i] || columns[i].rank == 0) continue;
        if (drop == columns.size() || columns[i].rank > columns[drop].rank) drop = i;
      }
      if (drop == columns.size()) break;
      shown_[drop] = false;
    }
    widths_[last] = width_ > taken() ? width_ - taken() : 0;
  }

  [[nodiscard]] std::string heading(std::size_t sorted_by) const {
    return line([&](std::size_t i) {
      const auto& name = list_.columns[i].heading;
      return std::string(name) + (sorted_by > 0 && sorted_by == i ? "*" : "");
    });
  }
  [[nodiscard]] std::string row(const ListRow& row) const {
    return line([&](std::size_t i) { return text_of(row, i); });
  }

 private:
  [[nodiscard]] std::string text_of(const ListRow& row, std::size_t i) const {
    auto text = cell_text(row.cells.at(i), list_.columns[i].shown);
    return i == 0 ? tree_text(row, std::move(text)) : text;
  }
  [[nodiscard]] std::size_t taken() const {
    std::size_t out = 0;
    for (std::size_t i = 0; i + 1 < widths_.size(); ++i) {
      if (shown_[i]) out += widths_[i] + kGap;
    }
    return out;
  }
  template <class Text>
  [[nodiscard]] std::string line(Text text) const {
    std::string out;
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      if (!shown_[i]) continue;
      if (i + 1 == widths_.size()) {
        out += fitted(text(i), widths_[i], false);
      } else if (i == 0) {
        // A tree's blanks stay.
        const auto whole = text(i);
        const auto blanks = std::min(whole.find_first_not_of(' '), widths_[i]);
        out += std::string(blanks == whole.npos ? 0 : blanks, ' ');
        const auto rest = blanks >= whole.size() ? std::string() : whole.substr(blanks);
        out += fitted(rest, widths_[i] - std::min(blanks, widths_[i]), false);
        out += std::string(kGap, ' ');
      } else {
        out += fitted(text(i), widths_[i], to_the_right(list_.columns[i].shown));
        out += std::string(kGap, ' ');
      }
    }
    return fits(std::move(out));
  }
  // Where not even the columns that must stay have room.
  [[nodiscard]] std::string fits(std::string line) const {
    while (line.ends_with(' ')) line.pop_back();
    if (display_width(line) <= width_) return line;
    const auto indent = std::min(line.find_first_not_of(' '), line.size());
    std::string out(std::min(indent, width_), ' ');
    // Several blanks would become one: cut by hand, after it was made harmless piece by piece.
    std::size_t at = indent;
    std::size_t wide = out.size();
    while (at < line.size()) {
      auto next = at + 1;
      while (next < line.size() && (static_cast<unsigned char>(line[next]) & 0xC0U) == 0x80U) {
        ++next;
      }
      const auto piece = std::string_view(line).substr(at, next - at);
      wide += display_width(piece);
      if (wide > width_) break;
      out += piece;
      at = next;
    }
    return out;
  }

  const List& list_;
  std::size_t width_;
  std::vector<std::size_t> widths_;
  std::vector<bool> shown_;
};

std::string clipped(std::string_view text, std::size_t width) {
  auto out = fitted(text, width, false);
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

// Text of several parts, a part of which stands out.
struct Part {
  std::string text;
  std::string_view sgr;
};
std::string joined(const std::vector<Part>& line, const Look& look) {
  std::string out;
  std::size_t left = look.width;
  for (const auto& [text, parameters] : line) {
    const auto blanks = text.find_first_not_of(' ');
    if (blanks == text.npos) continue;
    if (left <= blanks) break;
    const auto piece = clipped(text, left - blanks);
    out += std::string(blanks, ' ') + painted(piece, parameters, look.colours);
    left -= blanks + display_width(piece);
  }
  return out;
}

std::string title(const Picture& picture, const Look& look) {
  std::vector<Part> line{
      {"lyceum top", "1"},
      {fmt::format("  {:%Y-%m-%d %H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(picture.at)),
       ""},
      {fmt::format("  every {}", format_duration(look.interval)), ""}};
  if (look.paused) line.push_back({"  PAUSED", "7"});
  for (std::size_t i = 0; i < kViews; ++i) {
    const bool current = static_cast<std::size_t>(look.view) == i;
    const auto name = fmt::format("{} {}", i + 1, kViewNames.at(i));
    line.push_back({fmt::format("  {}{}{}", current ? "[" : "", name, current ? "]" : ""),
                    current ? "1" : "2"});
  }
  return joined(line, look);
}

std::vector<std::string> node_lines(const Picture& picture, const Look& look) {
  auto list = nodes_list(picture.nodes);
  // The half of what there is, at most a third of the screen.
  const auto most = look.height == 0 ? list.rows.size() : std::max<std::size_t>(1, look.height / 3);
  const auto shown = std::min(list.rows.size(), most);
  const bool several = list.rows.size() > 1;
  if (several) list.rows.insert(list.rows.begin() + static_cast<std::ptrdiff_t>(shown), totals(list));
  const Layout layout(list, shown + (several ? 1 : 0), look.width, false);
  std::vector<std::string> out{painted(layout.heading(0), kHeadingSgr, look.colours)};
  for (std::size_t i = 0; i < shown + (several ? 1 : 0); ++i) {
    out.push_back(painted(layout.row(list.rows[i]), sgr(list.rows[i].mark), look.colours));
  }
  if (shown < picture.nodes.size()) {
    out.push_back(clipped(fmt::format("... and {} more servers", picture.nodes.size() - shown),
                          look.width));
  }
  return out;
}

std::vector<std::string> verdict_lines(const Picture& picture, const Look& look) {
  constexpr std::size_t kMost = 3;
  if (!picture.verdicts) return {painted(clipped("what is wrong: being read", look.width), "2", look.colours)};
  const auto& found = picture.verdicts->found;
  if (found.empty()) {
    return {painted(clipped("nothing needs attention", look.width), "32", look.colours)};
  }
  std::vector<std::string> out;
  const auto most = look.height > 0 && look.height < 16 ? std::size_t{1} : kMost;
  for (std::size_t i = 0; i < std::min(found.size(), most); ++i) {
    const auto& one = found[i];
    const auto where = one.database.empty() ? one.node : one.node + " " + one.database;
    const auto more = i + 1 == most && found.size() > most
                          ? fmt::format(" (and {} more: lyceum doctor)", found.size() - most)
                          : std::string();
    const auto mark = one.severity == watch::Severity::critical ? Mark::bad
                      : one.severity == watch::Severity::warning ? Mark::warning
                                                                 : Mark::none;
    const auto room = look.width > more.size() ? look.width - more.size() : 0;
    out.push_back(painted(clipped(fmt::format("{}: {}{}{}", watch::name_of(one.severity), where,
                                              where.empty() ? "" : ": ", one.summary),
                                  room) +
                              (room > 0 ? more : ""),
                          sgr(mark), look.colours));
  }
  return out;
}

std::vector<std::string> help_lines() {
  return {
      "1 2 3 4      sessions, statements, tables, replication; so do the letters e t b r",
      "s            sort by the next column; after the last, the view's own order",
      "p            pause: nothing is read and nothing moves",
      "space        read now",
      "+ -          a longer or a shorter interval",
      "h ?          this help; any key ends it",
      "q            quit",
      "",
      "A session in red blocks others, which stand below it in yellow with whom they wait for.",
      "Idle sessions that block nobody are not listed. Rates are between two readings.",
  };
}

json::object row_object(const List& list, const ListRow& row) {
  json::object out;
  for (std::size_t i = 0; i < list.columns.size(); ++i) {
    const auto shown = list.columns[i].shown;
    const bool text = shown == Shown::text || shown == Shown::name;
    // As everywhere: names are strings, be they numbers to PostgreSQL.
    const bool missing = std::holds_alternative<std::monostate>(row.cells[i]);
    out[list.columns[i].key] =
        text && !missing ? json::value(watch::valid_utf8(watch::text_of(row.cells[i])))
                         : watch::json_of(row.cells[i]);
  }
  return out;
}

}  // namespace

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
      each_row(node, watch::overview(), [&](const Look2& look) {
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
  const bool numbers = to_the_right(list.columns[column].shown);
  for (auto& row : list.rows) row.depth = 0;
  std::stable_sort(list.rows.begin(), list.rows.end(), [&](const ListRow& a, const ListRow& b) {
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
    if (to_the_right(list.columns[next].shown) || key == "user" || key == "table") return next;
  }
  return 0;
}

std::vector<std::string> frame(const Picture& picture, const Look& look) {
  std::vector<std::string> out{title(picture, look)};
  const auto add = [&](std::vector<std::string> lines) {
    for (auto& line : lines) out.push_back(std::move(line));
  };
  add(node_lines(picture, look));
  if (look.help) {
    out.emplace_back();
    for (const auto& line : help_lines()) {
      // The blanks between a key and what it does stay.
      const auto gap = line.find("  ");
      out.push_back(gap == line.npos ? clipped(line, look.width)
                                     : line.substr(0, std::min(line.size(), look.width)));
    }
  } else {
    add(verdict_lines(picture, look));
    out.emplace_back();
    auto list = list_of(look.view, picture.nodes);
    sort_by(list, look.sort);
    for (const auto& note : list.notes) {
      out.push_back(painted(clipped(note, look.width), "33", look.colours));
    }
    const std::size_t below = look.keys && look.height > 0 ? 1 : 0;
    auto rows = list.rows.size();
    if (look.limit > 0) rows = std::min(rows, look.limit);
    if (look.height > 0) {
      const auto used = out.size() + 1 + below;
      rows = std::min(rows, look.height > used ? look.height - used : 0);
    }
    const Layout layout(list, rows, look.width, picture.nodes.size() == 1);
    out.push_back(painted(layout.heading(look.sort), kHeadingSgr, look.colours));
    for (std::size_t i = 0; i < rows; ++i) {
      out.push_back(painted(layout.row(list.rows[i]), sgr(list.rows[i].mark), look.colours));
    }
  }
  if (look.height > 0) {
    const std::size_t below = look.keys ? 1 : 0;
    out.resize(std::max(look.height, below) - below);
    if (look.keys) {
      out.push_back(painted(
          clipped("q quit | 1-4 view | s sort | p pause | space read | + - interval | h help",
                  look.width),
          "2", look.colours));
    }
  }
  return out;
}

json::object document(const Picture& picture, const Look& look) {
  const auto nodes = nodes_list(picture.nodes);
  auto list = list_of(look.view, picture.nodes);
  sort_by(list, look.sort);
  json::array node_rows, rows, notes, verdicts;
  for (const auto& row : nodes.rows) node_rows.push_back(row_object(nodes, row));
  for (std::size_t i = 0; i < list.rows.size(); ++i) {
    if (look.limit > 0 && i == look.limit) break;
    rows.push_back(row_object(list, list.rows[i]));
  }
  for (const auto& note : list.notes) notes.push_back(json::string(watch::valid_utf8(note)));
  if (picture.verdicts) {
    for (const auto& one : picture.verdicts->found) verdicts.push_back(watch::verdict_json(one));
  }
  auto all = row_object(nodes, totals(nodes));
  for (const auto* key : {"node", "role", "trouble", "lag_seconds", "up_seconds", "cache_hit"}) {
    all.erase(key);
  }
  return {{"at", watch::milliseconds(picture.at)},
          {"interval_seconds", std::chrono::duration<double>(look.interval).count()},
          {"nodes", std::move(node_rows)},
          {"totals", std::move(all)},
          {"verdicts", std::move(verdicts)},
          {"view", name_of(look.view)},
          {"rows", std::move(rows)},
          {"notes", std::move(notes)}};
}

Act press(Look& look, const Picture& picture, char key) {
  constexpr Duration kLeast = std::chrono::milliseconds(500);
  constexpr Duration kMost = std::chrono::seconds(60);
  if (key == 'q' || key == '\x03') return Act::quit;
  if (look.help) {
    look.help = false;
    return Act::redraw;
  }
  constexpr std::string_view kNumbers = "1234", kLetters = "etbr";
  for (const auto keys : {kNumbers, kLetters}) {
    const auto at = keys.find(key);
    if (at == keys.npos) continue;
    if (look.view == static_cast<View>(at)) return Act::nothing;
    look.view = static_cast<View>(at);
    look.sort = 0;
    return Act::read;
  }
  switch (key) {
    case 's':
      look.sort = next_sort(list_of(look.view, picture.nodes), look.sort);
      return Act::redraw;
    case 'p':
      look.paused = !look.paused;
      return look.paused ? Act::redraw : Act::read;
    case ' ':
      return Act::read;
    case '+':
    case '=':
      look.interval = std::min(kMost, look.interval * 2);
      return Act::redraw;
    case '-':
      look.interval = std::max(kLeast, look.interval / 2);
      return Act::redraw;
    case 'h':
    case '?':
      look.help = true;
      return Act::redraw;
    default:
      return Act::nothing;
  }
}

}  // namespace lyceum::cli::top
