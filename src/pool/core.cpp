#include "pool/core.h"

#include <algorithm>

namespace lyceum::pool {
namespace {

// Between two looks at what could be closed but may not be yet.
constexpr Duration kHousekeeping = std::chrono::seconds(1);
// A connection lost sooner says that the server takes connections and cannot serve them.
constexpr Duration kShortLife = std::chrono::seconds(1);
constexpr Duration kLongest = std::chrono::hours(24 * 365);

SteadyTime later(SteadyTime now, Duration by) {
  return now + std::min(by, kLongest);
}

}  // namespace

Core::Core(Limits limits, std::function<double()> random)
    : limits_(limits),
      random_(std::move(random)),
      members_(std::max<std::size_t>(limits.connection_limit, 1)),
      backoff_(limits.backoff_initial, limits.backoff_max) {
  limits_.connection_limit = members_.size();
  limits_.lanes = std::clamp<std::size_t>(limits_.lanes, 1, members_.size());
  limits_.lane_depth = std::max<std::size_t>(limits_.lane_depth, 1);
  limits_.min_idle = std::min(limits_.min_idle, members_.size());
  limits_.concurrent_connects = std::max<std::size_t>(limits_.concurrent_connects, 1);
  for (auto id = static_cast<MemberId>(members_.size()); id-- > 0;) {
    members_[id].place = static_cast<std::uint32_t>(in(Role::unused).size());
    in(Role::unused).push_back(id);
  }
}

bool Core::next_action(Action& out) {
  if (next_action_ == actions_.size()) {
    actions_.clear();
    next_action_ = 0;
    return false;
  }
  out = actions_[next_action_++];
  return true;
}

void Core::turn(MemberId id, Role role) {
  auto& member = members_[id];
  auto& from = in(member.role);
  members_[from.back()].place = member.place;
  std::swap(from[member.place], from.back());
  from.pop_back();
  auto& to = in(role);
  member.role = role;
  member.place = static_cast<std::uint32_t>(to.size());
  to.push_back(id);
}

// ── requests ─────────────────────────────────────────────────────────────────────────────────────

void Core::submit(Ticket& ticket, SteadyTime now) {
  ticket.failing = false;
  if (draining_) return fail(ticket, Reason::shutting_down);
  if (ticket.deadline <= now) return fail(ticket, Reason::queue_deadline);
  if (ticket.kind == Ticket::Kind::statement) {
    if (statements_.empty()) {
      if (const auto lane = pick_lane(now); lane != kNoMember) return send(ticket, lane, now);
    }
  } else if (leases_.empty()) {
    if (const auto member = pick_for_lease(); member != kNoMember) {
      grant(ticket, member, now);
      return connect_more(now);
    }
  }
  // While the server refuses everybody, nobody waits for the next attempt.
  if (refused_ && existing() == 0 && now < no_connect_before_) {
    return fail(ticket, Reason::connect_failed);
  }
  // An impatient one waits for the first attempt, and makes the next one where it is due.
  if (limits_.impatient && cut_off() && nothing_open() &&
      (existing() > 0 || now < no_connect_before_)) {
    return fail(ticket, Reason::connect_failed);
  }
  if (waiting() >= limits_.queue_limit && !make_room(ticket)) {
    return fail(ticket, Reason::queue_full);
  }
  enqueue(ticket, now);
  settle(now);
}

// A full queue is shared like the server is: whoever has most in it gives way to whoever has less,
// with what came last.
bool Core::make_room(const Ticket& ticket) {
  const bool more_leases = leases_.most_of_one() > statements_.most_of_one();
  auto& fullest = more_leases ? leases_ : statements_;
  const auto own = statements_.size_of(ticket.tenant) + leases_.size_of(ticket.tenant);
  if (fullest.most_of_one() <= own + 1) return false;
  auto& displaced = fullest.newest_of_the_most();
  fullest.remove(displaced);
  waiting_.remove(displaced);
  fail(displaced, Reason::queue_full);
  return true;
}

void Core::enqueue(Ticket& ticket, SteadyTime now) {
  if (ticket.kind == Ticket::Kind::lease && leases_.empty()) lease_blocked_since_ = now;
  ticket.state = Ticket::State::waiting;
  ticket.member = kNoMember;
  ticket.expires = std::min(ticket.deadline, later(now, limits_.pool_timeout));
  (ticket.kind == Ticket::Kind::statement ? statements_ : leases_).push(ticket);
  waiting_.add(ticket);
  ++figures_.queued;
}

void Core::send(Ticket& ticket, MemberId id, SteadyTime now) {
  auto& member = members_[id];
  if (member.flight.empty()) member.head_since = now;
  member.flight.push_back(&ticket);
  ticket.state = Ticket::State::sent;
  ticket.member = id;
  ticket.expires = ticket.deadline;
  if (ticket.expires != SteadyTime::max()) sent_.add(ticket);
  ++figures_.statements;
  act({.kind = Action::Kind::send, .member = id, .ticket = &ticket});
  // All lanes are busy: one more, if there may be one, spares the next request the wait behind.
  if (member.depth() > 1 && in(Role::lane).size() < limits_.lanes) connect_more(now);
}

void Core::grant(Ticket& ticket, MemberId id, SteadyTime now) {
  turn(id, Role::leased);
  ticket.state = Ticket::State::leased;
  ticket.member = id;
  lease_blocked_since_ = now;
  ++figures_.leases;
  act({.kind = Action::Kind::grant, .member = id, .ticket = &ticket});
}

void Core::fail(Ticket& ticket, Reason reason) {
  switch (reason) {
    case Reason::queue_full:
      ++figures_.queue_full;
      break;
    case Reason::pool_timeout:
      ++figures_.pool_timeouts;
      break;
    case Reason::queue_deadline:
      ++figures_.queue_deadlines;
      break;
    case Reason::sent_deadline:
      ++figures_.sent_deadlines;
      break;
    case Reason::connect_failed:
      break;
    case Reason::shutting_down:
      ++figures_.shut_out;
      break;
  }
  const auto member = ticket.member;
  ticket.state = Ticket::State::idle;
  ticket.member = kNoMember;
  ticket.failing = true;
  act({.kind = Action::Kind::fail, .member = member, .ticket = &ticket, .reason = reason});
}

void Core::fail_waiting(Reason reason) {
  for (auto* queue : {&statements_, &leases_}) {
    while (!queue->empty()) {
      auto& ticket = queue->pop();
      waiting_.remove(ticket);
      fail(ticket, reason);
    }
  }
}

void Core::withdraw(Ticket& ticket, SteadyTime now) {
  take_out(ticket, now);
  ticket.state = Ticket::State::idle;
  ticket.member = kNoMember;
  settle(now);
}

void Core::take_out(Ticket& ticket, SteadyTime now) {
  if (ticket.state == Ticket::State::waiting) {
    waiting_.remove(ticket);
    (ticket.kind == Ticket::Kind::statement ? statements_ : leases_).remove(ticket);
  } else if (ticket.state == Ticket::State::sent) {
    sent_.remove(ticket);
    const auto id = ticket.member;
    auto& member = members_[id];
    *std::find(member.flight.begin(), member.flight.end(), &ticket) = nullptr;
    // Out of use until it is empty: a cancel hits whatever runs when it arrives.
    if (member.role != Role::emptying) turn(id, Role::emptying);
    if (member.orphans++ == 0) {
      member.cancel_pause = kCancelPause;
      member.cancel_at = member.head_since + kCancelPause;
    }
    member.orphaned = now;
    orphan_check_ = std::min(orphan_check_, std::max(now, member.cancel_at));
  }
}

void Core::answered(Ticket& ticket, SteadyTime now) {
  const auto id = ticket.member;
  ticket.member = kNoMember;
  if (id == kNoMember || ticket.state != Ticket::State::sent) {
    ticket.state = Ticket::State::idle;
    return;  // its member has gone before it
  }
  ticket.state = Ticket::State::idle;
  sent_.remove(ticket);
  land(id, &ticket, now);
}

void Core::orphan_answered(MemberId id, SteadyTime now) {
  auto& member = members_[id];
  if (member.orphans == 0) return;
  --member.orphans;
  land(id, nullptr, now);
}

// One that was in flight has come back.
void Core::land(MemberId id, const Ticket* ticket, SteadyTime now) {
  auto& member = members_[id];
  // Nearly always the first; one that had to be prepared anew was sent again behind the others.
  if (member.flight.front() == ticket) {
    member.flight.pop_front();
  } else {
    member.flight.erase(std::find(member.flight.begin(), member.flight.end(), ticket));
  }
  member.head_since = now;
  if (member.flight.empty()) member.idle_since = now;
  if (member.role == Role::lane && nobody_waits() && !draining_) return;
  if (member.orphans > 0) {
    member.cancel_pause = kCancelPause;
    member.cancel_at = now + kCancelPause;
    orphan_check_ = std::min(orphan_check_, member.cancel_at);
  }
  if (member.flight.empty()) emptied(id);
  settle(now);
}

void Core::emptied(MemberId id) {
  auto& member = members_[id];
  if (member.retiring) {
    close(id, CloseReason::lifetime);
  } else if (member.cancelling) {
    orphan_check_ = std::min(orphan_check_, member.cancelled_at + kOrphanLimit);
  } else if (member.role == Role::emptying) {
    turn(id, Role::spare);
  }
}

void Core::cancel_settled(MemberId id, SteadyTime now) {
  auto& member = members_[id];
  if (!member.cancelling) return;
  member.cancelling = false;
  if (member.flight.empty()) {
    emptied(id);
  } else if (member.orphans > 0) {
    orphan_check_ = std::min(orphan_check_, std::max(now, member.cancel_at));
  }
  settle(now);
}

// ── members ──────────────────────────────────────────────────────────────────────────────────────

void Core::connected(MemberId id, SteadyTime now) {
  auto& member = members_[id];
  if (member.role != Role::connecting) {  // nobody wants it any more
    return act({.kind = Action::Kind::close, .member = id});
  }
  turn(id, Role::spare);
  member.connected_at = member.idle_since = now;
  const auto life = std::chrono::duration<double>(std::min(limits_.max_lifetime, kLongest)) *
                    (1.0 - limits_.max_lifetime_jitter * random_());
  member.retire_at = now + std::chrono::duration_cast<Duration>(life);
  housekeeping_ = std::min({housekeeping_, member.retire_at, later(now, limits_.idle_timeout)});
  ++figures_.connects;
  backoff_.reset();
  refused_ = false;
  no_connect_before_ = SteadyTime::min();
  settle(now);
}

void Core::connect_failed(MemberId id, bool permanent, SteadyTime now) {
  if (members_[id].role != Role::connecting) return;
  turn(id, Role::unused);
  ++figures_.connect_failures;
  no_connect_before_ = now + backoff_.next(random_());
  refused_ = permanent;
  // Where the server says no for good and nothing is connected, nobody waits in vain.
  if (permanent && existing() == 0) fail_waiting(Reason::connect_failed);
  if (limits_.impatient && nothing_open()) fail_waiting(Reason::connect_failed);
  settle(now);
}

void Core::reachable(SteadyTime now) {
  backoff_.reset();
  no_connect_before_ = SteadyTime::min();
  refused_ = false;
  settle(now);
}

void Core::unreachable() {
  if (limits_.impatient) fail_waiting(Reason::connect_failed);
}

void Core::returned(MemberId id, SteadyTime now) {
  auto& member = members_[id];
  if (member.role != Role::leased) return;
  member.idle_since = now;
  if (now >= member.retire_at && !cut_off()) {
    close(id, CloseReason::lifetime);
  } else {
    turn(id, Role::spare);
  }
  settle(now);
}

void Core::lost(MemberId id, SteadyTime now) {
  const auto& member = members_[id];
  if (member.role == Role::unused || member.role == Role::connecting) return;
  if (now - member.connected_at < kShortLife) {
    no_connect_before_ =
        std::max(no_connect_before_,
                 now + std::chrono::duration_cast<Duration>(limits_.backoff_initial * random_()));
  }
  vacate(id);
  ++figures_.closed[static_cast<std::size_t>(CloseReason::lost)];
  settle(now);
}

void Core::vacate(MemberId id) {
  auto& member = members_[id];
  for (auto* ticket : member.flight) {
    if (ticket == nullptr) continue;
    sent_.remove(*ticket);
    ticket->state = Ticket::State::idle;
    ticket->member = kNoMember;
  }
  member.flight.clear();
  member.orphans = 0;
  member.retiring = member.cancelling = false;
  turn(id, Role::unused);
}

void Core::close(MemberId id, CloseReason reason) {
  if (members_[id].role != Role::connecting) {
    ++figures_.closed[static_cast<std::size_t>(reason)];
  }
  vacate(id);
  act({.kind = Action::Kind::close, .member = id});
}

// ── choosing ─────────────────────────────────────────────────────────────────────────────────────

// The least loaded lane; one more where all are busy and a spare member may become one. A stalled
// lane only where no other one moves on: to wait for the first that does is better.
MemberId Core::pick_lane(SteadyTime now) {
  MemberId best = kNoMember, stalled = kNoMember;
  std::size_t least = limits_.lane_depth, least_stalled = limits_.lane_depth;
  bool moving_and_full = false;
  for (const auto id : in(Role::lane)) {
    const auto& member = members_[id];
    const auto depth = member.depth();
    if (depth == 0) return id;
    if (now - member.head_since > kStalled) {
      if (depth < least_stalled) least_stalled = depth, stalled = id;
    } else if (depth < least) {
      least = depth, best = id;
    } else if (depth >= limits_.lane_depth) {
      moving_and_full = true;
    }
  }
  if (in(Role::lane).size() < limits_.lanes && !in(Role::spare).empty()) {
    const auto id = in(Role::spare).back();
    turn(id, Role::lane);
    return id;
  }
  return best != kNoMember || moving_and_full ? best : stalled;
}

MemberId Core::pick_for_lease() {
  for (const auto id : in(Role::reserved)) {
    if (members_[id].depth() == 0) return id;
  }
  if (!in(Role::spare).empty()) return in(Role::spare).back();
  if (in(Role::lane).size() > 1 || statements_.empty()) {
    for (const auto id : in(Role::lane)) {
      if (members_[id].depth() == 0) return id;
    }
  }
  return kNoMember;
}

MemberId Core::emptiest_lane() const {
  return *std::min_element(
      in(Role::lane).begin(), in(Role::lane).end(),
      [this](MemberId a, MemberId b) { return members_[a].depth() < members_[b].depth(); });
}

// One statement waits behind another, and no lane is free.
bool Core::lanes_are_busy() const {
  bool behind = false;
  for (const auto id : in(Role::lane)) {
    const auto depth = members_[id].depth();
    if (depth == 0) return false;
    behind |= depth > 1;
  }
  return behind;
}

// After anything that may have made room or need.
void Core::settle(SteadyTime now) {
  dispatch(now);
  connect_more(now);
  reserve(now);
  if (draining_ && nobody_waits()) wind_up();
}

void Core::dispatch(SteadyTime now) {
  if (!statements_.empty() && in(Role::lane).empty() && !in(Role::spare).empty()) {
    turn(in(Role::spare).back(), Role::lane);
  }
  while (!leases_.empty()) {
    const auto member = pick_for_lease();
    if (member == kNoMember) break;
    auto& ticket = leases_.pop();
    waiting_.remove(ticket);
    grant(ticket, member, now);
  }
  unreserve();
  while (!statements_.empty()) {
    const auto lane = pick_lane(now);
    if (lane == kNoMember) break;
    auto& ticket = statements_.pop();
    waiting_.remove(ticket);
    send(ticket, lane, now);
  }
}

void Core::connect_more(SteadyTime now) {
  connect_postponed_ = false;
  if (in(Role::unused).empty() || (draining_ && nobody_waits())) return;
  auto connecting = in(Role::connecting).size();
  const auto reserved = in(Role::reserved).size();
  std::size_t wanted = leases_.size() > reserved ? leases_.size() - reserved : 0;

  if (in(Role::lane).size() < limits_.lanes && in(Role::spare).empty() &&
      (!statements_.empty() || lanes_are_busy())) {
    ++wanted;
  }
  if (!draining_ && unleased() < limits_.min_idle) {
    wanted = std::max(wanted, connecting + limits_.min_idle - unleased());
  }

  while (connecting < std::min(wanted, limits_.concurrent_connects) && !in(Role::unused).empty()) {
    if (now < no_connect_before_) {
      connect_postponed_ = true;
      return;
    }
    const auto id = in(Role::unused).back();
    turn(id, Role::connecting);
    ++connecting;
    act({.kind = Action::Kind::connect, .member = id});
  }
}

// Where leases wait and no connection can be added, lanes are kept for them.
void Core::reserve(SteadyTime now) {
  const auto& lanes = in(Role::lane);
  const auto& reserved = in(Role::reserved);
  if (in(Role::unused).empty() || cut_off()) {
    const auto coming = cut_off() ? 0 : in(Role::connecting).size();
    while (lanes.size() > 1 && leases_.size() > reserved.size() + coming) {
      turn(emptiest_lane(), Role::reserved);
    }
  }
  if (!leases_.empty() && reserved.empty() && !lanes.empty() &&
      (limits_.connection_limit == 1 || now >= lease_blocked_since_ + kLeasePatience)) {
    turn(emptiest_lane(), Role::reserved);
  }
}

// Lanes that no waiting lease is left for carry statements again.
void Core::unreserve() {
  while (in(Role::reserved).size() > leases_.size()) {
    const auto id = in(Role::reserved).back();
    if (in(Role::lane).size() < limits_.lanes) {
      turn(id, Role::lane);
    } else {
      turn(id, members_[id].depth() == 0 ? Role::spare : Role::emptying);
    }
  }
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

void Core::tick(SteadyTime now) {
  while (waiting_.earliest() <= now) {
    auto& ticket = waiting_.first();
    const auto reason = ticket.deadline <= now ? Reason::queue_deadline : Reason::pool_timeout;
    take_out(ticket, now);
    fail(ticket, reason);
  }
  while (sent_.earliest() <= now) {
    auto& ticket = sent_.first();
    take_out(ticket, now);
    fail(ticket, Reason::sent_deadline);
  }
  if (draining_ && now >= drain_deadline_) {
    drain_cut_ |= !nobody_waits();
    fail_waiting(Reason::shutting_down);
    for (MemberId id = 0; id < members_.size(); ++id) {
      const auto& member = members_[id];
      if (member.role == Role::unused) continue;
      drain_cut_ |= member.role == Role::leased || member.depth() > member.orphans;
      // The server need not go on with what nobody waits for.
      if (member.role == Role::leased || member.depth() > 0) {
        act({.kind = Action::Kind::cancel, .member = id});
      }
      close(id, CloseReason::shutdown);
    }
    orphan_check_ = housekeeping_ = SteadyTime::max();
    connect_postponed_ = false;
    return;
  }
  if (now >= orphan_check_) look_after_orphans(now);
  if (now >= housekeeping_) keep_house(now);
  settle(now);
}

void Core::look_after_orphans(SteadyTime now) {
  orphan_check_ = SteadyTime::max();
  const auto& emptying = in(Role::emptying);
  for (auto at = emptying.size(); at-- > 0;) {
    const auto id = emptying[at];
    auto& member = members_[id];
    SteadyTime give_up;
    if (member.depth() == 0) {
      if (!member.cancelling) continue;
      give_up = member.cancelled_at + kOrphanLimit;
    } else if (member.flight.front() == nullptr) {
      give_up = std::max(member.orphaned, member.head_since) + kOrphanLimit;
    } else {
      continue;  // a neighbour is running: its own deadline bounds it
    }
    if (now >= give_up) {
      close(id, CloseReason::unresponsive);
      continue;
    }
    if (member.depth() > 0 && !member.cancelling) {
      if (now >= member.cancel_at) {
        act({.kind = Action::Kind::cancel, .member = id});
        member.cancelling = true;
        member.cancelled_at = now;
        member.cancel_at = now + member.cancel_pause;
        member.cancel_pause = std::min(member.cancel_pause * 2, kCancelPauseMost);
      } else {
        orphan_check_ = std::min(orphan_check_, member.cancel_at);
      }
    }
    orphan_check_ = std::min(orphan_check_, give_up);
  }
}

void Core::keep_house(SteadyTime now) {
  housekeeping_ = SteadyTime::max();
  for (const auto role : {Role::spare, Role::lane, Role::reserved, Role::emptying, Role::leased}) {
    const auto& members = in(role);
    for (auto at = members.size(); at-- > 0;) {
      const auto id = members[at];
      auto& member = members_[id];
      const bool free = role != Role::leased && member.depth() == 0;
      // Nothing is given up for its age while there may be no other to be had.
      if (role != Role::leased && now >= member.retire_at && !cut_off()) {
        if (free) {
          close(id, CloseReason::lifetime);
        } else {
          member.retiring = true;
          if (role != Role::emptying) turn(id, Role::emptying);
        }
        continue;
      }
      if (free && now - member.idle_since >= limits_.idle_timeout &&
          unleased() > limits_.min_idle) {
        close(id, CloseReason::idle);
        continue;
      }
      const auto due =
          std::min(member.retire_at, later(free ? member.idle_since : now, limits_.idle_timeout));
      housekeeping_ = std::min(housekeeping_, due > now ? due : now + kHousekeeping);
    }
  }
}

SteadyTime Core::next_wakeup() const {
  auto at = std::min({waiting_.earliest(), sent_.earliest(), orphan_check_, housekeeping_});
  if (draining_ && !drained()) at = std::min(at, drain_deadline_);
  if (connect_postponed_) at = std::min(at, no_connect_before_);
  if (!leases_.empty() && in(Role::reserved).empty() && !in(Role::lane).empty()) {
    at = std::min(at, lease_blocked_since_ + kLeasePatience);
  }
  return at;
}

void Core::drain(SteadyTime now, SteadyTime deadline) {
  drain_deadline_ = draining_ ? std::min(drain_deadline_, deadline) : deadline;
  draining_ = true;
  tick(now);
}

// Nobody waits and nobody comes: what has nothing in flight goes.
void Core::wind_up() {
  for (const auto role :
       {Role::connecting, Role::spare, Role::lane, Role::reserved, Role::emptying}) {
    const auto& members = in(role);
    for (auto at = members.size(); at-- > 0;) {
      if (members_[members[at]].depth() == 0) close(members[at], CloseReason::shutdown);
    }
  }
}

Figures Core::figures() const {
  auto f = figures_;
  f.connecting = in(Role::connecting).size();
  f.leased = in(Role::leased).size();
  f.open = existing() - f.connecting;
  f.lanes = in(Role::lane).size();
  for (const auto role : {Role::spare, Role::lane, Role::reserved, Role::emptying}) {
    for (const auto id : in(role)) {
      const auto depth = members_[id].depth();
      f.idle += depth == 0;
      f.depth += depth;
      f.deepest = std::max(f.deepest, depth);
    }
  }
  f.waiting = waiting();
  return f;
}

}  // namespace lyceum::pool
