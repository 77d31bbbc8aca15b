#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace lyceum::cluster {

enum class Role : std::uint8_t { unknown, primary, replica };

// What a node is good for now.
enum class Standing : std::uint8_t {
  unknown,    // not asked yet
  serving,    // the primary, or a replica that may be read
  lagging,    // a replica too far behind
  returning,  // answers again, and has not done so for long enough
  astray,     // on another timeline than the cluster, or writable beside the primary
  foreign,    // a server of another cluster: its system identifier differs
  down,       // does not answer
};

// Stable lower-case names, for logs, metrics and JSON.
[[nodiscard]] std::string_view name_of(Role role);
[[nodiscard]] std::string_view name_of(Standing standing);

struct NodeState {
  std::string name;           // host:port/database
  Role role = Role::unknown;  // as it last said
  Standing standing = Standing::unknown;
  std::string why;  // it does not serve, one line; empty where it does
  std::int32_t timeline = 0;
  std::uint64_t lsn = 0;  // written on a primary, replayed on a replica
  std::optional<std::uint64_t> received_lsn;
  bool receiving = false;
  std::optional<std::uint64_t> lag_bytes;  // of a replica
  std::optional<Duration> lag;
  Duration latency{};  // of the last probe that was answered
  std::int64_t connections = 0;
  std::int32_t max_connections = 0;
  // Rises when the server has been started anew, or may have been: what was known of its position
  // holds no more.
  std::uint64_t incarnation = 0;
  SteadyTime asked{};  // when the last probe that was answered began; min: none was
};

// The cluster as it is known to be: an immutable snapshot, made by the tracker.
struct Topology {
  std::uint64_t version = 0;           // rises with each
  std::vector<NodeState> nodes;        // as configured, in that order
  std::optional<std::size_t> primary;  // who takes writes; also while it does not answer
  bool primary_answers = false;
  std::int32_t timeline = 0;  // the highest that was seen
  std::string alarm;          // why nobody may take writes though somebody would; else empty

  [[nodiscard]] bool writable() const { return primary.has_value() && primary_answers; }
};

}  // namespace lyceum::cluster
