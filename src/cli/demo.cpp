// The main job, end to end: a private PostgreSQL, a school's data, the index catalogue, the
// operations through our own client, and how fast each is beside the guide's own statement.

#include <fmt/format.h>

#include "base/await.h"
#include "base/statement_statistics.h"
#include "cli/bench_suite.h"
#include "cli/command.h"
#include "cli/interruption.h"
#include "cli/stage_options.h"
#include "cli/stage_service.h"
#include "cli/table.h"
#include "learning/analytics.h"
#include "learning/health.h"
#include "learning/progress_summary.h"
#include "learning/stories.h"
#include "learning/vocabulary.h"
#include "pool/pool.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;

struct Arguments {
  InputArguments input;
  bool stay = false;
};

// What one learner sees, by the operations of the library.
awaitable<Result<void>> show_learner(pool::Pool& pool, const Stage& stage, std::ostream& out) {
  const auto user = stage.school.user(stage.school.learners_of(0).first);
  const learning::Scope scope{pool, user.tenant_id};
  const auto tenant = stage.school.tenant(0);

  const auto state = co_await learning::health(pool);
  if (state.error) co_return *state.error;
  auto summary = co_await learning::progress_summary(scope, user.id);
  if (summary.has_error()) co_return summary.error();
  auto page = co_await learning::stories_page(
      scope, {.learner = user.id, .limit = 3, .include_total = true});
  if (page.has_error()) co_return page.error();
  auto words =
      co_await learning::vocabulary_recommendations(scope, {.learner = user.id, .limit = 5});
  if (words.has_error()) co_return words.error();
  auto month = co_await learning::learning_analytics(
      scope, {.from = stage.as_of - std::chrono::days(30), .to = stage.as_of});
  if (month.has_error()) co_return month.error();

  out << fmt::format("One learner of \"{}\", as the application sees it\n", tenant.name);
  out << fmt::format(
      "  {} of {} stories completed, {} h spent, a streak of {} days, {} words "
      "mastered\n",
      summary->stories_completed, summary->stories_started, summary->total_time_spent / 3600,
      summary->current_streak, summary->vocabulary_mastered);
  out << fmt::format("  first of {} stories:\n",
                     count_text(static_cast<std::uint64_t>(page->total_count.value_or(0))));
  for (const auto& story : page->stories) {
    out << fmt::format(
        "    {}  {}{}  by {}, {}\n", story.level, story.title,
        story.completion_percentage ? fmt::format(" ({} %)", *story.completion_percentage) : "",
        story.author, story.licence);
  }
  out << "  words to meet next:";
  for (const auto& word : *words) out << ' ' << word.word;
  std::int64_t sessions = 0;
  for (const auto& day : month->daily_stats) sessions += day.total_sessions;
  out << fmt::format("\n  the school's last 30 days: {} sessions on {} days\n\n",
                     count_text(static_cast<std::uint64_t>(sessions)), month->daily_stats.size());
  co_return Result<void>{};
}

void print_statistics(const StatementStatistics& statistics, std::ostream& out) {
  Table table({"statement", "calls", "errors", "rows", "p50", "p95", "p99"});
  for (const auto& one : statistics.query_statistics()) {
    const auto at = [&](double q) {
      return seconds_text(std::chrono::duration<double>(one.percentile(q)).count());
    };
    table.row({one.name, std::to_string(one.total_executions), std::to_string(one.error_count),
               std::to_string(one.rows), at(0.5), at(0.95), at(0.99)});
  }
  table.print(out);
  out << '\n';
}

Result<void> show(const Stage& stage, std::ostream& out) {
  auto target = pg::parse_target(stage.application_url);
  if (target.has_error()) return target.error();
  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  auto shown = await([&](auto executor) -> awaitable<Result<void>> {
    pool::Pool pool(executor, {.target = learning::tuned(*target),
                               .on_finished = [&](const FinishedStatement& call,
                                                  const pg::Params&) { recorder.record(call); }});
    auto done = co_await show_learner(pool, stage, out);
    (void)co_await pool.shutdown(std::chrono::seconds(5));
    co_return done;
  });
  if (shown.has_error()) return shown.error();
  print_statistics(statistics, out);
  return {};
}

Result<std::vector<BenchRow>> report(const Stage& stage, Context& context, ProgressLine& progress) {
  if (!context.json) {
    auto shown = show(stage, context.out);
    if (shown.has_error()) return shown.error();
  }
  const BenchOptions options{.rounds = 3, .seconds = 1.0, .calls = 12, .details = false};
  std::vector<BenchRow> rows;
  for (auto* part : {&bench_operations, &bench_batch, &bench_point_reads}) {
    auto done = part(stage, options, progress, rows);
    if (done.has_error()) return done.error();
  }
  auto recorded = bench_statistics(options, rows);
  if (recorded.has_error()) return recorded.error();
  return rows;
}

int run_demo(Context& context, const Arguments& arguments) {
  auto options = stage_options(context, arguments.input);
  if (options.has_error()) return context.fail(options.error());
  ProgressLine progress(context.err, context.terminal);
  Interruption interruption([&] { remove_interrupted_stage(*options, context.err); });
  auto stage = prepare_stage(*options, progress);
  if (stage.has_error()) {
    interruption.end();
    return context.fail(stage.error());
  }

  auto rows = report(*stage, context, progress);
  Result<void> served;
  if (rows.has_value()) {
    if (context.json) {
      context.out << rows_json(*rows) << std::endl;
    } else {
      print_rows(context.out, *rows);
    }
    if (arguments.stay) {
      context.out << "\nThe cluster stays until Ctrl-C:\n  as the application: "
                  << stage->application_url << "\n  as its owner:       " << stage->admin_url
                  << std::endl;
      served = serve_stage(context, *stage, [&] { interruption.end(); });
    }
  }
  auto removed = remove_stage(*stage);
  interruption.end();
  if (rows.has_error()) return context.fail(rows.error());
  if (served.has_error()) return context.fail(served.error());
  if (removed.has_error()) return context.fail(removed.error());
  return std::ranges::any_of(*rows, [](const BenchRow& row) { return row.mismatch.has_value(); })
             ? kFailed
             : kDone;
}

}  // namespace

Command demo() {
  return {.path = "demo",
          .summary = "Show the main job on a private PostgreSQL, and leave nothing behind",
          .examples =
              "  lyceum demo\n"
              "  lyceum demo --stay                    serve it over HTTP until Ctrl-C\n"
              "  LYCEUM_DEMO_SCALE=5 lyceum demo       five times the data",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            declare_input(options, arguments->input);
            options.push_back({"--stay", "Keep the cluster, and serve it over HTTP, until Ctrl-C",
                               &arguments->stay});
            return [arguments](Context& context) { return run_demo(context, *arguments); };
          }};
}

}  // namespace lyceum::cli
