#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "watch/history.h"

namespace lyceum::watch {

// One column of the rows of one collector over time, put together by some of their columns: what a
// chart shows.
struct GroupQuery {
  std::string collector;
  std::string column;
  std::string node = {};  // empty: all
  // The rows: a column and its value as text. "database" is the row's where it has such a column,
  // else the source's.
  std::vector<std::pair<std::string, std::string>> where = {};
  // Columns by which rows are told apart, beside the node and the database of their source.
  std::vector<std::string> by = {};
  Timestamp from{};
  Timestamp to{};
  // Equal parts of the time; a part has one point at most, at its end.
  std::size_t most_points = 200;
};

struct Group {
  std::map<std::string, std::string> labels;  // node, database, and what was asked for
  // The sum over the group's rows; nothing where readings were missed: a gap.
  std::vector<std::pair<Timestamp, std::optional<double>>> points;
};

struct GroupedSeries {
  bool rates = false;  // of a counter: per second
  std::vector<Group> groups;
};

// Gauges as they are, counters as their rise per second from one sample to the next: none across an
// epoch, none of a row that was not there before or whose counter fell. Several samples that fall
// on one point are averaged, by the time they stand for.
// Errors: kBadInput where the collector or a column is none, or the column holds no numbers; kIo.
[[nodiscard]] Result<GroupedSeries> grouped_series(History& history, const GroupQuery& query);

}  // namespace lyceum::watch
