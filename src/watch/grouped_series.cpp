#include "watch/grouped_series.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "watch/collector.h"
#include "watch/rate.h"

namespace lyceum::watch {
namespace {

using Seconds = std::chrono::duration<double>;

// What one sample adds to a group.
struct Step {
  Timestamp at{};
  double value = 0;
  double weight = 1;  // seconds that it stands for
};

// One source while its samples are read.
struct Track {
  std::optional<Timestamp> at;
  std::int64_t epoch = 0;
  std::map<std::string, Value> before;  // a counter's values, by the row's keys
  std::vector<double> intervals;
  std::map<std::vector<std::string>, std::vector<Step>> groups;  // by the values of `by`
};

// Where the columns of a query stand in a picture.
class Reader {
 public:
  Reader(const GroupQuery& query, const Source& source, const Picture& picture)
      : picture_(picture), column_(picture.position(query.column)) {
    for (const auto& [name, value] : query.where) {
      const int at = picture.position(name);
      if (at >= 0) {
        where_.emplace_back(static_cast<std::size_t>(at), &value);
      } else if (name != "database" || source.database != value) {
        column_ = -1;
      }
    }
    for (const auto& name : query.by) by_.push_back(picture.position(name));
    for (std::size_t i = 0; i < picture.headings.size(); ++i) {
      if (picture.headings[i].kind == Kind::key) keys_.push_back(i);
    }
  }

  [[nodiscard]] const Value* value(const Row& row) const {
    if (column_ < 0) return nullptr;
    for (const auto& [at, wanted] : where_) {
      if (text_of(row[at]) != *wanted) return nullptr;
    }
    return &row[static_cast<std::size_t>(column_)];
  }
  [[nodiscard]] std::vector<std::string> group(const Row& row) const {
    std::vector<std::string> out;
    for (const int at : by_) {
      out.push_back(at < 0 ? std::string() : text_of(row[static_cast<std::size_t>(at)]));
    }
    return out;
  }
  [[nodiscard]] std::string identity(const Row& row) const {
    std::string out;
    for (const auto key : keys_) {
      const auto text = text_of(row[key]);
      out += fmt::format("{}:", text.size());
      out += text;
    }
    return out;
  }
  [[nodiscard]] const std::vector<Row>& rows() const { return picture_.rows; }

 private:
  const Picture& picture_;
  int column_;
  std::vector<std::pair<std::size_t, const std::string*>> where_;
  std::vector<int> by_;
  std::vector<std::size_t> keys_;
};

void take(Track& track, const KeptSample& sample, const GroupQuery& query, bool counter) {
  const Reader reader(query, sample.source, sample.picture);
  const bool goes_on = track.at && track.epoch == sample.epoch && sample.at > *track.at;
  const double took = goes_on ? Seconds(sample.at - *track.at).count() : 0;
  if (goes_on) track.intervals.push_back(took);
  std::map<std::vector<std::string>, double> sums;
  std::map<std::string, Value> now;
  for (const auto& row : reader.rows()) {
    const auto* value = reader.value(row);
    if (value == nullptr || !number_of(*value)) continue;
    if (!counter) {
      sums[reader.group(row)] += *number_of(*value);
      continue;
    }
    auto identity = reader.identity(row);
    const auto before = track.before.find(identity);
    if (goes_on && before != track.before.end()) {
      if (const auto more = rise(before->second, *value)) sums[reader.group(row)] += *more / took;
    }
    now.insert_or_assign(std::move(identity), *value);
  }
  for (auto& [group, sum] : sums) {
    track.groups[group].push_back({sample.at, sum, goes_on ? took : 1});
  }
  track.before = std::move(now);
  track.at = sample.at;
  track.epoch = sample.epoch;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// On the grid of the request, so that several answers to one range can be added up: each part's
// mean, at its end. Where more was missed than a sample or two, a gap.
std::vector<std::pair<Timestamp, std::optional<double>>> on_grid(const std::vector<Step>& steps,
                                                                 const GroupQuery& query,
                                                                 double interval) {
  constexpr double kMissed = 2.5;
  const double parts = static_cast<double>(std::max<std::size_t>(query.most_points, 1));
  const double width = Seconds(query.to - query.from).count() / parts;
  const auto end_of = [&](double part) {
    return query.from +
           std::chrono::duration_cast<Timestamp::duration>(Seconds((part + 1) * width));
  };
  std::vector<std::pair<Timestamp, std::optional<double>>> out;
  double part = -1, sum = 0, weight = 0;
  const auto put = [&] {
    if (weight > 0) out.emplace_back(end_of(part), sum / weight);
    sum = weight = 0;
  };
  std::optional<Timestamp> last;
  for (const auto& step : steps) {
    const double in =
        std::clamp(std::floor(Seconds(step.at - query.from).count() / width), 0.0, parts - 1);
    if (in != part) put();
    const bool missed = last && Seconds(step.at - *last).count() > kMissed * interval;
    // The gap ends where the next reading is; it has a part of its own, or none.
    if (missed && interval > 0 && in > part + 1) out.emplace_back(end_of(in - 1), std::nullopt);
    part = in;
    sum += step.value * step.weight;
    weight += step.weight;
    last = step.at;
  }
  put();
  return out;
}

Error no_column(const GroupQuery& query, std::string_view name) {
  return {.code = ErrorCode::kBadInput,
          .message = fmt::format("there is no column '{}' of '{}'", name, query.collector)};
}

}  // namespace

Result<GroupedSeries> grouped_series(History& history, const GroupQuery& query) {
  const auto* collector = find_collector(query.collector);
  if (collector == nullptr) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("there is no collector '{}'", query.collector)};
  }
  const int column = collector->position(query.column);
  if (column < 0) return no_column(query, query.column);
  const auto kind = collector->columns[static_cast<std::size_t>(column)].kind;
  if (kind == Kind::text || kind == Kind::key) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("{} of {} is a text, and has no series", query.column,
                                        query.collector)};
  }
  for (const auto& [name, value] : query.where) {
    if (name != "database" && collector->position(name) < 0) return no_column(query, name);
  }
  for (const auto& name : query.by) {
    if (name != "node" && name != "database" && collector->position(name) < 0) {
      return no_column(query, name);
    }
  }
  // What this process says of itself is of no node.
  const auto node = collector->scope == Scope::client ? std::string() : query.node;
  auto cursor = history.read(
      {.collectors = {query.collector}, .node = node, .from = query.from, .to = query.to});
  if (cursor.has_error()) return cursor.error();
  std::map<Source, Track> tracks;
  while (true) {
    auto next = cursor->next();
    if (next.has_error()) return next.error();
    if (*next == nullptr) break;
    take(tracks[(*next)->source], **next, query, kind == Kind::counter);
  }
  GroupedSeries out{.rates = kind == Kind::counter};
  for (const auto& [source, track] : tracks) {
    const double interval = median(track.intervals);
    for (const auto& [values, steps] : track.groups) {
      Group group;
      group.labels = {{"node", source.node}, {"database", source.database}};
      for (std::size_t i = 0; i < query.by.size(); ++i) {
        const auto& name = query.by[i];
        // Of the source, unless the rows say themselves.
        if (collector->position(name) >= 0) group.labels[name] = values[i];
      }
      group.points = on_grid(steps, query, interval);
      out.groups.push_back(std::move(group));
    }
  }
  return out;
}

}  // namespace lyceum::watch
