#pragma once

#include <cstddef>
#include <string_view>
#include <termios.h>

namespace lyceum::cli {

// The terminal of standard input and output as a screen that a program draws on: keys come one by
// one and unseen, and what stood there comes back. It is as before once the object is gone, or
// while it is left. Sequences are ECMA-48's and xterm's, which every terminal of today knows.
class Terminal {
 public:
  Terminal() { enter(); }
  ~Terminal() { leave(); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Whether both are one.
  [[nodiscard]] static bool is_there();

  void enter();
  void leave();

  struct Size {
    std::size_t width = 80;
    std::size_t height = 24;
  };
  [[nodiscard]] static Size size();
  // Blocks until the terminal has taken it.
  static void write(std::string_view text);

 private:
  termios before_{};
  bool entered_ = false;
};

}  // namespace lyceum::cli
