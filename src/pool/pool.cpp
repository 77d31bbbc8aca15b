#include "pool/pool.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <random>

#include "pg/waiter.h"

namespace lyceum::pool {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// Where all connections die at once a statement may meet one dead one after the other before the
// pool has heard of it.
constexpr int kMostAttempts = 8;
// How long after a cancel a cancelled statement may be one that the cancel was not meant for.
constexpr auto kCancelEcho = std::chrono::seconds(10);
constexpr auto kCancelPoll = std::chrono::milliseconds(1);
constexpr auto kResetLimit = std::chrono::seconds(5);
constexpr std::string_view kCancelled = "57014";

// What a request tells of its answer; the pool's state, which is not known here yet.
struct Answers {
  Load load;
  virtual ~Answers() = default;
  virtual void answered(Ticket& ticket, SteadyTime at) = 0;
  virtual void forget(struct Request& request) = 0;
};

// One request, in the frame of the coroutine that waits for it.
struct Request final : pg::Exchange, Ticket {
  Request(Answers& answers, const Statement& what, const pg::Params& with, const Call& call,
          Kind wanted)
      : Exchange(what, with, call.tenant ? &*call.tenant : nullptr, call.seen), pool(answers) {
    kind = wanted;
    Ticket::tenant = call.tenant;
    ++pool.load.in_flight;
  }
  ~Request() override {
    --pool.load.in_flight;
    // A coroutine that is destroyed while it waits takes its request out of every list.
    if (asked && !result) pool.forget(*this);
  }
  void finished(Result<pg::Rows> answer) override {
    const auto* from = std::exchange(connection, nullptr);
    if (failing) return;  // its end is on its way already
    const auto at = ended_at == SteadyTime{} ? Clock::now() : ended_at;
    if (answer.has_error() && answer.error().sqlstate == kCancelled && from != nullptr) {
      bystander = at - kCancelEcho < from->last_cancel();
    }
    pool.answered(*this, at);
    conclude(std::move(answer));
  }
  void conclude(Result<pg::Rows> answer) {
    result.emplace(std::move(answer));
    waiter->notify();
  }
  // Repeated is only what provably had no effect: what a broken connection never ran, what the
  // server rolled back to let others pass, and what a cancel hit that was meant for a neighbour.
  [[nodiscard, gnu::noinline]] bool repeatable() const {
    if (result->has_value()) return false;
    const auto& error = result->error();
    const bool unlucky = error.code == ErrorCode::kConnectionLost || error.sqlstate == "40001" ||
                         error.sqlstate == "40P01" || bystander;
    return unlucky && !error.may_have_taken_effect && Clock::now() < deadline;
  }
  void again() {
    waiter.emplace();
    result.reset();
    connection = nullptr;
    bystander = false;
    sent_at = started_at = ended_at = SteadyTime{};
  }

  Answers& pool;
  std::optional<pg::Waiter> waiter{std::in_place};
  std::optional<Result<pg::Rows>> result;
  pg::Connection* connection = nullptr;    // what it was sent on, until it is answered
  std::shared_ptr<pg::Connection> leased;  // or what it was given
  bool asked = false;
  bool bystander = false;  // hit by a cancel that was meant for a neighbour
};

// Whether the server refuses for a reason that the next attempt will meet too.
bool permanent_failure(const Error& error) {
  const std::string_view state = error.sqlstate;
  if (!state.empty()) {
    return state.starts_with("28") || state == "3D000" || state == "42501" || state == "42704";
  }
  for (const std::string_view sign :
       {"password authentication failed", "no pg_hba.conf entry", "no password supplied",
        "authentication method", "certificate", "does not exist"}) {
    if (error.message.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

struct Pool::State final : std::enable_shared_from_this<Pool::State>, Answers {
  State(asio::any_io_executor on, Options with)
      : executor(on),
        options(std::move(with)),
        core(options.limits, [this] { return std::uniform_real_distribution<>()(random); }),
        connections(core.limits().connection_limit),
        timer(executor) {}

  asio::any_io_executor executor;
  Options options;
  std::minstd_rand random{std::random_device{}()};
  Core core;
  std::vector<std::shared_ptr<pg::Connection>> connections;
  asio::steady_timer timer;
  SteadyTime timer_at = SteadyTime::max();
  bool acting = false;
  std::optional<Error> last_connect_error;
  std::vector<pg::Waiter*> drain_waiters;

  void answered(Ticket& ticket, SteadyTime at) override {
    core.answered(ticket, at);
    // Inside a delivery others follow at once; what waits is dispatched now all the same.
    act();
  }
  void forget(Request& request) override {
    if (request.connection != nullptr) request.connection->abandon(request);
    core.withdraw(request, Clock::now());
    act();
  }

  void event(const std::string& what, const std::string& detail) {
    if (options.on_event) options.on_event(what, detail);
  }

  void changed() {
    if (options.on_change) options.on_change();
  }

  // Does what the core wants done. Doing may raise events that add to it; the outermost call does
  // all of it. Whoever calls holds the state.
  void act() {
    if (acting) return;
    acting = true;
    Action action;
    while (core.next_action(action)) perform(action);
    acting = false;
    if (core.drained()) {
      timer.cancel();
      for (auto* waiter : std::exchange(drain_waiters, {})) waiter->notify();
      return;
    }
    arm_timer();
  }

  void arm_timer() {
    const auto at = core.next_wakeup();
    // A wakeup that comes early does no harm; moving the timer for every request would.
    if (at >= timer_at || at == SteadyTime::max()) return;
    timer_at = at;
    timer.expires_at(at);
    timer.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->timer_at = SteadyTime::max();
      self->core.tick(Clock::now());
      self->act();
    });
  }

  void perform(const Action& action) {
    auto* request = static_cast<Request*>(action.ticket);
    switch (action.kind) {
      case Action::Kind::connect:
        asio::co_spawn(executor, connect(shared_from_this(), action.member), asio::detached);
        return;
      case Action::Kind::close: {
        auto connection = std::exchange(connections[action.member], nullptr);
        if (connection) {
          connection->on_closed(nullptr);
          connection->close();
        }
        return;
      }
      case Action::Kind::send:
      case Action::Kind::grant: {
        const auto& connection = connections[action.member];
        if (!connection || request->member != action.member) {
          // Lost between the decision and now: nothing was sent.
          return request->conclude(
              Error{.code = ErrorCode::kConnectionLost,
                    .message = "the connection was lost before the statement was sent",
                    .statement = std::string(request->statement().name),
                    .node = options.target.node});
        }
        if (action.kind == Action::Kind::grant) {
          request->leased = connection;
          return request->conclude(pg::Rows());
        }
        request->connection = connection.get();
        return connection->submit(*request);
      }
      case Action::Kind::fail:
        return fail(*request, action);
      case Action::Kind::cancel: {
        const auto& connection = connections[action.member];
        if (!connection || !connection->cancel()) {
          return core.cancel_settled(action.member, Clock::now());
        }
        ++cancels;
        asio::co_spawn(executor, watch_cancel(shared_from_this(), connection, action.member),
                       asio::detached);
        return;
      }
    }
  }

  void fail(Request& request, const Action& action) {
    const auto reason = action.reason;
    // Also where the connection is lost already: it tells what was on it one after the other.
    if (auto* connection = std::exchange(request.connection, nullptr)) connection->abandon(request);
    Error error{.code = ErrorCode::kTimeout,
                .statement = std::string(request.statement().name),
                .node = options.target.node};
    const auto waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - request.arrived);
    switch (reason) {
      case Reason::queue_full:
        error.code = ErrorCode::kQueueFull;
        error.message = fmt::format("the queue before the pool is full: {} requests wait",
                                    core.limits().queue_limit);
        error.hint = "send less at once, or raise connection_limit";
        break;
      case Reason::pool_timeout:
      case Reason::queue_deadline:
        error.message = fmt::format("no connection was free within {} ms{}", waited.count(),
                                    reason == Reason::pool_timeout ? "" : ", the deadline");
        error.hint =
            "raise connection_limit or pool_timeout, or find out what holds the "
            "connections";
        if (last_connect_error) {
          error.code = ErrorCode::kConnect;
          error.message += "; the last attempt to connect: " + last_connect_error->message;
          error.hint = last_connect_error->hint;
        }
        break;
      case Reason::sent_deadline:
        error.message = fmt::format(
            "the deadline passed {} ms after the request; the statement "
            "is being cancelled",
            waited.count());
        error.may_have_taken_effect = request.statement().access == Access::write;
        break;
      case Reason::connect_failed:
        error.code = ErrorCode::kConnect;
        if (last_connect_error) {
          error.message = last_connect_error->message;
          error.hint = last_connect_error->hint;
          error.sqlstate = last_connect_error->sqlstate;
        }
        break;
      case Reason::shutting_down:
        error.code = ErrorCode::kShuttingDown;
        error.message = "the pool is shutting down";
        break;
    }
    request.conclude(std::move(error));
  }

  static awaitable<void> connect(std::shared_ptr<State> self, MemberId member) {
    auto opened = co_await pg::Connection::connect(
        self->executor, {.target = self->options.target,
                         .application_name = self->options.application_name,
                         .deadline = Clock::now() + self->core.limits().connect_timeout});
    if (opened.has_error()) {
      self->last_connect_error = opened.error();
      self->event("connect failed", opened.error().to_string());
      self->core.connect_failed(member, permanent_failure(opened.error()), Clock::now());
      self->act();
      co_return;
    }
    const auto& connection = *opened;
    self->last_connect_error.reset();
    self->connections[member] = connection;
    const std::weak_ptr<State> weak = self;
    connection->on_closed([weak, member, raw = connection.get()](const Error& error) {
      const auto state = weak.lock();
      if (!state || state->connections[member].get() != raw) return;
      state->connections[member].reset();
      state->event("connection lost", error.to_string());
      state->changed();
      state->core.lost(member, Clock::now());
      // What was on it is answered next, by the connection; new ones are made after that.
      asio::post(state->executor, [state] { state->act(); });
    });
    connection->on_orphan([weak, member, raw = connection.get()] {
      const auto state = weak.lock();
      if (!state || state->connections[member].get() != raw) return;
      state->core.orphan_answered(member, Clock::now());
      state->act();
    });
    self->changed();
    self->core.connected(member, Clock::now());
    self->act();
  }

  // The cancel travels on a thread of its own; nothing else waits for it, so that it is asked how
  // far it has come.
  static awaitable<void> watch_cancel(std::shared_ptr<State> self,
                                      std::shared_ptr<pg::Connection> connection, MemberId member) {
    asio::steady_timer pause(self->executor);
    while (!connection->closed() && connection->cancel_under_way()) {
      pause.expires_after(kCancelPoll);
      co_await pause.async_wait(use_awaitable);
    }
    if (self->connections[member] != connection) co_return;
    self->core.cancel_settled(member, Clock::now());
    self->act();
  }

  // Makes a connection that a caller has had as it was before. Whatever he left behind goes; where
  // that cannot be had at once, the connection does.
  static awaitable<void> take_back(std::shared_ptr<State> self,
                                   std::shared_ptr<pg::Connection> connection, MemberId member) {
    bool clean = connection->depth() == 0;
    if (clean) {
      const auto limit = Clock::now() + kResetLimit;
      connection->on_notification(nullptr);
      connection->on_notice(nullptr);
      connection->set_in_transaction(false);
      if (connection->transaction_open()) {
        clean = (co_await connection->script("rollback", limit)).has_value();
      }
      // DISCARD ALL without its DEALLOCATE ALL: prepared statements are the pool's own.
      clean = clean && (co_await connection->script(
                            "close all; set session authorization default; reset all; "
                            "unlisten *; select pg_advisory_unlock_all(); discard temp; "
                            "discard sequences",
                            limit))
                           .has_value();
    }
    if (!clean) connection->close();
    if (self->connections[member] == connection && !connection->closed()) {
      self->core.returned(member, Clock::now());
    }
    self->act();
  }

  void give_back(const std::shared_ptr<pg::Connection>& connection, MemberId member, bool used) {
    if (connections[member] != connection || connection->closed()) return act();
    if (!used) {
      core.returned(member, Clock::now());
      return act();
    }
    asio::co_spawn(executor, take_back(shared_from_this(), connection, member), asio::detached);
  }

  // A connection that one statement of ours has to itself, and leaves as it found it.
  struct Held {
    State& state;
    std::shared_ptr<pg::Connection> connection;
    MemberId member;
    ~Held() {
      // Destroyed with its coroutine in the middle of the statement: out of order.
      if (connection->depth() > 0) connection->close();
      state.give_back(connection, member, false);
    }
  };

  // Runs a statement on the connection that it was given for itself.
  static awaitable<void> run_alone(State& self, Request& request) {
    const Held held{self, std::exchange(request.leased, nullptr), request.member};
    request.sent_at = request.started_at = Clock::now();
    auto answer =
        co_await held.connection->execute(request.statement(), request.params(), request.deadline,
                                          request.Exchange::tenant(), request.reached());
    request.ended_at = Clock::now();
    request.result.emplace(std::move(answer));
  }

  // Whether a statement has taken so long lately that it gets a connection of its own.
  [[nodiscard]] bool slow(const Statement& statement) const {
    if (!options.recent_server_time) return false;
    const auto recent = options.recent_server_time(statement);
    return recent && *recent > core.limits().slow_statement_lease;
  }

  [[nodiscard, gnu::noinline]] bool moves(const Elsewhere* elsewhere,
                                          const Request& request) const {
    return elsewhere != nullptr && request.result->has_error() &&
           elsewhere->moves(options.number, request.statement(), request.result->error());
  }
  static awaitable<void> move(const State& self, Elsewhere& elsewhere, Request& request,
                              const Call& call) {
    auto answer = co_await elsewhere.resume(self.options.number, request.statement(),
                                            request.params(), call, request.result->error());
    request.result.emplace(std::move(answer));
  }

  [[gnu::noinline]] void tell_finished(const Request& request, Duration queue) {
    const auto& result = *request.result;
    const auto ended = Clock::now();
    // A server whose statements time out is no quick one.
    const bool tells = result.has_value() || result.error().code == ErrorCode::kTimeout;
    if (tells && request.sent_at != SteadyTime{}) load.took(ended - request.sent_at);
    if (!options.on_finished) return;
    std::optional<Error> error;
    FinishedStatement finished{.statement = &request.statement(),
                               .tenant = request.Ticket::tenant.value_or(Uuid{}),
                               .node = options.target.node,
                               .total = ended - request.arrived,
                               .queue = queue,
                               .bytes_sent = request.params().bytes()};
    if (request.sent_at != SteadyTime{}) {
      finished.server = (request.ended_at != SteadyTime{} ? request.ended_at : ended) -
                        std::max(request.sent_at, request.started_at);
    }
    if (result.has_value()) {
      finished.rows =
          static_cast<std::uint64_t>(result->empty() ? result->affected() : result->size());
      finished.bytes_received = result->bytes();
    } else {
      error = result.error();
      finished.error = &*error;
      if (request.sent_at == SteadyTime{}) finished.node = {};
    }
    options.on_finished(finished, request.params());
  }

  std::uint64_t cancels = 0;
  std::uint64_t retries = 0;
};

Pool::Pool(asio::any_io_executor executor, Options options)
    : state_(std::make_shared<State>(executor, std::move(options))) {
  state_->core.tick(Clock::now());
  state_->act();
}

Pool::~Pool() {
  // Whoever still waits is told now.
  const auto now = Clock::now();
  if (!state_->core.drained()) {
    state_->core.drain(now, now);
    state_->act();
  }
}

const Load& Pool::load() const {
  return state_->load;
}

void Pool::observed(Duration latency) {
  if (state_->load.in_flight == 0) state_->load.took(latency);
}

void Pool::retry_now() {
  state_->core.reachable(Clock::now());
  state_->act();
}

void Pool::sever(const std::string& why) {
  const auto state = state_;
  // Ending one may begin another: those are not meant.
  const auto open = state->connections;
  for (const auto& connection : open) {
    if (connection) connection->close(why);
  }
  state->core.unreachable();
  state->act();
}

const std::string& Pool::node() const {
  return state_->options.target.node;
}

Figures Pool::figures() const {
  auto figures = state_->core.figures();
  figures.cancels = state_->cancels;
  figures.retries = state_->retries;
  return figures;
}

// What waits in this frame is kept small, and what need not wait is done in plain functions that
// stay out of it: Asio keeps a frame for the next statement only up to a size of 1,020 bytes.
awaitable<Result<pg::Rows>> Pool::run(const Statement& statement, const pg::Params& params,
                                      const Call& call, std::shared_ptr<Elsewhere> elsewhere) {
  const auto state = state_;
  Request request(*state, statement, params, call, Ticket::Kind::statement);
  request.arrived = Clock::now();
  request.deadline =
      std::min(call.deadline, request.arrived + state->core.limits().statement_timeout);

  Duration queue{};
  for (int attempt = 1;; ++attempt) {
    const auto asked = attempt == 1 ? request.arrived : Clock::now();
    const bool slow = state->slow(statement);
    request.kind = slow ? Ticket::Kind::lease : Ticket::Kind::statement;
    request.asked = true;
    state->core.submit(request, asked);
    state->act();
    co_await request.waiter->wait();
    if (slow && request.result->has_value()) co_await State::run_alone(*state, request);

    queue += (request.sent_at != SteadyTime{} ? request.sent_at : Clock::now()) - asked;
    if (state->moves(elsewhere.get(), request)) break;
    if (attempt == kMostAttempts || !request.repeatable()) break;
    ++state->retries;
    request.again();
  }
  state->tell_finished(request, queue);
  if (state->moves(elsewhere.get(), request)) {
    co_await State::move(*state, *elsewhere, request, call);
  }
  co_return std::move(*request.result);
}

awaitable<Result<Lease>> Pool::lease(Access /*for_what*/, const Call& call) {
  static constexpr Statement kNothing{"lease", "", Access::read};
  static const pg::Params kNone;
  const auto state = state_;
  Request request(*state, kNothing, kNone, call, Ticket::Kind::lease);
  request.arrived = Clock::now();
  request.deadline = call.deadline;
  for (int attempt = 1;; ++attempt) {
    request.asked = true;
    state->core.submit(request, Clock::now());
    state->act();
    co_await request.waiter->wait();
    if (request.result->has_value()) break;
    const auto& error = request.result->error();
    if (error.code != ErrorCode::kConnectionLost || attempt == kMostAttempts) co_return error;
    request.again();
  }
  co_return Lease(request.leased, [state, connection = request.leased, member = request.member] {
    state->give_back(connection, member, true);
  });
}

awaitable<Result<void>> Pool::warm_up() {
  auto leased = co_await lease(Access::read,
                               {.deadline = Clock::now() + state_->core.limits().connect_timeout});
  if (leased.has_error()) co_return leased.error();
  co_return Result<void>{};
}

awaitable<bool> Pool::shutdown(Duration within) {
  const auto state = state_;
  pg::Waiter waiter;
  const auto now = Clock::now();
  state->core.drain(now, now + within);
  if (!state->core.drained()) state->drain_waiters.push_back(&waiter);
  state->timer_at = SteadyTime::max();  // the deadline may come before what was armed
  state->act();
  if (!state->core.drained()) co_await waiter.wait();
  state->timer.cancel();
  co_return !state->core.drain_cut();
}

}  // namespace lyceum::pool
