#pragma once

#include <boost/json/parse.hpp>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "local/process.h"
#include "support/paths.h"
#include "support/process.h"

namespace lyceum::server_test {

// The built program as `lyceum serve --json` on free ports, until the object goes. Starts where it
// listens; see started().
class ServeProcess {
 public:
  ServeProcess(std::string database_url, std::string configuration = {},
               std::vector<std::string> environment = {}, std::vector<std::string> arguments = {}) {
    configure(configuration);
    std::vector<std::string> argv = {
        build_path("bin/lyceum"), "serve", "--json", "--config", config_path(), "--database-url",
        std::move(database_url)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    for (const auto* none :
         {"DATABASE_URL=", "DATABASE_PRIMARY_URL=", "LYCEUM_CONFIG=", "NOTIFY_SOCKET="}) {
      const std::string key = none;
      if (std::ranges::none_of(environment,
                               [&](const auto& one) { return one.starts_with(key); })) {
        environment.push_back(key);
      }
    }
    const auto all = local::clean_environment(std::move(environment));
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path().c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    const auto pointers = [](const std::vector<std::string>& from) {
      std::vector<char*> to;
      for (const auto& one : from) to.push_back(const_cast<char*>(one.c_str()));
      to.push_back(nullptr);
      return to;
    };
    const int failed = ::posix_spawn(&pid_, argv[0].c_str(), &actions, nullptr,
                                     pointers(argv).data(), pointers(all).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    if (failed != 0) throw std::runtime_error("cannot start the program");
    out_ = read_line(out[0]);
    ::close(out[0]);
    if (!started()) return;
    const auto document = boost::json::parse(out_);
    data_ = document.at("data").as_string().c_str();
    admin_ = document.at("admin").as_string().c_str();
  }
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;
  ~ServeProcess() {
    if (exit_status_) return;
    signal(SIGKILL);
    (void)wait();
  }

  // Whether it said where it listens; otherwise it has ended.
  [[nodiscard]] bool started() const { return out_.starts_with("{\"data\""); }
  [[nodiscard]] const std::string& data() const { return data_; }  // "http://127.0.0.1:1234"
  [[nodiscard]] const std::string& admin() const { return admin_; }
  [[nodiscard]] static int port_of(const std::string& url) {
    return std::stoi(url.substr(url.rfind(':') + 1));
  }
  [[nodiscard]] int data_port() const { return port_of(data_); }
  [[nodiscard]] int admin_port() const { return port_of(admin_); }
  [[nodiscard]] pid_t pid() const { return pid_; }

  // Replaces the [server] part of its configuration file.
  void configure(const std::string& server) const {
    std::ofstream file(config_path(), std::ios::trunc);
    file << "[server]\ndata_address = \"127.0.0.1:0\"\nadmin_address = \"127.0.0.1:0\"\n" << server;
  }
  void signal(int number) const { ::kill(pid_, number); }
  // As a shell has it. Waits for its end.
  int wait() {
    if (exit_status_) return *exit_status_;
    int status = 0;
    for (int i = 0; i < 6000; ++i) {
      const auto ended = ::waitpid(pid_, &status, WNOHANG);
      if (ended == pid_) {
        exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return *exit_status_;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    signal(SIGKILL);
    ::waitpid(pid_, &status, 0);
    exit_status_ = -1;
    return -1;
  }
  // What it wrote to standard error until now.
  [[nodiscard]] std::string log() const {
    std::ifstream file(log_path());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  [[nodiscard]] std::size_t resident_bytes() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
    std::size_t total = 0, resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

 private:
  [[nodiscard]] std::string config_path() const {
    return (directory_.path() / "lyceum.toml").string();
  }
  [[nodiscard]] std::string log_path() const { return (directory_.path() / "log").string(); }
  static std::string read_line(int descriptor) {
    std::string line;
    pollfd wait{descriptor, POLLIN, 0};
    char byte = 0;
    while (::poll(&wait, 1, 30'000) > 0 && ::read(descriptor, &byte, 1) == 1 && byte != '\n') {
      line += byte;
    }
    return line;
  }

  lyceum::testing::TemporaryDirectory directory_;
  pid_t pid_ = -1;
  std::string out_, data_, admin_;
  std::optional<int> exit_status_;
};

}  // namespace lyceum::server_test
