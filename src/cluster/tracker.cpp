#include "cluster/tracker.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace lyceum::cluster {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::unknown:
      return "unknown";
    case Role::primary:
      return "primary";
    case Role::replica:
      return "replica";
  }
  return "unknown";
}

std::string_view name_of(Standing standing) {
  switch (standing) {
    case Standing::unknown:
      return "unknown";
    case Standing::serving:
      return "serving";
    case Standing::lagging:
      return "lagging";
    case Standing::returning:
      return "returning";
    case Standing::astray:
      return "astray";
    case Standing::foreign:
      return "foreign";
    case Standing::down:
      return "down";
  }
  return "unknown";
}

Tracker::Tracker(TrackerOptions options, std::vector<std::string> names)
    : options_(options), nodes_(names.size()) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    nodes_[i].state.name = std::move(names[i]);
    nodes_[i].state.why = "not every server has been asked yet";
  }
}

void Tracker::observe(std::size_t index, const Observation& observation) {
  auto& node = nodes_.at(index);
  if (observation.answer) {
    answer(node, observation);
  } else {
    fail(node, observation);
  }
  ++version_;
  node.asked = true;
  // What answers first may have been left behind, or be of another cluster: the next one tells.
  if (!std::all_of(nodes_.begin(), nodes_.end(), [](const Node& one) { return one.asked; })) return;
  find_identity();
  elect();
  if (primary_answers()) {
    const auto& primary = nodes_[*primary_];
    history_.record(primary.timeline, primary.state.lsn, primary.answered);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) judge(nodes_[i], i, observation.at);
}

bool Tracker::primary_answers() const {
  return primary_ && nodes_[*primary_].up;
}

void Tracker::fail(Node& node, const Observation& observation) {
  node.answers = 0;
  ++node.failures;
  node.error = observation.error ? observation.error->message : "no answer";
  const bool silent = observation.error && observation.error->code == ErrorCode::kTimeout;
  if (silent && takes_writes(node) && node.failures < kSilences) return;
  if (!node.up) return;
  node.up = false;
  while (!node.falls.empty() && observation.at - node.falls.front() > kFlapping) {
    node.falls.pop_front();
  }
  node.needed = options_.rise;
  for (std::size_t i = 0; i < node.falls.size() && node.needed < kMostRise; ++i) node.needed *= 2;
  node.needed = std::min(node.needed, std::max(kMostRise, options_.rise));
  node.falls.push_back(observation.at);
}

void Tracker::answer(Node& node, const Observation& observation) {
  const auto& said = *observation.answer;
  auto& state = node.state;
  const bool restarted = !node.answer || node.answer->started_at != said.started_at ||
                         node.answer->system_identifier != said.system_identifier;
  // When one of its processes crashes a server starts anew within and keeps its start time: every
  // connection breaks, and a replica replays again from its last restart point.
  const bool fell = node.answer && node.answer->in_recovery && said.lsn < node.answer->lsn;
  if (restarted || node.failures > 0 || fell || observation.connected_anew) ++state.incarnation;
  if (restarted) node.timeline = said.timeline;
  // A replica whose receiver is away says the timeline of its last restart point; a running server
  // does not go back.
  node.timeline = std::max(node.timeline, said.timeline);
  node.failures = 0;
  ++node.answers;
  node.error.clear();
  node.up = true;
  node.answer = said;
  node.answered = observation.at;
  state.role = said.in_recovery ? Role::replica : Role::primary;
  state.timeline = node.timeline;
  state.lsn = static_cast<std::uint64_t>(said.lsn);
  state.received_lsn.reset();
  if (said.received_lsn) state.received_lsn = static_cast<std::uint64_t>(*said.received_lsn);
  state.receiving = said.receiving;
  state.latency = observation.at - observation.asked;
  state.connections = said.connections;
  state.max_connections = said.max_connections;
  state.asked = observation.asked;
}

// The cluster is what most of its nodes belong to; of as many, what the first configured does.
void Tracker::find_identity() {
  if (primary_) return;  // it has proven itself
  std::map<std::int64_t, int> votes;
  for (const auto& node : nodes_) {
    if (node.answer) ++votes[node.answer->system_identifier];
  }
  int most = 0;
  auto found = system_identifier_;
  for (const auto& node : nodes_) {
    if (!node.answer) continue;
    const auto id = node.answer->system_identifier;
    if (votes[id] > most) most = votes[id], found = id;
  }
  if (found == system_identifier_) return;
  // A cluster made anew (by pg_upgrade, say) counts its timelines from the beginning.
  system_identifier_ = found;
  timeline_ = 0;
  history_ = {};
}

bool Tracker::foreign(const Node& node) const {
  return node.answer && node.answer->system_identifier != system_identifier_;
}

bool Tracker::takes_writes(const Node& node) {
  return node.up && !node.answer->in_recovery && !node.answer->read_only;
}

void Tracker::elect() {
  for (const auto& node : nodes_) {
    if (node.answer && !foreign(node)) timeline_ = std::max(timeline_, node.timeline);
  }
  std::vector<std::size_t> candidates;
  const Node* left_behind = nullptr;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!takes_writes(nodes_[i]) || foreign(nodes_[i])) continue;
    if (nodes_[i].timeline == timeline_) {
      candidates.push_back(i);
    } else {
      left_behind = &nodes_[i];
    }
  }
  alarm_.clear();
  if (candidates.size() == 1) {
    primary_ = candidates.front();
    return;
  }
  if (candidates.size() > 1) {
    alarm_ = fmt::format(
        "{} and {} both take writes on timeline {}: nobody knows whose will last, so neither gets "
        "any; stop one of them",
        nodes_[candidates[0]].state.name, nodes_[candidates[1]].state.name, timeline_);
    primary_.reset();
    return;
  }
  if (left_behind != nullptr) {
    alarm_ = fmt::format(
        "{} takes writes on timeline {}, but the cluster has gone on to timeline {}: it gets none",
        left_behind->state.name, left_behind->timeline, timeline_);
  }
  // One that does not answer may do so again; one that says it is no primary any more is none.
  if (primary_) {
    const auto& node = nodes_[*primary_];
    if (node.up || node.timeline < timeline_) primary_.reset();
  }
}

void Tracker::judge(Node& node, std::size_t index, SteadyTime now) {
  auto& state = node.state;
  const auto set = [&](Standing standing, std::string why) {
    state.standing = standing;
    state.why = std::move(why);
  };
  state.lag_bytes.reset();
  state.lag.reset();
  if (!node.up) {
    if (!node.answer && node.failures == 0) return;
    return set(Standing::down, node.error);
  }
  if (foreign(node)) return set(Standing::foreign, "it belongs to another cluster");
  if (primary_ == index) return set(Standing::serving, "");
  if (!node.answer->in_recovery) {
    // Nobody else goes on with the history: what it holds is the newest there is.
    if (node.answer->read_only && !primary_ && node.timeline == timeline_) {
      return set(Standing::serving, "");
    }
    return set(Standing::astray, node.answer->read_only
                                     ? "it is no replica and takes no writes"
                                     : fmt::format("it takes writes on timeline {} beside the "
                                                   "cluster's history",
                                                   node.timeline));
  }
  state.lag_bytes = history_.bytes_behind(state.lsn);
  // While the primary is away nothing is written that could be missed: what a replica did not get
  // of it does not age.
  const auto until = primary_answers() ? now : history_.last_seen().value_or(now);
  state.lag = history_.time_behind(state.lsn, until);
  const auto ago = node.answer->replayed_seconds_ago;
  if (state.lag && *state.lag > Duration(0) && ago && !history_.reaches_back_to(state.lsn)) {
    // Behind since before the probes began: the replica knows by how much, at least.
    state.lag = std::max(*state.lag,
                         std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*ago)));
  }
  if (node.timeline != timeline_) {
    return set(Standing::astray,
               fmt::format("it is on timeline {}, the cluster on {}", node.timeline, timeline_));
  }
  // Half the limit to come back: at the limit it would come and go.
  const int share = node.lagging ? 2 : 1;
  const bool late =
      options_.max_lag > Duration(0) && state.lag && *state.lag > options_.max_lag / share;
  const bool far = options_.max_lag_bytes > 0 && state.lag_bytes &&
                   *state.lag_bytes > options_.max_lag_bytes / static_cast<unsigned>(share);
  node.lagging = late || far;
  if (node.lagging) {
    return set(Standing::lagging,
               fmt::format("{} bytes and {:.1f} s behind the primary", state.lag_bytes.value_or(0),
                           std::chrono::duration<double>(state.lag.value_or(Duration(0))).count()));
  }
  if (node.answers < node.needed) {
    return set(Standing::returning,
               fmt::format("it answers again, {} of {} times", node.answers, node.needed));
  }
  set(Standing::serving, "");
}

std::shared_ptr<const Topology> Tracker::topology() const {
  auto out = std::make_shared<Topology>();
  out->version = version_;
  out->nodes.reserve(nodes_.size());
  for (const auto& node : nodes_) out->nodes.push_back(node.state);
  out->primary = primary_;
  out->primary_answers = primary_answers();
  out->timeline = timeline_;
  out->alarm = alarm_;
  return out;
}

bool Tracker::unsettled() const {
  if (!primary_answers()) return true;
  return std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
    return node.state.standing == Standing::returning || (node.failures > 0 && node.up);
  });
}

}  // namespace lyceum::cluster
