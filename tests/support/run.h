#pragma once

#include "base/await.h"

namespace lyceum::testing {

// As await(), with a limit that only a test that hangs comes to.
template <class Make>
auto run(Make make, std::chrono::seconds limit = std::chrono::seconds(60)) {
  return await(std::move(make), limit);
}

}  // namespace lyceum::testing
