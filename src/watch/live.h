#pragma once

#include "watch/collector.h"

namespace lyceum::watch {

// What is looked at and not kept, for `lyceum top`: collectors like the others, read by Node, but
// of no history and no rule. They are not among collectors().

// One row: connections, work and log of a server.
[[nodiscard]] const Collector& overview();
// Sessions one by one, with whom each waits for.
[[nodiscard]] const Collector& activity();

}  // namespace lyceum::watch
