#pragma once

#include <span>
#include <string_view>

namespace lyceum {

// A file that is part of the program: its path below sql/ and its whole text.
struct EmbeddedFile {
  std::string_view path;
  std::string_view text;
};

}  // namespace lyceum
