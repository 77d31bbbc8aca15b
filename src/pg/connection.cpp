#include "pg/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "pg/waiter.h"

namespace lyceum::pg {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;

constexpr const char* kTenantStatement = "lyceum_tenant";
constexpr const char* kSetTenant = "select set_config('lyceum.tenant', $1, true)";
// How long a cancelled statement may take to come back before the connection is given up.
constexpr auto kCancelGrace = std::chrono::seconds(1);

std::string_view field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view{} : text;
}

std::string first_line(const char* text) {
  const std::string_view all = text == nullptr ? "" : text;
  return std::string(all.substr(0, all.find('\n')));
}

bool forgotten_by_server(std::string_view sqlstate) {
  return sqlstate == "26000" || sqlstate == "0A000";
}

}  // namespace

void Connection::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }

Connection::Connection(asio::any_io_executor executor, std::string node)
    : executor_(executor), descriptor_(executor), node_(std::move(node)) {}

Connection::~Connection() {
  // libpq closes the socket itself; Asio must have let go of it before.
  release_socket();
}

void Connection::assign_socket() { descriptor_.assign(PQsocket(connection_.get())); }

void Connection::release_socket() {
  if (descriptor_.is_open()) descriptor_.release();
}

int Connection::server_version() const { return PQserverVersion(connection_.get()); }
int Connection::server_process() const { return PQbackendPID(connection_.get()); }

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

void Connection::submit(Exchange& exchange) { send(exchange, false); }

void Connection::abandon(Exchange& exchange) {
  for (auto& slot : slots_) {
    if (slot.exchange == &exchange) slot.exchange = nullptr;
  }
  for (auto& item : finished_) {
    if (item.exchange == &exchange) item.exchange = nullptr;
  }
}

Connection::Prepared* Connection::find_prepared(const Statement& statement, const Params& params) {
  auto& versions = prepared_[std::string(statement.name)];
  const auto items = params.items();
  for (auto& candidate : versions) {
    if (candidate.text != statement.text || candidate.types.size() != items.size()) continue;
    bool same = true;
    for (std::size_t i = 0; i < items.size(); ++i) same &= candidate.types[i] == items[i].type;
    if (same) return &candidate;
  }
  return nullptr;
}

void Connection::forget_prepared(const Statement& statement) {
  // What the server still holds under the old name goes with the connection.
  prepared_.erase(std::string(statement.name));
  tenant_prepared_ = false;
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

  if (tenant != nullptr) {
    if (!tenant_prepared_) {
      if (!PQsendPrepare(connection, kTenantStatement, kSetTenant, 0, nullptr)) return false;
      slot.steps.push_back(Step::prepare_tenant);
      tenant_prepared_ = true;
    }
    const auto text = to_string(*tenant);
    const char* value = text.c_str();
    if (!PQsendQueryPrepared(connection, kTenantStatement, 1, &value, nullptr, nullptr, 1)) {
      return false;
    }
    slot.steps.push_back(Step::set_tenant);
  }

  if (statement.name.empty()) {
    if (!PQsendQueryParams(connection, std::string(statement.text).c_str(), count, types.data(),
                           values.data(), lengths.data(), formats.data(), 1)) {
      return false;
    }
    slot.steps.push_back(Step::run);
    return true;
  }

  const auto* prepared = find_prepared(statement, params);
  if (prepared == nullptr) {
    Prepared added{statement.text, {types.begin(), types.end()}, fmt::format("s{}", next_name_++)};
    if (!PQsendPrepare(connection, added.server_name.c_str(), std::string(statement.text).c_str(),
                       count, types.data())) {
      return false;
    }
    slot.steps.push_back(Step::prepare);
    auto& versions = prepared_[std::string(statement.name)];
    versions.push_back(std::move(added));
    prepared = &versions.back();
  }
  if (!PQsendQueryPrepared(connection, prepared->server_name.c_str(), count, values.data(),
                           lengths.data(), formats.data(), 1)) {
    return false;
  }
  slot.steps.push_back(Step::run);
  return true;
}

void Connection::send(Exchange& exchange, bool healed) {
  if (closed_ || !pipeline_) {
    auto error = lost_error(nullptr);
    error.code = ErrorCode::kConnectionLost;
    error.statement = exchange.statement().name;
    error.may_have_taken_effect = false;
    finished_.push_back({&exchange, std::move(error)});
    return deliver();
  }
  auto& slot = slots_.emplace_back();
  slot.exchange = &exchange;
  slot.access = exchange.statement().access;
  slot.healed = healed;
  exchange.sent_at = std::chrono::steady_clock::now();
  if (slots_.size() == 1) slot.started_at = exchange.started_at = exchange.sent_at;
  if (!send_steps(slot, exchange.statement(), exchange.params(), exchange.tenant())) {
    // What was refused here never left: the steps before it are answered as any others.
    slot.error = Error{.code = ErrorCode::kBadInput,
                       .message = "the statement cannot be sent: " +
                                  first_line(PQerrorMessage(connection_.get())),
                       .statement = std::string(exchange.statement().name),
                       .node = node_};
  }
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
#else
  const bool synced = PQpipelineSync(connection_.get()) == 1;
#endif
  if (!synced || PQstatus(connection_.get()) == CONNECTION_BAD) {
    // The answer may still hold the server's farewell: read it before giving up.
    asio::post(executor_, [self = shared_from_this()] {
      if (!self->closed_) self->on_readable();
    });
    return;
  }
  flush();
}

void Connection::flush() {
  if (closed_) return;
  const int left = PQflush(connection_.get());
  if (left == 1) arm_write();
  // A failed write is found out by the reader, with whatever the server said last.
}

void Connection::arm_read() {
  if (read_armed_ || closed_ || !pipeline_) return;
  read_armed_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](error_code error) {
                           self->read_armed_ = false;
                           if (error || self->closed_ || !self->pipeline_) return;
                           self->on_readable();
                         });
}

void Connection::arm_write() {
  if (write_armed_ || closed_) return;
  write_armed_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                         [self = shared_from_this()](error_code error) {
                           self->write_armed_ = false;
                           if (!error && !self->closed_) self->flush();
                         });
}

void Connection::on_readable() {
  const auto self = shared_from_this();
  const bool ok = PQconsumeInput(connection_.get()) == 1;
  read_results();
  if (!ok || PQstatus(connection_.get()) == CONNECTION_BAD) {
    lose(lost_error(nullptr));
  } else {
    // While output waits, input must be drained too, or both sides wait for each other.
    if (write_armed_) flush();
    arm_read();
  }
  deliver();
}

void Connection::read_results() {
  auto* connection = connection_.get();
  while (!slots_.empty() && PQisBusy(connection) == 0) {
    PGresult* result = PQgetResult(connection);
    auto& slot = slots_.front();
    if (result == nullptr) {
      if (PQstatus(connection) == CONNECTION_BAD) return;
      if (slot.step < slot.steps.size()) ++slot.step;
      continue;
    }
    take_result(result);
  }
  while (PGnotify* notify = PQnotifies(connection)) {
    if (on_notification_) on_notification_({notify->relname, notify->extra, notify->be_pid});
    PQfreemem(notify);
  }
}

void Connection::take_result(pg_result* raw) {
  auto& slot = slots_.front();
  Rows result(raw);
  switch (PQresultStatus(raw)) {
    case PGRES_PIPELINE_SYNC:
      return finish_head();
    case PGRES_PIPELINE_ABORTED:
      return;
    case PGRES_FATAL_ERROR: {
      const auto severity = field(raw, PG_DIAG_SEVERITY_NONLOCALIZED);
      const auto* statement = slot.exchange != nullptr ? &slot.exchange->statement() : nullptr;
      if (severity == "FATAL" || severity == "PANIC") {
        fatal_ = make_error(raw, statement);
      } else if (!slot.error && !field(raw, PG_DIAG_SQLSTATE).empty()) {
        slot.error = make_error(raw, statement);
      }
      return;
    }
    default:
      if (slot.step < slot.steps.size() && slot.steps[slot.step] == Step::run) {
        slot.rows = std::move(result);
        slot.completed = true;
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
  if (slot.error && exchange != nullptr && forgotten_by_server(slot.error->sqlstate) &&
      !in_transaction_) {
    forget_prepared(exchange->statement());
    if (!slot.healed) return send(*exchange, true);
  }
  if (exchange != nullptr) exchange->ended_at = now;
  if (slot.error) {
    finished_.push_back({exchange, std::move(*slot.error)});
  } else {
    finished_.push_back({exchange, std::move(slot.rows)});
  }
}

void Connection::deliver() {
  // A callback may submit, abandon or close: everything goes through the queue, one at a time.
  if (delivering_) return;
  delivering_ = true;
  const auto self = shared_from_this();
  while (!finished_.empty()) {
    auto item = std::move(finished_.front());
    finished_.pop_front();
    if (item.exchange != nullptr) {
      item.exchange->finished(std::move(item.result));
    } else if (on_orphan_) {
      on_orphan_();
    }
  }
  delivering_ = false;
}

void Connection::lose(Error error) {
  if (closed_) return;
  closed_ = true;
  pipeline_ = false;
  if (fatal_) error = *fatal_;
  error.code = ErrorCode::kConnectionLost;
  const auto now = std::chrono::steady_clock::now();
  bool first = true;
  for (auto& slot : slots_) {
    if (slot.exchange != nullptr) {
      Error own = error;
      own.statement = slot.exchange->statement().name;
      // A farewell (FATAL) came instead of the first one's answer: it was rolled back unless it
      // had ended already, and the server never read those behind it. Without a farewell nothing
      // is certain.
      const bool unknown = fatal_ ? first && slot.completed : true;
      own.may_have_taken_effect = slot.access == Access::write && unknown;
      if (own.may_have_taken_effect) own.code = ErrorCode::kInDoubt;
      slot.exchange->ended_at = now;
      finished_.push_back({slot.exchange, std::move(own)});
    }
    first = false;
  }
  slots_.clear();
  on_orphan_ = nullptr;
  release_socket();
  if (on_closed_) std::exchange(on_closed_, nullptr)(error);
  deliver();
}

void Connection::close() {
  if (closed_) return;
  const auto self = shared_from_this();
  lose(Error{.code = ErrorCode::kConnectionLost,
             .message = "the connection was closed",
             .node = node_});
  // Tells the server; it rolls back what is open.
  connection_.reset();
}

bool Connection::cancel() {
  if (closed_ || !canceller_) return false;
  if (!canceller_->send()) return false;
  last_cancel_ = std::chrono::steady_clock::now();
  return true;
}

awaitable<Result<Rows>> Connection::execute(const Statement& statement, const Params& params,
                                            SteadyTime deadline, const Uuid* tenant) {
  struct Waiting final : Exchange {
    using Exchange::Exchange;
    void finished(Result<Rows> answer) override {
      result.emplace(std::move(answer));
      waiter.notify();
    }
    Waiter waiter;
    std::optional<Result<Rows>> result;
  };
  // Shared with the timer's handler, which may be queued when the answer has come already.
  const auto waiting = std::make_shared<Waiting>(statement, params, tenant);
  const auto self = shared_from_this();
  bool late = false;
  std::optional<asio::steady_timer> timer;
  if (deadline != kNoDeadline) {
    timer.emplace(executor_, deadline);
    timer->async_wait([self, waiting, &late, &timer](error_code error) {
      if (error || waiting->waiter.done()) return;
      late = true;
      self->cancel();
      timer->expires_after(kCancelGrace);
      timer->async_wait([self, waiting](error_code again) {
        if (!again && !waiting->waiter.done()) self->close();
      });
    });
  }
  submit(*waiting);
  co_await waiting->waiter.wait();
  if (timer) timer->cancel();
  auto result = std::move(*waiting->result);
  if (late && result.has_error()) {
    auto error = result.error();
    const bool cancelled = error.sqlstate == "57014";
    if (cancelled || error.code == ErrorCode::kConnectionLost || error.code == ErrorCode::kInDoubt) {
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
  return Error{.code = ErrorCode::kSql,
               .message = std::string(field(result, PG_DIAG_MESSAGE_PRIMARY)),
               .hint = std::string(field(result, PG_DIAG_MESSAGE_HINT)),
               .sqlstate = std::string(field(result, PG_DIAG_SQLSTATE)),
               .statement = std::string(statement == nullptr ? "" : statement->name),
               .node = node_};
}

Error Connection::lost_error(const Statement* statement) const {
  auto why = connection_ ? first_line(PQerrorMessage(connection_.get())) : std::string();
  return Error{.code = ErrorCode::kConnectionLost,
               .message = why.empty() ? "the connection is closed" : "the connection broke: " + why,
               .statement = std::string(statement == nullptr ? "" : statement->name),
               .node = node_};
}

}  // namespace lyceum::pg
