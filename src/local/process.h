#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/error.h"

namespace lyceum::local {

// Whom a program runs as. PostgreSQL's server refuses to run as root.
struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;

  friend bool operator==(const Account&, const Account&) = default;
};

// Who runs the servers: the caller, or, where the caller is root, `postgres`, else `nobody`.
[[nodiscard]] Result<Account> server_account();

// A program to run. It is executed directly, never through a shell.
struct Command {
  std::vector<std::string> argv;         // argv[0] is a path
  std::vector<std::string> environment;  // KEY=value, all of it; see clean_environment()
  std::string input;                     // what it reads from standard input
  std::optional<Account> account;        // become this first; only root may ask for another
  std::filesystem::path directory = "/";
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
};

struct Outcome {
  int exit_status = 0;  // 128 + number, as in a shell, where a signal ended it
  std::string out;
  std::string err;
};

// The caller's environment without what would steer PostgreSQL's programs (PG*), without locale
// (messages come in English), and with the given additions.
[[nodiscard]] std::vector<std::string> clean_environment(std::vector<std::string> additions = {});

// Runs a program to its end, which comes at the latest with the end of the calling thread. Both
// outputs are read until they are closed: a child that hands them on to a daemon keeps this
// waiting. Errors: kIo where it cannot be started, kTimeout past its time (then it is killed).
[[nodiscard]] Result<Outcome> run(const Command& command);

// Starts a program that outlives the caller: its own session, no file descriptor of the caller's,
// empty standard input, both outputs appended to `log` (opened as `command.account`). `input` and
// `timeout` are not used. The answer is its process id; it is not the caller's child.
[[nodiscard]] Result<pid_t> start_daemon(const Command& command, const std::filesystem::path& log);

// Like start_daemon, but a child of the caller's (who reaps it), reading `input_descriptor`, with
// its outputs discarded.
[[nodiscard]] Result<pid_t> start_child(const Command& command, int input_descriptor);

// What /proc says of a process. A zombie counts as gone.
[[nodiscard]] bool is_alive(pid_t pid);
[[nodiscard]] std::vector<std::string> command_line(pid_t pid);
[[nodiscard]] pid_t parent_of(pid_t pid);  // 0 where it is gone
[[nodiscard]] char state_of(pid_t pid);    // 'R', 'S', 'T', …; 0 where it is gone
[[nodiscard]] std::vector<pid_t> all_processes();

// Whether the process is gone before `timeout` has passed.
[[nodiscard]] bool wait_until_gone(pid_t pid, std::chrono::milliseconds timeout);

// "what: why", from errno.
[[nodiscard]] Error system_error(const std::string& what, int error_number, std::string hint = {});

}  // namespace lyceum::local
