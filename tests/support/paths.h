#pragma once

#include <string>
#include <string_view>

namespace lyceum {

// Where a file of the project lies ("data/stories.jsonl"), and one of the build ("bin/lyceum").
// Functions, so that no test's own compilation depends on where the clone lies: the compiler's
// cache then serves every clone.
std::string source_path(std::string_view below);
std::string build_path(std::string_view below);

}  // namespace lyceum
