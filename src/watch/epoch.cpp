#include "watch/epoch.h"

#include <algorithm>
#include <cmath>

#include "watch/value.h"

namespace lyceum::watch {
namespace {

std::string key_of(const Collector& collector, const Row& row) {
  std::string out;
  for (std::size_t i = 0; i < collector.columns.size() && i < row.size(); ++i) {
    if (collector.columns[i].kind != Kind::key) continue;
    if (const auto* text = std::get_if<std::string>(&row[i])) {
      out += std::to_string(text->size()) + ':' + *text;
    } else if (const auto* number = std::get_if<std::int64_t>(&row[i])) {
      out += '#' + std::to_string(*number);
    } else if (const auto* real = std::get_if<double>(&row[i])) {
      out += '#' + std::to_string(*real);
    }
    out += ',';
  }
  return out;
}

std::int64_t in_microseconds(double seconds) {
  return static_cast<std::int64_t>(std::llround(seconds * 1e6));
}

}  // namespace

std::int64_t Epochs::next(const Collector& collector, const Sample& sample,
                          const CountedSince& since) {
  std::map<std::string, std::vector<double>> counters;
  for (const auto& row : sample.rows) {
    std::vector<double> values;
    for (std::size_t i = 0; i < collector.columns.size() && i < row.size(); ++i) {
      if (collector.columns[i].kind == Kind::counter)
        values.push_back(number_of(row[i]).value_or(0));
    }
    if (!values.empty()) counters.emplace(key_of(collector, row), std::move(values));
  }
  auto& last = sources_[sample.source];
  std::size_t had_counted = 0, fell = 0;
  for (const auto& [key, values] : counters) {
    const auto before = last.counters.find(key);
    if (before == last.counters.end()) continue;
    const auto& old = before->second;
    if (std::all_of(old.begin(), old.end(), [](double one) { return one <= 0; })) continue;
    ++had_counted;
    bool lower = false;
    for (std::size_t i = 0; i < old.size(); ++i) lower = lower || values[i] < old[i];
    fell += lower ? 1 : 0;
  }
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
  last.counters = std::move(counters);
  return last.epoch;
}

}  // namespace lyceum::watch
