#include "server/watch_metrics.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

#include "watch/value.h"

namespace lyceum::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
using watch::Collector;
using watch::Column;
using watch::Kind;
using watch::Row;
using watch::Sample;

// How a collector's rows become metrics.
struct Telling {
  std::string_view collector;
  std::size_t most = 200;    // rows of one sample
  std::string_view by = {};  // the column whose largest values are told
  std::string_view worst_of =
      {};  // rows are not told one by one: their number, and this one's most
};

// Those that are not told one by one have processes among their keys.
constexpr std::array<Telling, 9> kTelling{{
    {.collector = "statements", .most = 100, .by = "total_exec_time"},
    {.collector = "tables", .by = "size_bytes"},
    {.collector = "indexes", .by = "size_bytes"},
    {.collector = "sequences", .most = 50, .by = "used"},
    {.collector = "settings", .most = 0},
    {.collector = "blocking", .worst_of = "waiting_seconds"},
    {.collector = "transactions", .worst_of = "transaction_seconds"},
    {.collector = "vacuum_progress", .worst_of = "running_seconds"},
    {.collector = "index_progress", .worst_of = "running_seconds"},
}};

Telling telling_of(std::string_view collector) {
  for (const auto& one : kTelling) {
    if (one.collector == collector) return one;
  }
  return {.collector = collector};
}

// What a server says is told apart from what this process says of itself.
std::string prefix_of(const Collector& collector) {
  const bool client = collector.scope == watch::Scope::client;
  return fmt::format("lyceum_{}{}_", client ? "" : "pg_", collector.name);
}

double at(const Row& row, int position) {
  return position < 0 ? 0 : watch::number_of(row[static_cast<std::size_t>(position)]).value_or(0);
}

// The rows that are told: all, or the largest.
std::vector<const Row*> told(const Sample& sample, const Collector& collector, const Telling& how) {
  std::vector<const Row*> out;
  for (const auto& row : sample.rows) out.push_back(&row);
  if (out.size() <= how.most) return out;
  const int by = collector.position(how.by);
  const auto middle = out.begin() + static_cast<std::ptrdiff_t>(how.most);
  std::nth_element(out.begin(), middle, out.end(),
                   [by](const Row* a, const Row* b) { return at(*a, by) > at(*b, by); });
  out.erase(middle, out.end());
  return out;
}

Exposition::Labels source_labels(const Sample& sample, bool database) {
  Exposition::Labels labels;
  if (!sample.source.node.empty()) labels.push_back({"node", sample.source.node});
  if (database && !sample.source.database.empty()) {
    labels.push_back({"database", sample.source.database});
  }
  return labels;
}

void tell_worst(Exposition& out, const Collector& collector, const Telling& how,
                const std::vector<const Sample*>& samples) {
  const auto prefix = prefix_of(collector);
  auto count = MetricFamily{
      prefix + "rows", fmt::format("How many: {}", collector.meaning), MetricType::Gauge, {}};
  auto most = MetricFamily{fmt::format("{}most_{}", prefix, how.worst_of),
                           fmt::format("The longest of {}", collector.meaning),
                           MetricType::Gauge,
                           {}};
  const int column = collector.position(how.worst_of);
  for (const auto* sample : samples) {
    double worst = 0;
    for (const auto& row : sample->rows) worst = std::max(worst, at(row, column));
    Exposition::add(count, source_labels(*sample, true), static_cast<double>(sample->rows.size()));
    Exposition::add(most, source_labels(*sample, true), worst);
  }
  for (auto* family : {&count, &most}) {
    out.family(family->name, family->help, family->type).metric = std::move(family->metric);
  }
}

void tell_rows(Exposition& out, const Collector& collector, const Telling& how,
               const std::vector<const Sample*>& samples) {
  std::vector<std::size_t> keys;
  bool keyed_by_database = false;
  for (std::size_t i = 0; i < collector.columns.size(); ++i) {
    const auto& column = collector.columns[i];
    // A process is no label: the next one has another.
    if (column.kind != Kind::key || column.name == "pid") continue;
    keys.push_back(i);
    keyed_by_database |= column.name == "database";
  }
  std::map<std::size_t, MetricFamily> families;
  for (std::size_t i = 0; i < collector.columns.size(); ++i) {
    const auto& column = collector.columns[i];
    const auto metric = metric_of(collector, column);
    if (!metric) continue;
    families[i] = {metric->name,
                   std::string(column.meaning),
                   column.kind == Kind::counter ? MetricType::Counter : MetricType::Gauge,
                   {}};
  }
  std::set<std::string> seen;
  for (const auto* sample : samples) {
    for (const auto* row : told(*sample, collector, how)) {
      auto labels = source_labels(*sample, !keyed_by_database);
      for (const auto key : keys) {
        auto name = std::string(collector.columns[key].name);
        if (name == "node" && !sample->source.node.empty()) continue;
        labels.push_back({std::move(name), watch::text_of((*row)[key])});
      }
      // Two that only a process told apart are one series, which may have one value.
      std::string identity;
      for (const auto& one : labels) identity += one.name + '=' + one.value + '\n';
      if (!seen.insert(std::move(identity)).second) continue;
      for (auto& [column, family] : families) {
        const auto value = watch::number_of((*row)[column]);
        if (!value) continue;
        Exposition::add(family, labels,
                        *value * metric_of(collector, collector.columns[column])->factor);
      }
    }
  }
  for (auto& [column, family] : families) {
    if (family.metric.empty()) continue;
    out.family(family.name, family.help, family.type).metric = std::move(family.metric);
  }
}

}  // namespace

std::optional<ColumnMetric> metric_of(const Collector& collector, const Column& column) {
  if (column.kind == Kind::key || column.kind == Kind::text) return std::nullopt;
  const auto name = column.name;
  // A mean of a mean is none; the counters give it over any time.
  for (const std::string_view part :
       {"min_exec", "max_exec", "mean_exec", "stddev_exec", "hit_percent", "seconds_since_vacuum",
        "seconds_since_autovacuum"}) {
    if (name.starts_with(part)) return std::nullopt;
  }
  std::string base(name);
  double factor = 1;
  const auto ends = [&](std::string_view with, std::string_view instead) {
    if (!base.ends_with(with)) return false;
    base.replace(base.size() - with.size(), with.size(), instead);
    return true;
  };
  if (ends("_exec_time", "_exec_seconds") || ends("_plan_time", "_plan_seconds") ||
      ends("_ms", "_seconds")) {
    factor = 1e-3;
  } else if (name == "started_at" || name == "stats_reset" || name == "inactive_since" ||
             name == "last_scan" || name.starts_with("last_vacuum") ||
             name.starts_with("last_autovacuum") || name.starts_with("last_analyze") ||
             name.starts_with("last_autoanalyze")) {
    base += "_timestamp_seconds";
  } else if (name == "safe_wal_size") {
    base += "_bytes";
  } else if (name == "connection_count") {
    base = "connections";  // "_count" belongs to histograms
  }
  // "total_exec_seconds" of a counter ends in "_total" already.
  if (base.starts_with("total_")) base.erase(0, std::string_view("total_").size());
  (void)ends("_total", "");
  auto full = prefix_of(collector) + base;
  if (column.kind == Kind::counter) full += "_total";
  return ColumnMetric{std::move(full), factor};
}

void add_samples(Exposition& out, std::span<const Sample> samples) {
  for (const auto& collector : watch::collectors()) {
    // The service tells its own pools, nodes and statements itself, exactly.
    if (collector.scope == watch::Scope::client && collector.name != "collectors") continue;
    std::vector<const Sample*> own;
    for (const auto& sample : samples) {
      if (sample.source.collector == collector.name) own.push_back(&sample);
    }
    if (own.empty()) continue;
    const auto how = telling_of(collector.name);
    if (!how.worst_of.empty()) {
      tell_worst(out, collector, how, own);
    } else {
      tell_rows(out, collector, how, own);
    }
  }
}

}  // namespace lyceum::server
