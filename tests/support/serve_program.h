#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "support/process.h"

namespace lyceum::testing {

// The built program as `lyceum serve --json`, on free ports of 127.0.0.1, as a child of the calling
// thread: it is killed when that ends, however that comes about, so the test's own thread starts
// it.
class ServeProgram {
 public:
  struct Options {
    std::string database_url;
    std::string configuration = {};           // the [server] part of its configuration file
    std::vector<std::string> settings = {};   // KEY=value, of its environment
    std::vector<std::string> arguments = {};  // after its own
  };

  // Starts it: see started().
  explicit ServeProgram(Options options);
  ServeProgram(const ServeProgram&) = delete;
  ServeProgram& operator=(const ServeProgram&) = delete;
  ~ServeProgram();

  // Whether it said where it listens; otherwise it has ended, or is about to.
  [[nodiscard]] bool started() const { return !data_.empty(); }
  [[nodiscard]] const std::string& data() const { return data_; }  // "http://127.0.0.1:1234"
  [[nodiscard]] const std::string& admin() const { return admin_; }
  [[nodiscard]] int port() const { return port_of(data_); }
  [[nodiscard]] int admin_port() const { return port_of(admin_); }
  [[nodiscard]] pid_t pid() const { return pid_; }

  // Replaces the [server] part of its configuration file.
  void configure(const std::string& server) const;
  // Again after it ended, on the same data port.
  void start();
  void signal(int number) const;
  // Waits for its end. The exit status, 128 + number where a signal ended it, -1 where it did not
  // end in time.
  int wait(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  void kill_9();
  // What it wrote to standard error so far, over all its starts.
  [[nodiscard]] std::string log() const;
  [[nodiscard]] std::size_t resident_bytes() const;

 private:
  [[nodiscard]] std::string path_of(const char* file) const {
    return (directory_.path() / file).string();
  }
  static int port_of(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }

  Options options_;
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  std::optional<int> exit_status_;
  std::string data_, admin_;
};

}  // namespace lyceum::testing
