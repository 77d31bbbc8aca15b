#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "watch/sample.h"

namespace lyceum::watch {

enum class Scope : std::uint8_t {
  node,      // what a server says once, whatever database is asked
  database,  // what each database says of itself
  client,    // what this process knows of itself
};

enum class Pace : std::uint8_t { fast, slow };

// What a sample's rows look like, and how often they are read. What is asked of which version of
// the server stands in watch/versions.h.
struct Collector {
  std::string_view name;
  std::string_view meaning;
  Scope scope = Scope::node;
  Pace pace = Pace::slow;
  std::vector<Column> columns;

  // The position of a column, or -1.
  [[nodiscard]] int position(std::string_view column) const;
};

// All of them, in the order of the documentation.
[[nodiscard]] std::span<const Collector> collectors();
// Null where there is none of that name.
[[nodiscard]] const Collector* find_collector(std::string_view name);

}  // namespace lyceum::watch
