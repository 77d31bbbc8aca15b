// The core against a model of servers that answer, break, refuse and fall silent at random. The
// model knows only what the core was told and what it wanted done; after every step it checks what
// must hold whatever happened.

#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <random>

#include "pool/core_harness.h"

namespace lyceum::pool {
namespace {

// Fair turns the slow way: a list of tenants, each with its list of tickets.
class SlowQueue {
 public:
  void push(Ticket* ticket) {
    for (auto& [tenant, tickets] : turns_) {
      if (tenant == ticket->tenant) return tickets.push_back(ticket);
    }
    turns_.push_back({ticket->tenant, {ticket}});
  }
  [[nodiscard]] Ticket* next() const { return turns_.empty() ? nullptr : turns_[0].second[0]; }
  void pop() {
    auto turn = turns_[0];
    turns_.erase(turns_.begin());
    turn.second.erase(turn.second.begin());
    if (!turn.second.empty()) turns_.push_back(turn);
  }
  void remove(Ticket* ticket) {
    for (auto turn = turns_.begin(); turn != turns_.end(); ++turn) {
      const auto found = std::find(turn->second.begin(), turn->second.end(), ticket);
      if (found == turn->second.end()) continue;
      turn->second.erase(found);
      if (turn->second.empty()) turns_.erase(turn);
      return;
    }
    FAIL() << "it does not wait";
  }
  [[nodiscard]] std::size_t size_of(const std::optional<Uuid>& tenant) const {
    for (const auto& turn : turns_) {
      if (turn.first == tenant) return turn.second.size();
    }
    return 0;
  }
  [[nodiscard]] std::size_t most() const {
    std::size_t most = 0;
    for (const auto& turn : turns_) most = std::max(most, turn.second.size());
    return most;
  }
  [[nodiscard]] bool is_newest_of_its_tenant(const Ticket* ticket) const {
    for (const auto& turn : turns_) {
      if (turn.first == ticket->tenant) return turn.second.back() == ticket;
    }
    return false;
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const auto& turn : turns_) size += turn.second.size();
    return size;
  }

 private:
  std::vector<std::pair<std::optional<Uuid>, std::vector<Ticket*>>> turns_;
};

class Simulation {
 public:
  explicit Simulation(unsigned seed)
      : random_(seed),
        limits_(draw_limits()),
        core_(limits_, [this] { return std::uniform_real_distribution<>()(random_); }) {}

  void run() {
    core_.tick(now_);
    obey();
    check();
    const int steps = pick(50, 300);
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      obey();
      check();
    }
    // The world gets well again; everything must come to an end by itself.
    server_ = Server::well;
    const bool drain = chance(0.5);
    if (drain) {
      drained_by_ = now_ + draw(0ms, 3s);
      core_.drain(now_, *drained_by_);
      obey();
      check();
    }
    for (int i = 0; i < 20000 && busy() && !::testing::Test::HasFailure(); ++i) {
      pass(5ms);
      if (chance(0.8)) serve();
      obey();
      check();
    }
    ASSERT_FALSE(busy()) << "something hangs";
    for (const auto& [ticket, life] : lives_) ASSERT_EQ(life.ends, life.asked) << "ended once";
    if (drain) {
      ASSERT_TRUE(core_.drained());
      ASSERT_EQ(core_.figures().open + core_.figures().connecting, 0u);
    }
  }

 private:
  enum class Server { well, down, refusing, silent };
  enum class Stage { nothing, connecting, open, leased };
  struct Model {
    Stage stage = Stage::nothing;
    std::vector<Ticket*> flight;  // null: an orphan
    bool tainted = false;         // has held an orphan since it was last empty
    bool cancelling = false;
    SteadyTime head_since{};
    [[nodiscard]] std::size_t orphans() const {
      return static_cast<std::size_t>(std::count(flight.begin(), flight.end(), nullptr));
    }
  };
  struct Life {
    int asked = 0;
    int ends = 0;
    std::optional<MemberId> leased;
    SteadyTime asked_at{};
  };

  template <class T>
  T pick(T low, T high) {
    return std::uniform_int_distribution<T>(low, high)(random_);
  }
  bool chance(double p) { return std::uniform_real_distribution<>()(random_) < p; }
  Duration draw(Duration low, Duration high) {
    return Duration(pick<Duration::rep>(low.count(), high.count()));
  }

  Limits draw_limits() {
    Limits limits;
    limits.connection_limit = pick<std::size_t>(1, chance(0.5) ? 4 : 12);
    limits.lanes = pick<std::size_t>(1, 5);
    limits.lane_depth = pick<std::size_t>(1, chance(0.5) ? 3 : 16);
    limits.min_idle = pick<std::size_t>(0, 3);
    limits.queue_limit = pick<std::size_t>(0, chance(0.3) ? 3 : 60);
    limits.concurrent_connects = pick<std::size_t>(1, 3);
    limits.pool_timeout = draw(10ms, 3s);
    mortal_ = chance(0.5);
    if (mortal_) {
      limits.idle_timeout = draw(10ms, 1s);
      limits.max_lifetime = draw(50ms, 3s);
      limits.max_lifetime_jitter = 0.5;
    } else {
      limits.idle_timeout = limits.max_lifetime = 1000h;
      limits.max_lifetime_jitter = 0;
    }
    limits.backoff_initial = draw(1ms, 50ms);
    limits.backoff_max = draw(50ms, 500ms);
    return limits;
  }

  // ── events ──────────────────────────────────────────────────────────────────────────────────

  void step() {
    const auto what = pick(0, 99);
    if (what < 40) {
      for (int i = pick(1, 8); i > 0; --i) ask();
    } else if (what < 70) {
      serve();
    } else if (what < 88) {
      pass(draw(0ms, chance(0.1) ? 2s : 10ms));
    } else if (what < 92) {
      server_ = chance(0.5) ? Server::well : static_cast<Server>(pick(1, 3));
    } else if (what < 96) {
      if (auto* ticket = some_ticket([](const Ticket& t) {
            return t.state == Ticket::State::waiting || t.state == Ticket::State::sent;
          })) {
        withdraw(*ticket);
      }
    } else {
      break_one();
    }
  }

  template <class Which>
  Ticket* some_ticket(Which which) {
    std::vector<Ticket*> found;
    for (auto& ticket : tickets_) {
      if (which(ticket)) found.push_back(&ticket);
    }
    return found.empty() ? nullptr : found[pick<std::size_t>(0, found.size() - 1)];
  }

  void ask() {
    // Now and then one that has ended asks again, as retries do.
    Ticket* ticket = chance(0.2) ? some_ticket([this](const Ticket& t) {
      return t.state == Ticket::State::idle && lives_[&t].ends == lives_[&t].asked;
    })
                                 : nullptr;
    if (ticket == nullptr) ticket = &tickets_.emplace_back();
    ticket->kind = chance(0.8) ? Ticket::Kind::statement : Ticket::Kind::lease;
    ticket->tenant.reset();
    if (chance(0.8)) ticket->tenant = tenant_number(chance(0.6) ? 0 : pick(1u, 4u));
    ticket->deadline = chance(0.3) ? SteadyTime::max() : now_ + draw(-1ms, 500ms);
    auto& life = lives_[ticket];
    ++life.asked;
    life.asked_at = now_;
    submitted_ = ticket;
    full_ = queue(Ticket::Kind::statement).size() + queue(Ticket::Kind::lease).size() >=
            limits_.queue_limit;
    core_.submit(*ticket, now_);
    if (ticket->state == Ticket::State::waiting) queue(ticket->kind).push(ticket);
    obey();
    submitted_ = nullptr;
    check();
  }

  // Each open member answers some of what it has; each connecting one comes or fails.
  void serve() {
    for (MemberId id = 0; id < limits_.connection_limit; ++id) {
      auto& member = members_[id];
      if (member.stage == Stage::connecting && chance(0.5)) {
        if (server_ == Server::well) {
          member.stage = Stage::open;
          member.tainted = member.cancelling = false;
          core_.connected(id, now_);
        } else if (server_ != Server::silent) {
          member.stage = Stage::nothing;
          core_.connect_failed(id, server_ == Server::refusing, now_);
        }
        obey();
        check();
      }
      if (server_ == Server::silent) continue;
      if (member.cancelling && chance(0.5)) {
        member.cancelling = false;
        core_.cancel_settled(id, now_);
        obey();
        check();
      }
      for (int count = pick(0, 4); count > 0 && members_[id].stage == Stage::open; --count) {
        if (!members_[id].flight.empty()) land(id);
      }
    }
    if (auto* ticket =
            some_ticket([this](const Ticket& t) { return lives_[&t].leased.has_value(); });
        ticket != nullptr && chance(0.7)) {
      auto& life = lives_[ticket];
      const auto id = *std::exchange(life.leased, std::nullopt);
      ++life.ends;
      ticket->state = Ticket::State::idle;
      if (members_[id].stage == Stage::leased && holders_[id] == ticket) {
        members_[id].stage = Stage::open;
        members_[id].tainted = false;
        core_.returned(id, now_);
        obey();
        check();
      }
    }
  }

  void land(MemberId id) {
    auto& member = members_[id];
    // Now and then one is prepared anew and answered behind the others.
    const auto at = chance(0.95) ? 0 : pick<std::size_t>(0, member.flight.size() - 1);
    auto* ticket = member.flight[at];
    member.flight.erase(member.flight.begin() + static_cast<std::ptrdiff_t>(at));
    if (member.flight.empty()) member.tainted = false;
    member.head_since = now_;
    if (ticket == nullptr) {
      core_.orphan_answered(id, now_);
    } else {
      ++lives_[ticket].ends;
      core_.answered(*ticket, now_);
    }
    obey();
    check();
  }

  void withdraw(Ticket& ticket) {
    ++lives_[&ticket].ends;
    if (ticket.state == Ticket::State::waiting) {
      queue(ticket.kind).remove(&ticket);
    } else {
      orphan(ticket, ticket.member);
    }
    core_.withdraw(ticket, now_);
  }

  void orphan(Ticket& ticket, MemberId id) {
    auto& flight = members_[id].flight;
    const auto at = std::find(flight.begin(), flight.end(), &ticket);
    ASSERT_NE(at, flight.end());
    *at = nullptr;
    members_[id].tainted = true;
  }

  void break_one() {
    const auto id = pick<MemberId>(0, static_cast<MemberId>(limits_.connection_limit - 1));
    if (members_[id].stage != Stage::open && members_[id].stage != Stage::leased) return;
    auto flight = std::exchange(members_[id].flight, {});
    members_[id].stage = Stage::nothing;
    members_[id].cancelling = false;
    core_.lost(id, now_);
    end_with_connection(flight);
  }

  void end_with_connection(const std::vector<Ticket*>& flight) {
    for (auto* ticket : flight) {
      if (ticket == nullptr) continue;
      ASSERT_EQ(ticket->member, kNoMember);
      ++lives_[ticket].ends;
      core_.answered(*ticket, now_);
    }
  }

  // No wakeup is skipped and none comes to nothing: each leaves the next one in the future.
  void pass(Duration time) {
    const auto until = now_ + time;
    while (core_.next_wakeup() <= until) {
      now_ = std::max(now_, core_.next_wakeup());
      core_.tick(now_);
      obey();
      check();
      ASSERT_GT(core_.next_wakeup(), now_) << "the timer would spin";
    }
    now_ = until;
  }

  // ── actions ─────────────────────────────────────────────────────────────────────────────────

  SlowQueue& queue(Ticket::Kind kind) {
    return kind == Ticket::Kind::statement ? statements_ : leases_;
  }

  // A ticket leaves its queue only in its turn.
  void left_queue(Ticket& ticket) {
    if (&ticket == submitted_) {
      submitted_ = nullptr;
      return;  // it never waited
    }
    ASSERT_EQ(queue(ticket.kind).next(), &ticket) << "served out of turn";
    queue(ticket.kind).pop();
  }

  void obey() {
    Action action;
    while (core_.next_action(action)) {
      switch (action.kind) {
        case Action::Kind::connect:
          ASSERT_EQ(members_[action.member].stage, Stage::nothing);
          members_[action.member].stage = Stage::connecting;
          break;
        case Action::Kind::close: {
          auto& member = members_[action.member];
          ASSERT_NE(member.stage, Stage::nothing);
          if (member.stage == Stage::leased) {
            ASSERT_TRUE(core_.draining());
          }
          auto flight = std::exchange(member.flight, {});
          member.stage = Stage::nothing;
          member.cancelling = false;
          end_with_connection(flight);
          break;
        }
        case Action::Kind::send: {
          auto& ticket = *action.ticket;
          auto& member = members_[action.member];
          ASSERT_EQ(member.stage, Stage::open);
          ASSERT_EQ(member.orphans(), 0u);
          ASSERT_FALSE(member.tainted);
          ASSERT_FALSE(member.cancelling);
          ASSERT_EQ(ticket.kind, Ticket::Kind::statement);
          if (ticket.state == Ticket::State::sent) {
            ASSERT_EQ(ticket.member, action.member);
          }
          left_queue(ticket);
          if (member.flight.empty()) member.head_since = now_;
          member.flight.push_back(&ticket);
          ++sent_;
          break;
        }
        case Action::Kind::grant: {
          auto& ticket = *action.ticket;
          auto& member = members_[action.member];
          ASSERT_EQ(member.stage, Stage::open);
          ASSERT_TRUE(member.flight.empty());
          ASSERT_FALSE(member.cancelling);
          left_queue(ticket);
          member.stage = Stage::leased;
          lives_[&ticket].leased = action.member;
          holders_[action.member] = &ticket;
          ++granted_;
          break;
        }
        case Action::Kind::fail: {
          auto& ticket = *action.ticket;
          ++lives_[&ticket].ends;
          failed(ticket, action);
          break;
        }
        case Action::Kind::cancel: {
          auto& member = members_[action.member];
          if (drained_by_ && now_ >= *drained_by_) break;  // cut off next
          ASSERT_EQ(member.stage, Stage::open);
          ASSERT_GT(member.orphans(), 0u);
          ASSERT_EQ(member.flight.front(), nullptr);
          ASSERT_FALSE(member.cancelling) << "one cancel at a time";
          member.cancelling = true;
          break;
        }
      }
    }
  }

  void failed(Ticket& ticket, const Action& action) {
    switch (action.reason) {
      case Reason::sent_deadline:
        ASSERT_GE(now_, ticket.deadline);
        return orphan(ticket, action.member);
      case Reason::queue_full:
        ASSERT_TRUE(full_);
        if (&ticket == submitted_) {
          // Nobody has enough more to give way.
          const auto own = statements_.size_of(ticket.tenant) + leases_.size_of(ticket.tenant);
          ASSERT_LE(std::max(statements_.most(), leases_.most()), own + 1);
        } else {
          auto& from = queue(ticket.kind);
          ASSERT_TRUE(from.is_newest_of_its_tenant(&ticket));
          ASSERT_EQ(from.size_of(ticket.tenant), std::max(statements_.most(), leases_.most()));
          from.remove(&ticket);
          // The one that came has taken its place; it may have been sent on at once.
          if (submitted_->state == Ticket::State::waiting) return;
        }
        return;
      case Reason::queue_deadline:
        ASSERT_GE(now_, ticket.deadline);
        break;
      case Reason::pool_timeout:
        ASSERT_GE(now_, lives_[&ticket].asked_at + limits_.pool_timeout);
        break;
      case Reason::connect_failed:
        ASSERT_EQ(open(), 0u);
        break;
      case Reason::shutting_down:
        ASSERT_TRUE(core_.draining());
        break;
    }
    if (&ticket != submitted_) queue(ticket.kind).remove(&ticket);
  }

  // ── what must hold ──────────────────────────────────────────────────────────────────────────

  [[nodiscard]] std::size_t count(Stage stage) const {
    std::size_t out = 0;
    for (const auto& [id, member] : members_) out += member.stage == stage;
    return out;
  }
  [[nodiscard]] std::size_t open() const { return count(Stage::open) + count(Stage::leased); }
  [[nodiscard]] bool busy() {
    if (statements_.size() + leases_.size() > 0) return true;
    for (const auto& [id, member] : members_) {
      if (!member.flight.empty() || member.stage == Stage::leased) return true;
    }
    for (const auto& [ticket, life] : lives_) {
      if (life.leased) return true;
    }
    return core_.draining() && !core_.drained();
  }

  void check() {
    if (::testing::Test::HasFailure()) return;
    const auto figures = core_.figures();
    ASSERT_EQ(figures.open, open());
    ASSERT_EQ(figures.leased, count(Stage::leased));
    ASSERT_EQ(figures.connecting, count(Stage::connecting));
    ASSERT_EQ(figures.waiting, statements_.size() + leases_.size());
    ASSERT_EQ(figures.statements, sent_);
    ASSERT_EQ(figures.leases, granted_);
    std::uint64_t closed = 0;
    for (const auto reason : figures.closed) closed += reason;
    ASSERT_EQ(figures.connects - closed, figures.open);
    ASSERT_LE(open() + count(Stage::connecting), limits_.connection_limit);
    ASSERT_LE(figures.waiting, limits_.queue_limit);
    ASSERT_LE(figures.lanes, core_.limits().lanes);

    std::size_t idle = 0, usable = 0, lanes_at_work = 0, depth = 0, deepest = 0;
    bool room = false;
    for (const auto& [id, member] : members_) {
      if (member.stage != Stage::open) continue;
      ASSERT_LE(member.flight.size(), limits_.lane_depth);
      depth += member.flight.size();
      deepest = std::max(deepest, member.flight.size());
      if (member.flight.empty()) {
        ++idle;
        usable += !member.cancelling;
      } else if (!member.tainted) {
        ++lanes_at_work;
        room |=
            now_ - member.head_since <= Core::kStalled && member.flight.size() < limits_.lane_depth;
      }
    }
    ASSERT_EQ(figures.depth, depth);
    ASSERT_EQ(figures.deepest, deepest);
    ASSERT_EQ(figures.idle, idle);

    // Nobody waits for what is there.
    if (leases_.size() > 0) {
      ASSERT_EQ(usable, 0u);
    }
    if (statements_.size() > 0 && leases_.size() == 0) {
      if (usable > 0) {
        ASSERT_GE(lanes_at_work, core_.limits().lanes);
      }
      // The model does not see which of them take nothing new: those of age, and one that was kept
      // for a lease and is a lane too many now.
      if (!mortal_ && lanes_at_work <= figures.lanes) {
        ASSERT_FALSE(room);
      }
    }

    // Nothing ends late: the timer is set for the first of all ends.
    const auto wakeup = core_.next_wakeup();
    for (const auto& ticket : tickets_) {
      if (ticket.state == Ticket::State::waiting) {
        ASSERT_LE(wakeup, ticket.deadline);
        ASSERT_LE(wakeup, lives_.at(&ticket).asked_at + limits_.pool_timeout);
      } else if (ticket.state == Ticket::State::sent) {
        ASSERT_LE(wakeup, ticket.deadline);
      }
    }
    // Who waits is waited for by somebody: a connection at work, one on its way, or the next
    // attempt.
    if (figures.waiting > 0 && open() + count(Stage::connecting) == 0) {
      ASSERT_LE(wakeup, now_ + limits_.backoff_max);
    }
    if (drained_by_) {
      if (now_ >= *drained_by_) {
        ASSERT_TRUE(core_.drained());
      }
    }
  }

  std::mt19937 random_;
  bool mortal_ = false;
  Limits limits_;
  SteadyTime now_{std::chrono::hours(1)};
  Server server_ = Server::well;
  std::deque<Ticket> tickets_;
  Core core_;
  std::map<const Ticket*, Life> lives_;
  std::map<MemberId, Model> members_;
  std::map<MemberId, const Ticket*> holders_;
  SlowQueue statements_, leases_;
  std::size_t sent_ = 0, granted_ = 0;
  const Ticket* submitted_ = nullptr;
  bool full_ = false;
  std::optional<SteadyTime> drained_by_;
};

// Seconds, also where every memory access is looked at.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr unsigned kSeeds = 200;
#else
constexpr unsigned kSeeds = 1500;
#endif
#else
constexpr unsigned kSeeds = 1500;
#endif

TEST(CoreSimulation, HoldsItsWordWhateverTheServersDo) {
  for (unsigned seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Simulation simulation(seed);
    simulation.run();
    if (HasFailure()) return;
  }
}

// The queue alone, against the slow one, over many tenants.
TEST(CoreSimulation, TheFairQueueDoesAsTheSlowOne) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    std::deque<Ticket> tickets;
    std::vector<Ticket*> waiting;
    FairQueue queue;
    SlowQueue slow;
    for (int i = 0; i < 500; ++i) {
      const auto what = random() % 10;
      if (what < 6) {
        auto& ticket = tickets.emplace_back();
        if (random() % 8 != 0) ticket.tenant = tenant_number(static_cast<unsigned>(random() % 6));
        queue.push(ticket);
        slow.push(&ticket);
        waiting.push_back(&ticket);
      } else if (!waiting.empty() && what < 8) {
        auto* expected = slow.next();
        slow.pop();
        ASSERT_EQ(&queue.pop(), expected);
        std::erase(waiting, expected);
      } else if (!waiting.empty()) {
        auto* ticket = waiting[random() % waiting.size()];
        queue.remove(*ticket);
        slow.remove(ticket);
        std::erase(waiting, ticket);
      }
      ASSERT_EQ(queue.size(), waiting.size());
      ASSERT_EQ(queue.most_of_one(), slow.most());
      if (!waiting.empty()) {
        const auto& newest = queue.newest_of_the_most();
        ASSERT_TRUE(slow.is_newest_of_its_tenant(&newest));
        ASSERT_EQ(slow.size_of(newest.tenant), slow.most());
        ASSERT_EQ(queue.size_of(newest.tenant), slow.most());
      }
    }
    while (!queue.empty()) queue.pop();
  }
}

}  // namespace
}  // namespace lyceum::pool
