#pragma once

#include <gtest/gtest.h>
#include <set>

#include "pg/run.h"
#include "support/open_transaction.h"
#include "support/postgres.h"
#include "watch/collector.h"
#include "watch/gather.h"
#include "watch/node.h"

namespace lyceum::watch {

// All that ask a server: not what this process says of itself.
inline std::vector<Collector> asked_of_servers() {
  std::vector<Collector> out;
  for (const auto& collector : collectors()) {
    if (collector.scope != Scope::client) out.push_back(collector);
  }
  return out;
}

using lyceum::testing::eventually;
using lyceum::testing::kNull;
using lyceum::testing::OpenTransaction;
using lyceum::testing::psql;
using lyceum::testing::psql_value;
using lyceum::testing::TestDatabase;
using pg::testing::Loop;
using namespace std::chrono_literals;

// The cell of a row, as the column's name says.
inline const Value& cell(const Reading& reading, const Row& row, std::string_view column) {
  const auto* collector = find_collector(reading.source.collector);
  const auto at = collector->position(column);
  if (at < 0) throw std::runtime_error("no column " + std::string(column));
  return row.at(static_cast<std::size_t>(at));
}
inline bool is_null(const Reading& reading, const Row& row, std::string_view column) {
  return std::holds_alternative<std::monostate>(cell(reading, row, column));
}
inline double number(const Reading& reading, const Row& row, std::string_view column) {
  const auto& value = cell(reading, row, column);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  ADD_FAILURE() << column << " is no number";
  return -1;
}
inline std::string text(const Reading& reading, const Row& row, std::string_view column) {
  const auto& value = cell(reading, row, column);
  if (const auto* words = std::get_if<Text>(&value)) return words->string();
  if (is_null(reading, row, column)) return std::string(kNull);
  ADD_FAILURE() << column << " is no text";
  return "";
}
// The one row whose column has that text; fails where there is none.
inline const Row& row_of(const Reading& reading, std::string_view column, std::string_view value) {
  static const Row kNone(64);
  if (reading.sample) {
    for (const auto& row : reading.sample->rows) {
      if (text(reading, row, column) == value) return row;
    }
  }
  ADD_FAILURE() << reading.source.collector << " has no row of " << column << " " << value;
  return kNone;
}
inline const Row* find_pid(const Reading& reading, double pid) {
  for (const auto& row : reading.sample->rows) {
    if (number(reading, row, "pid") == pid) return &row;
  }
  return nullptr;
}
inline std::string trouble(const Reading& reading) {
  if (reading.error) return reading.source.collector + ": " + reading.error->to_string();
  if (reading.gap) return reading.source.collector + ": " + reading.gap->why;
  return "";
}

// A node and who asks it.
struct Asking {
  explicit Asking(const std::string& url, Limits limits = {})
      : node(std::make_shared<Node>(loop.executor(), pg::parse_target(url).value(), limits)) {}
  ~Asking() { node->close("the test has ended"); }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  // Without a sample where it failed; whoever reads rows of it fails then.
  Reading read(std::string_view name, std::string database = "",
               SteadyTime deadline = SteadyTime::max()) {
    const auto* collector = find_collector(name);
    return loop.run(node->read(collector, std::move(database), deadline));
  }
  // With a sample and nothing else, or the test fails.
  Reading well(std::string_view name, std::string database = "") {
    auto out = read(name, std::move(database));
    EXPECT_EQ(trouble(out), "");
    EXPECT_TRUE(out.sample.has_value()) << name;
    if (!out.sample) out.sample.emplace();
    return out;
  }

  Loop loop;
  std::shared_ptr<Node> node;
};

}  // namespace lyceum::watch
