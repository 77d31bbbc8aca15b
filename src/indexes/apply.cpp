#include "indexes/apply.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/describe.hpp>
#include <exception>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <utility>

#include "indexes/observe.h"
#include "pg/connection.h"
#include "sql/statements.h"

namespace lyceum::indexes {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using pg::Connection;
using pg::Params;
using Kind = ApplyEvent::Kind;
using Outcome = IndexReport::Outcome;

// The advisory lock that keeps two applies to one database apart: "ly", "ix" in ASCII.
constexpr std::int32_t kLockClass = 0x6c79;
constexpr std::int32_t kLockObject = 0x6978;
constexpr auto kSwapPause = std::chrono::milliseconds(500);
constexpr auto kConnectLimit = std::chrono::seconds(10);

struct ProgressRow {
  std::string phase;
  std::int64_t blocks_done, blocks_total, tuples_done, tuples_total, lockers_done, lockers_total,
      index_oid;
  bool waits_for_table;
  int blocker;
  std::string blocker_user, blocker_application, blocker_state;
  std::int64_t blocker_transaction_age;
  std::string blocker_transaction_start, blocker_query_start, blocker_query;
};
BOOST_DESCRIBE_STRUCT(ProgressRow, (),
                      (phase, blocks_done, blocks_total, tuples_done, tuples_total, lockers_done,
                       lockers_total, index_oid, waits_for_table, blocker, blocker_user,
                       blocker_application, blocker_state, blocker_transaction_age,
                       blocker_transaction_start, blocker_query_start, blocker_query))

struct OldTransactionRow {
  int process;
  std::string user, application, state;
  std::int64_t age;
  std::string transaction_start, query_start, query;
};
BOOST_DESCRIBE_STRUCT(OldTransactionRow, (),
                      (process, user, application, state, age, transaction_start, query_start,
                       query))

struct HolderRow {
  int process;
  std::string user, application, client, since;
};
BOOST_DESCRIBE_STRUCT(HolderRow, (), (process, user, application, client, since))

struct BuiltRow {
  std::int64_t oid, table_oid;
  bool valid;
  std::string definition;
  std::int64_t bytes;
};
BOOST_DESCRIBE_STRUCT(BuiltRow, (), (oid, table_oid, valid, definition, bytes))

struct JournalThereRow {
  bool exists, readable, schema_exists;
};
BOOST_DESCRIBE_STRUCT(JournalThereRow, (), (exists, readable, schema_exists))

BuildSample to_sample(ProgressRow row) {
  BuildSample out;
  out.phase = std::move(row.phase);
  out.blocks_done = row.blocks_done;
  out.blocks_total = row.blocks_total;
  out.tuples_done = row.tuples_done;
  out.tuples_total = row.tuples_total;
  out.lockers_done = row.lockers_done;
  out.lockers_total = row.lockers_total;
  out.index_oid = static_cast<std::uint32_t>(row.index_oid);
  out.waits_for_table = row.waits_for_table;
  if (row.blocker != 0) {
    out.waits_for = Blocker{row.blocker,
                            std::move(row.blocker_user),
                            std::move(row.blocker_application),
                            std::move(row.blocker_state),
                            std::chrono::seconds(row.blocker_transaction_age),
                            std::move(row.blocker_transaction_start),
                            std::move(row.blocker_query_start),
                            std::move(row.blocker_query)};
  }
  return out;
}

Error make_error(ErrorCode code, std::string message, std::string hint = {}) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.hint = std::move(hint);
  return error;
}

bool lost_connection(const Error& error) {
  return error.code == ErrorCode::kConnectionLost || error.code == ErrorCode::kConnect ||
         error.code == ErrorCode::kInDoubt || error.sqlstate.starts_with("57P0");
}

// What to do about what builds usually fail by.
std::string hint_for(const Error& error) {
  if (error.sqlstate == "23505") {
    return "the rows are not unique: remove or change the duplicates, then apply again";
  }
  if (error.sqlstate == "53100" || error.sqlstate == "58030") {
    return "make room on the server's disk (a build needs that of the index and of its sort), then "
           "apply again";
  }
  if (error.sqlstate == "42501") return "connect as the table's owner";
  if (error.sqlstate == "42P07") {
    return "something got that name after the plan was made: apply again to see what";
  }
  if (lost_connection(error)) return "apply again: it clears away what is left, and goes on";
  return error.hint;
}

// A statement on its way on the builder's connection, while the monitor looks on.
struct Running {
  explicit Running(const asio::any_io_executor& executor) : ended(executor) {}
  std::optional<Result<void>> result;
  asio::steady_timer ended;
};

awaitable<void> run_on(std::shared_ptr<Connection> builder, std::string text,
                       std::shared_ptr<Running> running) {
  try {
    auto result = co_await builder->script(std::move(text));
    running->result = result ? Result<void>{} : Result<void>(result.error());
  } catch (const std::exception& failure) {
    running->result = make_error(ErrorCode::kInternal, failure.what());
  }
  running->ended.cancel();
}

class Applier {
 public:
  Applier(asio::any_io_executor executor, pg::Target target, const Catalogue& catalogue, Date today,
          ApplyOptions options, ApplyEvents events)
      : executor_(std::move(executor)),
        target_(std::move(target)),
        catalogue_(catalogue),
        today_(today),
        options_(std::move(options)),
        events_(std::move(events)) {}

  awaitable<Result<ApplyReport>> run() {
    const auto began = std::chrono::steady_clock::now();
    if (auto ready = co_await open_builder(began); !ready) co_return ready.error();
    if (auto seen = co_await look(); !seen) co_return seen.error();

    if (has_work()) {
      if (auto ready = co_await open_monitor(); !ready) co_return ready.error();
      if (auto ready = co_await ensure_journal(); !ready) co_return ready.error();
      if (!plan_.leftovers.empty()) {
        co_await clear_leftovers();
        if (auto ready = co_await ensure_builder(); !ready) co_return ready.error();
        if (auto seen = co_await look(); !seen) co_return seen.error();
      }
    }
    report_.same = plan_.count(Standing::same);
    report_.extra = plan_.extra;
    for (const auto& planned : plan_.indexes) count_ += planned.to_build() ? 1 : 0;
    for (const auto& planned : plan_.indexes) {
      if (planned.standing != Standing::same) co_await handle(planned);
    }
    if (builder_) builder_->close();
    if (monitor_) monitor_->close();
    report_.total = std::chrono::steady_clock::now() - began;
    co_return std::move(report_);
  }

 private:
  // ── connections ──────────────────────────────────────────────────────────────────────────────

  awaitable<Result<std::shared_ptr<Connection>>> connect(std::string name) {
    Connection::Options options;
    options.target = target_;
    options.application_name = std::move(name);
    options.deadline = std::chrono::steady_clock::now() + kConnectLimit;
    co_return co_await Connection::connect(executor_, std::move(options));
  }

  awaitable<Result<void>> open_builder(SteadyTime deadline) {
    auto connected = co_await connect("lyceum index build");
    if (!connected) co_return connected.error();
    builder_ = *connected;
    co_return co_await take_lock(deadline);
  }

  // The lock belongs to the builder's session: it is held exactly as long as something may still be
  // building, also where this process is gone and the server has not noticed yet.
  awaitable<Result<void>> take_lock(SteadyTime deadline) {
    const Params key(kLockClass, kLockObject);
    while (true) {
      auto taken = co_await builder_->execute(sql::indexing::try_lock, key);
      if (!taken) co_return taken.error();
      if (taken->value<bool>()) co_return Result<void>{};
      if (std::chrono::steady_clock::now() >= deadline) break;
      co_await pause(std::chrono::milliseconds(200));
    }
    auto holders = co_await builder_->execute(sql::indexing::lock_holder, key);
    if (!holders) co_return holders.error();
    if (holders->empty()) {
      co_return make_error(ErrorCode::kConflict,
                           "another apply has only just ended on this database", "try again");
    }
    const auto holder = holders->as<HolderRow>().at(0);
    auto error = make_error(
        ErrorCode::kConflict,
        fmt::format("another apply is at work on this database: process {} of {} ({}) from {}, "
                    "connected since {}",
                    holder.process, holder.user, holder.application, holder.client, holder.since),
        fmt::format("wait until it is done; if its client is gone, SELECT pg_terminate_backend({}) "
                    "and apply again",
                    holder.process));
    error.node = builder_->node();
    co_return error;
  }

  awaitable<Result<void>> ensure_builder() {
    if (builder_ && !builder_->closed()) co_return Result<void>{};
    const auto deadline = std::chrono::steady_clock::now() + options_.reconnect_limit;
    while (true) {
      auto opened = co_await open_builder(deadline);
      if (opened) co_return co_await prepare_builder();
      if (!lost_connection(opened.error()) || stopping() ||
          std::chrono::steady_clock::now() >= deadline) {
        co_return opened.error();
      }
      co_await pause(std::chrono::milliseconds(200));
    }
  }

  // No timeouts: see WaitLimits. A server that looks for its client now and then does not go on
  // building for one that was killed.
  awaitable<Result<void>> prepare_builder() {
    std::string text =
        "SET lock_timeout = 0; SET statement_timeout = 0; "
        "SET idle_in_transaction_session_timeout = 0";
    if (builder_->server_version() >= 140000) {
      text += "; SET idle_session_timeout = 0; SET client_connection_check_interval = '2s'";
    }
    if (!options_.maintenance_work_mem.empty()) {
      text += fmt::format("; SET maintenance_work_mem = {}",
                          quoted_literal(options_.maintenance_work_mem));
    }
    auto set = co_await builder_->script(std::move(text));
    if (!set) co_return set.error();
    co_return Result<void>{};
  }

  awaitable<Result<void>> open_monitor() {
    auto connected = co_await connect("lyceum index monitor");
    if (!connected) co_return connected.error();
    monitor_ = *connected;
    auto set = co_await monitor_->script(
        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET lock_timeout = '5s'; "
        "SET statement_timeout = '10s'");
    if (!set) co_return set.error();
    co_return Result<void>{};
  }

  // On the monitor; once more on a new connection where that one broke.
  awaitable<Result<pg::Rows>> ask(const Statement& statement, const Params& params) {
    for (int attempt = 0;; ++attempt) {
      if (!monitor_ || monitor_->closed()) {
        if (auto opened = co_await open_monitor(); !opened) co_return opened.error();
      }
      auto rows = co_await monitor_->execute(statement, params);
      if (rows || attempt > 0 || !lost_connection(rows.error())) co_return rows;
    }
  }

  // ── looking ──────────────────────────────────────────────────────────────────────────────────

  awaitable<Result<void>> look() {
    auto observation = co_await observe(builder_, catalogue_, today_);
    if (!observation) co_return observation.error();
    observation_ = std::move(*observation);
    plan_ = make_plan(catalogue_, observation_, today_);
    co_return co_await prepare_builder();
  }

  [[nodiscard]] bool has_work() const {
    if (observation_.inventory.in_recovery) return false;
    if (!plan_.leftovers.empty()) return true;
    return std::any_of(plan_.indexes.begin(), plan_.indexes.end(), [](const auto& planned) {
      return planned.to_build() && planned.obstacle.empty();
    });
  }

  awaitable<Result<void>> ensure_journal() {
    auto rows = co_await ask(sql::indexing::journal_exists, Params());
    if (!rows) co_return rows.error();
    const auto there = rows->as<JournalThereRow>().at(0);
    if (there.exists) co_return Result<void>{};
    std::string text;
    // CREATE SCHEMA IF NOT EXISTS needs the right to create schemas even where it is there.
    if (!there.schema_exists) text += "CREATE SCHEMA IF NOT EXISTS lyceum; ";
    for (const auto& file : sql::files()) {
      if (file.path == "indexing/journal_table.sql") text += file.text;
    }
    auto made = co_await monitor_->script(std::move(text));
    if (made) co_return Result<void>{};
    auto error = made.error();
    error.message = "the journal lyceum.index_builds cannot be made: " + error.message;
    error.hint = fmt::format(
        "as the database's owner: CREATE SCHEMA IF NOT EXISTS lyceum; GRANT USAGE, CREATE ON "
        "SCHEMA "
        "lyceum TO {}",
        quoted_name(observation_.inventory.role));
    co_return error;
  }

  awaitable<std::optional<BuiltRow>> find(std::string schema, std::string name) {
    const Params params(schema, name);
    auto rows = co_await ask(sql::indexing::built, params);
    if (!rows || rows->empty()) co_return std::nullopt;
    co_return rows->as<BuiltRow>().at(0);
  }

  // ── journal ──────────────────────────────────────────────────────────────────────────────────

  awaitable<Result<std::int64_t>> journal_begin(const PlannedIndex& planned,
                                                const std::string& build_name) {
    const std::int64_t replaced =
        planned.standing == Standing::different ? planned.existing->oid : 0;
    const Params params(
        planned.schema, planned.name(), build_name, static_cast<std::int64_t>(planned.table_oid),
        planned.create_sql(build_name), std::int32_t{builder_->server_process()}, replaced);
    auto rows = co_await ask(sql::indexing::journal_begin, params);
    if (!rows) co_return rows.error();
    co_return rows->value<std::int64_t>();
  }

  awaitable<Result<void>> journal_update(std::int64_t id, BuildState state, std::int64_t oid = 0,
                                         std::string definition = {}, std::string error = {}) {
    const Params params(id, name_of(state), oid, definition, error);
    auto rows = co_await ask(sql::indexing::journal_update, params);
    if (!rows) co_return rows.error();
    co_return Result<void>{};
  }

  // ── running what takes long ──────────────────────────────────────────────────────────────────

  struct Watch {
    std::string index;
    std::int64_t record = 0;  // learns the index's number; 0 where nothing is to be learnt
    WaitLimits waits;
    bool shows_progress = false;
    std::optional<Duration> limit;  // of the whole
    bool stoppable = true;
  };

  // One statement on the builder, watched from the monitor: progress, whom it waits for, limits,
  // the caller's wish to stop. Returns only when the statement has ended.
  awaitable<Result<void>> run_watched(std::string text, Watch watch) {
    if (auto ready = co_await ensure_builder(); !ready) co_return ready.error();
    const auto running = std::make_shared<Running>(executor_);
    const auto began = std::chrono::steady_clock::now();
    asio::co_spawn(executor_, run_on(builder_, std::move(text), running), asio::detached);

    WaitGuard guard(watch.waits);
    ProgressEstimator estimator;
    std::string cancelled;
    int waits_for = 0;
    bool number_known = false;
    while (!running->result) {
      running->ended.expires_after(options_.poll_interval);
      boost::system::error_code ignored;
      co_await running->ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      if (running->result) break;

      const auto now = std::chrono::steady_clock::now();
      auto sample = co_await take_sample();
      if (running->result) break;
      if (sample && sample->index_oid != 0 && watch.record != 0 && !number_known) {
        number_known = static_cast<bool>(
            co_await journal_update(watch.record, BuildState::building, sample->index_oid));
      }
      if (sample && watch.shows_progress) {
        report_progress(watch, *sample, estimator.update(*sample), now - began);
      }
      if (sample && sample->waits_for && sample->waits_for->process != waits_for) {
        emit(Kind::waiting, watch.index,
             fmt::format("waits for {}", sample->waits_for->to_string()));
      }
      waits_for = sample && sample->waits_for ? sample->waits_for->process : 0;

      if (cancelled.empty() && sample) cancelled = guard.update(*sample, now).value_or("");
      if (cancelled.empty() && watch.stoppable && stopping()) cancelled = "asked to stop";
      if (cancelled.empty() && watch.limit && now - began >= *watch.limit) {
        cancelled =
            fmt::format("it took longer than {} s",
                        std::chrono::duration_cast<std::chrono::seconds>(*watch.limit).count());
      }
      if (!cancelled.empty() && !running->result) co_await cancel_builder();
    }
    auto result = std::move(*running->result);
    if (!result && !cancelled.empty() && result.error().sqlstate == "57014") {
      auto error = result.error();
      error.message = "cancelled: " + cancelled;
      co_return error;
    }
    co_return result;
  }

  awaitable<std::optional<BuildSample>> take_sample() {
    const Params params(std::int32_t{builder_->server_process()});
    auto rows = co_await ask(sql::indexing::progress, params);
    if (!rows || rows->empty()) co_return std::nullopt;
    co_return to_sample(rows->as<ProgressRow>().at(0));
  }

  // By its process, over the monitor: that finds the builder also where a proxy stands in between.
  awaitable<void> cancel_builder() {
    const Params params(std::int32_t{builder_->server_process()});
    auto asked = co_await ask(sql::indexing::cancel, params);
    if (!asked) builder_->cancel();
  }

  // ── clearing away what is ours ───────────────────────────────────────────────────────────────

  // Drops an index only while it still is the one that the journal names.
  awaitable<Result<void>> drop(std::string schema, std::string name, Oid oid,
                               std::optional<Duration> limit, std::string index) {
    const auto found = co_await find(schema, name);
    if (!found) co_return Result<void>{};
    if (found->oid != oid) {
      co_return make_error(
          ErrorCode::kConflict,
          fmt::format("{} is another index by now, and stays", quoted_name(schema, name)));
    }
    Watch watch;
    watch.index = index;
    watch.waits = options_.waits;
    watch.limit = limit;
    watch.stoppable = !limit;  // clearing up after a stop must not be stopped by it
    auto dropped = co_await run_watched(
        fmt::format("DROP INDEX CONCURRENTLY {}", quoted_name(schema, name)), std::move(watch));
    if (!dropped) co_return dropped.error();
    report_.dropped.push_back(fmt::format("{}.{}", schema, name));
    emit(Kind::dropped, std::move(index), fmt::format("dropped {}", quoted_name(schema, name)));
    co_return Result<void>{};
  }

  awaitable<void> clear_leftovers() {
    for (const auto& step : plan_.leftovers) {
      if (stopping()) co_return;
      BuildState state = BuildState::done;
      Result<void> done{};
      switch (step.kind) {
        case RecoveryKind::drop_wreck:
          emit(Kind::note, step.name,
               fmt::format("an interrupted build of ours left {} incomplete",
                           quoted_name(step.schema, step.index)));
          done = co_await drop(step.schema, step.index, step.index_oid, std::nullopt, step.name);
          state = BuildState::abandoned;
          break;
        case RecoveryKind::drop_replaced:
          done = co_await drop(step.schema, step.index, step.index_oid, std::nullopt, step.name);
          break;
        case RecoveryKind::note_built:
          state = BuildState::built;
          break;
        case RecoveryKind::note_done:
          break;
        case RecoveryKind::note_abandoned:
          state = BuildState::abandoned;
          break;
      }
      if (done) {
        const bool keeps_number =
            step.kind == RecoveryKind::note_built || step.kind == RecoveryKind::note_done;
        std::string definition;
        if (keeps_number && step.index_oid != 0) {
          if (const auto found = co_await find(step.schema, step.index)) {
            definition = found->definition;
          }
        }
        done = co_await journal_update(step.record, state, keeps_number ? step.index_oid : 0,
                                       std::move(definition));
      }
      if (!done) {
        emit(Kind::failed, step.name, done.error().to_string());
        leftover_errors_[step.name] = done.error();
      }
    }
  }

  // ── one index ────────────────────────────────────────────────────────────────────────────────

  awaitable<void> handle(const PlannedIndex& planned) {
    IndexReport report;
    report.name = planned.name();
    const auto began = std::chrono::steady_clock::now();
    if (planned.to_build()) ++position_;
    if (!planned.to_build()) {
      report.error = make_error(ErrorCode::kConflict, planned.reason);
    } else if (stopping()) {
      report.outcome = Outcome::stopped;
    } else if (!planned.obstacle.empty()) {
      report.error = make_error(ErrorCode::kSql, planned.obstacle);
    } else if (const auto left = leftover_errors_.find(planned.name());
               left != leftover_errors_.end()) {
      report.error = left->second;
    } else if (auto ready = co_await ensure_builder(); !ready) {
      report.error = ready.error();
    } else {
      co_await build(planned, report);
      report.duration = std::chrono::steady_clock::now() - began;
    }
    if (report.error) {
      report.outcome = stopping() ? Outcome::stopped : Outcome::failed;
      report.error->hint = hint_for(*report.error);
      emit(Kind::failed, planned.name(), report.error->to_string());
    }
    report_.stopped = report_.stopped || report.outcome == Outcome::stopped;
    report_.indexes.push_back(std::move(report));
  }

  awaitable<void> build(const PlannedIndex& planned, IndexReport& report) {
    const bool replaces = planned.standing == Standing::different;
    const auto build_name = replaces ? building_name(planned.name()) : planned.name();
    std::int64_t record = 0;
    if (replaces) {
      auto ready = co_await find_ready(planned, build_name);
      if (!ready) {
        report.error = ready.error();
        co_return;
      }
      record = *ready;
    }
    if (record == 0) {
      co_await announce_old_transactions(planned.name());
      auto begun = co_await journal_begin(planned, build_name);
      if (!begun) {
        report.error = begun.error();
        co_return;
      }
      record = *begun;
      emit(Kind::began, planned.name(), planned.create_sql(build_name));
      Watch watch;
      watch.index = planned.name();
      watch.record = record;
      watch.waits = options_.waits;
      watch.shows_progress = true;
      auto built = co_await run_watched(planned.create_sql(build_name), std::move(watch));
      if (!built) {
        report.error = co_await clear_failed(planned, build_name, record, built.error());
        co_return;
      }
    }
    const auto made = co_await find(planned.schema, build_name);
    if (!made || !made->valid) {
      report.error = make_error(ErrorCode::kInternal,
                                "the build ended without an error, and its index cannot be found");
      co_return;
    }
    report.bytes = made->bytes;
    report.outcome = Outcome::built;
    auto noted = co_await journal_update(record, replaces ? BuildState::built : BuildState::done,
                                         made->oid, made->definition);
    emit(Kind::built, planned.name(), fmt::format("built, {} bytes", made->bytes));
    if (!noted) {
      report.error = noted.error();
    } else if (replaces) {
      co_await take_place(planned, build_name, record, report);
    }
  }

  // A replacement that an earlier apply completed and did not swap in: its record, or 0 where it
  // has to be built. What stands under the building name and is ours but no longer wanted is
  // dropped.
  awaitable<Result<std::int64_t>> find_ready(const PlannedIndex& planned,
                                             const std::string& build_name) {
    const auto found = co_await find(planned.schema, build_name);
    if (!found) co_return 0;
    for (const auto& record : observation_.journal) {
      if (record.index_oid != found->oid || record.state != BuildState::built) continue;
      if (found->valid && is_wanted(planned, found->definition, record)) co_return record.id;
      auto dropped = co_await drop(planned.schema, build_name, static_cast<Oid>(found->oid),
                                   std::nullopt, planned.name());
      if (!dropped) co_return dropped.error();
      auto noted = co_await journal_update(record.id, BuildState::abandoned);
      if (!noted) co_return noted.error();
      co_return 0;
    }
    co_return make_error(
        ErrorCode::kConflict,
        fmt::format("the name {}, under which its replacement would be built, is taken by an index "
                    "that is not ours",
                    quoted_name(planned.schema, build_name)),
        "rename or drop that one");
  }

  [[nodiscard]] bool is_wanted(const PlannedIndex& planned, const std::string& definition,
                               const BuildRecord& record) const {
    const auto found = parse_index_definition(definition);
    const auto view = observation_.views.find(planned.name());
    if (view != observation_.views.end() && !view->second.error) {
      const auto wanted = parse_index_definition(view->second.definition);
      return found && wanted && found->shape == wanted->shape;
    }
    const auto declared = parse_index_definition(record.declared);
    const auto wanted = parse_index_definition(planned.create_sql(planned.name()));
    return declared && wanted && declared->shape == wanted->shape;
  }

  // The journal tells what became of it: nothing where the connection broke (the server may still
  // be at it), else that it failed, with the wreck's number where one is left.
  awaitable<Error> clear_failed(const PlannedIndex& planned, const std::string& build_name,
                                std::int64_t id, Error error) {
    if (lost_connection(error) || builder_->closed()) co_return error;
    const auto found = co_await find(planned.schema, build_name);
    std::int64_t wreck = 0;
    // Our CREATE INDEX got past the check of its name, so what is incomplete under that name is
    // what it left.
    if (found && !found->valid && found->table_oid == planned.table_oid &&
        error.sqlstate != "42P07") {
      wreck = found->oid;
    }
    auto noted = co_await journal_update(id, BuildState::failed, wreck, {}, error.message);
    if (wreck != 0 && noted) {
      auto dropped = co_await drop(planned.schema, build_name, static_cast<Oid>(wreck),
                                   options_.cleanup_limit, planned.name());
      if (!dropped) {
        emit(Kind::note, planned.name(),
             fmt::format("its incomplete index stays until the next apply: {}",
                         dropped.error().message));
      }
    }
    co_return error;
  }

  awaitable<void> take_place(const PlannedIndex& planned, const std::string& build_name,
                             std::int64_t record, IndexReport& report) {
    const auto retired = retired_name(planned.name());
    // The journal in the same transaction: whoever comes after a crash knows which of the two is
    // old.
    const auto swap = fmt::format(
        "BEGIN; SET LOCAL lock_timeout = '1s'; ALTER INDEX {} RENAME TO {}; ALTER INDEX {} RENAME "
        "TO "
        "{}; UPDATE lyceum.index_builds SET state = 'swapped', replaced_oid = {} WHERE id = {}; "
        "COMMIT",
        quoted_name(planned.schema, planned.name()), quoted_name(retired),
        quoted_name(planned.schema, build_name), quoted_name(planned.name()), planned.existing->oid,
        record);
    for (int attempt = 1;; ++attempt) {
      auto swapped = co_await builder_->script(swap);
      if (swapped) break;
      if (!builder_->closed()) {
        auto ended = co_await builder_->script("ROLLBACK");
        if (!ended) swapped = ended.error();
      }
      if (swapped.error().sqlstate != "55P03" || attempt >= options_.swap_attempts || stopping()) {
        report.error = swapped.error();
        report.error->message =
            fmt::format("the new index is complete as {} and could not take its name: {}",
                        quoted_name(build_name), report.error->message);
        co_return;
      }
      emit(Kind::waiting, planned.name(),
           fmt::format("somebody holds a lock on the index; attempt {} of {} to swap the names",
                       attempt, options_.swap_attempts));
      co_await pause(kSwapPause);
    }
    report.outcome = Outcome::replaced;
    emit(Kind::swapped, planned.name(), "the new index has taken the old one's name");
    auto dropped =
        co_await drop(planned.schema, retired, planned.existing->oid, std::nullopt, planned.name());
    if (dropped) dropped = co_await journal_update(record, BuildState::done);
    if (!dropped) {
      emit(Kind::note, planned.name(),
           fmt::format("the old index stays as {} until the next apply: {}", quoted_name(retired),
                       dropped.error().message));
    }
  }

  awaitable<void> announce_old_transactions(std::string index) {
    const Params params(std::chrono::duration<double>(options_.old_transaction).count());
    auto rows = co_await ask(sql::indexing::old_transactions, params);
    if (!rows) co_return;
    for (auto& row : rows->as<OldTransactionRow>()) {
      const Blocker blocker{row.process,
                            row.user,
                            row.application,
                            row.state,
                            std::chrono::seconds(row.age),
                            row.transaction_start,
                            row.query_start,
                            row.query};
      emit(Kind::note, index,
           fmt::format("an old transaction is open, the build will wait for its end: {}",
                       blocker.to_string()));
    }
  }

  // ── small things ─────────────────────────────────────────────────────────────────────────────

  [[nodiscard]] bool stopping() const {
    return options_.stop_requested && options_.stop_requested();
  }

  awaitable<void> pause(Duration duration) {
    asio::steady_timer timer(executor_, duration);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  void emit(Kind kind, std::string index, std::string text) {
    if (!events_) return;
    ApplyEvent event;
    event.kind = kind;
    event.index = std::move(index);
    event.text = std::move(text);
    events_(event);
  }

  void report_progress(const Watch& watch, const BuildSample& sample, double fraction,
                       Duration elapsed) {
    if (!events_) return;
    ApplyEvent event;
    event.kind = Kind::progress;
    event.index = watch.index;
    event.text = sample.phase;
    event.progress.index = watch.index;
    event.progress.position = position_;
    event.progress.count = count_;
    event.progress.sample = sample;
    event.progress.fraction = fraction;
    event.progress.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed);
    events_(event);
  }

  asio::any_io_executor executor_;
  pg::Target target_;
  const Catalogue& catalogue_;
  Date today_;
  ApplyOptions options_;
  ApplyEvents events_;
  std::shared_ptr<Connection> builder_;
  std::shared_ptr<Connection> monitor_;
  Observation observation_;
  Plan plan_;
  std::map<std::string, Error, std::less<>> leftover_errors_;
  ApplyReport report_;
  std::size_t position_ = 0;
  std::size_t count_ = 0;
};

}  // namespace

std::string_view name_of(IndexReport::Outcome outcome) {
  switch (outcome) {
    case Outcome::built:
      return "built";
    case Outcome::replaced:
      return "replaced";
    case Outcome::failed:
      return "failed";
    case Outcome::stopped:
      return "stopped";
  }
  return "failed";
}

std::size_t ApplyReport::count(IndexReport::Outcome outcome) const {
  return static_cast<std::size_t>(
      std::count_if(indexes.begin(), indexes.end(),
                    [outcome](const auto& index) { return index.outcome == outcome; }));
}

bool ApplyReport::complete() const {
  return count(Outcome::failed) == 0 && count(Outcome::stopped) == 0;
}

awaitable<Result<ApplyReport>> apply(asio::any_io_executor executor, pg::Target target,
                                     const Catalogue& catalogue, Date today, ApplyOptions options,
                                     ApplyEvents events) {
  Applier applier(std::move(executor), std::move(target), catalogue, today, std::move(options),
                  std::move(events));
  co_return co_await applier.run();
}

}  // namespace lyceum::indexes
