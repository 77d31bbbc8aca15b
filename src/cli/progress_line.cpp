#include "cli/progress_line.h"

namespace lyceum::cli {

void ProgressLine::update(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (now - last_ < pause) return;
  last_ = now;
  if (terminal_) {
    out_ << "\r\033[K" << text << std::flush;
    shown_ = true;
  } else {
    out_ << text << std::endl;
  }
}

void ProgressLine::line(const std::string& text) {
  clear();
  out_ << text << std::endl;
  last_ = std::chrono::steady_clock::now();
}

void ProgressLine::clear() {
  if (shown_) out_ << "\r\033[K" << std::flush;
  shown_ = false;
}

}  // namespace lyceum::cli
