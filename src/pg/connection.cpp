#include "pg/connection.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <charconv>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include "pg/waiter.h"
#include "sql/statements.h"

namespace lyceum::pg {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;

constexpr std::string_view kSetTenant = "select set_config('lyceum.tenant', $1, true)";
constexpr std::string_view kPosition = "position";  // as the server knows it

// Planned statements: what they answer has one shape for as long as they are prepared.
bool is_planned(std::string_view command) {
  for (const std::string_view word : {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"}) {
    if (command.starts_with(word)) return true;
  }
  return false;
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
  hang_up();
}

// libpq tells the server that this is the end, which must not land in the middle of a message.
void Connection::hang_up() {
  if (connection_ && !output_.empty()) ::shutdown(PQsocket(connection_.get()), SHUT_RDWR);
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
  if (const auto reported = settings_.find(name); reported != settings_.end()) {
    return reported->second;
  }
  const char* value = PQparameterStatus(connection_.get(), name);
  return value == nullptr ? std::string_view{} : value;
}

bool Connection::transaction_open() const {
  return transaction_status_ != 'I';
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

std::shared_ptr<Connection::Prepared> Connection::find_prepared(const Statement& statement,
                                                                const Params& params) const {
  const auto versions = prepared_.find(statement.name);
  if (versions == prepared_.end()) return nullptr;
  const auto items = params.items();
  for (const auto& candidate : versions->second) {
    if (candidate->text != statement.text || candidate->types.size() != items.size()) continue;
    bool same = true;
    for (std::size_t i = 0; i < items.size(); ++i) same &= candidate->types[i] == items[i].type;
    if (same) return candidate;
  }
  return nullptr;
}

void Connection::forget_prepared(std::uint64_t number) {
  // What the server still holds under the old name goes with the connection.
  for (auto& [name, versions] : prepared_) {
    std::erase_if(versions, [&](const auto& entry) { return entry->number == number; });
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
    if (slot.steps[at] == Step::prepare && slot.prepared) forget_prepared(slot.prepared->number);
    if (slot.steps[at] == Step::prepare_tenant) forget_tenant(slot.tenant);
  }
  const bool gone = slot.error->sqlstate == "26000";
  if (!gone && slot.error->sqlstate != "0A000") return false;
  if (failed != Step::run && failed != Step::set_tenant) return false;
  // What was prepared a moment ago for this very attempt is there and fits.
  const auto own = failed == Step::run ? Step::prepare : Step::prepare_tenant;
  if (std::find(slot.steps.begin(), slot.steps.end(), own) != slot.steps.end()) return false;
  if (failed == Step::run && !slot.prepared) return false;
  // One that is gone seldom went alone: DEALLOCATE ALL, DISCARD ALL.
  if (slot.prepared && (gone || failed == Step::run)) forget_prepared(slot.prepared->number);
  if (gone || failed == Step::set_tenant) forget_tenant(slot.tenant);
  return true;
}

void Connection::forget_tenant(std::uint64_t number) {
  if (tenant_prepared_ == number) tenant_prepared_ = 0;
}

void Connection::put_tenant(Slot& slot, const Uuid& tenant) {
  auto& out = output_.bytes();
  char text[36];
  boost::uuids::to_chars(tenant, std::begin(text), std::end(text));
  std::array<char, 24> name{'t'};
  std::string_view prepared;
  if (slot.attempt == kLastAttempt) {
    protocol::put_parse(out, prepared, kSetTenant, {});
    slot.steps.push_back(Step::prepare_tenant);
  } else {
    const bool known = tenant_prepared_ != 0;
    if (!known) tenant_prepared_ = ++last_number_;
    slot.tenant = tenant_prepared_;
    const auto end = std::to_chars(name.data() + 1, name.data() + name.size(), slot.tenant);
    prepared = {name.data(), end.ptr};
    if (!known) {
      protocol::put_parse(out, prepared, kSetTenant, {});
      slot.steps.push_back(Step::prepare_tenant);
    }
  }
  // What it answers is not asked for and passed over.
  protocol::put_bind(out, prepared, {text, sizeof(text)});
  protocol::put_execute(out);
  slot.steps.push_back(Step::set_tenant);
}

void Connection::put_statement(Slot& slot, const Statement& statement, const Params& params) {
  auto& out = output_.bytes();
  if (statement.name.empty() || slot.attempt == kLastAttempt) {
    protocol::put_parse(out, {}, statement.text, params.items());
    slot.steps.push_back(Step::prepare);
    protocol::put_bind(out, {}, params);
    protocol::put_describe_portal(out);
  } else {
    slot.prepared = find_prepared(statement, params);
    if (!slot.prepared) {
      const auto number = ++last_number_;
      slot.prepared =
          std::make_shared<Prepared>(Prepared{.text = std::string(statement.text),
                                              .types = {},
                                              .number = number,
                                              .server_name = fmt::format("s{}", number)});
      for (const auto& item : params.items()) slot.prepared->types.push_back(item.type);
      prepared_[std::string(statement.name)].push_back(slot.prepared);
      protocol::put_parse(out, slot.prepared->server_name, statement.text, params.items());
      slot.steps.push_back(Step::prepare);
    }
    protocol::put_bind(out, slot.prepared->server_name, params);
    if (!slot.prepared->planned) protocol::put_describe_portal(out);
  }
  protocol::put_execute(out);
  slot.steps.push_back(Step::run);
}

void Connection::put_position(Slot& slot) {
  auto& out = output_.bytes();
  slot.position_step = slot.steps.size();
  if (!position_prepared_) {
    protocol::put_parse(out, kPosition, sql::pg::position.text, {});
    slot.steps.push_back(Step::prepare_position);
    position_prepared_ = true;
    position_columns_ = nullptr;
  }
  protocol::put_bind(out, kPosition, kNoParams);
  if (!position_columns_) protocol::put_describe_portal(out);
  protocol::put_execute(out);
  slot.steps.push_back(Step::read_position);
}

void Connection::take_position(Slot& slot) const {
  if (slot.exchange == nullptr || slot.error || slot.position.empty()) return;
  const auto row = slot.position[0];
  slot.positioned = true;
  slot.exchange->reached()->advance(
      {.timeline = row.get<std::optional<std::int32_t>>(0).value_or(0),
       .lsn = static_cast<std::uint64_t>(row.get<std::int64_t>(1))});
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
  slot.begins_at = output_.end();
  exchange.sent_at = std::chrono::steady_clock::now();
  if (slots_.size() == 1) slot.started_at = exchange.started_at = exchange.sent_at;
  const auto& statement = exchange.statement();
  if (const auto refusal = protocol::refusal(statement.text, exchange.params())) {
    // The Sync alone goes, so that the answer keeps its place among the others.
    slot.error = Error{.code = ErrorCode::kBadInput,
                       .message = fmt::format("the statement cannot be sent: {}", *refusal),
                       .statement = std::string(statement.name),
                       .node = node_};
  } else {
    if (exchange.tenant() != nullptr) put_tenant(slot, *exchange.tenant());
    put_statement(slot, statement, exchange.params());
  }
  protocol::put_sync(output_.bytes());
  if (exchange.reached() != nullptr) {
    // On its own transaction: the statement's has ended, so that its commit is covered.
    slot.asks_position = true;
    put_position(slot);
    protocol::put_sync(output_.bytes());
  }
  flush_soon();
}

// All that is sent in this turn of the loop leaves together.
void Connection::flush_soon() {
  if (flush_posted_ || reading_) return;
  flush_posted_ = true;
  asio::post(executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->flush_posted_ = false;
    if (self->pipeline_) self->flush();
  });
}

void Connection::flush() {
  while (!closed_ && !write_failed_ && !output_.empty()) {
    std::size_t moved = 0;
    switch (stream_.write(output_.left(), moved)) {
      case Stream::Outcome::moved:
        output_.sent(moved);
        break;
      case Stream::Outcome::blocked:
        return arm_write();
      default:
        // The reader finds out, with whatever the server said last.
        write_failed_ = true;
        asio::post(executor_, [weak = weak_from_this()] {
          const auto self = weak.lock();
          if (self && !self->closed_ && self->pipeline_) self->on_readable();
        });
    }
  }
}

// The waits hold no pointer that keeps the connection: one that nobody holds any more shall end.
void Connection::arm_read() {
  if (read_armed_ || closed_ || !pipeline_ || !descriptor_.is_open()) return;
  read_armed_ = true;
  const auto readable = [weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!self) return;
    self->read_armed_ = false;
    if (self->closed_ || !self->pipeline_) return;
    // A script that came and went between the wait's end and now.
    if (error) return self->arm_read();
    self->on_readable();
  };
  if (stream_.pending()) {
    asio::post(executor_, [readable] { readable({}); });
  } else {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, readable);
  }
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

bool Connection::fill() {
  protocol::Message ignored{};
  std::size_t needed = 0;
  (void)protocol::read_message(input_.view(), ignored, needed);
  input_.room(needed);
  std::size_t moved = 0;
  switch (stream_.read(input_.free_begin(), input_.free_size(), moved)) {
    case Stream::Outcome::moved:
      input_.commit(moved);
      return true;
    case Stream::Outcome::blocked:
      ended_ = write_failed_;
      return false;
    default:
      ended_ = true;
      return false;
  }
}

void Connection::on_readable() {
  const auto self = shared_from_this();
  if (reading_) return;
  reading_ = true;
  // Whoever is told of an answer may close the connection, or begin a script on it. A socket that
  // gave less than there was room for is empty; the end of one shows only after that. While output
  // waits, input is drained all the same, or both sides would wait for each other.
  while (!closed_ && pipeline_ && fill()) {
    const bool more = input_.free_size() == 0 || stream_.pending();
    take_messages();
    flush();
    if (!more) break;
  }
  reading_ = false;
  if (!closed_ && pipeline_) {
    if (ended_) {
      lose(lost_error(nullptr));
    } else {
      flush();
      arm_read();
    }
  }
  deliver();
}

// Each answer is handed on before the next is read, while it is in the cache and its memory can
// serve the next.
void Connection::take_messages() {
  protocol::Message message{};
  std::size_t needed = 0;
  while (!closed_ && pipeline_) {
    switch (protocol::read_message(input_.view(), message, needed)) {
      case protocol::Framing::incomplete:
        return;
      case protocol::Framing::broken:
        return out_of_step("a message that cannot be one");
      case protocol::Framing::complete:
        input_.consume(message.size);
        take(message);
        if (!finished_.empty()) deliver();
    }
  }
}

bool Connection::take_aside(const protocol::Message& message) {
  switch (message.tag) {
    case protocol::Tag::notice_response: {
      const auto report = protocol::read_report(message.body);
      if (report && on_notice_) notices_.emplace_back(report->severity, report->message);
      return true;
    }
    case protocol::Tag::notification_response: {
      const auto notice = protocol::read_notification(message.body);
      if (notice && on_notification_) {
        notifications_.push_back({std::string(notice->channel), std::string(notice->payload),
                                  static_cast<int>(notice->process)});
      }
      return true;
    }
    case protocol::Tag::parameter_status:
      if (const auto setting = protocol::read_parameter_status(message.body)) {
        settings_.insert_or_assign(std::string(setting->name), std::string(setting->value));
      }
      return true;
    case protocol::Tag::error_response: {
      const auto report = protocol::read_report(message.body);
      if (!report || !report->farewell()) return false;
      const auto* at = slots_.empty() ? nullptr : slots_.front().exchange;
      fatal_ = make_error(*report, at == nullptr ? nullptr : &at->statement());
      return true;
    }
    default:
      return false;
  }
}

void Connection::take(const protocol::Message& message) {
  using protocol::Tag;
  if (take_aside(message)) return;
  if (slots_.empty()) return out_of_step("an answer to nothing");
  auto& slot = slots_.front();
  switch (message.tag) {
    case Tag::data_row:
      return take_row(message.body);
    case Tag::command_complete:
      if (const auto command = protocol::read_command(message.body)) {
        return take_completion(*command);
      }
      return out_of_step("a completion that cannot be read");
    case Tag::ready_for_query:
      return take_ready(message.body);
    case Tag::bind_complete:
      if (slot.prepared && slot.prepared->planned && slot.step < slot.steps.size() &&
          slot.steps[slot.step] == Step::run) {
        slot.rows = Rows(slot.prepared->columns);
      }
      return;
    case Tag::parse_complete:
      ++slot.step;
      return;
    case Tag::row_description:
      return take_columns(protocol::read_columns(message.body));
    case Tag::no_data:
      return;
    case Tag::empty_query_response:
      return take_completion("");
    case Tag::error_response:
      if (const auto report = protocol::read_report(message.body)) return take_error(*report);
      return out_of_step("an error that cannot be read");
    case Tag::copy_in_response:
    case Tag::copy_out_response:
    case Tag::copy_both_response:
      // The server now takes what follows for data, or for nothing at all.
      return lose(Error{.code = ErrorCode::kConnectionLost,
                        .message = "COPY was sent as an ordinary statement, which breaks the "
                                   "connection",
                        .hint = "use copy_in_begin or copy_out",
                        .node = node_});
    default:
      return out_of_step("an answer of another kind");
  }
}

void Connection::take_columns(std::shared_ptr<const protocol::Columns> columns) {
  auto& slot = slots_.front();
  if (!columns) return out_of_step("columns that cannot be read");
  if (slot.step >= slot.steps.size()) return out_of_step("columns of nothing");
  if (slot.steps[slot.step] == Step::run) slot.rows = Rows(std::move(columns));
  if (slot.steps[slot.step] == Step::read_position) position_columns_ = std::move(columns);
}

void Connection::take_row(std::string_view body) {
  auto& slot = slots_.front();
  if (slot.step >= slot.steps.size()) return out_of_step("a row of nothing");
  const auto step = slot.steps[slot.step];
  if (step == Step::set_tenant) return;
  auto& rows = step == Step::run ? slot.rows : slot.position;
  if (step == Step::read_position && slot.position.columns() == 0) rows = Rows(position_columns_);
  if (!rows.add(body)) return out_of_step("a row that does not fit its columns");
}

void Connection::take_completion(std::string_view command) {
  auto& slot = slots_.front();
  if (slot.step >= slot.steps.size()) return out_of_step("the end of nothing");
  const auto step = slot.steps[slot.step++];
  if (step == Step::run) {
    slot.rows.complete(command);
    slot.completed = true;
    if (slot.prepared && !slot.prepared->planned && is_planned(command)) {
      slot.prepared->planned = true;
      slot.prepared->columns = slot.rows.shared_columns();
    }
  } else if (step == Step::read_position) {
    take_position(slot);
  }
}

void Connection::take_error(const protocol::Report& report) {
  auto& slot = slots_.front();
  if (slot.synced) {
    // Forgotten by the server: prepared anew next time.
    if (report.sqlstate == "26000") position_prepared_ = false;
  } else if (!slot.error) {
    slot.error = make_error(report, slot.exchange ? &slot.exchange->statement() : nullptr);
    slot.failed_step = slot.step;
  }
}

void Connection::take_ready(std::string_view body) {
  const char status = protocol::read_transaction_status(body);
  if (status == '\0') return out_of_step("a transaction status that is none");
  transaction_status_ = status;
  auto& slot = slots_.front();
  if (slot.asks_position && !slot.synced) {
    slot.synced = true;
    slot.step = slot.position_step;
    return;
  }
  finish_head();
}

// What comes next cannot be trusted: which answer is whose is no longer known.
void Connection::out_of_step(std::string_view what) {
  lose(Error{.code = ErrorCode::kConnectionLost,
             .message = fmt::format("the server, or what stands before it, sent {}", what),
             .node = node_});
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
  error.code = ErrorCode::kConnectionLost;
  lost_ = error;
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
      // is certain, but of what never left.
      const bool left = slot.begins_at < output_.sent();
      const bool unknown = fatal_ ? first && slot.completed : left;
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
  // What holds views of what was read may be further up this stack.
  asio::post(executor_, [self = shared_from_this()] {
    self->hang_up();
    self->connection_.reset();
  });
  if (on_closed_) std::exchange(on_closed_, nullptr)(error);
  deliver();
}

void Connection::close(std::string why) {
  if (closed_) return;
  const auto self = shared_from_this();
  lose(Error{.code = ErrorCode::kConnectionLost, .message = std::move(why), .node = node_});
  // Tells the server; it rolls back what is open.
  hang_up();
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

Error Connection::make_error(const protocol::Report& report, const Statement* statement) const {
  return Error{.code = report.farewell() ? ErrorCode::kConnectionLost : ErrorCode::kSql,
               .message = std::string(report.message),
               .hint = std::string(report.hint),
               .sqlstate = std::string(report.sqlstate),
               .statement = std::string(statement == nullptr ? "" : statement->name),
               .node = node_};
}

Error Connection::lost_error(const Statement* statement) const {
  auto error = lost_.value_or(Error{.code = ErrorCode::kConnectionLost, .node = node_});
  if (closed_ && error.message.empty()) error.message = "the connection is closed";
  if (!closed_) {
    error.message = "the connection broke: " +
                    (stream_.problem().empty() ? "the server closed it" : stream_.problem());
  }
  error.statement = std::string(statement == nullptr ? "" : statement->name);
  return error;
}

}  // namespace lyceum::pg
