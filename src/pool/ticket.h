#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/set_hook.hpp>
#include <optional>

#include "base/clock.h"
#include "base/uuid.h"

namespace lyceum::pool {

using MemberId = std::uint32_t;
inline constexpr MemberId kNoMember = ~MemberId{0};

// One request as the pool's core sees it: what it wants, by when, and how far it has come. Lives
// with whoever asks, until the core has said how it ends.
struct Ticket {
  enum class Kind : std::uint8_t {
    statement,  // shares a lane
    lease,      // has a connection to itself
  };
  enum class State : std::uint8_t { idle, waiting, sent, leased };

  Kind kind = Kind::statement;
  State state = State::idle;
  bool failing = false;  // the core has decided so; whatever else comes of it is too late
  std::optional<Uuid> tenant;
  SteadyTime deadline = SteadyTime::max();
  SteadyTime arrived{};                    // first asked
  SteadyTime expires = SteadyTime::max();  // when the state it is in ends by itself
  MemberId member = kNoMember;

  // The core's: in a queue while it waits, and among those that end by a time.
  boost::intrusive::list_member_hook<> queue_hook;
  boost::intrusive::list_member_hook<> expiry_hook;
  boost::intrusive::set_member_hook<> early_expiry_hook;
};

}  // namespace lyceum::pool
