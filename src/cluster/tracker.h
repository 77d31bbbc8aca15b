#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/observation.h"
#include "cluster/primary_history.h"
#include "cluster/topology.h"

namespace lyceum::cluster {

struct TrackerOptions {
  Duration max_lag = std::chrono::seconds(10);  // a replica further behind is not read; 0: no limit
  std::uint64_t max_lag_bytes = 0;              // the same in bytes; 0: no limit
  int rise = 2;  // answers in a row after which a replica that was down is read again
};

// What follows from what the probes saw: which node is the primary, which replicas may be read. It
// does no I/O and reads no clock. One thread.
//
// The primary is the writable node on the highest timeline. A node that is writable on an older one
// is a primary that was left behind by a failover: it gets nothing, also while the new one does not
// answer. Two on one timeline: nobody knows whose writes will last, and nobody gets any. All this
// can only be told once every node was asked: until then nothing is read and nothing is written.
//
// A server that has been made to refuse writes, and that no other has taken the place of, is read.
//
// A failed probe takes a replica out at once: others serve. A node that takes writes has none that
// could stand in for it, so only a refusal counts at once, and silence the second time; nor does a
// single silence of one of two end an alarm. Coming back takes a replica `rise` answers in a row,
// twice as many for each time that it went within a minute, and at most 16.
class Tracker {
 public:
  // The names of the nodes, in the order of the configuration.
  Tracker(TrackerOptions options, std::vector<std::string> names);

  void observe(std::size_t node, const Observation& observation);

  [[nodiscard]] std::shared_ptr<const Topology> topology() const;

  // No primary, or a node whose standing is about to change: worth asking more often.
  [[nodiscard]] bool unsettled() const;

 private:
  static constexpr int kSilences = 2;  // of who takes writes, until it counts as down
  static constexpr int kMostRise = 16;
  static constexpr auto kFlapping = std::chrono::minutes(1);

  struct Node {
    std::optional<ServerAnswer> answer;  // the last
    SteadyTime answered{};
    std::string error;  // why the last probe failed
    bool asked = false;
    bool up = false;
    bool lagging = false;
    int failures = 0;  // in a row
    int answers = 0;   // in a row
    int needed = 0;    // answers, until it is read again
    std::deque<SteadyTime> falls;
    std::int32_t timeline = 0;  // the highest of its present incarnation
    NodeState state;
  };

  [[nodiscard]] static bool takes_writes(const Node& node);
  [[nodiscard]] bool foreign(const Node& node) const;
  [[nodiscard]] bool primary_answers() const;
  void fail(Node& node, const Observation& observation);
  void answer(Node& node, const Observation& observation);
  void find_identity();
  void elect();
  void judge(Node& node, std::size_t index, SteadyTime now);

  TrackerOptions options_;
  std::vector<Node> nodes_;
  PrimaryHistory history_;
  std::optional<std::int64_t> system_identifier_;
  std::optional<std::size_t> primary_;
  std::int32_t timeline_ = 0;
  std::string alarm_;
  std::uint64_t version_ = 0;
};

}  // namespace lyceum::cluster
