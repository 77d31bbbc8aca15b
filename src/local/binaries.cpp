#include "local/binaries.h"

#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace lyceum::local {

namespace fs = std::filesystem;

namespace {

bool holds_all_programs(const fs::path& directory) {
  for (const char* name : {"postgres", "initdb", "pg_basebackup", "pg_ctl", "psql"}) {
    if (::access((directory / name).c_str(), X_OK) != 0) return false;
  }
  return true;
}

}  // namespace

Result<Binaries> find_binaries(const std::optional<fs::path>& given) {
  if (given) {
    if (holds_all_programs(*given)) return Binaries{*given};
    return Error{.code = ErrorCode::kConfiguration,
                 .message = fmt::format("{} does not hold postgres, initdb, pg_basebackup, pg_ctl "
                                        "and psql",
                                        given->string()),
                 .hint = "name the directory with PostgreSQL's server programs"};
  }
  std::pair<int, fs::path> newest{0, {}};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const auto name = entry.path().filename().string();
    int version = 0;
    std::from_chars(name.data(), name.data() + name.size(), version);
    if (version > newest.first && holds_all_programs(entry.path() / "bin")) {
      newest = {version, entry.path() / "bin"};
    }
  }
  if (newest.first > 0) return Binaries{newest.second};

  const char* path = std::getenv("PATH");
  for (std::string_view rest = path == nullptr ? "" : path; !rest.empty();) {
    const auto part = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    if (!part.empty() && holds_all_programs(part)) return Binaries{fs::path(part)};
  }
  return Error{.code = ErrorCode::kNotFound,
               .message =
                   "PostgreSQL's server programs are neither in /usr/lib/postgresql/*/bin "
                   "nor in PATH",
               .hint = "install them (apt-get install postgresql) or name their directory"};
}

}  // namespace lyceum::local
