#include "indexes/apply_clearing.h"

#include <fmt/format.h>

#include "indexes/index_statement.h"

namespace lyceum::indexes {

using boost::asio::awaitable;
using Kind = ApplyEvent::Kind;

awaitable<Result<void>> Clearing::drop(std::string schema, std::string name, Oid oid,
                                       std::optional<Duration> limit, std::string index) {
  const auto found = co_await journal_.find(schema, name);
  if (!found) co_return Result<void>{};
  if (found->oid != oid) {
    co_return make_error(ErrorCode::kConflict, fmt::format("{} is another index by now, and stays",
                                                           quoted_name(schema, name)));
  }
  Watch watch;
  watch.index = index;
  watch.waits = context_.options.waits;
  watch.limit = limit;
  watch.stoppable = !limit;  // clearing up after a stop must not be stopped by it
  auto dropped = co_await watcher_.run(
      fmt::format("DROP INDEX CONCURRENTLY {}", quoted_name(schema, name)), std::move(watch));
  if (!dropped) co_return dropped.error();
  dropped_.push_back(fmt::format("{}.{}", schema, name));
  context_.emit(Kind::dropped, std::move(index),
                fmt::format("dropped {}", quoted_name(schema, name)));
  co_return Result<void>{};
}

awaitable<void> Clearing::clear_leftovers(const Plan& plan) {
  for (const auto& step : plan.leftovers) {
    if (context_.stopping()) co_return;
    BuildState state = BuildState::done;
    Result<void> done{};
    switch (step.kind) {
      case RecoveryKind::drop_wreck:
        context_.emit(Kind::note, step.name,
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
        if (const auto found = co_await journal_.find(step.schema, step.index)) {
          definition = found->definition;
        }
      }
      done = co_await journal_.update(step.record, state, keeps_number ? step.index_oid : 0,
                                      std::move(definition));
    }
    if (!done) {
      context_.emit(Kind::failed, step.name, done.error().to_string());
      errors_[step.name] = done.error();
    }
  }
}

awaitable<Error> Clearing::clear_failed(const PlannedIndex& planned, const std::string& build_name,
                                        std::int64_t id, Error error) {
  if (lost_connection(error) || connections_.builder()->closed()) co_return error;
  const auto found = co_await journal_.find(planned.schema, build_name);
  std::int64_t wreck = 0;
  // Our CREATE INDEX got past the check of its name, so what is incomplete under that name is
  // what it left.
  if (found && !found->valid && found->table_oid == planned.table_oid &&
      error.sqlstate != "42P07") {
    wreck = found->oid;
  }
  auto noted = co_await journal_.update(id, BuildState::failed, wreck, {}, error.message);
  if (wreck != 0 && noted) {
    auto dropped = co_await drop(planned.schema, build_name, static_cast<Oid>(wreck),
                                 context_.options.cleanup_limit, planned.name());
    if (!dropped) {
      context_.emit(Kind::note, planned.name(),
                    fmt::format("its incomplete index stays until the next apply: {}",
                                dropped.error().message));
    }
  }
  co_return error;
}

}  // namespace lyceum::indexes
