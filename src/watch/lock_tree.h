#pragma once

#include <cstdint>
#include <vector>

namespace lyceum::watch {

// One who waits for a lock or is waited for. 0 stands for prepared transactions, which have no
// process.
struct Waiting {
  std::int64_t pid = 0;
  std::vector<std::int64_t> blocked_by = {};  // empty: waits for nobody
  // Filled in by lock_tree():
  std::int64_t depth = 0;   // steps to the nearest who waits for nobody
  std::int64_t blocks = 0;  // how many wait for it, directly or through others
};

// How those who wait hang together. Who is in a circle that nobody else leads into (a deadlock that
// the server has not seen yet) has depth 1. A pid in blocked_by that is not among them counts as
// one who waits for nobody.
void lock_tree(std::vector<Waiting>& waiting);

}  // namespace lyceum::watch
