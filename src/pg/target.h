#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace lyceum::pg {

// Where to connect and as whom: libpq's connection keywords, and the name the server has in errors,
// logs and metrics ("host:port/database", never a secret).
struct Target {
  std::vector<std::pair<std::string, std::string>> keywords;
  std::string node;

  // The value of a keyword, or "" where it is not set.
  [[nodiscard]] std::string_view get(std::string_view keyword) const;
  void set(std::string_view keyword, std::string value);
};

// Reads a connection URI or a key=value string (base/url.h says how); the pool's own parameters are
// left out, and what the string leaves out comes from libpq's environment variables and defaults.
// Error: kConfiguration; it never repeats the string, which may hold a password.
[[nodiscard]] Result<Target> parse_target(std::string_view url);

}  // namespace lyceum::pg
