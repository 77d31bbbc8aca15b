#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

namespace lyceum::local {

// What a postmaster writes into postmaster.pid while it runs (PostgreSQL's miscadmin.h, "Directory
// lock file"). Later lines may be missing while it starts.
struct PostmasterFile {
  pid_t pid = 0;  // positive also for a server in single-user or bootstrap mode
  int port = 0;
  std::filesystem::path socket_directory;
  int shared_memory_id = -1;  // of its System V segment
  std::string status;         // "starting", "stopping", "ready", "standby", or empty
};

[[nodiscard]] std::optional<PostmasterFile> read_postmaster_file(
    const std::filesystem::path& data_directory);

}  // namespace lyceum::local
