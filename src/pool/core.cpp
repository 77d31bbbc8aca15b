#include "pool/core.h"

#include <algorithm>

namespace lyceum::pool {
namespace {

// A lane whose server has been at one statement for longer counts as full: what is put behind it
// waits for that statement.
constexpr auto kStalled = std::chrono::milliseconds(5);
// How often a member that is busy with an orphan is looked at.
constexpr auto kOrphanCheck = std::chrono::milliseconds(20);
// An orphan that does not end though it was cancelled: the server does not answer any more.
constexpr auto kOrphanLimit = std::chrono::seconds(5);

}  // namespace

Core::Core(Limits limits, std::function<double()> random)
    : limits_(limits),
      random_(std::move(random)),
      members_(std::max<std::size_t>(limits.connection_limit, 1)),
      backoff_(limits.backoff_initial, limits.backoff_max) {
  limits_.connection_limit = members_.size();
  limits_.lanes = std::clamp<std::size_t>(limits_.lanes, 1, members_.size());
  limits_.lane_depth = std::max<std::size_t>(limits_.lane_depth, 1);
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

// ── requests ─────────────────────────────────────────────────────────────────────────────────────

void Core::submit(Ticket& ticket, SteadyTime now) {
  if (draining_) return fail(ticket, Reason::shutting_down);
  if (ticket.deadline <= now) return fail(ticket, Reason::queue_deadline);
  if (ticket.kind == Ticket::Kind::statement) {
    if (statements_.empty()) {
      if (const auto lane = pick_lane(now); lane != kNoMember) return send(ticket, lane, now);
    }
  } else if (leases_.empty()) {
    if (const auto member = pick_for_lease(now); member != kNoMember) {
      return grant(ticket, member, now);
    }
  }
  if (waiting() >= limits_.queue_limit) return fail(ticket, Reason::queue_full);
  enqueue(ticket, now);
  balance(now);
}

void Core::enqueue(Ticket& ticket, SteadyTime now) {
  ticket.state = Ticket::State::waiting;
  ticket.expires = std::min(ticket.deadline, now + limits_.pool_timeout);
  (ticket.kind == Ticket::Kind::statement ? statements_ : leases_).push(ticket);
  expire_by(waiting_expiries_, ticket);
  ++figures_.queued;
}

void Core::expire_by(Expiries& list, Ticket& ticket) {
  auto at = list.end();
  while (at != list.begin() && std::prev(at)->expires > ticket.expires) --at;
  list.insert(at, ticket);
}

void Core::forget_expiry(Ticket& ticket) {
  if (!ticket.expiry_hook.is_linked()) return;
  auto& list = ticket.state == Ticket::State::waiting ? waiting_expiries_ : sent_expiries_;
  list.erase(list.iterator_to(ticket));
}

void Core::send(Ticket& ticket, MemberId id, SteadyTime now) {
  auto& member = members_[id];
  if (member.flight.empty()) member.head_since = now;
  member.flight.push_back(&ticket);
  ticket.state = Ticket::State::sent;
  ticket.member = id;
  ticket.expires = ticket.deadline;
  if (ticket.expires != SteadyTime::max()) expire_by(sent_expiries_, ticket);
  ++figures_.statements;
  act({.kind = Action::Kind::send, .member = id, .ticket = &ticket});
  // All lanes are busy: one more, if there may be one, spares the next request the wait behind.
  if (member.depth() > 1) balance(now);
}

void Core::grant(Ticket& ticket, MemberId id, SteadyTime) {
  auto& member = members_[id];
  member.state = Member::State::leased;
  member.lane = false;
  member.for_lease = false;
  ticket.state = Ticket::State::leased;
  ticket.member = id;
  ++figures_.leases;
  act({.kind = Action::Kind::grant, .member = id, .ticket = &ticket});
}

void Core::fail(Ticket& ticket, Reason reason) {
  switch (reason) {
    case Reason::queue_full: ++figures_.queue_full; break;
    case Reason::pool_timeout: ++figures_.pool_timeouts; break;
    case Reason::queue_deadline: ++figures_.queue_deadlines; break;
    case Reason::sent_deadline: ++figures_.sent_deadlines; break;
    case Reason::connect_failed: break;
    case Reason::shutting_down: ++figures_.shut_out; break;
  }
  const auto member = ticket.member;
  ticket.state = Ticket::State::idle;
  ticket.member = kNoMember;
  act({.kind = Action::Kind::fail, .member = member, .ticket = &ticket, .reason = reason});
}

void Core::withdraw(Ticket& ticket, SteadyTime now) {
  forget_expiry(ticket);
  if (ticket.state == Ticket::State::waiting) {
    (ticket.kind == Ticket::Kind::statement ? statements_ : leases_).remove(ticket);
  } else if (ticket.state == Ticket::State::sent) {
    auto& member = members_[ticket.member];
    *std::find(member.flight.begin(), member.flight.end(), &ticket) = nullptr;
    ++member.orphans;
    member.orphaned = now;
  }
  ticket.state = Ticket::State::idle;
}

void Core::answered(Ticket& ticket, SteadyTime now) {
  const auto id = ticket.member;
  forget_expiry(ticket);
  ticket.state = Ticket::State::idle;
  ticket.member = kNoMember;
  if (id == kNoMember) return;  // its member has gone before it
  auto& member = members_[id];
  // Nearly always the first; one that had to be prepared anew was sent again behind the others.
  member.flight.erase(std::find(member.flight.begin(), member.flight.end(), &ticket));
  member.head_since = now;
  release(id, now);
}

void Core::orphan_answered(MemberId id, SteadyTime now) {
  auto& member = members_[id];
  member.flight.erase(std::find(member.flight.begin(), member.flight.end(), nullptr));
  --member.orphans;
  member.head_since = now;
  release(id, now);
}

// ── members ──────────────────────────────────────────────────────────────────────────────────────

bool Core::idle(const Member& member) const {
  return member.state == Member::State::open && member.flight.empty();
}

std::size_t Core::members_open() const {
  std::size_t count = 0;
  for (const auto& member : members_) count += member.state != Member::State::unused;
  return count;
}

void Core::connected(MemberId id, SteadyTime now) {
  auto& member = members_[id];
  member = Member{.state = Member::State::open, .idle_since = now};
  const auto early = limits_.max_lifetime_jitter * random_();
  member.retire_at = now + std::chrono::duration_cast<Duration>(limits_.max_lifetime *
                                                                (1.0 - early));
  ++figures_.connects;
  backoff_.reset();
  no_connect_before_ = SteadyTime::min();
  if (draining_) return close(id, CloseReason::shutdown);
  dispatch(now);
  balance(now);
}

void Core::connect_failed(MemberId id, bool permanent, SteadyTime now) {
  members_[id] = Member{};
  ++figures_.connect_failures;
  no_connect_before_ = now + backoff_.next(random_());
  // Where the server says no for good and nothing is connected, nobody waits in vain.
  if (permanent && members_open() == 0) {
    while (!statements_.empty()) {
      auto& ticket = statements_.pop();
      forget_expiry(ticket);
      fail(ticket, Reason::connect_failed);
    }
    while (!leases_.empty()) {
      auto& ticket = leases_.pop();
      forget_expiry(ticket);
      fail(ticket, Reason::connect_failed);
    }
  }
}

void Core::returned(MemberId id, SteadyTime now) {
  members_[id].state = Member::State::open;
  release(id, now);
}

void Core::release(MemberId id, SteadyTime now) {
  auto& member = members_[id];
  if (member.flight.empty()) {
    member.idle_since = now;
    if (draining_ && idle_queues()) return close(id, CloseReason::shutdown);
    if (member.retiring || now >= member.retire_at) {
      close(id, CloseReason::lifetime);
      return balance(now);
    }
  }
  if (!idle_queues()) dispatch(now);
}

void Core::lost(MemberId id, SteadyTime now) {
  if (members_[id].state == Member::State::unused) return;
  vacate(members_[id]);
  ++figures_.closed[static_cast<std::size_t>(CloseReason::lost)];
  balance(now);
}

void Core::vacate(Member& member) {
  for (auto* ticket : member.flight) {
    if (ticket == nullptr) continue;
    forget_expiry(*ticket);
    ticket->state = Ticket::State::idle;
    ticket->member = kNoMember;
  }
  member = Member{};
}

void Core::close(MemberId id, CloseReason reason) {
  vacate(members_[id]);
  ++figures_.closed[static_cast<std::size_t>(reason)];
  act({.kind = Action::Kind::close, .member = id});
}

// ── choosing ─────────────────────────────────────────────────────────────────────────────────────

MemberId Core::pick_lane(SteadyTime now) {
  MemberId best = kNoMember;
  MemberId spare = kNoMember;  // an idle member that could become a lane
  std::size_t least = limits_.lane_depth;
  std::size_t lanes = 0;
  std::size_t best_score = ~std::size_t{0};
  for (MemberId id = 0; id < members_.size(); ++id) {
    const auto& member = members_[id];
    if (member.state != Member::State::open || member.retiring) continue;
    if (member.for_lease && !leases_.empty()) continue;
    if (!member.lane) {
      if (member.flight.empty() && spare == kNoMember) spare = id;
      continue;
    }
    ++lanes;
    if (member.orphans != 0 || member.depth() >= limits_.lane_depth) continue;
    auto score = member.depth();
    if (member.depth() > 0 && now - member.head_since > kStalled) score += limits_.lane_depth;
    if (score < best_score) {
      best_score = score;
      best = id;
      least = member.depth();
    }
    if (score == 0) break;
  }
  if ((best == kNoMember || least > 0) && spare != kNoMember && lanes < limits_.lanes) {
    members_[spare].lane = true;
    members_[spare].for_lease = false;
    return spare;
  }
  return best;
}

MemberId Core::pick_for_lease(SteadyTime now) {
  // An idle member that is no lane, else an idle lane as long as another one is left for
  // statements (or nobody else can be).
  MemberId idle_lane = kNoMember;
  std::size_t others = 0;  // members that statements can go to
  for (MemberId id = 0; id < members_.size(); ++id) {
    const auto& member = members_[id];
    if (member.state != Member::State::open || member.retiring) continue;
    if (member.flight.empty() && member.orphans == 0) {
      if (!member.lane || member.for_lease) return id;
      idle_lane = id;
    }
    if (member.lane) ++others;
  }
  if (idle_lane == kNoMember) return kNoMember;
  if (members_open() < limits_.connection_limit && now >= no_connect_before_) {
    return kNoMember;  // a connection of its own is made for it
  }
  if (others > 1 || limits_.connection_limit == 1 || statements_.empty()) return idle_lane;
  return kNoMember;
}

void Core::dispatch(SteadyTime now) {
  // Leases first: they are few, and what they wait for is a whole connection.
  while (!leases_.empty()) {
    const auto member = pick_for_lease(now);
    if (member == kNoMember) break;
    auto& ticket = leases_.pop();
    forget_expiry(ticket);
    grant(ticket, member, now);
  }
  while (!statements_.empty()) {
    const auto lane = pick_lane(now);
    if (lane == kNoMember) break;
    auto& ticket = statements_.pop();
    forget_expiry(ticket);
    send(ticket, lane, now);
  }
}

void Core::balance(SteadyTime now) {
  if (draining_) return;
  std::size_t existing = 0, connecting = 0, lanes = 0, reserved = 0, idle_lanes = 0, spare = 0;
  for (const auto& member : members_) {
    if (member.state == Member::State::unused) continue;
    ++existing;
    connecting += member.state == Member::State::connecting;
    reserved += member.for_lease;
    if (member.state != Member::State::open || member.retiring) continue;
    lanes += member.lane && !member.for_lease;
    idle_lanes += member.lane && member.flight.empty();
    spare += !member.lane && member.flight.empty();
  }
  std::size_t wanted = leases_.size();
  if (lanes < limits_.lanes && idle_lanes + spare == 0 &&
      (lanes > 0 || !statements_.empty())) {
    wanted += 1;
  }
  wanted = wanted > spare + reserved ? wanted - spare - reserved : 0;
  if (existing < limits_.min_idle) wanted = std::max(wanted, limits_.min_idle - existing);

  while (connecting < wanted && existing < limits_.connection_limit &&
         connecting < limits_.concurrent_connects && now >= no_connect_before_) {
    const auto free = std::find_if(members_.begin(), members_.end(), [](const Member& member) {
      return member.state == Member::State::unused;
    });
    free->state = Member::State::connecting;
    ++connecting;
    ++existing;
    act({.kind = Action::Kind::connect,
         .member = static_cast<MemberId>(free - members_.begin())});
  }

  // Every connection carries statements and none can be added: the emptiest lane is kept for those
  // who wait for a lease. One lane stays, unless there is only one connection.
  if (leases_.size() > reserved && existing >= limits_.connection_limit && connecting == 0 &&
      (lanes > 1 || limits_.connection_limit == 1)) {
    Member* emptiest = nullptr;
    for (auto& member : members_) {
      if (member.state != Member::State::open || !member.lane || member.for_lease) continue;
      if (emptiest == nullptr || member.depth() < emptiest->depth()) emptiest = &member;
    }
    if (emptiest != nullptr) {
      emptiest->for_lease = true;
      if (emptiest->depth() == 0) dispatch(now);
    }
  }
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

void Core::tick(SteadyTime now) {
  while (!waiting_expiries_.empty() && waiting_expiries_.front().expires <= now) {
    auto& ticket = waiting_expiries_.front();
    const auto reason =
        ticket.deadline <= now ? Reason::queue_deadline : Reason::pool_timeout;
    withdraw(ticket, now);
    fail(ticket, reason);
  }
  while (!sent_expiries_.empty() && sent_expiries_.front().expires <= now) {
    auto& ticket = sent_expiries_.front();
    withdraw(ticket, now);
    fail(ticket, Reason::sent_deadline);
  }
  const bool over = draining_ && now >= drain_deadline_;
  std::size_t existing = members_open();
  for (MemberId id = 0; id < members_.size(); ++id) {
    auto& member = members_[id];
    if (member.state != Member::State::open) {
      if (over && member.state == Member::State::leased) close(id, CloseReason::shutdown);
      continue;
    }
    if (over || (draining_ && member.flight.empty() && idle_queues())) {
      close(id, CloseReason::shutdown);
    } else if (member.orphans > 0) {
      const auto since = std::max(member.orphaned, member.head_since);
      if (member.flight.front() != nullptr) {
        // A neighbour is running; its own deadline bounds it.
      } else if (now - since >= kOrphanLimit) {
        close(id, CloseReason::unresponsive);
      } else if (now - member.head_since >= kOrphanCheck) {
        act({.kind = Action::Kind::cancel, .member = id});
      }
    } else if (member.flight.empty() && now >= member.retire_at) {
      close(id, CloseReason::lifetime);
      --existing;
    } else if (now >= member.retire_at) {
      member.retiring = true;
    } else if (member.flight.empty() && now - member.idle_since >= limits_.idle_timeout &&
               existing > limits_.min_idle) {
      close(id, CloseReason::idle);
      --existing;
    }
  }
  if (over) {
    while (!waiting_expiries_.empty()) {
      auto& ticket = waiting_expiries_.front();
      withdraw(ticket, now);
      fail(ticket, Reason::shutting_down);
    }
  }
  dispatch(now);
  balance(now);
}

SteadyTime Core::next_wakeup(SteadyTime now) const {
  SteadyTime at = SteadyTime::max();
  const auto by = [&at](SteadyTime time) { at = std::min(at, time); };
  if (!waiting_expiries_.empty()) by(waiting_expiries_.front().expires);
  if (!sent_expiries_.empty()) by(sent_expiries_.front().expires);
  if (draining_) by(drain_deadline_);
  if (no_connect_before_ > now) by(no_connect_before_);
  const auto existing = members_open();
  for (const auto& member : members_) {
    if (member.state != Member::State::open) continue;
    if (member.orphans > 0) by(now + kOrphanCheck);
    if (!member.retiring) by(member.retire_at);
    if (member.flight.empty() && existing > limits_.min_idle) {
      by(member.idle_since + limits_.idle_timeout);
    }
  }
  return std::max(at, now);
}

void Core::drain(SteadyTime now, SteadyTime deadline) {
  draining_ = true;
  drain_deadline_ = deadline;
  tick(now);
}

Figures Core::figures() const {
  auto f = figures_;
  for (const auto& member : members_) {
    f.connecting += member.state == Member::State::connecting;
    f.leased += member.state == Member::State::leased;
    f.open += member.state == Member::State::open || member.state == Member::State::leased;
    f.idle += idle(member);
    f.lanes += member.state == Member::State::open && member.lane;
    f.depth += member.depth();
    f.deepest = std::max(f.deepest, member.depth());
  }
  f.waiting = waiting();
  return f;
}

}  // namespace lyceum::pool
