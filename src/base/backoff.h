#pragma once

#include <algorithm>

#include "base/clock.h"

namespace lyceum {

// How long to wait before the next attempt after a failure: exponential with full jitter, capped.
// Attempt n waits a time chosen evenly from [0, min(max, initial * 2^n)): clients that failed
// together spread out instead of coming back together ("Exponential Backoff And Jitter", Marc
// Brooker, AWS Architecture Blog, 2015). Pure: the caller brings the random number and the waiting.
class Backoff {
 public:
  // 0 < initial <= max.
  Backoff(Duration initial, Duration max) : initial_(initial), max_(max), ceiling_(initial) {}

  // The wait after one more failure. `random` is from [0, 1).
  [[nodiscard]] Duration next(double random) {
    const Duration ceiling = std::min(ceiling_, max_);
    // Doubling stops at the cap, so it cannot overflow however many failures there are.
    ceiling_ = ceiling > max_ / 2 ? max_ : ceiling * 2;
    ++failures_;
    return Duration(static_cast<Duration::rep>(static_cast<double>(ceiling.count()) *
                                               std::clamp(random, 0.0, 1.0)));
  }

  // After a success.
  void reset() {
    ceiling_ = initial_;
    failures_ = 0;
  }

  // Failures since the last success.
  [[nodiscard]] int failures() const { return failures_; }

 private:
  Duration initial_;
  Duration max_;
  Duration ceiling_;
  int failures_ = 0;
};

}  // namespace lyceum
