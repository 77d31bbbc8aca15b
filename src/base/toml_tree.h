#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lyceum {

// A TOML document as a tree, each part with its line. This header hides the parser, which is slow
// to compile. For Lyceum's own configuration, which is flat, there is base/config_file.h.
struct TomlNode {
  enum class Kind { table, list, text, integer, real, boolean, other };

  Kind kind = Kind::table;
  std::string key;              // in its table; empty in a list
  std::string text;             // of a text; of a number or a boolean as TOML writes it
  std::vector<TomlNode> parts;  // of a table, in the order of their lines; of a list
  std::size_t line = 0;

  // The part of a table that has this key, or null.
  [[nodiscard]] const TomlNode* find(std::string_view name) const;
};

// Errors: kConfiguration with file:line, for what is not TOML.
[[nodiscard]] Result<TomlNode> parse_toml(const std::string& name, std::string_view text);

}  // namespace lyceum
