#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

#include "support/process.h"

namespace lyceum::testing {

// The built program as `lyceum serve`, on free ports of 127.0.0.1, as a child of the calling
// thread: it is killed when that ends, so the test's own thread starts it.
class ServeProgram {
 public:
  struct Options {
    std::string database_url;
    std::vector<std::string> settings = {};  // KEY=value, of its environment
  };

  // Starts it. Throws std::runtime_error, with what it printed, where it does not come up.
  explicit ServeProgram(Options options);
  ServeProgram(const ServeProgram&) = delete;
  ServeProgram& operator=(const ServeProgram&) = delete;
  ~ServeProgram();

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] int admin_port() const { return admin_port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  // Again after it ended, on the same data port.
  void start();
  void signal(int number) const;
  // Waits for its end. The exit status, 128 + number where a signal ended it, -1 where it did not
  // end in time.
  int wait(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  void kill_9();
  // What it wrote to standard error so far, over all its starts.
  [[nodiscard]] std::string log() const;

 private:
  Options options_;
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  int port_ = 0;
  int admin_port_ = 0;
};

}  // namespace lyceum::testing
