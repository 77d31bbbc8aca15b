#pragma once

namespace lyceum {

// How reads are spread over the replicas that may serve them: each to the one with the least to do,
// or to one after the other.
enum class Balance { least_loaded, round_robin };

}  // namespace lyceum
