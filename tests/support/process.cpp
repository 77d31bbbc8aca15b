#include "support/process.h"

#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include "local/files.h"
#include "local/process.h"

namespace lyceum::testing {

namespace fs = std::filesystem;

namespace {

std::string found_in_path(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const auto part = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    const auto candidate = fs::path(part) / program;
    if (!part.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  return program;
}

}  // namespace

ProcessResult run_process(std::vector<std::string> argv, const ProcessOptions& options) {
  local::Command command;
  argv.at(0) = found_in_path(argv.at(0));
  command.argv = std::move(argv);
  command.environment = local::clean_environment(options.environment);
  command.input = options.input;
  command.directory = options.directory.empty() ? fs::current_path() : options.directory;
  command.timeout = options.timeout;
  auto outcome = local::run(command).value();
  return {outcome.exit_status, std::move(outcome.out), std::move(outcome.err)};
}

TemporaryDirectory::TemporaryDirectory()
    : path_(local::make_temporary_directory("/tmp", "lyceum-test-").value()) {}

TemporaryDirectory::~TemporaryDirectory() {
  (void)local::remove_tree(path_);
}

}  // namespace lyceum::testing
