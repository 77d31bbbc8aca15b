#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lyceum {

// A value of a TOML file with its place. This header hides the parser, which is slow to compile.
struct ConfigFileValue {
  enum class Kind { text, integer, real, boolean, list_of_text, other };

  std::string section;  // "pool"; empty at the top; "a.b" where nested
  std::string key;      // empty for a section that holds nothing
  Kind kind = Kind::other;
  std::vector<std::string> texts;  // one, but for a list
  std::size_t line = 0;
};

// Every value in the file, in the order of its lines. kConfiguration with file:line for what is not
// TOML; the message quotes nothing of the file, for that may be a password.
[[nodiscard]] Result<std::vector<ConfigFileValue>> parse_config_file(const std::string& name,
                                                                     std::string_view text);

}  // namespace lyceum
