#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/finished_statement.h"
#include "base/log.h"

namespace lyceum {

// A parameter of a statement as the slow log may show it.
struct ParameterDescription {
  std::string type;       // "uuid", "text[]", ...
  std::size_t bytes = 0;  // of its binary form
  bool is_null = false;
  std::optional<std::string> text;  // its value; only where it was asked for
};

// Describes a call's parameters, in the order $1, $2, ... Called only for a statement that is
// logged; `with_values` says whether values are to be rendered, and values that come without being
// asked for are not shown either.
using DescribeParameters = std::function<std::vector<ParameterDescription>(bool with_values)>;

// What is logged of a slow statement.
struct SlowStatement {
  std::string name;
  Duration total{};
  Duration queue{};
  std::optional<Duration> server;
  std::string node;
  std::string tenant;  // empty: none
  std::uint64_t rows = 0;
  std::string error;       // SQLSTATE or ErrorCode name, empty on success
  std::string parameters;  // "$1 uuid 16 bytes, $2 null": with values where asked for
};

struct SlowLogOptions {
  Duration threshold = std::chrono::seconds(1);  // zero: nothing is slow
  bool log_parameters = false;                   // show values; they are the users' data
  std::size_t longest_value = 200;               // bytes shown of one value
};

// Decides whether a finished statement took so long that it is logged, and what is said of it: the
// guide's "Slow query detected". Pure; the writing is write_slow_statement().
[[nodiscard]] std::optional<SlowStatement> judge_slow(const FinishedStatement& call,
                                                      const SlowLogOptions& options,
                                                      const DescribeParameters& describe = {});

void write_slow_statement(Log& log, const SlowStatement& slow);

}  // namespace lyceum
