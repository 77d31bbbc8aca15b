#pragma once

#include <chrono>
#include <ostream>
#include <string>

namespace lyceum::cli {

// What long work says meanwhile: on a terminal one line that is written over, elsewhere a line now
// and then. Destroyed, it leaves the terminal's line clean.
class ProgressLine {
 public:
  ProgressLine(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Where the work is: shown at most ten times a second, or every five seconds.
  void update(const std::string& text);
  // Something worth keeping.
  void line(const std::string& text);

 private:
  void clear();

  std::ostream& out_;
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace lyceum::cli
