#include "support/serve_program.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "local/process.h"
#include "support/paths.h"

namespace lyceum::testing {
namespace {

constexpr int kSlowestStart = 60'000;  // ms; one that fails says so at once

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// One line without its end, or what came before it ended.
std::string read_line(int descriptor) {
  std::string line;
  pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
  char byte = 0;
  while (::poll(&waiting, 1, kSlowestStart) > 0 && ::read(descriptor, &byte, 1) == 1 &&
         byte != '\n') {
    line += byte;
  }
  return line;
}

void add_unless_given(std::vector<std::string>& settings, const std::string& setting) {
  const auto key = setting.substr(0, setting.find('=') + 1);
  const auto is_it = [&](const std::string& one) { return one.starts_with(key); };
  if (std::ranges::none_of(settings, is_it)) settings.push_back(setting);
}

}  // namespace

ServeProgram::ServeProgram(Options options) : options_(std::move(options)) {
  configure(options_.configuration);
  start();
}

ServeProgram::~ServeProgram() {
  kill_9();
}

void ServeProgram::configure(const std::string& server) const {
  std::ofstream(path_of("lyceum.toml"), std::ios::trunc) << "[server]\n" << server;
}

void ServeProgram::start() {
  std::vector<std::string> arguments{build_path("bin/lyceum"), "serve", "--json", "--config",
                                     path_of("lyceum.toml")};
  const auto own_unless_given = [&](const std::string& option, const std::string& value) {
    if (std::ranges::find(options_.arguments, option) != options_.arguments.end()) return;
    arguments.insert(arguments.end(), {option, value});
  };
  own_unless_given("--data-address", fmt::format("127.0.0.1:{}", started() ? port() : 0));
  own_unless_given("--admin-address", "127.0.0.1:0");
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  auto settings = options_.settings;
  settings.push_back("DATABASE_URL=" + options_.database_url);
  for (const auto* unset : {"DATABASE_PRIMARY_URL=", "LYCEUM_CONFIG=", "NOTIFY_SOCKET="}) {
    add_unless_given(settings, unset);
  }
  // A test that looks at sessions and statements is not to meet the monitor's.
  add_unless_given(settings, "LYCEUM_WATCH_ENABLED=false");
  add_unless_given(settings, "LYCEUM_WATCH_HISTORY_FILE=" + path_of("history.db"));
  auto environment = local::clean_environment(std::move(settings));
  const auto argv = pointers(arguments);
  const auto envp = pointers(environment);

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int log = ::open(path_of("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = ::getpid();
  exit_status_.reset();
  pid_ = ::fork();
  if (pid_ == 0) {
    // Nothing here that another thread's lock could stop.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(null, STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  ::close(null);
  ::close(log);
  if (pid_ < 0) throw std::runtime_error("cannot start the program");
  const auto line = read_line(ends[0]);
  ::close(ends[0]);
  data_.clear();
  admin_.clear();
  boost::system::error_code failure;
  const auto said = boost::json::parse({line.data(), line.size()}, failure);
  // One that fails says that as a document, too.
  if (failure || !said.is_object() || !said.as_object().contains("data")) return;
  data_ = said.at("data").as_string().c_str();
  admin_ = said.at("admin").as_string().c_str();
}

void ServeProgram::signal(int number) const {
  if (!exit_status_ && pid_ > 0) ::kill(pid_, number);
}

int ServeProgram::wait(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!exit_status_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      break;
    }
    if (std::chrono::steady_clock::now() > until) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return *exit_status_;
}

void ServeProgram::kill_9() {
  signal(SIGKILL);
  (void)wait();
}

std::string ServeProgram::log() const {
  std::ifstream file(path_of("log"), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::size_t ServeProgram::resident_bytes() const {
  std::ifstream file(fmt::format("/proc/{}/statm", pid_));
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace lyceum::testing
