#pragma once

#include <string>
#include <utility>
#include <vector>

#include "watch/history.h"

namespace lyceum::watch {

// One column of one row over time.
struct SeriesQuery {
  Source source;
  // The row: its keys by name. May be empty for collectors that have one row.
  std::vector<std::pair<std::string, Value>> keys = {};
  std::string column = {};
  Timestamp from = Timestamp::min();
  Timestamp to = Timestamp::max();
  // At most so many points; more are put together.
  std::size_t most_points = 500;
};

// Of one sample, or of several that were put together: the time of the last.
struct Point {
  Timestamp at{};
  double least = 0;
  double average = 0;
  double most = 0;
};

// A gauge's points are its values. A counter's are its rates, per second, from one sample to the
// next: none where the epoch changed between them, the counter fell, the row was missing in
// between, or the clock did not go forward; there counting starts anew. The average of several
// rates is what was counted over the time it took.
struct Series {
  Kind kind = Kind::gauge;
  std::vector<Point> points;  // in the order of arrival; none: not enough history
  std::size_t samples = 0;    // that had a number there
};

// Errors: kBadInput where the collector has no such column, or it holds no numbers; kIo.
[[nodiscard]] Result<Series> series(History& history, const SeriesQuery& query);

}  // namespace lyceum::watch
