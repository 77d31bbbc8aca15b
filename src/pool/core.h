#pragma once

#include <boost/intrusive/list.hpp>
#include <deque>
#include <functional>
#include <vector>

#include "base/backoff.h"
#include "base/error.h"
#include "pool/fair_queue.h"
#include "pool/figures.h"
#include "pool/options.h"
#include "pool/ticket.h"

namespace lyceum::pool {

// Why a request ended without reaching its answer, or how it must end.
enum class Reason : std::uint8_t {
  queue_full,
  pool_timeout,    // waited as long as the pool allows
  queue_deadline,  // its own deadline passed while it waited
  sent_deadline,   // its deadline passed while the server worked on it
  connect_failed,  // no connection can be made, and waiting will not help
  shutting_down,
};

// What the core wants done. `ticket` is set for send, grant and fail.
struct Action {
  enum class Kind : std::uint8_t {
    connect,         // open a connection for this member
    close,           // close this member's
    send,            // put the ticket's statement onto this member
    grant,           // hand this member to the ticket's owner
    fail,            // end the ticket for the reason; where it was sent, its answer is an orphan
    cancel,          // cancel on the server what this member is at
  };
  Kind kind;
  MemberId member = kNoMember;
  Ticket* ticket = nullptr;
  Reason reason = Reason::queue_full;
};

// What a pool decides: which connections to have, which request goes where, what waits, what has
// waited too long. It does no I/O and reads no clock: events come in as calls with their time,
// and what is to be done comes out as actions. One thread.
//
// A connection is a member. Members carry statements (as lanes: up to lane_depth at once, up to
// `lanes` of them), or are leased to one caller. A member turns from one into the other as need be,
// whenever nothing is in flight on it, so a pool of one connection serves both in turn.
class Core {
 public:
  // `random` gives numbers in [0, 1): for jitter.
  Core(Limits limits, std::function<double()> random);

  // ── events ──────────────────────────────────────────────────────────────────────────────────
  void submit(Ticket& ticket, SteadyTime now);
  // Its owner does not want it any more: as if it had never been, where it waits; an orphan where
  // it was sent.
  void withdraw(Ticket& ticket, SteadyTime now);
  void connected(MemberId member, SteadyTime now);
  // `permanent`: the server answered and will answer the same again (a wrong password).
  void connect_failed(MemberId member, bool permanent, SteadyTime now);
  void answered(Ticket& ticket, SteadyTime now);
  void orphan_answered(MemberId member, SteadyTime now);
  // A lease has come back; the member is ready for the next (after whatever reset it needs).
  void returned(MemberId member, SteadyTime now);
  // The connection is gone. Tickets that were on it are still to be answered, with its error.
  void lost(MemberId member, SteadyTime now);
  // Time has passed.
  void tick(SteadyTime now);
  // No new requests; what waits and what runs may end until the deadline.
  void drain(SteadyTime now, SteadyTime deadline);

  // ── what is to be done ──────────────────────────────────────────────────────────────────────
  // Takes the next action, in order; false where there is none.
  [[nodiscard]] bool next_action(Action& out);
  // When tick() is next of use.
  [[nodiscard]] SteadyTime next_wakeup(SteadyTime now) const;
  [[nodiscard]] bool drained() const { return draining_ && members_open() == 0 && idle_queues(); }
  [[nodiscard]] bool draining() const { return draining_; }

  [[nodiscard]] Figures figures() const;
  [[nodiscard]] const Limits& limits() const { return limits_; }

 private:
  struct Member {
    enum class State : std::uint8_t { unused, connecting, open, leased };
    State state = State::unused;
    bool lane = false;       // may carry statements
    bool retiring = false;   // gets nothing new; closed once nothing is in flight
    bool for_lease = false;  // gets no statements until it has been leased once
    std::deque<Ticket*> flight = {};  // statements sent and not answered; null for an orphan
    std::size_t orphans = 0;
    SteadyTime orphaned{};    // when the newest orphan became one
    SteadyTime head_since{};  // since when the server has been at its current statement
    SteadyTime idle_since{};
    SteadyTime retire_at{};
    [[nodiscard]] std::size_t depth() const { return flight.size(); }
  };
  using Expiries = boost::intrusive::list<
      Ticket, boost::intrusive::member_hook<Ticket, boost::intrusive::list_member_hook<>,
                                            &Ticket::expiry_hook>>;

  [[nodiscard]] std::size_t members_open() const;
  [[nodiscard]] bool idle_queues() const { return statements_.empty() && leases_.empty(); }
  [[nodiscard]] bool idle(const Member& member) const;
  [[nodiscard]] std::size_t waiting() const { return statements_.size() + leases_.size(); }

  void act(Action action) { actions_.push_back(action); }
  void fail(Ticket& ticket, Reason reason);
  void enqueue(Ticket& ticket, SteadyTime now);
  void send(Ticket& ticket, MemberId member, SteadyTime now);
  void grant(Ticket& ticket, MemberId member, SteadyTime now);
  void expire_by(Expiries& list, Ticket& ticket);
  void forget_expiry(Ticket& ticket);
  MemberId pick_lane(SteadyTime now);
  MemberId pick_for_lease(SteadyTime now);
  void release(MemberId member, SteadyTime now);
  void dispatch(SteadyTime now);
  void balance(SteadyTime now);
  void close(MemberId member, CloseReason reason);
  void vacate(Member& member);

  Limits limits_;
  std::function<double()> random_;
  std::vector<Member> members_;
  FairQueue statements_;
  FairQueue leases_;
  Expiries waiting_expiries_;  // both nearly in order of time: all wait equally long as a rule
  Expiries sent_expiries_;
  std::vector<Action> actions_;
  std::size_t next_action_ = 0;
  Backoff backoff_;
  SteadyTime no_connect_before_ = SteadyTime::min();
  bool draining_ = false;
  SteadyTime drain_deadline_ = SteadyTime::max();
  Figures figures_;
};

}  // namespace lyceum::pool
