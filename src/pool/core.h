#pragma once

#include <array>
#include <deque>
#include <functional>
#include <vector>

#include "base/backoff.h"
#include "base/error.h"
#include "pool/expiries.h"
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
    connect,  // open a connection for this member
    close,    // close this member's, or give up opening it
    send,     // put the ticket's statement onto this member
    grant,    // hand this member to the ticket's owner
    fail,     // end the ticket for the reason; where it was sent, its answer is an orphan
    cancel,   // cancel on the server what this member is at
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
//
// Who gets a free connection where both statements and leases wait: statements, if they have no
// lane at all; else leases. Where no connection can be added, lanes are kept for waiting leases
// until one lane is left; that one too, once a lease has waited for kLeasePatience. So neither kind
// starves, however few connections there are.
//
// A request and its answer cost a time that does not grow with the number of connections.
class Core {
 public:
  // A lane whose server has been at one statement for longer is avoided: what is put behind it
  // waits for that statement.
  static constexpr Duration kStalled = std::chrono::milliseconds(5);
  // How long the server may be at an orphan before it is told to cancel it; the pause doubles from
  // one cancel to the next, up to the most.
  static constexpr Duration kCancelPause = std::chrono::milliseconds(20);
  static constexpr Duration kCancelPauseMost = std::chrono::seconds(1);
  // An orphan that does not end though it was cancelled: the server does not answer any more.
  static constexpr Duration kOrphanLimit = std::chrono::seconds(5);
  // How long leases may wait, none being granted, before the last lane is taken for one.
  static constexpr Duration kLeasePatience = std::chrono::milliseconds(100);

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
  // The cancel asked for has reached the server, or failed: it hits nothing any more.
  void cancel_settled(MemberId member, SteadyTime now);
  // A lease has come back; the member is ready for the next (after whatever reset it needs).
  void returned(MemberId member, SteadyTime now);
  // The connection is gone. Tickets that were on it are still to be answered, with its error.
  void lost(MemberId member, SteadyTime now);
  // The server was seen to answer: what failed before counts no more, and the next attempt to
  // connect need not wait.
  void reachable(SteadyTime now);
  // The server does not answer: where `impatient`, what waits fails now.
  void unreachable();
  // Time has passed.
  void tick(SteadyTime now);
  // No new requests; what waits and what runs may end until the deadline.
  void drain(SteadyTime now, SteadyTime deadline);

  // ── what is to be done ──────────────────────────────────────────────────────────────────────
  // Takes the next action, in order; false where there is none.
  [[nodiscard]] bool next_action(Action& out);
  // When tick() is next of use; a time that has passed already means at once.
  [[nodiscard]] SteadyTime next_wakeup() const;
  [[nodiscard]] bool drained() const { return draining_ && existing() == 0 && nobody_waits(); }
  [[nodiscard]] bool draining() const { return draining_; }
  // Draining ended something before its own end.
  [[nodiscard]] bool drain_cut() const { return drain_cut_; }

  [[nodiscard]] Figures figures() const;
  [[nodiscard]] const Limits& limits() const { return limits_; }

 private:
  enum class Role : std::uint8_t {
    unused,      // no connection
    connecting,  // on its way
    spare,       // open, nothing in flight, no lane
    lane,        // takes statements
    reserved,    // a lane that takes nothing new: kept for a lease once it is empty
    emptying,    // takes nothing new: holds an orphan, has a cancel coming, or is to be closed
    leased,
    kCount,
  };
  struct Member {
    Role role = Role::unused;
    bool retiring = false;            // closed once nothing is in flight
    bool cancelling = false;          // a cancel is on its way, and hits whatever it meets
    std::uint32_t place = 0;          // among the members of its role
    std::uint32_t orphans = 0;        // null ones in flight
    std::deque<Ticket*> flight = {};  // statements sent and not answered; null for an orphan
    SteadyTime head_since{};          // since when the server has been at its current statement
    SteadyTime idle_since{};
    SteadyTime connected_at{};
    SteadyTime retire_at{};
    SteadyTime orphaned{};      // when the newest orphan became one
    SteadyTime cancel_at{};     // not before
    SteadyTime cancelled_at{};  // last
    Duration cancel_pause{};
    [[nodiscard]] std::size_t depth() const { return flight.size(); }
  };

  [[nodiscard]] std::vector<MemberId>& in(Role role) {
    return by_role_[static_cast<std::size_t>(role)];
  }
  [[nodiscard]] const std::vector<MemberId>& in(Role role) const {
    return by_role_[static_cast<std::size_t>(role)];
  }
  [[nodiscard]] std::size_t existing() const { return members_.size() - in(Role::unused).size(); }
  [[nodiscard]] bool nothing_open() const { return existing() == in(Role::connecting).size(); }
  [[nodiscard]] std::size_t unleased() const { return existing() - in(Role::leased).size(); }
  [[nodiscard]] bool nobody_waits() const { return statements_.empty() && leases_.empty(); }
  [[nodiscard]] std::size_t waiting() const { return statements_.size() + leases_.size(); }
  // The last attempts to connect have failed.
  [[nodiscard]] bool cut_off() const { return backoff_.failures() > 0; }

  void act(Action action) { actions_.push_back(action); }
  void turn(MemberId id, Role role);
  void fail(Ticket& ticket, Reason reason);
  void fail_waiting(Reason reason);
  bool make_room(const Ticket& ticket);
  void enqueue(Ticket& ticket, SteadyTime now);
  void take_out(Ticket& ticket, SteadyTime now);
  void send(Ticket& ticket, MemberId id, SteadyTime now);
  void grant(Ticket& ticket, MemberId id, SteadyTime now);
  void land(MemberId id, const Ticket* ticket, SteadyTime now);
  void emptied(MemberId id);
  MemberId pick_lane(SteadyTime now);
  MemberId pick_for_lease();
  [[nodiscard]] MemberId emptiest_lane() const;
  [[nodiscard]] bool lanes_are_busy() const;
  void settle(SteadyTime now);
  void dispatch(SteadyTime now);
  void connect_more(SteadyTime now);
  void reserve(SteadyTime now);
  void unreserve();
  void look_after_orphans(SteadyTime now);
  void keep_house(SteadyTime now);
  void wind_up();
  void vacate(MemberId id);
  void close(MemberId id, CloseReason reason);

  Limits limits_;
  std::function<double()> random_;
  std::vector<Member> members_;
  std::array<std::vector<MemberId>, static_cast<std::size_t>(Role::kCount)> by_role_;
  FairQueue statements_;
  FairQueue leases_;
  Expiries waiting_;
  Expiries sent_;
  std::vector<Action> actions_;
  std::size_t next_action_ = 0;

  Backoff backoff_;
  SteadyTime no_connect_before_ = SteadyTime::min();
  bool connect_postponed_ = false;  // one is wanted as soon as that time has come
  bool refused_ = false;            // the last attempt failed for good

  SteadyTime lease_blocked_since_{};  // the later of: leases began to wait, one was granted
  SteadyTime orphan_check_ = SteadyTime::max();
  SteadyTime housekeeping_ = SteadyTime::max();
  bool draining_ = false;
  bool drain_cut_ = false;
  SteadyTime drain_deadline_ = SteadyTime::max();
  Figures figures_;
};

}  // namespace lyceum::pool
