#pragma once

#include <cstdint>

#include "base/clock.h"

namespace lyceum::pool {

// How busy a server is, as far as one pool can tell: what a choice among servers goes by.
struct Load {
  std::uint32_t in_flight = 0;  // requests that wait or run
  float latency = 0;            // seconds from sending to answer, lately; 0: nothing is known

  // Takes in one answer. An exponentially weighted mean over about the last eight; what takes
  // longer than the mean counts half, so that a server that stalls is left soon and comes back
  // slowly (after "peak EWMA" in Finagle's load balancers).
  void took(Duration duration) {
    const auto seconds = std::chrono::duration<float>(duration).count();
    latency = seconds > latency ? seconds * 0.5F + latency * 0.5F
                                : latency + (seconds - latency) * 0.125F;
  }

  // What one request more is expected to take there. Never 0, so that requests count also where
  // nothing is known of the latency.
  [[nodiscard]] float cost() const {
    constexpr float kLeast = 1e-6F;
    return (latency + kLeast) * static_cast<float>(in_flight + 1);
  }
};

}  // namespace lyceum::pool
