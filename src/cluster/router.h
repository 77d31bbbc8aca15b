#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "cluster/topology.h"
#include "pg/position.h"
#include "pool/load.h"

namespace lyceum::cluster {

// Why a request goes where it goes: what routes are counted by.
enum class Reason : std::uint8_t {
  write,        // to the primary
  fresh,        // a read, to a replica
  primary_too,  // a read, to the primary as to any other node: no replicas, or read_primary
  trial,        // a read, to a node that failed lately
  behind,       // a read, to the primary: no replica came as far as the bookmark in time
  no_replica,   // a read, to the primary: no replica can be read
  unplaced,     // a read, to the primary: the bookmark cannot be compared with
  kCount,
};
[[nodiscard]] std::string_view name_of(Reason reason);

struct RouterOptions {
  Balance balance = Balance::least_loaded;
  bool read_primary = false;  // the primary is read like a replica
};

// Where a request goes, or what it is to wait for.
struct Route {
  enum class Kind : std::uint8_t {
    go,          // to `node`
    ask,         // no replica is known to have come so far, one may soon: ask them
    behind,      // none has, and none is about to: take the primary
    no_replica,  // none can be read: take the primary
    no_primary,  // and there is none: wait for one
  };
  Kind kind = Kind::no_primary;
  std::uint32_t node = 0;
  Reason reason = Reason::write;
};

// The nodes that one request has been failed by. With more than 64 nodes some share a place.
class Tried {
 public:
  void add(std::size_t node) { bits_ |= bit(node); }
  [[nodiscard]] bool has(std::size_t node) const { return (bits_ & bit(node)) != 0; }
  void clear() { bits_ = 0; }

 private:
  static std::uint64_t bit(std::size_t node) { return std::uint64_t{1} << (node % 64); }
  std::uint64_t bits_ = 0;
};

// Decides, for one worker, which node a request goes to. Knows the topology, what the worker itself
// has seen since (how far a replica has come, which node has failed), and how busy each node is.
// No I/O, no clock, no allocation in a choice. One thread.
//
// A node that fails a request is out at once, without waiting for a probe. It is tried again, by
// one request at a time, when a probe that began after the failure was answered; one success lets
// it back in.
class Router {
 public:
  // The loads are those of the nodes, in their order, and outlive the router.
  Router(RouterOptions options, std::vector<const pool::Load*> loads);

  void apply(std::shared_ptr<const Topology> topology);
  [[nodiscard]] const Topology& topology() const { return *topology_; }
  [[nodiscard]] std::shared_ptr<const Topology> snapshot() const { return topology_; }

  // For a write of somebody who has seen so much: nothing where that is of a later history than any
  // that is known here, since the primary of the older one would lose it.
  [[nodiscard]] Route write(const pg::Position& seen = {}) const;
  // What was seen is of a later history than any that is known here.
  [[nodiscard]] bool outdated(const pg::Position& seen) const {
    return seen.timeline > topology_->timeline;
  }
  // For a read of somebody who has seen so much. A node that has failed the request is not chosen;
  // among equals the one that was chosen longest ago is.
  [[nodiscard]] Route read(const pg::Position& seen, const Tried& tried = {});
  // A read that the primary has to serve, and why. Not one of an older history than was seen: a
  // failover that is not known here yet.
  [[nodiscard]] Route read_primary(Reason reason, const pg::Position& seen) const;

  // A replica was seen at this position.
  void advanced(std::size_t node, std::uint64_t lsn);
  // A read has waited in vain for one to come so far. Those that have not moved are not waited for
  // again until they do: a replica whose replay is paused would hold up every read.
  void waited_in_vain(const pg::Position& seen);
  // A node could not serve. Asked for at this time; a later probe that is answered mends it.
  void failed(std::size_t node, SteadyTime at);
  // How a trial ended.
  void tried(std::size_t node, bool well, SteadyTime at);

  // Whether to wait for this node to come as far as a position: it is read, only not so far yet.
  [[nodiscard]] bool may_catch_up(std::size_t node) const {
    const auto& place = places_[node];
    return place.readable && place.receiving && !place.stuck && place.circuit == Circuit::closed;
  }

 private:
  enum class Circuit : std::uint8_t { closed, open, half_open, on_trial };
  struct Place {
    const pool::Load* load = nullptr;
    std::uint64_t lsn = 0;
    std::int32_t timeline = 0;
    bool readable = false;
    bool receiving = false;
    bool stuck = false;
    Circuit circuit = Circuit::closed;
    std::uint64_t incarnation = 0;
    SteadyTime failed_at{};
    std::uint64_t chosen = 0;  // number of the choice that took it last
  };

  [[nodiscard]] bool primary_takes() const;

  RouterOptions options_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> readable_;  // nodes that may be read
  std::shared_ptr<const Topology> topology_;
  bool has_replicas_ = false;  // configured, whatever their standing
  std::uint64_t choices_ = 0;
};

}  // namespace lyceum::cluster
