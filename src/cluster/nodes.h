#pragma once

#include <vector>

#include "base/config.h"
#include "pg/target.h"

namespace lyceum::cluster {

// The servers of the configuration: the primary's URL and the replicas', in this order, and of a
// URL with several hosts each of them. Which of them is the primary is found out, not taken from
// here. Error (kConfiguration): none is set, or one is named twice.
[[nodiscard]] Result<std::vector<pg::Target>> nodes_of(const DatabaseSettings& settings);

// A target for each host of the URL.
[[nodiscard]] Result<std::vector<pg::Target>> nodes_of(const ConnectionString& url);

}  // namespace lyceum::cluster
