#pragma once

// What a compiled formula is made of: between who parses it and who evaluates it.

#include "watch/expression.h"

namespace lyceum::watch {

enum class Operation : std::uint8_t {
  number,
  text,
  column,
  negate,
  logical_not,
  add,
  subtract,
  multiply,
  divide,
  equal,
  unequal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  logical_and,
  logical_or,
  is_missing,
  is_not_missing,
  coalesce,
  least,
  greatest,
  age,
  contains,
  starts_with,
  rate,
  increase,
  max,
  min,
  avg,
};

struct Expression::Node {
  Operation operation = Operation::number;
  double number = 0;
  std::string text = {};
  int column = -1;
  Duration window{};
  std::vector<std::size_t> parts = {};
};

}  // namespace lyceum::watch
