#include "watch/epoch.h"

#include <algorithm>
#include <cmath>

#include "watch/value.h"

namespace lyceum::watch {
namespace {

std::size_t hash_of_keys(const Collector& collector, const Row& row) {
  std::size_t out = 0;
  const auto add = [&](std::size_t part) {
    out ^= part + 0x9e3779b97f4a7c15U + (out << 6U) + (out >> 2U);
  };
  for (std::size_t i = 0; i < collector.columns.size() && i < row.size(); ++i) {
    if (collector.columns[i].kind != Kind::key) continue;
    if (const auto* text = std::get_if<Text>(&row[i])) {
      add(std::hash<std::string_view>()(text->view()));
    } else {
      add(std::hash<double>()(number_of(row[i]).value_or(0)));
    }
  }
  return out;
}

std::int64_t in_microseconds(double seconds) {
  return static_cast<std::int64_t>(std::llround(seconds * 1e6));
}

}  // namespace

std::int64_t Epochs::next(const Collector& collector, const Sample& sample,
                          const CountedSince& since) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < collector.columns.size(); ++i) {
    if (collector.columns[i].kind == Kind::counter) columns.push_back(i);
  }
  // Rows in the order of their hashes; of two with one hash, which is one in many billions where
  // keys differ, the second is left out.
  std::vector<std::pair<std::size_t, const Row*>> rows;
  if (!columns.empty()) {
    for (const auto& row : sample.rows) rows.emplace_back(hash_of_keys(collector, row), &row);
    std::sort(rows.begin(), rows.end());  // of one hash, the first of the sample first
    const auto gone = std::unique(rows.begin(), rows.end(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; });
    rows.erase(gone, rows.end());
  }
  auto& last = sources_[sample.source];
  std::vector<std::size_t> hashes;
  std::vector<double> counters;
  std::size_t had_counted = 0, fell = 0, before = 0;
  for (const auto& [hash, row] : rows) {
    const auto at = counters.size();
    for (const auto column : columns) {
      counters.push_back(column < row->size() ? number_of((*row)[column]).value_or(0) : 0);
    }
    while (before < last.rows.size() && last.rows[before] < hash) ++before;
    if (before < last.rows.size() && last.rows[before] == hash) {
      const auto* old = &last.counters[before * columns.size()];
      bool lower = false;
      for (std::size_t i = 0; i < columns.size(); ++i) lower = lower || counters[at + i] < old[i];
      ++had_counted;
      fell += lower ? 1 : 0;
    }
    // One that has counted nothing cannot fall.
    if (std::any_of(counters.begin() + static_cast<std::ptrdiff_t>(at), counters.end(),
                    [](double one) { return one > 0; })) {
      hashes.push_back(hash);
    } else {
      counters.resize(at);
    }
  }
  hashes.shrink_to_fit();
  counters.shrink_to_fit();
  const auto by_its_word =
      in_microseconds(std::max(since.started_at, since.stats_reset.value_or(0)));
  if (!last.since) {
    last.epoch = std::max(last.epoch, by_its_word);
  } else if (fell > 0 && fell * 2 >= had_counted && by_its_word <= last.epoch) {
    last.epoch = std::max<std::int64_t>(last.epoch + 1, sample.at.time_since_epoch().count());
  } else if (since != *last.since || (fell > 0 && fell * 2 >= had_counted)) {
    last.epoch = std::max(last.epoch + 1, by_its_word);
  }
  last.since = since;
  last.rows = std::move(hashes);
  last.counters = std::move(counters);
  return last.epoch;
}

}  // namespace lyceum::watch
