#include "watch/series.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

#include "watch/collector.h"

namespace lyceum::watch {
namespace {

double seconds(Timestamp from, Timestamp to) {
  return std::chrono::duration<double>(to - from).count();
}

std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  const auto* real = std::get_if<double>(&value);
  return real == nullptr ? std::nullopt : std::optional(*real);
}

// The value of the query's column in its row, where there is one.
const Value* find(const Picture& picture, const SeriesQuery& query) {
  const int column = picture.position(query.column);
  if (column < 0) return nullptr;
  std::vector<std::pair<int, const Value*>> keys;
  for (const auto& [name, value] : query.keys) {
    keys.emplace_back(picture.position(name), &value);
    if (keys.back().first < 0) return nullptr;
  }
  const auto fits = [&](const Row& row) {
    return std::all_of(keys.begin(), keys.end(), [&](const auto& key) {
      return same(row[static_cast<std::size_t>(key.first)], *key.second);
    });
  };
  const auto row = std::find_if(picture.rows.begin(), picture.rows.end(), fits);
  return row == picture.rows.end() ? nullptr : &(*row)[static_cast<std::size_t>(column)];
}

// A point with what it weighs in an average.
struct Step {
  Timestamp at{};
  double value = 0;
  double weight = 1;
};

// One reading of a counter.
struct Reading {
  Timestamp at{};
  std::int64_t epoch = 0;
  Value value;
};

std::optional<Step> rate(const Reading& before, const Reading& now) {
  if (before.epoch != now.epoch || now.at <= before.at) return std::nullopt;
  const double took = seconds(before.at, now.at);
  double more = *number_of(now.value) - *number_of(before.value);
  // Whole numbers beyond 2^53 are subtracted before they are rounded.
  const auto* from = std::get_if<std::int64_t>(&before.value);
  const auto* to = std::get_if<std::int64_t>(&now.value);
  if (from != nullptr && to != nullptr && *to >= *from) {
    more = static_cast<double>(static_cast<std::uint64_t>(*to) - static_cast<std::uint64_t>(*from));
  }
  if (!(more >= 0)) return std::nullopt;
  return Step{now.at, more / took, took};
}

std::vector<Point> put_together(const std::vector<Step>& steps, std::size_t most) {
  std::vector<Point> out;
  most = std::max<std::size_t>(most, 1);
  if (steps.size() <= most) {
    for (const auto& step : steps) out.push_back({step.at, step.value, step.value, step.value});
    return out;
  }
  const auto [first, last] = std::minmax_element(
      steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.at < b.at; });
  const double span = seconds(first->at, last->at);
  // Equal parts of the time, so that a gap is a gap in what is drawn. Where the clock was set back
  // a part may come twice: then its points are one.
  std::vector<std::optional<Point>> parts(most);
  std::vector<double> weights(most, 0);
  for (const auto& step : steps) {
    const double share = span > 0 ? seconds(first->at, step.at) / span : 0;
    const auto part =
        std::min(static_cast<std::size_t>(share * static_cast<double>(most)), most - 1);
    auto& point = parts[part];
    if (!point) point = Point{step.at, step.value, 0, step.value};
    point->at = std::max(point->at, step.at);
    point->least = std::min(point->least, step.value);
    point->most = std::max(point->most, step.value);
    // As a running mean: no sum grows beyond what a double holds exactly.
    weights[part] += step.weight;
    point->average += (step.value - point->average) * (step.weight / weights[part]);
  }
  for (const auto& point : parts) {
    if (point) out.push_back(*point);
  }
  return out;
}

}  // namespace

Result<Series> series(History& history, const SeriesQuery& query) {
  const auto* collector = find_collector(query.source.collector);
  const int column = collector == nullptr ? -1 : collector->position(query.column);
  if (column < 0) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("there is no column {} of {}", query.column,
                                        query.source.collector)};
  }
  Series out;
  out.kind = collector->columns[static_cast<std::size_t>(column)].kind;
  if (out.kind == Kind::text || out.kind == Kind::key) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("{} of {} is a text, and has no series", query.column,
                                        query.source.collector)};
  }
  auto cursor = history.read({.collectors = {query.source.collector},
                              .node = query.source.node,
                              .database = query.source.database,
                              .from = query.from,
                              .to = query.to});
  if (cursor.has_error()) return cursor.error();
  std::vector<Step> steps;
  std::optional<Reading> before;
  while (true) {
    auto next = cursor->next();
    if (next.has_error()) return next.error();
    if (*next == nullptr) break;
    const auto& sample = **next;
    // An empty database is any to a selection.
    if (sample.source != query.source) continue;
    const auto* value = find(sample.picture, query);
    const auto number = value == nullptr ? std::nullopt : number_of(*value);
    if (!number) {
      before.reset();
      continue;
    }
    ++out.samples;
    if (out.kind == Kind::gauge) {
      steps.push_back({sample.at, *number, 1});
      continue;
    }
    Reading now{sample.at, sample.epoch, *value};
    if (before) {
      if (const auto step = rate(*before, now)) steps.push_back(*step);
    }
    before = std::move(now);
  }
  out.points = put_together(steps, query.most_points);
  return out;
}

}  // namespace lyceum::watch
