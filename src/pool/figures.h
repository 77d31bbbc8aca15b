#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace lyceum::pool {

enum class CloseReason : std::uint8_t { idle, lifetime, lost, unresponsive, shutdown, kCount };

// What a pool can say of itself. Counters only rise; the rest is as of now.
struct Figures {
  std::size_t open = 0;  // connections that exist, leased ones included
  std::size_t connecting = 0;
  std::size_t idle = 0;  // open with nothing in flight
  std::size_t leased = 0;
  std::size_t lanes = 0;    // connections that take statements
  std::size_t depth = 0;    // statements in flight on all lanes
  std::size_t deepest = 0;  // statements in flight on the fullest lane
  std::size_t waiting = 0;  // requests before the pool

  std::uint64_t statements = 0;  // sent
  std::uint64_t leases = 0;      // granted
  std::uint64_t queued = 0;      // requests that had to wait
  std::uint64_t queue_full = 0;
  std::uint64_t pool_timeouts = 0;
  std::uint64_t queue_deadlines = 0;
  std::uint64_t sent_deadlines = 0;
  std::uint64_t shut_out = 0;  // refused or ended by draining
  std::uint64_t connects = 0;
  std::uint64_t connect_failures = 0;
  std::uint64_t cancels = 0;
  std::uint64_t retries = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(CloseReason::kCount)> closed{};

  [[nodiscard]] std::uint64_t closed_for(CloseReason reason) const {
    return closed[static_cast<std::size_t>(reason)];
  }
};

}  // namespace lyceum::pool
