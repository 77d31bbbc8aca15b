#pragma once

#include "base/error.h"

namespace lyceum::local {

// A TCP port of 127.0.0.1 that was free a moment ago: whoever uses it must be ready to find it
// taken and ask again. Where the kernel leaves room, it lies below the range that outgoing
// connections and port 0 are served from, so that a stopped server finds its port free again.
[[nodiscard]] Result<int> find_free_port();

// Whether a server could listen there now.
[[nodiscard]] bool is_port_free(int port);

}  // namespace lyceum::local
