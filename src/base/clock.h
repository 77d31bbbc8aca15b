#pragma once

#include <chrono>

namespace lyceum {

// Monotonic time: deadlines, lifetimes, durations. Nanoseconds since an unknown start.
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// A point in time as PostgreSQL's timestamptz holds it: microseconds since 1970, UTC.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// What time it is. Whatever decides by time takes one of these, so that a test can say what time
// it is. Implementations may be read from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SteadyTime now() const = 0;
  [[nodiscard]] virtual Timestamp wall_now() const = 0;
};

// The machine's clock.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] Timestamp wall_now() const override {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
};

// The machine's clock, for whoever was given no other.
[[nodiscard]] inline const Clock& machine_clock() {
  static const SystemClock one;
  return one;
}

// A clock that a test moves by hand. Not for use by several threads at once.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime now() const override { return now_; }
  [[nodiscard]] Timestamp wall_now() const override {
    return Timestamp(std::chrono::floor<std::chrono::microseconds>(now_.time_since_epoch()));
  }
  void advance(Duration by) { now_ += by; }

 private:
  SteadyTime now_{std::chrono::hours(1)};
};

}  // namespace lyceum
