#include "pool/pool.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>

#include "pg/waiter.h"

namespace lyceum::pool {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr int kMostAttempts = 4;
// How long after a cancel a cancelled statement may be one that the cancel was not meant for.
constexpr auto kCancelEcho = std::chrono::seconds(10);
constexpr auto kResetLimit = std::chrono::seconds(5);

// One request, in the frame of the coroutine that waits for it.
struct Request final : pg::Exchange, Ticket {
  Request(const Statement& what, const pg::Params& with, const Call& call, Kind wanted)
      : Exchange(what, with, call.tenant ? &*call.tenant : nullptr) {
    kind = wanted;
    Ticket::tenant = call.tenant;
  }
  void finished(Result<pg::Rows> answer) override;
  void end(Error why) { conclude(std::move(why)); }
  void conclude(Result<pg::Rows> answer) {
    result.emplace(std::move(answer));
    waiter->notify();
  }
  void again() {
    waiter.emplace();
    result.reset();
    connection.reset();
  }

  std::optional<pg::Waiter> waiter{std::in_place};
  std::optional<Result<pg::Rows>> result;
  std::shared_ptr<pg::Connection> connection;  // what it was sent on, or leased
  std::function<void(Request&)> on_answer;
};

void Request::finished(Result<pg::Rows> answer) {
  on_answer(*this);
  conclude(std::move(answer));
}

// Whether the server refuses for a reason that the next attempt will meet too.
bool permanent_failure(const Error& error) {
  for (const std::string_view sign :
       {"password authentication failed", "does not exist", "no pg_hba.conf entry",
        "no password supplied", "authentication", "permission denied", "certificate"}) {
    if (error.message.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

struct Pool::State : std::enable_shared_from_this<Pool::State> {
  State(asio::any_io_executor executor_, Options options_)
      : executor(executor_),
        options(std::move(options_)),
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

  void event(const std::string& what, const std::string& detail) {
    if (options.on_event) options.on_event(what, detail);
  }

  // Does what the core wants done. Doing may raise events that add to it; the outermost call does
  // all of it.
  void act() {
    if (acting) return;
    acting = true;
    const auto self = shared_from_this();
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
      case Action::Kind::grant:
        request->connection = connections[action.member];
        if (!request->connection || request->member != action.member) {
          // Lost between the decision and now: nothing was sent.
          return request->end({.code = ErrorCode::kConnectionLost,
                               .message = "the connection was lost before the statement was sent",
                               .statement = std::string(request->statement().name),
                               .node = options.target.node});
        }
        if (action.kind == Action::Kind::grant) return request->conclude(pg::Rows());
        return request->connection->submit(*request);
      case Action::Kind::fail:
        return fail(*request, action.reason);
      case Action::Kind::cancel: {
        auto& connection = connections[action.member];
        if (connection && !connection->cancel_under_way()) {
          if (connection->cancel()) ++cancels;
        }
        return;
      }
    }
  }

  void fail(Request& request, Reason reason) {
    const bool sent = reason == Reason::sent_deadline;
    if (sent) request.connection->abandon(request);
    Error error{.code = ErrorCode::kTimeout,
                .statement = std::string(request.statement().name),
                .node = options.target.node};
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
        Clock::now() - request.arrived);
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
        error.hint = "raise connection_limit or pool_timeout, or find out what holds the "
                     "connections";
        if (last_connect_error) {
          error.code = ErrorCode::kConnect;
          error.message += "; the last attempt to connect: " + last_connect_error->message;
          error.hint = last_connect_error->hint;
        }
        break;
      case Reason::sent_deadline:
        error.message = fmt::format("the deadline passed {} ms after the request; the statement "
                                    "is being cancelled", waited.count());
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
    request.end(std::move(error));
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
    auto connection = *opened;
    self->last_connect_error.reset();
    self->connections[member] = connection;
    const std::weak_ptr<State> weak = self;
    connection->on_closed([weak, member, raw = connection.get()](const Error& error) {
      const auto state = weak.lock();
      if (!state || state->connections[member].get() != raw) return;
      state->connections[member].reset();
      state->event("connection lost", error.to_string());
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
    self->core.connected(member, Clock::now());
    self->act();
  }

  // Gives a leased connection back; `used` by a caller who may have left anything behind.
  static awaitable<void> take_back(std::shared_ptr<State> self,
                                   std::shared_ptr<pg::Connection> connection, MemberId member,
                                   bool used) {
    if (used && !connection->closed()) {
      bool clean = connection->depth() == 0;
      if (clean) {
        const auto limit = Clock::now() + kResetLimit;
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
        connection->on_notification(nullptr);
        connection->on_notice(nullptr);
      }
      if (!clean) connection->close();
    }
    if (self->connections[member] == connection && !connection->closed()) {
      self->core.returned(member, Clock::now());
    }
    self->act();
  }

  void give_back(const std::shared_ptr<pg::Connection>& connection, MemberId member, bool used) {
    if (!used) {
      if (connections[member] == connection && !connection->closed()) {
        core.returned(member, Clock::now());
      }
      return act();
    }
    asio::co_spawn(executor, take_back(shared_from_this(), connection, member, used),
                   asio::detached);
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

const std::string& Pool::node() const { return state_->options.target.node; }

Figures Pool::figures() const {
  auto figures = state_->core.figures();
  figures.cancels = state_->cancels;
  figures.retries = state_->retries;
  return figures;
}

awaitable<Result<pg::Rows>> Pool::execute(const Statement& statement, const pg::Params& params,
                                          const Call& call) {
  const auto state = state_;
  const auto arrived = Clock::now();
  const auto deadline = std::min(call.deadline, arrived + state->core.limits().statement_timeout);

  Request request(statement, params, call, Ticket::Kind::statement);
  request.arrived = arrived;
  request.deadline = deadline;
  request.on_answer = [&state](Request& answered) {
    if (answered.kind == Ticket::Kind::statement) {
      state->core.answered(answered, answered.ended_at);
      // Inside a delivery others follow at once; what waits is dispatched now all the same.
      state->act();
    }
  };

  Duration queue{};
  for (int attempt = 1;; ++attempt) {
    bool slow = false;
    if (state->options.recent_server_time) {
      const auto recent = state->options.recent_server_time(statement);
      slow = recent && *recent > state->core.limits().slow_statement_lease;
    }
    request.kind = slow ? Ticket::Kind::lease : Ticket::Kind::statement;
    request.sent_at = request.started_at = request.ended_at = SteadyTime{};
    const auto asked = Clock::now();
    state->core.submit(request, asked);
    state->act();
    co_await request.waiter->wait();

    if (slow && request.result->has_value()) {
      // The connection is ours alone for this one statement.
      const auto member = request.member;
      const auto connection = request.connection;
      auto answer = co_await connection->execute(statement, params, deadline,
                                                 call.tenant ? &*call.tenant : nullptr);
      request.sent_at = request.started_at = asked;
      request.ended_at = Clock::now();
      state->give_back(connection, member, false);
      request.result.emplace(std::move(answer));
    }
    if (request.sent_at != SteadyTime{}) queue += request.sent_at - asked;
    if (request.result->has_value() || attempt == kMostAttempts) break;

    const Error error = request.result->error();
    const auto now = Clock::now();
    if (now >= deadline || error.may_have_taken_effect) break;
    // Repeated is only what provably had no effect: what a broken connection never ran, what the
    // server rolled back to let others pass, and what a cancel hit that was meant for a neighbour.
    const bool unlucky =
        error.code == ErrorCode::kConnectionLost || error.sqlstate == "40001" ||
        error.sqlstate == "40P01" ||
        (error.sqlstate == "57014" && request.connection &&
         now - kCancelEcho < request.connection->last_cancel());
    if (!unlucky) break;
    ++state->retries;
    request.again();
  }

  auto result = std::move(*request.result);
  std::optional<Error> error;
  if (result.has_error()) error = result.error();
  if (state->options.on_finished) {
    const auto ended = Clock::now();
    FinishedStatement finished{.statement = &statement,
                               .tenant = call.tenant.value_or(Uuid{}),
                               .node = state->options.target.node,
                               .total = ended - arrived,
                               .queue = queue,
                               .bytes_sent = params.bytes()};
    if (request.ended_at != SteadyTime{}) {
      finished.server = request.ended_at - std::max(request.sent_at, request.started_at);
    }
    if (result.has_value()) {
      finished.rows = result->size() > 0 ? static_cast<std::uint64_t>(result->size())
                                         : static_cast<std::uint64_t>(result->affected());
      finished.bytes_received = result->bytes();
    } else {
      finished.error = &*error;
      if (request.sent_at == SteadyTime{}) finished.node = {};
    }
    state->options.on_finished(finished, params);
  }
  co_return result;
}

awaitable<Result<Lease>> Pool::lease(const Call& call) {
  static constexpr Statement kNothing{"lease", "", Access::read};
  static const pg::Params kNone;
  const auto state = state_;
  Request request(kNothing, kNone, call, Ticket::Kind::lease);
  request.arrived = Clock::now();
  request.deadline = call.deadline;
  state->core.submit(request, request.arrived);
  state->act();
  co_await request.waiter->wait();
  if (request.result->has_error()) co_return request.result->error();
  const auto member = request.member;
  co_return Lease(request.connection,
                  [state, connection = request.connection, member] {
                    state->give_back(connection, member, true);
                  });
}

awaitable<Result<void>> Pool::warm_up() {
  auto leased = co_await lease({.deadline = Clock::now() + state_->core.limits().connect_timeout});
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
  co_return Clock::now() < now + within;
}

}  // namespace lyceum::pool
