#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace lyceum::testing {

struct ProcessResult {
  int exit_status = 0;  // 128 + number where a signal ended it
  std::string out;
  std::string err;
};

struct ProcessOptions {
  std::string input = {};  // its standard input
  std::vector<std::string> environment =
      {};                                // KEY=value, added to the caller's without PG* and LC_*
  std::filesystem::path directory = {};  // empty: the caller's
  std::chrono::milliseconds timeout = std::chrono::seconds(120);
};

// Runs a program to its end, without a shell. A program without a slash is looked for in PATH.
// Throws Exception where it cannot be started or does not end in time.
ProcessResult run_process(std::vector<std::string> argv, const ProcessOptions& options = {});

// A directory that goes with the object, with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace lyceum::testing
