#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "watch/collector.h"
#include "watch/sample.h"

// The lists of `lyceum top`, made of what was read: without I/O.
namespace lyceum::cli::live {

enum class View : std::uint8_t { sessions, statements, tables, replication };
inline constexpr std::size_t kViews = 4;
[[nodiscard]] std::string_view name_of(View view);
[[nodiscard]] std::optional<View> parse_view(std::string_view name);
// The collectors that a view is made of, beside the overview.
[[nodiscard]] std::vector<const watch::Collector*> collectors_of(View view);

// The last two samples of a collector on a node: rates are between them.
struct Pair {
  std::optional<watch::Sample> before;
  watch::Sample now;
};

// A server, as it was read last.
struct NodeReadings {
  std::string node;
  std::string trouble;                                   // why it does not answer; empty: it does
  std::map<std::string, Pair, std::less<>> pairs;        // by collector
  std::map<std::string, std::string, std::less<>> gaps;  // why a collector sees less, by collector

  // What a run of a collector gave: the sample becomes the newest.
  void take(watch::Sample sample);
};

// How a cell is written.
enum class Shown : std::uint8_t {
  text,
  name,   // text that the reader needs: dropped last
  count,  // whole, with separators
  rate,   // per second
  bytes,
  bytes_rate,
  percent,  // of a share, 0 to 1
  seconds,
  milliseconds,
};

// Whether it is a number, which stands on the right of its column.
[[nodiscard]] bool is_number(Shown shown);

struct Column {
  std::string_view key;  // in JSON
  std::string_view heading;
  Shown shown = Shown::text;
  int rank = 0;  // what is dropped first where there is no room; 0: never
};

enum class Mark : std::uint8_t { none, good, warning, bad, faint };

struct ListRow {
  std::vector<watch::Value> cells;
  int depth = 0;  // in a tree
  Mark mark = Mark::none;
};

// A table, whatever it shows. The last column takes what room is left.
struct List {
  std::span<const Column> columns;
  std::vector<ListRow> rows;
  std::vector<std::string> notes;  // what cannot be seen, and why
};

// The servers: role, lag, connections, transactions, cache, log.
[[nodiscard]] List nodes_list(std::span<const NodeReadings> nodes);
// Their sum: connections and work of all, log of the primary. One row of the same columns.
[[nodiscard]] ListRow totals(const List& nodes);

// The rows of a view in its own order: sessions that block others with those that wait for them as
// a tree, then by how long they are at it; statements by the time they took since the reading
// before, in all where there was none; tables by dead rows; followers by lag. Idle sessions that
// block nobody are left out.
[[nodiscard]] List list_of(View view, std::span<const NodeReadings> nodes);

// By a column, the largest first, texts by the alphabet; what is missing comes last. A tree falls
// apart. Column 0 is the view's own order: nothing is done.
void sort_by(List& list, std::size_t column);
// The column after this one by which the rows can be sorted in a useful way; after the last, 0.
[[nodiscard]] std::size_t next_sort(const List& list, std::size_t column);

}  // namespace lyceum::cli::live
