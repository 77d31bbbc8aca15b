#include "local/ephemeral.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "local/files.h"
#include "local/process.h"

namespace lyceum::local {

namespace fs = std::filesystem;

namespace {

// A shell, because the guardian has to be a process that shares nothing with its parent: a forked
// copy of a program with threads could not even allocate memory. The directory comes as $1.
constexpr const char* kGuardian = R"sh(
trap '' HUP INT TERM QUIT
while read -r _; do :; done

# Every server program whose command line names something inside the directory.
servers() {
  for file in $(grep -lsF -- "$1/" /proc/[0-9]*/cmdline); do
    process=${file#/proc/}
    process=${process%/cmdline}
    read -r program 2>/dev/null <"/proc/$process/comm" || continue
    case $program in
      postgres | initdb | pg_basebackup | pg_ctl) echo "$process" ;;
    esac
  done
}
children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }
is_running() {
  read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" && [ "$state" != Z ]
}

tries=0
while [ $tries -lt 5 ]; do
  tries=$((tries + 1))
  all=$(servers "$1")
  for server in $all; do
    kill -QUIT "$server" 2>/dev/null
    # One that was paused must run to hear of it.
    kill -CONT "$server" $(children "$server") 2>/dev/null
  done
  for server in $all; do
    waited=0
    while is_running "$server"; do
      waited=$((waited + 1))
      [ $waited -lt 300 ] || { kill -KILL "$server" $(children "$server") 2>/dev/null; break; }
      sleep 0.01
    done
  done
  # A lock file that is still there belongs to a server that was killed: its memory is still there.
  for file in "$1"/*/*/data/postmaster.pid; do
    [ -f "$file" ] || continue
    segment=$(sed -n '7s/.* //p' "$file")
    [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
  done
  rm -rf -- "$1" 2>/dev/null
  [ ! -e "$1" ] && [ -z "$(servers "$1")" ] && exit 0
  sleep 0.05
done
)sh";

// Where the servers' account can go and a socket's path has room.
bool is_usable(const fs::path& directory) {
  constexpr std::size_t kLongest = 50;
  if (directory.string().size() > kLongest || ::access(directory.c_str(), W_OK | X_OK) != 0) {
    return false;
  }
  const auto account = server_account();
  return account && !closed_on_the_way(directory, *account);
}

// Whether so much fits into memory that a test's data will hardly fill it.
bool has_room_in_memory(const char* file_system) {
  constexpr unsigned long kEnough = 4UL << 30U;
  struct statvfs info{};
  if (::statvfs(file_system, &info) != 0 || info.f_bavail * info.f_frsize < kEnough) return false;
  std::ifstream file("/proc/meminfo");
  for (std::string key; file >> key;) {
    unsigned long kilobytes = 0;
    if (key == "MemAvailable:" && file >> kilobytes) return kilobytes << 10U >= kEnough;
  }
  return false;
}

fs::path base_directory() {
  const char* given = std::getenv("TMPDIR");
  if (given != nullptr && given[0] == '/') {
    std::error_code error;
    const auto path = fs::canonical(given, error);
    if (!error && is_usable(path)) return path;
  }
  constexpr const char* kMemory = "/dev/shm";
  if (has_room_in_memory(kMemory) && is_usable(kMemory)) return kMemory;
  return "/tmp";
}

}  // namespace

Ephemeral::Ephemeral(fs::path directory, Descriptor lifeline, pid_t guardian)
    : directory_(std::move(directory)),
      lifeline_(std::move(lifeline)),
      guardian_(guardian),
      owner_(::getpid()) {}

Result<Ephemeral> Ephemeral::make() {
  auto directory = make_temporary_directory(base_directory(), "lyceum-");
  if (!directory) return directory.error();
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  Command command;
  command.argv = {"/bin/sh", "-c", kGuardian, "lyceum-guardian", directory->string()};
  command.environment = clean_environment();
  const auto guardian = start_child(command, pipe->read.get());
  if (!guardian) {
    (void)remove_tree(*directory);
    return guardian.error();
  }
  Ephemeral out(*directory, std::move(pipe->write), *guardian);
  // Root's directory must let the servers' account through; it shows nothing.
  if (::geteuid() == 0 && ::chmod(directory->c_str(), 0711) != 0) {
    return system_error("cannot set the mode of " + directory->string(), errno);
  }
  return std::move(out);
}

Ephemeral::~Ephemeral() {
  if (!lifeline_ || ::getpid() != owner_) return;
  lifeline_.close();
  while (::waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<Cluster> Ephemeral::up() const {
  UpOptions options;
  options.durable = false;
  return up(std::move(options));
}

Result<Cluster> Ephemeral::up(UpOptions options) const {
  if (options.name.empty()) options.name = "test";
  options.state_directory = directory_;
  return Cluster::up(options);
}

}  // namespace lyceum::local
