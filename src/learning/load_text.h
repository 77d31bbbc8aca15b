#pragma once

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/clock.h"
#include "base/uuid.h"
#include "pg/types.h"

// Rows in COPY's text format (PostgreSQL documentation, "COPY, Text Format"): what psql's \copy
// takes, so that the same rows can be loaded both ways and compared.

namespace lyceum::learning::load {

// "2026-03-29 11:07:00.123456+00"
void append_timestamp(std::string& out, Timestamp value);
void append_date(std::string& out, pg::Date value);
// With backslash, newline, return and tab escaped.
void append_escaped(std::string& out, std::string_view text);

template <class T>
void append_copy_value(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? 't' : 'f';
  } else if constexpr (std::is_arithmetic_v<T>) {
    fmt::format_to(std::back_inserter(out), "{}", value);
  } else if constexpr (std::is_same_v<T, Uuid>) {
    out += to_string(value);
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    append_timestamp(out, value);
  } else if constexpr (std::is_same_v<T, pg::Date>) {
    append_date(out, value);
  } else if constexpr (std::is_same_v<T, pg::Json>) {
    append_escaped(out, value.text);
  } else {
    append_escaped(out, value);
  }
}

template <class T>
void append_copy_value(std::string& out, const std::optional<T>& value) {
  if (value) {
    append_copy_value(out, *value);
  } else {
    out += "\\N";
  }
}

// One line, with its newline.
template <class Row>
void append_copy_text(std::string& out, const Row& row) {
  using Members = boost::describe::describe_members<Row, boost::describe::mod_public>;
  bool first = true;
  boost::mp11::mp_for_each<Members>([&](auto member) {
    if (!first) out += '\t';
    first = false;
    append_copy_value(out, row.*member.pointer);
  });
  out += '\n';
}

// "id, name, …": the columns in the order of the row's members.
template <class Row>
[[nodiscard]] std::string columns_of() {
  using Members = boost::describe::describe_members<Row, boost::describe::mod_public>;
  std::string out;
  boost::mp11::mp_for_each<Members>([&](auto member) {
    if (!out.empty()) out += ", ";
    out += member.name;
  });
  return out;
}

}  // namespace lyceum::learning::load
