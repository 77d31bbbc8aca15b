#include "cluster/router.h"

#include <algorithm>
#include <limits>

namespace lyceum::cluster {

std::string_view name_of(Reason reason) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Reason::kCount)> kNames = {
      "write", "fresh", "primary_too", "trial", "behind", "no_replica", "unplaced"};
  return kNames.at(static_cast<std::size_t>(reason));
}

Router::Router(RouterOptions options, std::vector<const pool::Load*> loads)
    : options_(options), places_(loads.size()), topology_(std::make_shared<Topology>()) {
  for (std::size_t i = 0; i < loads.size(); ++i) places_[i].load = loads[i];
  readable_.reserve(loads.size());
}

void Router::apply(std::shared_ptr<const Topology> topology) {
  if (topology->version < topology_->version) return;
  topology_ = std::move(topology);
  readable_.clear();
  has_replicas_ = places_.size() > 1;
  for (std::uint32_t i = 0; i < places_.size() && i < topology_->nodes.size(); ++i) {
    const auto& node = topology_->nodes[i];
    auto& place = places_[i];
    const bool is_primary = topology_->primary == i;
    place.readable = node.standing == Standing::serving &&
                     (!is_primary || options_.read_primary || !has_replicas_);
    // The primary is past whatever it has answered; one that was it, past what it told.
    constexpr auto kPast = std::numeric_limits<std::uint64_t>::max();
    const auto lsn = is_primary ? kPast : node.lsn;
    if (!is_primary && node.asked <= place.forgotten_at) {
      place.lsn = place.lsn == kPast ? 0 : place.lsn;
    } else if (place.incarnation != node.incarnation || place.timeline != node.timeline ||
               place.lsn == kPast || is_primary) {
      place.lsn = lsn;
      place.stuck = false;
    } else {
      advanced(i, lsn);
    }
    place.receiving = node.receiving;
    place.incarnation = node.incarnation;
    place.timeline = node.timeline;
    if (place.circuit == Circuit::open && node.standing == Standing::serving &&
        node.asked > place.failed_at) {
      // Whatever waits for the primary waits for it alone: no trial, all at once.
      place.circuit = is_primary ? Circuit::closed : Circuit::half_open;
    }
    if (place.readable) readable_.push_back(i);
  }
}

bool Router::primary_takes() const {
  return topology_->writable() && places_[*topology_->primary].circuit != Circuit::open;
}

Route Router::write(const pg::Position& seen) const {
  if (outdated(seen) || !primary_takes()) return {};
  return {Route::Kind::go, static_cast<std::uint32_t>(*topology_->primary), Reason::write};
}

Route Router::read_primary(Reason reason, const pg::Position& seen) const {
  auto route = write(seen);
  route.reason = reason;
  return route;
}

Route Router::read(const pg::Position& seen, const Tried& tried) {
  Place* best = nullptr;
  float least = 0;
  bool behind = false;
  const bool by_load = options_.balance == Balance::least_loaded;
  for (const auto node : readable_) {
    auto& place = places_[node];
    if (tried.has(node)) continue;
    if (place.circuit != Circuit::closed && place.circuit != Circuit::half_open) continue;
    if (place.timeline < seen.timeline || place.lsn < seen.lsn) {
      behind = true;
      continue;
    }
    if (place.circuit == Circuit::half_open) {
      place.circuit = Circuit::on_trial;
      place.chosen = ++choices_;
      return {Route::Kind::go, node, Reason::trial};
    }
    const float cost = by_load ? place.load->cost() : 0.0F;
    if (best != nullptr && (cost > least || (cost == least && place.chosen >= best->chosen))) {
      continue;
    }
    least = cost;
    best = &place;
  }
  if (best == nullptr) {
    if (!behind) return {Route::Kind::no_replica, 0, Reason::no_replica};
    const bool coming = std::any_of(readable_.begin(), readable_.end(), [&](std::uint32_t node) {
      return !tried.has(node) && may_catch_up(node);
    });
    return {coming ? Route::Kind::ask : Route::Kind::behind, 0, Reason::behind};
  }
  best->chosen = ++choices_;
  const auto node = static_cast<std::uint32_t>(best - places_.data());
  return {Route::Kind::go, node, topology_->primary == node ? Reason::primary_too : Reason::fresh};
}

void Router::advanced(std::size_t node, std::uint64_t lsn) {
  auto& place = places_[node];
  if (topology_->primary == node || lsn <= place.lsn) return;
  place.lsn = lsn;
  place.stuck = false;
}

void Router::forget(std::size_t node, SteadyTime at) {
  auto& place = places_[node];
  place.forgotten_at = at;
  if (topology_->primary == node) return;
  place.lsn = 0;
  place.stuck = false;
}

void Router::waited_in_vain(const pg::Position& seen) {
  for (const auto node : readable_) {
    auto& place = places_[node];
    place.stuck = place.stuck || place.lsn < seen.lsn;
  }
}

void Router::failed(std::size_t node, SteadyTime at) {
  places_[node].circuit = Circuit::open;
  places_[node].failed_at = at;
}

void Router::tried(std::size_t node, bool well, SteadyTime at) {
  auto& place = places_[node];
  if (place.circuit != Circuit::on_trial) return;
  if (well) {
    place.circuit = Circuit::closed;
  } else {
    failed(node, at);
  }
}

}  // namespace lyceum::cluster
