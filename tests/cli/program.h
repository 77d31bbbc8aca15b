#pragma once

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/paths.h"
#include "support/process.h"

namespace lyceum::cli_test {

using Environment = std::vector<std::string>;

// The environment of a run: nothing of the caller's that Lyceum reads, then what the test says.
inline Environment environment_with(Environment additions) {
  Environment out{"DATABASE_URL=", "DATABASE_PRIMARY_URL=", "LYCEUM_CONFIG=", "LYCEUM_DEMO_SCALE=",
                  "LYCEUM_LOCAL_DIRECTORY="};
  for (auto& addition : additions) {
    const auto key = addition.substr(0, addition.find('=') + 1);
    std::erase_if(out, [&](const std::string& entry) { return entry.starts_with(key); });
    out.push_back(std::move(addition));
  }
  return out;
}

// Runs the built program to its end.
inline testing::ProcessResult run_lyceum(std::vector<std::string> arguments,
                                         Environment environment = {}) {
  arguments.insert(arguments.begin(), build_path("bin/lyceum"));
  return testing::run_process(
      std::move(arguments),
      {.environment = environment_with(std::move(environment)), .directory = source_path("")});
}

// What --json printed: throws where it is not one JSON document.
inline boost::json::value json_of(const testing::ProcessResult& result) {
  return boost::json::parse(result.out);
}

inline std::set<std::string> keys_of(const boost::json::value& object) {
  std::set<std::string> out;
  for (const auto& pair : object.as_object()) out.insert(std::string(pair.key()));
  return out;
}

using Keys = std::set<std::string>;

// How many lines a text has.
inline std::ptrdiff_t lines_of(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace lyceum::cli_test
