#include "local/process.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <grp.h>
#include <iterator>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include "local/descriptor.h"

namespace lyceum::local {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The steps between fork and exec that can fail, as the child reports them.
enum class Step : int { kPid, kAccount, kLog, kDirectory, kExec };

struct Report {
  Step step;
  int value;  // the process id for kPid, else errno
};

std::string_view describe(Step step) {
  switch (step) {
    case Step::kPid:
      return "fork";
    case Step::kAccount:
      return "change to the account";
    case Step::kLog:
      return "open the log";
    case Step::kDirectory:
      return "enter the directory";
    case Step::kExec:
      return "execute";
  }
  return "start";
}

struct Launch {
  int in = -1;  // -1: /dev/null
  int out = -1;
  int err = -1;
  bool detach = false;
  bool new_session = false;
  bool ends_with_parent = false;
  std::filesystem::path log = {};  // in place of out and err
};

// All that the child needs, made before the fork: the caller may have many threads, so the child
// may call only what is safe in a signal handler until it has called exec.
class Child {
 public:
  Child(const Command& command, const Launch& launch, int report, pid_t parent)
      : command_(command), launch_(launch), report_(report), parent_(parent) {
    for (const auto& word : command.argv) argv_.push_back(const_cast<char*>(word.c_str()));
    argv_.push_back(nullptr);
    for (const auto& word : command.environment) envp_.push_back(const_cast<char*>(word.c_str()));
    envp_.push_back(nullptr);
  }

  [[noreturn]] void run() const noexcept {
    if (launch_.new_session) ::setsid();
    if (launch_.detach) {
      const pid_t pid = ::fork();
      if (pid < 0) fail(Step::kPid);
      if (pid > 0) {
        tell(Step::kPid, pid);
        ::_exit(0);
      }
    }
    reset_signals();
    become_account();
    if (launch_.ends_with_parent) {
      // After the change of account, which clears it.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent_) ::_exit(127);
    }
    ::umask(077);
    connect_streams();
    if (::chdir(command_.directory.c_str()) != 0) fail(Step::kDirectory);
    close_the_rest();
    ::execve(argv_[0], argv_.data(), envp_.data());
    fail(Step::kExec);
  }

 private:
  void tell(Step step, int value) const noexcept {
    const Report report{step, value};
    [[maybe_unused]] const auto written = ::write(report_, &report, sizeof report);
  }
  [[noreturn]] void fail(Step step) const noexcept {
    tell(step, errno);
    ::_exit(127);
  }
  // Blocked and ignored signals would survive exec, and a server that ignores SIGINT cannot be
  // stopped. A system call, since glibc's sigaction refuses the two signals that it keeps for
  // itself, and whoever started us may ignore those too.
  static void reset_signals() noexcept {
    constexpr std::size_t kKernelSetSize = 8;                              // bytes: 64 signals
    const std::array<unsigned char, sizeof(struct sigaction)> standard{};  // SIG_DFL, no flag
    for (int number = 1; number < NSIG; ++number) {
      ::syscall(SYS_rt_sigaction, number, standard.data(), nullptr, kKernelSetSize);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }
  // System calls and not glibc's functions: those coordinate the threads of a process, which this
  // copy of it no longer has.
  void become_account() const noexcept {
    if (!command_.account || command_.account->uid == ::geteuid()) return;
    const auto& account = *command_.account;
    if (::syscall(SYS_setgroups, 0, nullptr) != 0 || ::syscall(SYS_setgid, account.gid) != 0 ||
        ::syscall(SYS_setuid, account.uid) != 0) {
      fail(Step::kAccount);
    }
  }
  void connect_streams() const noexcept {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = launch_.out;
    int err = launch_.err;
    if (!launch_.log.empty()) {
      out =
          ::open(launch_.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
      if (out < 0) fail(Step::kLog);
      err = out;
    }
    // dup2 of a descriptor onto itself would leave close-on-exec set; descriptors below 3 occur
    // only where the caller had closed its standard streams.
    const auto above = [](int fd) {
      return fd >= 0 && fd < 3 ? ::fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
    };
    const int spare = above(null);
    const std::array<int, 3> from{above(launch_.in), above(out), above(err)};
    for (int target = 0; target < 3; ++target) {
      const int source = from[static_cast<std::size_t>(target)];
      ::dup2(source < 0 ? spare : source, target);
    }
  }
  static void close_the_rest() noexcept {
    // Close-on-exec rather than close, so that a failing exec can still be reported.
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    const long most = ::sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < most; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }

  const Command& command_;
  const Launch& launch_;
  int report_;
  pid_t parent_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
};

int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  return WEXITSTATUS(status);
}

Result<pid_t> launch(const Command& command, const Launch& how) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  const Child child(command, how, pipe->write.get(), ::getpid());
  pid_t pid = ::fork();
  if (pid < 0) return system_error(fmt::format("cannot start {}", command.argv[0]), errno);
  if (pid == 0) child.run();
  pipe->write.close();
  if (how.detach) reap(pid);

  Report report{};
  for (;;) {
    const auto got = ::read(pipe->read.get(), &report, sizeof report);
    if (got < 0 && errno == EINTR) continue;
    if (got != static_cast<ssize_t>(sizeof report)) return pid;
    if (report.step == Step::kPid && how.detach) {
      pid = report.value;
      continue;
    }
    if (!how.detach) reap(pid);
    return system_error(
        fmt::format("cannot start {}: {} failed", command.argv[0], describe(report.step)),
        report.value);
  }
}

// Fields of /proc/<pid>/stat after the command, which stands in parentheses and may hold anything.
std::string stat_after_command(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text, '\0');
  const auto end = text.rfind(')');
  return end == std::string::npos ? std::string() : text.substr(end + 1);
}

}  // namespace

Error system_error(const std::string& what, int error_number, std::string hint) {
  return Error{
      .code = ErrorCode::kIo,
      .message = fmt::format("{}: {}", what, std::generic_category().message(error_number)),
      .hint = std::move(hint)};
}

Result<Account> server_account() {
  const auto look_up = [](auto&& get) -> std::optional<Account> {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    get(&entry, buffer, &found);
    if (found == nullptr) return std::nullopt;
    return Account{entry.pw_uid, entry.pw_gid, entry.pw_name};
  };
  if (::geteuid() != 0) {
    const auto self = look_up([](passwd* entry, auto& buffer, passwd** found) {
      ::getpwuid_r(::geteuid(), entry, buffer.data(), buffer.size(), found);
    });
    return self ? *self : Account{::geteuid(), ::getegid(), fmt::to_string(::geteuid())};
  }
  for (const char* name : {"postgres", "nobody"}) {
    const auto account = look_up([name](passwd* entry, auto& buffer, passwd** found) {
      ::getpwnam_r(name, entry, buffer.data(), buffer.size(), found);
    });
    if (account && account->uid != 0) return *account;
  }
  return Error{.code = ErrorCode::kIo,
               .message =
                   "PostgreSQL does not run as root, and there is neither an account "
                   "postgres nor an account nobody",
               .hint = "create one (adduser --system postgres) or run as another user"};
}

std::vector<std::string> clean_environment(std::vector<std::string> additions) {
  std::vector<std::string> out;
  const auto starts = [](std::string_view text, std::string_view with) {
    return text.substr(0, with.size()) == with;
  };
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (starts(text, "PG") || starts(text, "LC_") || starts(text, "LANG")) continue;
    out.emplace_back(text);
  }
  out.emplace_back("LC_ALL=C.UTF-8");
  for (auto& addition : additions) {
    const auto key = addition.substr(0, addition.find('=') + 1);
    std::erase_if(out, [&](const std::string& text) { return starts(text, key); });
    out.push_back(std::move(addition));
  }
  return out;
}

Result<Outcome> run(const Command& command) {
  Descriptor input;
  if (!command.input.empty()) {
    // A file in memory: written in full before the start, so that nothing can block or break.
    input = Descriptor(::memfd_create("input", MFD_CLOEXEC));
    if (!input) return system_error("cannot make a file in memory", errno);
    for (std::string_view rest = command.input; !rest.empty();) {
      const auto written = ::write(input.get(), rest.data(), rest.size());
      if (written < 0) return system_error("cannot write a file in memory", errno);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    ::lseek(input.get(), 0, SEEK_SET);
  }
  auto out = make_pipe();
  auto err = make_pipe();
  if (!out) return out.error();
  if (!err) return err.error();
  const auto pid = launch(command, {.in = input.get(),
                                    .out = out->write.get(),
                                    .err = err->write.get(),
                                    .ends_with_parent = true});
  if (!pid) return pid.error();
  out->write.close();
  err->write.close();

  Outcome outcome;
  const auto deadline = steady_clock::now() + command.timeout;
  std::array<std::pair<Descriptor*, std::string*>, 2> streams{std::pair{&out->read, &outcome.out},
                                                              std::pair{&err->read, &outcome.err}};
  while (*streams[0].first || *streams[1].first) {
    std::array<pollfd, 2> waiting{pollfd{streams[0].first->get(), POLLIN, 0},
                                  pollfd{streams[1].first->get(), POLLIN, 0}};
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) {
      ::kill(*pid, SIGKILL);
      reap(*pid);
      return Error{.code = ErrorCode::kTimeout,
                   .message = fmt::format("{} did not end within {} ms", command.argv[0],
                                          command.timeout.count())};
    }
    ::poll(waiting.data(), waiting.size(), static_cast<int>(std::min<long>(left, 60'000)));
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if ((waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      std::array<char, 16384> buffer;
      const auto got = ::read(waiting[i].fd, buffer.data(), buffer.size());
      if (got > 0) streams[i].second->append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) streams[i].first->close();
    }
  }
  outcome.exit_status = reap(*pid);
  return outcome;
}

Result<pid_t> start_daemon(const Command& command, const std::filesystem::path& log) {
  return launch(command, {.detach = true, .new_session = true, .log = log});
}

Result<pid_t> start_child(const Command& command, int input_descriptor) {
  return launch(command, {.in = input_descriptor, .new_session = true});
}

char state_of(pid_t pid) {
  const auto text = stat_after_command(pid);
  return text.size() < 2 ? '\0' : text[1];
}

bool is_alive(pid_t pid) {
  if (pid <= 0) return false;
  const char state = state_of(pid);
  return state != '\0' && state != 'Z' && state != 'X';
}

pid_t parent_of(pid_t pid) {
  const auto text = stat_after_command(pid);
  pid_t parent = 0;
  if (text.size() > 3) std::from_chars(text.data() + 3, text.data() + text.size(), parent);
  return parent;
}

std::vector<std::string> command_line(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> out;
  DIR* directory = ::opendir("/proc");
  if (directory == nullptr) return out;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) out.push_back(pid);
  }
  ::closedir(directory);
  return out;
}

bool wait_until_gone(pid_t pid, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (is_alive(pid)) {
    if (steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

}  // namespace lyceum::local
