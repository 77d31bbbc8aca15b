#include "support/paths.h"

namespace lyceum {

std::string source_path(std::string_view below) {
  return std::string(LYCEUM_SOURCE_DIR "/").append(below);
}

std::string build_path(std::string_view below) {
  return std::string(LYCEUM_BINARY_DIR "/").append(below);
}

}  // namespace lyceum
