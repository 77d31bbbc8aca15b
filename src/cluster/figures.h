#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cluster/router.h"
#include "pool/figures.h"

namespace lyceum::cluster {

// What one worker's cluster can say of itself. Counters only rise.
struct Figures {
  std::vector<pool::Figures> nodes;  // its pools, in the order of the topology's nodes
  std::array<std::uint64_t, static_cast<std::size_t>(Reason::kCount)> routes{};
  std::uint64_t moved = 0;           // requests sent again after a node failed them
  std::uint64_t out_of_budget = 0;   // that were not, because too many failed
  std::uint64_t waited_behind = 0;   // reads that waited for a replica to come far enough
  std::uint64_t waited_primary = 0;  // requests that waited for a primary
  std::uint64_t no_primary = 0;      // and did so in vain
  std::uint64_t share_used_up = 0;   // reads that found the primary's share for them in use

  [[nodiscard]] std::uint64_t routed(Reason reason) const {
    return routes[static_cast<std::size_t>(reason)];
  }
};

}  // namespace lyceum::cluster
