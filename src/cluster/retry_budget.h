#pragma once

#include <algorithm>

#include "base/clock.h"

namespace lyceum::cluster {

// How many requests may be sent a second time: a part of those that came lately, and a few a second
// in any case. When everything fails, repeating it all would double the load that it fails under
// (after the retry budgets of Finagle). One thread.
class RetryBudget {
 public:
  static constexpr double kAlways = 10;  // a second
  static constexpr double kMost = 100;   // saved up

  // `share`: retries per request, 0 to 1.
  explicit RetryBudget(double share) : share_(share) {}

  void request() { saved_ = std::min(saved_ + share_, kMost); }

  // Takes one retry, where there is one.
  [[nodiscard]] bool take(SteadyTime now) {
    if (last_ != SteadyTime{}) {
      const auto seconds = std::chrono::duration<double>(now - last_).count();
      always_ = std::min(always_ + seconds * kAlways, kAlways);
    }
    last_ = now;
    if (always_ >= 1) {
      --always_;
      return true;
    }
    if (saved_ < 1) return false;
    --saved_;
    return true;
  }

 private:
  double share_;
  double saved_ = 0;
  double always_ = kAlways;
  SteadyTime last_{};
};

}  // namespace lyceum::cluster
