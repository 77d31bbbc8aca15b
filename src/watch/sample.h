#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "watch/text.h"

namespace lyceum::watch {

// One cell of a sample. Nothing: the server said NULL, or has no such column in its version. A
// boolean is 0 or 1; a time is seconds since 1970; a duration is seconds unless the name ends in a
// unit.
using Value = std::variant<std::monostate, std::int64_t, double, Text>;
using Row = std::vector<Value>;

// What a column of a collector's rows is.
enum class Kind : std::uint8_t {
  key,      // names the row among its neighbours: all keys of a row together are unique in a sample
  text,     // says something of the row
  gauge,    // a number that goes up and down
  counter,  // a number that only rises, until it is reset
};

struct Column {
  std::string_view name;
  Kind kind = Kind::gauge;
  std::string_view meaning;  // one line, with its unit
};

// Where a sample comes from: a collector that ran on one database of one node. Collectors that look
// at a whole server leave the database empty.
struct Source {
  std::string collector;
  std::string node;
  std::string database;

  auto operator<=>(const Source&) const = default;
};

// What a collector read at one time.
struct Sample {
  Source source;
  Timestamp at{};
  // Rises when counters may have begun anew: another epoch, no difference across it.
  std::int64_t epoch = 0;
  std::vector<Row> rows;  // each as long as the collector's columns
};

}  // namespace lyceum::watch
