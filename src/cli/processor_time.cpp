#include "cli/processor_time.h"

#include <array>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace lyceum::cli {

using Seconds = std::chrono::duration<double>;

namespace {

// Columns of /proc/PID/stat behind the command, which alone may have spaces: utime, stime, cutime,
// cstime (proc(5): 14 to 17).
constexpr int kSkipped = 11;

std::array<double, 4> ticks_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto command_ends = text.rfind(')');
  if (command_ends == std::string::npos) return {};
  std::istringstream rest(text.substr(command_ends + 1));
  std::string skipped;
  for (int i = 0; i < kSkipped; ++i) rest >> skipped;
  std::array<double, 4> out{};
  for (auto& one : out) rest >> one;
  return out;
}

}  // namespace

Seconds processor_time_of(std::span<const pid_t> processes) {
  double ticks = 0;
  bool first = true;
  for (const auto pid : processes) {
    const auto of = ticks_of(pid);
    ticks += of[0] + of[1];
    if (first) ticks += of[2] + of[3];
    first = false;
  }
  return Seconds(ticks / static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

Seconds own_processor_time() {
  rusage used{};
  (void)::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

}  // namespace lyceum::cli
