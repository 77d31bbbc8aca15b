#include "support/serve_program.h"

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

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

int port_of(const boost::json::value& url) {
  const std::string text(url.as_string().c_str());
  return std::stoi(text.substr(text.rfind(':') + 1));
}

// One line, or what came until the end or for 20 s.
std::string read_line(int descriptor) {
  std::string out;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!out.ends_with('\n') && std::chrono::steady_clock::now() < until) {
    pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 100) <= 0) continue;
    char character = 0;
    if (::read(descriptor, &character, 1) != 1) break;
    out += character;
  }
  return out;
}

}  // namespace

ServeProgram::ServeProgram(Options options) : options_(std::move(options)) {
  start();
}

ServeProgram::~ServeProgram() {
  kill_9();
}

void ServeProgram::start() {
  std::vector<std::string> arguments{
      build_path("bin/lyceum"),           "serve",           "--json",     "--data-address",
      fmt::format("127.0.0.1:{}", port_), "--admin-address", "127.0.0.1:0"};
  auto additions = options_.settings;
  additions.push_back("DATABASE_URL=" + options_.database_url);
  for (const auto* unset : {"DATABASE_PRIMARY_URL=", "LYCEUM_CONFIG="}) additions.push_back(unset);
  auto environment = local::clean_environment(additions);
  const auto argv = pointers(arguments);
  const auto envp = pointers(environment);
  const auto log_path = (directory_.path() / "log").string();

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    // Nothing here that another thread's lock could stop.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  ::close(log);
  const auto line = read_line(ends[0]);
  ::close(ends[0]);
  boost::system::error_code failure;
  const auto said = boost::json::parse({line.data(), line.size()}, failure);
  if (failure) {
    kill_9();
    throw std::runtime_error("lyceum serve did not come up: " + line + this->log());
  }
  port_ = port_of(said.at("data"));
  admin_port_ = port_of(said.at("admin"));
}

void ServeProgram::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int ServeProgram::wait(std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (pid_ > 0) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    if (std::chrono::steady_clock::now() > until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return -1;
}

void ServeProgram::kill_9() {
  if (pid_ <= 0) return;
  signal(SIGKILL);
  (void)wait();
}

std::string ServeProgram::log() const {
  std::ifstream file(directory_.path() / "log", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace lyceum::testing
