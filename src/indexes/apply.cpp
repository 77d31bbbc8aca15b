#include "indexes/apply.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "indexes/apply_clearing.h"
#include "indexes/observe.h"

namespace lyceum::indexes {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Kind = ApplyEvent::Kind;
using Outcome = IndexReport::Outcome;

constexpr auto kSwapPause = std::chrono::milliseconds(500);

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

class Applier {
 public:
  Applier(ApplyContext context, const Catalogue& catalogue, Date today)
      : context_(std::move(context)), catalogue_(catalogue), today_(today) {}

  awaitable<Result<ApplyReport>> run() {
    const auto began = std::chrono::steady_clock::now();
    if (auto ready = co_await connections_.open_builder(began); !ready) co_return ready.error();
    if (auto seen = co_await look(); !seen) co_return seen.error();

    if (has_work()) {
      if (auto ready = co_await connections_.open_monitor(); !ready) co_return ready.error();
      const auto& role = observation_.inventory.role;
      if (auto ready = co_await journal_.ensure(role); !ready) co_return ready.error();
      if (!plan_.leftovers.empty()) {
        co_await clearing_.clear_leftovers(plan_);
        if (auto ready = co_await connections_.ensure_builder(); !ready) co_return ready.error();
        if (auto seen = co_await look(); !seen) co_return seen.error();
      }
    }
    report_.same = plan_.count(Standing::same);
    report_.extra = plan_.extra;
    for (const auto& planned : plan_.indexes) count_ += planned.to_build() ? 1 : 0;
    for (const auto& planned : plan_.indexes) {
      if (planned.standing != Standing::same) co_await handle(planned);
    }
    connections_.close();
    report_.dropped = clearing_.dropped();
    report_.total = std::chrono::steady_clock::now() - began;
    co_return std::move(report_);
  }

 private:
  awaitable<Result<void>> look() {
    auto observation = co_await observe(connections_.builder(), catalogue_, today_);
    if (!observation) co_return observation.error();
    observation_ = std::move(*observation);
    plan_ = make_plan(catalogue_, observation_, today_);
    co_return co_await connections_.prepare_builder();
  }

  [[nodiscard]] bool has_work() const {
    if (observation_.inventory.in_recovery) return false;
    if (!plan_.leftovers.empty()) return true;
    return std::any_of(plan_.indexes.begin(), plan_.indexes.end(), [](const auto& planned) {
      return planned.to_build() && planned.obstacle.empty();
    });
  }

  awaitable<void> handle(const PlannedIndex& planned) {
    IndexReport report;
    report.name = planned.name();
    const auto began = std::chrono::steady_clock::now();
    if (planned.to_build()) ++position_;
    if (!planned.to_build()) {
      report.error = make_error(ErrorCode::kConflict, planned.reason);
    } else if (context_.stopping()) {
      report.outcome = Outcome::stopped;
    } else if (!planned.obstacle.empty()) {
      report.error = make_error(ErrorCode::kSql, planned.obstacle);
    } else if (const auto left = clearing_.errors().find(planned.name());
               left != clearing_.errors().end()) {
      report.error = left->second;
    } else if (auto ready = co_await connections_.ensure_builder(); !ready) {
      report.error = ready.error();
    } else {
      co_await build(planned, report);
      report.duration = std::chrono::steady_clock::now() - began;
    }
    if (report.error) {
      report.outcome = context_.stopping() ? Outcome::stopped : Outcome::failed;
      report.error->hint = hint_for(*report.error);
      context_.emit(Kind::failed, planned.name(), report.error->to_string());
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
      co_await watcher_.announce_old_transactions(planned.name());
      auto begun = co_await journal_.begin(planned, build_name);
      if (!begun) {
        report.error = begun.error();
        co_return;
      }
      record = *begun;
      context_.emit(Kind::began, planned.name(), planned.create_sql(build_name));
      Watch watch;
      watch.index = planned.name();
      watch.record = record;
      watch.waits = context_.options.waits;
      watch.shows_progress = true;
      watch.position = position_;
      watch.count = count_;
      auto built = co_await watcher_.run(planned.create_sql(build_name), std::move(watch));
      if (!built) {
        report.error = co_await clearing_.clear_failed(planned, build_name, record, built.error());
        co_return;
      }
    }
    const auto made = co_await journal_.find(planned.schema, build_name);
    if (!made || !made->valid) {
      report.error = make_error(ErrorCode::kInternal,
                                "the build ended without an error, and its index cannot be found");
      co_return;
    }
    report.bytes = made->bytes;
    report.outcome = Outcome::built;
    auto noted = co_await journal_.update(record, replaces ? BuildState::built : BuildState::done,
                                          made->oid, made->definition);
    context_.emit(Kind::built, planned.name(), fmt::format("built, {} bytes", made->bytes));
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
    const auto found = co_await journal_.find(planned.schema, build_name);
    if (!found) co_return 0;
    for (const auto& record : observation_.journal) {
      if (record.index_oid != found->oid || record.state != BuildState::built) continue;
      if (found->valid && is_wanted(planned, found->definition, record)) co_return record.id;
      auto dropped = co_await clearing_.drop(
          planned.schema, build_name, static_cast<Oid>(found->oid), std::nullopt, planned.name());
      if (!dropped) co_return dropped.error();
      auto noted = co_await journal_.update(record.id, BuildState::abandoned);
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
      auto swapped = co_await connections_.builder()->script(swap);
      if (swapped) break;
      if (!connections_.builder()->closed()) {
        auto ended = co_await connections_.builder()->script("ROLLBACK");
        if (!ended) swapped = ended.error();
      }
      if (swapped.error().sqlstate != "55P03" || attempt >= context_.options.swap_attempts ||
          context_.stopping()) {
        report.error = swapped.error();
        report.error->message =
            fmt::format("the new index is complete as {} and could not take its name: {}",
                        quoted_name(build_name), report.error->message);
        co_return;
      }
      context_.emit(
          Kind::waiting, planned.name(),
          fmt::format("somebody holds a lock on the index; attempt {} of {} to swap the names",
                      attempt, context_.options.swap_attempts));
      co_await context_.pause(kSwapPause);
    }
    report.outcome = Outcome::replaced;
    context_.emit(Kind::swapped, planned.name(), "the new index has taken the old one's name");
    auto dropped = co_await clearing_.drop(planned.schema, retired, planned.existing->oid,
                                           std::nullopt, planned.name());
    if (dropped) dropped = co_await journal_.update(record, BuildState::done);
    if (!dropped) {
      context_.emit(Kind::note, planned.name(),
                    fmt::format("the old index stays as {} until the next apply: {}",
                                quoted_name(retired), dropped.error().message));
    }
  }

  const ApplyContext context_;
  const Catalogue& catalogue_;
  Date today_;
  ApplyConnections connections_{context_};
  ApplyJournal journal_{connections_};
  BuildWatcher watcher_{context_, connections_, journal_};
  Clearing clearing_{context_, connections_, journal_, watcher_};
  Observation observation_;
  Plan plan_;
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
  Applier applier({std::move(executor), std::move(target), std::move(options), std::move(events)},
                  catalogue, today);
  co_return co_await applier.run();
}

}  // namespace lyceum::indexes
