#include "pg/connection.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>

#include "pg/waiter.h"
#include "sql/statements.h"

namespace lyceum::pg {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;

constexpr const char* kSetTenant = "select set_config('lyceum.tenant', $1, true)";
constexpr const char* kPosition = "position";  // as the server knows it
std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view{} : text;
}

std::string first_line(const char* text) {
  const std::string_view all = text == nullptr ? "" : text;
  return std::string(all.substr(0, all.find('\n')));
}

bool is_farewell(const PGresult* result) {
  const auto severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity == "FATAL" || severity == "PANIC";
}

}  // namespace

void Connection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Connection::Connection(asio::any_io_executor executor, std::string node)
    : executor_(executor), descriptor_(executor), node_(std::move(node)) {}

Connection::~Connection() {
  // libpq closes the socket itself; Asio must have let go of it before.
  release_socket();
}

void Connection::assign_socket() {
  descriptor_.assign(PQsocket(connection_.get()));
}

void Connection::release_socket() {
  if (descriptor_.is_open()) descriptor_.release();
}

int Connection::server_version() const {
  return PQserverVersion(connection_.get());
}
int Connection::server_process() const {
  return PQbackendPID(connection_.get());
}

std::string_view Connection::parameter(const char* name) const {
  const char* value = PQparameterStatus(connection_.get(), name);
  return value == nullptr ? std::string_view{} : value;
}

bool Connection::transaction_open() const {
  const auto status = PQtransactionStatus(connection_.get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

void Connection::on_notification(std::function<void(Notification)> handler) {
  on_notification_ = std::move(handler);
}

void Connection::on_notice(std::function<void(std::string, std::string)> handler) {
  on_notice_ = std::move(handler);
}

// ── statements ───────────────────────────────────────────────────────────────────────────────────

void Connection::submit(Exchange& exchange) {
  send(exchange, 0);
}

void Connection::abandon(Exchange& exchange) {
  for (auto& slot : slots_) {
    if (slot.exchange == &exchange) slot.exchange = nullptr;
  }
  for (auto& item : finished_) {
    if (item.exchange == &exchange) item.exchange = nullptr;
  }
}

Connection::Prepared* Connection::find_prepared(const Statement& statement, const Params& params) {
  const auto versions = prepared_.find(statement.name);
  if (versions == prepared_.end()) return nullptr;
  const auto items = params.items();
  for (auto& candidate : versions->second) {
    if (candidate.text != statement.text || candidate.types.size() != items.size()) continue;
    bool same = true;
    for (std::size_t i = 0; i < items.size(); ++i) same &= candidate.types[i] == items[i].type;
    if (same) return &candidate;
  }
  return nullptr;
}

void Connection::forget_prepared(std::uint64_t number) {
  // What the server still holds under the old name goes with the connection.
  if (number == 0) return;
  for (auto& [name, versions] : prepared_) {
    std::erase_if(versions, [&](const Prepared& entry) { return entry.number == number; });
  }
}

// Whether the answer says that the server no longer has what the slot used, so that preparing it
// anew may help. Several in flight may say so of the same preparation, and only the first of them
// takes it off: hence the numbers.
bool Connection::forget_what_failed(const Slot& slot) {
  const auto failed =
      slot.failed_step < slot.steps.size() ? slot.steps[slot.failed_step] : Step::run;
  // A preparation that failed or that came after the failure never was.
  for (auto at = slot.failed_step; at < slot.steps.size(); ++at) {
    if (slot.steps[at] == Step::prepare) forget_prepared(slot.prepared);
    if (slot.steps[at] == Step::prepare_tenant) forget_tenant(slot.tenant);
  }
  const bool gone = slot.error->sqlstate == "26000";
  if (!gone && slot.error->sqlstate != "0A000") return false;
  if (failed != Step::run && failed != Step::set_tenant) return false;
  // What was prepared a moment ago for this very attempt is there and fits.
  const auto own = failed == Step::run ? Step::prepare : Step::prepare_tenant;
  if (std::find(slot.steps.begin(), slot.steps.end(), own) != slot.steps.end()) return false;
  if (failed == Step::run && slot.prepared == 0) return false;
  // One that is gone seldom went alone: DEALLOCATE ALL, DISCARD ALL.
  if (gone || failed == Step::run) forget_prepared(slot.prepared);
  if (gone || failed == Step::set_tenant) forget_tenant(slot.tenant);
  return true;
}

void Connection::forget_tenant(std::uint64_t number) {
  if (tenant_prepared_ == number) tenant_prepared_ = 0;
}

bool Connection::send_steps(Slot& slot, const Statement& statement, const Params& params,
                            const Uuid* tenant) {
  auto* connection = connection_.get();
  const auto items = params.items();
  boost::container::small_vector<Oid, 8> types;
  boost::container::small_vector<const char*, 8> values;
  boost::container::small_vector<int, 8> lengths;
  boost::container::small_vector<int, 8> formats;
  for (const auto& item : items) {
    types.push_back(item.type);
    values.push_back(params.value(item));
    lengths.push_back(item.length);
    formats.push_back(1);
  }
  const int count = static_cast<int>(items.size());

  if (tenant != nullptr && slot.attempt == kLastAttempt) {
    const auto text = to_string(*tenant);
    const char* value = text.c_str();
    if (!PQsendQueryParams(connection, kSetTenant, 1, nullptr, &value, nullptr, nullptr, 1)) {
      return false;
    }
    slot.steps.push_back(Step::set_tenant);
  } else if (tenant != nullptr) {
    const auto number = tenant_prepared_ != 0 ? tenant_prepared_ : ++last_number_;
    const auto name = fmt::format("t{}", number);
    slot.tenant = number;
    if (tenant_prepared_ == 0) {
      if (!PQsendPrepare(connection, name.c_str(), kSetTenant, 0, nullptr)) return false;
      slot.steps.push_back(Step::prepare_tenant);
      tenant_prepared_ = number;
    }
    const auto text = to_string(*tenant);
    const char* value = text.c_str();
    if (!PQsendQueryPrepared(connection, name.c_str(), 1, &value, nullptr, nullptr, 1)) {
      return false;
    }
    slot.steps.push_back(Step::set_tenant);
  }

  if (statement.name.empty() || slot.attempt == kLastAttempt) {
    if (!PQsendQueryParams(connection, std::string(statement.text).c_str(), count, types.data(),
                           values.data(), lengths.data(), formats.data(), 1)) {
      return false;
    }
    slot.steps.push_back(Step::run);
    return true;
  }

  const auto* prepared = find_prepared(statement, params);
  if (prepared == nullptr) {
    const auto number = ++last_number_;
    Prepared added{.text = std::string(statement.text),
                   .types = {types.begin(), types.end()},
                   .number = number,
                   .server_name = fmt::format("s{}", number)};
    if (!PQsendPrepare(connection, added.server_name.c_str(), added.text.c_str(), count,
                       types.data())) {
      return false;
    }
    slot.steps.push_back(Step::prepare);
    auto& versions = prepared_[std::string(statement.name)];
    versions.push_back(std::move(added));
    prepared = &versions.back();
  }
  slot.prepared = prepared->number;
  if (!PQsendQueryPrepared(connection, prepared->server_name.c_str(), count, values.data(),
                           lengths.data(), formats.data(), 1)) {
    return false;
  }
  slot.steps.push_back(Step::run);
  return true;
}

bool Connection::send_position(Slot& slot) {
  auto* connection = connection_.get();
  if (!position_prepared_) {
    const std::string text(sql::pg::position.text);
    if (!PQsendPrepare(connection, kPosition, text.c_str(), 0, nullptr)) return false;
    slot.steps.push_back(Step::prepare_position);
    position_prepared_ = true;
  }
  if (!PQsendQueryPrepared(connection, kPosition, 0, nullptr, nullptr, nullptr, 1)) return false;
  slot.steps.push_back(Step::read_position);
  return true;
}

void Connection::take_position(Slot& slot, const Rows& rows) const {
  if (slot.exchange == nullptr || slot.error || rows.empty()) return;
  const auto row = rows[0];
  slot.positioned = true;
  slot.exchange->reached()->advance(
      {.timeline = row.get<std::optional<std::int32_t>>(0).value_or(0),
       .lsn = static_cast<std::uint64_t>(row.get<std::int64_t>(1))});
}

bool Connection::send_sync() {
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
  // libpq 17: one flush for all that gathers in this turn of the loop.
  const bool synced = PQsendPipelineSync(connection_.get()) == 1;
  if (!flush_posted_) {
    flush_posted_ = true;
    asio::post(executor_, [self = shared_from_this()] {
      self->flush_posted_ = false;
      self->flush();
    });
  }
  return synced;
#else
  return PQpipelineSync(connection_.get()) == 1;
#endif
}

void Connection::send(Exchange& exchange, int attempt) {
  if (closed_ || !pipeline_) {
    auto error = lost_error(&exchange.statement());
    if (!closed_) {
      error.code = ErrorCode::kInternal;
      error.message = "a statement was sent while a script or COPY was under way";
    }
    finished_.push_back({&exchange, std::move(error)});
    return deliver();
  }
  auto& slot = slots_.emplace_back();
  slot.exchange = &exchange;
  slot.access = exchange.statement().access;
  slot.attempt = attempt;
  exchange.sent_at = std::chrono::steady_clock::now();
  if (slots_.size() == 1) slot.started_at = exchange.started_at = exchange.sent_at;
  if (!send_steps(slot, exchange.statement(), exchange.params(), exchange.tenant())) {
    // What was refused here never left: the steps before it are answered as any others.
    slot.failed_step = slot.steps.size();
    slot.error = Error{
        .code = ErrorCode::kBadInput,
        .message = "the statement cannot be sent: " + first_line(PQerrorMessage(connection_.get())),
        .statement = std::string(exchange.statement().name),
        .node = node_};
  }
  bool synced = send_sync();
  if (synced && exchange.reached() != nullptr) {
    // On its own transaction: the statement's has ended, so that its commit is covered.
    slot.asks_position = true;
    synced = send_position(slot) && send_sync();
  }
  if (!synced && !broken()) {
    // Only memory that ran out: answers and exchanges would no longer match.
    return lose(lost_error(nullptr));
  }
  flush();
}

// Whether libpq has given up the connection. It has closed the socket then, whose number may soon
// be another's: Asio must let go of it at once. What the server said last is still to be read.
bool Connection::broken() {
  if (PQstatus(connection_.get()) != CONNECTION_BAD) return false;
  if (descriptor_.is_open()) {
    release_socket();
    asio::post(executor_, [self = shared_from_this()] {
      if (!self->closed_ && self->pipeline_) self->on_readable();
    });
  }
  return true;
}

void Connection::flush() {
  if (closed_) return;
  const int left = PQflush(connection_.get());
  // A failed write is found out by the reader, with whatever the server said last.
  if (!broken() && left == 1) arm_write();
}

// The waits hold no pointer that keeps the connection: one that nobody holds any more shall end.
void Connection::arm_read() {
  if (read_armed_ || closed_ || !pipeline_ || !descriptor_.is_open()) return;
  read_armed_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](error_code error) {
                           const auto self = weak.lock();
                           if (!self) return;
                           self->read_armed_ = false;
                           if (self->closed_ || !self->pipeline_) return;
                           // A script that came and went between the wait's end and now.
                           if (error) return self->arm_read();
                           self->on_readable();
                         });
}

void Connection::arm_write() {
  if (write_armed_ || closed_ || !descriptor_.is_open()) return;
  write_armed_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                         [weak = weak_from_this()](error_code) {
                           const auto self = weak.lock();
                           if (!self) return;
                           self->write_armed_ = false;
                           if (!self->closed_ && self->pipeline_) self->flush();
                         });
}

// TLS may hold decrypted bytes that the socket will not announce again.
bool Connection::tls_pending() const {
  auto* tls = static_cast<SSL*>(PQsslStruct(connection_.get(), "OpenSSL"));
  return tls != nullptr && SSL_pending(tls) > 0;
}

void Connection::on_readable() {
  const auto self = shared_from_this();
  bool ok = true;
  do {
    ok = PQconsumeInput(connection_.get()) == 1;
    read_results(ok);
    // Whoever was told of an answer may have closed the connection, or begun a script on it.
  } while (ok && !closed_ && pipeline_ && tls_pending());
  if (!closed_) {
    if (!ok || PQstatus(connection_.get()) == CONNECTION_BAD) {
      lose(lost_error(nullptr));
    } else {
      // While output waits, input must be drained too, or both sides wait for each other.
      if (write_armed_) flush();
      arm_read();
    }
  }
  deliver();
}

// Each answer is handed on before the next is read, while it is in the cache and its memory can
// serve the next. What a broken connection still holds is kept until it is known to be lost.
void Connection::read_results(bool healthy) {
  auto* connection = connection_.get();
  while (!closed_ && !slots_.empty() && PQisBusy(connection) == 0) {
    PGresult* result = PQgetResult(connection);
    auto& slot = slots_.front();
    if (result == nullptr) {
      if (PQstatus(connection) == CONNECTION_BAD) return;
      if (slot.step < slot.steps.size()) ++slot.step;
      continue;
    }
    take_result(result);
    if (healthy && !finished_.empty()) deliver();
  }
  if (!closed_) take_notifications();
}

void Connection::take_notifications() {
  while (PGnotify* notify = PQnotifies(connection_.get())) {
    if (on_notification_) {
      notifications_.push_back({notify->relname, notify->extra, notify->be_pid});
    }
    PQfreemem(notify);
  }
}

void Connection::take_result(pg_result* raw) {
  auto& slot = slots_.front();
  Rows result(raw);
  switch (PQresultStatus(raw)) {
    case PGRES_PIPELINE_SYNC:
      if (slot.asks_position && !slot.synced) {
        slot.synced = true;
        return;
      }
      return finish_head();
    case PGRES_PIPELINE_ABORTED:
      return;
    case PGRES_FATAL_ERROR: {
      const auto* statement = slot.exchange != nullptr ? &slot.exchange->statement() : nullptr;
      if (is_farewell(raw)) {
        fatal_ = make_error(raw, statement);
      } else if (slot.synced) {
        // Forgotten by the server: prepared anew next time.
        if (field(raw, PG_DIAG_SQLSTATE) == "26000") position_prepared_ = false;
      } else if (!slot.error) {
        slot.error = make_error(raw, statement);
        slot.failed_step = slot.step;
      }
      return;
    }
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      // The server now takes what follows for data, or for nothing at all.
      return lose(Error{.code = ErrorCode::kConnectionLost,
                        .message = "COPY was sent as an ordinary statement, which breaks the "
                                   "connection",
                        .hint = "use copy_in_begin or copy_out",
                        .node = node_});
    default:
      if (slot.step >= slot.steps.size()) return;
      if (slot.steps[slot.step] == Step::run) {
        slot.rows = std::move(result);
        slot.completed = true;
      } else if (slot.steps[slot.step] == Step::read_position) {
        take_position(slot, result);
      }
  }
}

void Connection::finish_head() {
  const auto now = std::chrono::steady_clock::now();
  Slot slot = std::move(slots_.front());
  slots_.pop_front();
  if (!slots_.empty()) {
    slots_.front().started_at = now;
    if (auto* next = slots_.front().exchange) next->started_at = now;
  }
  auto* exchange = slot.exchange;
  if (!slot.error && !slot.completed) {
    slot.error = Error{.code = ErrorCode::kInternal,
                       .message = "the server ended the statement without an answer",
                       .node = node_,
                       .may_have_taken_effect = slot.access == Access::write};
  }
  if (slot.error && forget_what_failed(slot) && exchange != nullptr &&
      slot.attempt < kLastAttempt && !in_transaction_ && !transaction_open()) {
    return send(*exchange, slot.attempt + 1);
  }
  if (exchange != nullptr) exchange->ended_at = now;
  finished_.push_back(conclude(slot));
}

Connection::Finished Connection::conclude(Slot& slot) {
  if (slot.error) return {slot.exchange, std::move(*slot.error)};
  if (slot.asks_position && !slot.positioned && slot.exchange != nullptr) {
    slot.exchange->reached()->lose_track();
  }
  return {slot.exchange, std::move(slot.rows)};
}

void Connection::deliver() {
  // A callback may submit, abandon or close: everything goes through the queue, one at a time.
  if (delivering_) return;
  delivering_ = true;
  const auto self = shared_from_this();
  const auto next = [](auto& queue) {
    auto item = std::move(queue.front());
    queue.pop_front();
    return item;
  };
  while (true) {
    if (!notices_.empty()) {
      auto [severity, message] = next(notices_);
      if (const auto handler = on_notice_) handler(std::move(severity), std::move(message));
    } else if (!notifications_.empty()) {
      auto notification = next(notifications_);
      if (const auto handler = on_notification_) handler(std::move(notification));
    } else if (!finished_.empty()) {
      auto item = next(finished_);
      if (item.exchange != nullptr) {
        item.exchange->finished(std::move(item.result));
      } else if (const auto handler = on_orphan_) {
        handler();
      }
    } else {
      break;
    }
  }
  delivering_ = false;
}

void Connection::lose(Error error) {
  if (closed_) return;
  closed_ = true;
  pipeline_ = false;
  if (fatal_) error = *fatal_;
  why_lost_ = error.message;
  error.code = ErrorCode::kConnectionLost;
  const auto now = std::chrono::steady_clock::now();
  bool first = true;
  for (auto& slot : slots_) {
    if (slot.exchange != nullptr && slot.synced) {
      // It has ended; only the position after it was still to come.
      slot.exchange->ended_at = now;
      finished_.push_back(conclude(slot));
    } else if (slot.exchange != nullptr) {
      Error own = error;
      own.statement = slot.exchange->statement().name;
      // A farewell (FATAL) came instead of the first one's answer: it was rolled back unless it
      // had ended already, and the server never read those behind it. Without a farewell nothing
      // is certain.
      const bool unknown = fatal_ ? first && slot.completed : true;
      // What libpq refused to take never left.
      const bool refused = slot.error && slot.error->code == ErrorCode::kBadInput;
      own.may_have_taken_effect = slot.access == Access::write && unknown && !refused;
      // The answer was there and said no; only the Sync's was missing.
      if (slot.error && slot.error->code == ErrorCode::kSql) own = *slot.error;
      if (own.may_have_taken_effect) own.code = ErrorCode::kInDoubt;
      slot.exchange->ended_at = now;
      finished_.push_back({slot.exchange, std::move(own)});
    }
    first = false;
  }
  slots_.clear();
  on_orphan_ = nullptr;
  release_socket();
  // libpq may be further up this stack.
  asio::post(executor_, [self = shared_from_this()] { self->connection_.reset(); });
  if (on_closed_) std::exchange(on_closed_, nullptr)(error);
  deliver();
}

void Connection::close(std::string why) {
  if (closed_) return;
  const auto self = shared_from_this();
  lose(Error{.code = ErrorCode::kConnectionLost, .message = std::move(why), .node = node_});
  // Tells the server; it rolls back what is open.
  connection_.reset();
}

bool Connection::cancel() {
  if (closed_ || !canceller_) return false;
  if (!canceller_->send()) return false;
  last_cancel_ = std::chrono::steady_clock::now();
  return true;
}

// Cancels what runs until the answer has come; without one the connection is closed in the end.
awaitable<void> Connection::cancel_until(std::shared_ptr<Connection> self,
                                         std::function<bool()> done) {
  const auto give_up = std::chrono::steady_clock::now() + kCancelGrace;
  asio::steady_timer timer(self->executor_);
  while (!done() && !self->closed_) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= give_up) co_return self->close();
    self->cancel();
    timer.expires_at(std::min(give_up, now + kCancelAgain));
    co_await timer.async_wait(use_awaitable);
  }
}

// A cancel that is still on its way would hit whatever comes next.
awaitable<void> Connection::cancel_settled() {
  const auto limit = last_cancel_ + kCancelGrace;
  asio::steady_timer timer(executor_);
  while (!closed_ && cancel_under_way()) {
    if (std::chrono::steady_clock::now() >= limit) {
      close();
      co_return;
    }
    timer.expires_after(std::chrono::milliseconds(1));
    co_await timer.async_wait(use_awaitable);
  }
}

awaitable<Result<Rows>> Connection::execute(const Statement& statement, const Params& params,
                                            SteadyTime deadline, const Uuid* tenant,
                                            Position* reached) {
  struct Waiting final : Exchange {
    Waiting(std::shared_ptr<Connection> where, const Statement& what, const Params& with,
            const Uuid* whose, Position* position)
        : Exchange(what, with, whose, position), on(std::move(where)) {}
    // A coroutine that is destroyed while it waits leaves nothing of itself behind.
    ~Waiting() override {
      if (!result) on->abandon(*this);
    }
    void finished(Result<Rows> answer) override {
      result.emplace(std::move(answer));
      waiter.notify();
    }
    std::shared_ptr<Connection> on;
    Waiter waiter;
    std::optional<Result<Rows>> result;
  };
  const auto self = shared_from_this();
  // Shared with the timer's handler, which may be queued when the answer has come already.
  const auto waiting = std::make_shared<Waiting>(self, statement, params, tenant, reached);
  bool late = false;
  std::optional<asio::steady_timer> timer;
  if (deadline != kNoDeadline) {
    timer.emplace(executor_, deadline);
    timer->async_wait([self, waiting, &late](error_code error) {
      if (error || waiting->waiter.done()) return;
      if (self->head() != waiting.get()) {
        // A cancel would hit the neighbour that the server is at.
        self->abandon(*waiting);
        return waiting->finished(
            Error{.code = ErrorCode::kTimeout,
                  .message = "the deadline passed while the statement stood behind others",
                  .statement = std::string(waiting->statement().name),
                  .node = self->node_,
                  .may_have_taken_effect = waiting->statement().access == Access::write});
      }
      late = true;
      asio::co_spawn(self->executor_,
                     cancel_until(self, [waiting] { return waiting->waiter.done(); }),
                     asio::detached);
    });
  }
  submit(*waiting);
  co_await waiting->waiter.wait();
  if (timer) timer->cancel();
  auto result = std::move(*waiting->result);
  if (!late) co_return result;
  co_await cancel_settled();
  if (result.has_error()) {
    auto error = result.error();
    const bool cancelled = error.sqlstate == "57014";
    if (cancelled || error.code == ErrorCode::kConnectionLost ||
        error.code == ErrorCode::kInDoubt) {
      error.code = ErrorCode::kTimeout;
      error.message = cancelled ? "the deadline passed and the server cancelled the statement"
                                : "the deadline passed and the server did not answer";
      co_return error;
    }
  }
  co_return result;
}

// ── errors ───────────────────────────────────────────────────────────────────────────────────────

Error Connection::make_error(const pg_result* result, const Statement* statement) const {
  auto message = std::string(field(result, PG_DIAG_MESSAGE_PRIMARY));
  const auto sqlstate = field(result, PG_DIAG_SQLSTATE);
  const bool from_server = !sqlstate.empty();
  if (message.empty()) message = first_line(PQresultErrorMessage(result));
  return Error{
      .code = from_server && !is_farewell(result) ? ErrorCode::kSql : ErrorCode::kConnectionLost,
      .message = std::move(message),
      .hint = std::string(field(result, PG_DIAG_MESSAGE_HINT)),
      .sqlstate = std::string(sqlstate),
      .statement = std::string(statement == nullptr ? "" : statement->name),
      .node = node_};
}

Error Connection::lost_error(const Statement* statement) const {
  std::string message;
  if (closed_) {
    message = why_lost_.empty() ? "the connection is closed" : why_lost_;
  } else {
    message =
        "the connection broke: " + first_line(connection_ ? PQerrorMessage(connection_.get()) : "");
  }
  return Error{.code = ErrorCode::kConnectionLost,
               .message = std::move(message),
               .statement = std::string(statement == nullptr ? "" : statement->name),
               .node = node_};
}

}  // namespace lyceum::pg
