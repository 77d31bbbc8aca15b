#include "indexes/apply_watch.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/describe.hpp>
#include <exception>
#include <fmt/format.h>

#include "sql/statements.h"

namespace lyceum::indexes {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using pg::Connection;
using pg::Params;
using Kind = ApplyEvent::Kind;

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

}  // namespace

awaitable<Result<void>> BuildWatcher::run(std::string text, Watch watch) {
  if (auto ready = co_await connections_.ensure_builder(); !ready) co_return ready.error();
  const auto running = std::make_shared<Running>(context_.executor);
  const auto began = std::chrono::steady_clock::now();
  asio::co_spawn(context_.executor, run_on(connections_.builder(), std::move(text), running),
                 asio::detached);

  WaitGuard guard(watch.waits);
  ProgressEstimator estimator;
  std::string cancelled;
  int waits_for = 0;
  bool number_known = false;
  while (!running->result) {
    running->ended.expires_after(context_.options.poll_interval);
    boost::system::error_code ignored;
    co_await running->ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (running->result) break;

    const auto now = std::chrono::steady_clock::now();
    auto sample = co_await take_sample();
    if (running->result) break;
    if (sample && sample->index_oid != 0 && watch.record != 0 && !number_known) {
      number_known = static_cast<bool>(
          co_await journal_.update(watch.record, BuildState::building, sample->index_oid));
    }
    if (sample && watch.shows_progress) {
      report_progress(watch, *sample, estimator.update(*sample), now - began);
    }
    if (sample && sample->waits_for && sample->waits_for->process != waits_for) {
      context_.emit(Kind::waiting, watch.index,
                    fmt::format("waits for {}", sample->waits_for->to_string()));
    }
    waits_for = sample && sample->waits_for ? sample->waits_for->process : 0;

    if (cancelled.empty() && sample) cancelled = guard.update(*sample, now).value_or("");
    if (cancelled.empty() && watch.stoppable && context_.stopping()) cancelled = "asked to stop";
    if (cancelled.empty() && watch.limit && now - began >= *watch.limit) {
      cancelled =
          fmt::format("it took longer than {} s",
                      std::chrono::duration_cast<std::chrono::seconds>(*watch.limit).count());
    }
    if (!cancelled.empty() && !running->result) co_await connections_.cancel_builder();
  }
  auto result = std::move(*running->result);
  if (!result && !cancelled.empty() && result.error().sqlstate == "57014") {
    auto error = result.error();
    error.message = "cancelled: " + cancelled;
    co_return error;
  }
  co_return result;
}

awaitable<void> BuildWatcher::announce_old_transactions(std::string index) {
  const Params params(std::chrono::duration<double>(context_.options.old_transaction).count());
  auto rows = co_await connections_.ask(sql::indexing::old_transactions, params);
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
    context_.emit(Kind::note, index,
                  fmt::format("an old transaction is open, the build will wait for its end: {}",
                              blocker.to_string()));
  }
}

awaitable<std::optional<BuildSample>> BuildWatcher::take_sample() {
  const Params params(std::int32_t{connections_.builder()->server_process()});
  auto rows = co_await connections_.ask(sql::indexing::progress, params);
  if (!rows || rows->empty()) co_return std::nullopt;
  co_return to_sample(rows->as<ProgressRow>().at(0));
}

void BuildWatcher::report_progress(const Watch& watch, const BuildSample& sample, double fraction,
                                   Duration elapsed) const {
  if (!context_.events) return;
  ApplyEvent event;
  event.kind = Kind::progress;
  event.index = watch.index;
  event.text = sample.phase;
  event.progress.index = watch.index;
  event.progress.position = watch.position;
  event.progress.count = watch.count;
  event.progress.sample = sample;
  event.progress.fraction = fraction;
  event.progress.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed);
  context_.events(event);
}

}  // namespace lyceum::indexes
