#pragma once

#include <filesystem>
#include <optional>

#include "base/error.h"

namespace lyceum::local {

// PostgreSQL's programs, all from one installation.
struct Binaries {
  std::filesystem::path directory;

  [[nodiscard]] std::filesystem::path program(const char* name) const { return directory / name; }
};

// The given directory; else the newest of /usr/lib/postgresql/*/bin (Debian keeps servers there,
// outside PATH); else the first directory of PATH with all programs.
[[nodiscard]] Result<Binaries> find_binaries(
    const std::optional<std::filesystem::path>& given = std::nullopt);

}  // namespace lyceum::local
