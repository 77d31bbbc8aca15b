#pragma once

#include <functional>
#include <signal.h>
#include <thread>

namespace lyceum::cli {

// What is left to do where SIGINT or SIGTERM ends the program while it is busy: `clean_up` runs in
// a thread of its own, whatever the others are at, and the program ends with 128 + the signal's
// number. Threads that are started meanwhile are not interrupted either. One at a time.
class Interruption {
 public:
  explicit Interruption(std::function<void()> clean_up);
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  ~Interruption() { end(); }

  // From here on the signals do what they did before. Where one has come it does not return: the
  // program ends when the cleaning is done. To be called before anything is said of what failed,
  // since that may be for the interruption's sake.
  void end();

 private:
  void wait_for_signal();

  std::function<void()> clean_up_;
  sigset_t before_{};
  std::thread thread_;
};

}  // namespace lyceum::cli
