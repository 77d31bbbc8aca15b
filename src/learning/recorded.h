#pragma once

#include <cstdint>

namespace lyceum::learning {

// What became of a batch of rows that have ids of their caller's.
struct Recorded {
  std::int64_t received = 0;  // rows of the batch
  std::int64_t written = 0;   // rows that are new or changed; the others stood as they were sent
};

}  // namespace lyceum::learning
