#pragma once

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/escape.h"
#include "server/json_rows.h"

// JSON written straight from structs that are described with BOOST_DESCRIBE_STRUCT.

namespace lyceum::server {

template <class T>
concept Described = boost::describe::has_describe_members<T>::value;

template <Described T>
void append_json(std::string& out, const T& value);

inline void append_json(std::string& out, bool value) {
  out += value ? "true" : "false";
}
template <std::integral T>
  requires(!std::same_as<T, bool>)
void append_json(std::string& out, T value) {
  out += std::to_string(value);
}
inline void append_json(std::string& out, double value) {
  append_json_number(out, value);
}
inline void append_json(std::string& out, const std::string& value) {
  append_json_string(out, value);
}
inline void append_json(std::string& out, const Uuid& value) {
  append_json_uuid(out, value);
}
inline void append_json(std::string& out, Timestamp value) {
  append_json_timestamp(out, value);
}
inline void append_json(std::string& out, pg::Date value) {
  append_json_date(out, value);
}
template <class T>
void append_json(std::string& out, const std::optional<T>& value) {
  if (value) {
    append_json(out, *value);
  } else {
    out += "null";
  }
}
template <class T>
void append_json(std::string& out, const std::vector<T>& values) {
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append_json(out, values[i]);
  }
  out += ']';
}

// The members without braces: for an object that has others too.
template <Described T>
void append_json_members(std::string& out, const T& value) {
  bool first = true;
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
      [&](auto member) {
        out += first ? "\"" : ",\"";
        first = false;
        out += member.name;
        out += "\":";
        append_json(out, value.*member.pointer);
      });
}

template <Described T>
void append_json(std::string& out, const T& value) {
  out += '{';
  append_json_members(out, value);
  out += '}';
}

}  // namespace lyceum::server
