#include <fmt/format.h>
#include <fstream>

#include "cli/bench_suite.h"
#include "cli/command.h"
#include "cli/interruption.h"
#include "cli/stage_options.h"

namespace lyceum::cli {
namespace {

struct Arguments {
  InputArguments input;
  BenchOptions bench;
  std::string file;
  bool keep = false;
  bool reuse = false;
};

// What is measured without a school's data.
constexpr std::string_view kWithoutStage[] = {"routing.", "statistics.", "collectors.", "doctor.",
                                              "monitor."};

bool needs_stage(const BenchOptions& options) {
  const auto without = [](const std::string& only) {
    return std::ranges::any_of(kWithoutStage,
                               [&](std::string_view id) { return only.starts_with(id); });
  };
  return options.only.empty() || !std::ranges::all_of(options.only, without);
}

Result<void> measure_on(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                        std::vector<BenchRow>& rows) {
  for (auto* part :
       {&bench_point_reads, &bench_operations, &bench_http, &bench_batch, &bench_load}) {
    auto done = part(stage, options, progress, rows);
    if (done.has_error()) return done.error();
  }
  return {};
}

Result<void> measure_the_rest(const BenchOptions& options, ProgressLine& progress,
                              std::vector<BenchRow>& rows) {
  for (auto* part : {&bench_cluster, &bench_monitor, &bench_monitor_memory}) {
    auto done = part(options, progress, rows);
    if (done.has_error()) return done.error();
  }
  for (auto* part : {&bench_statistics, &bench_routing}) {
    auto done = part(options, rows);
    if (done.has_error()) return done.error();
  }
  return {};
}

// The stage is there while it is measured on, and no longer unless it is to be kept.
Result<void> measure_on_stage(const Context& context, const Arguments& arguments,
                              ProgressLine& progress, std::vector<BenchRow>& rows) {
  auto options = stage_options(context, arguments.input);
  if (options.has_error()) return options.error();
  // The size at which the design states its budgets.
  options->name = "bench";
  options->reuse = arguments.reuse;
  options->scale.stories *= 5;
  options->scale.sessions *= 3;
  Interruption interruption([&] {
    if (!arguments.keep) remove_interrupted_stage(*options, context.err);
  });
  auto stage = prepare_stage(*options, progress);
  if (stage.has_error()) {
    interruption.end();
    return stage.error();
  }
  auto done = measure_on(*stage, arguments.bench, progress, rows);
  Result<void> removed;
  if (!arguments.keep) removed = remove_stage(*stage);
  interruption.end();
  return removed.has_error() ? removed : done;
}

bool wrong(const std::vector<BenchRow>& rows) {
  return std::ranges::any_of(rows, [](const BenchRow& row) { return row.mismatch.has_value(); });
}

int run_bench(Context& context, const Arguments& arguments) {
  ProgressLine progress(context.err, context.terminal);
  std::vector<BenchRow> rows;
  if (needs_stage(arguments.bench)) {
    auto done = measure_on_stage(context, arguments, progress, rows);
    if (done.has_error()) return context.fail(done.error());
  }
  auto done = measure_the_rest(arguments.bench, progress, rows);
  if (done.has_error()) return context.fail(done.error());

  const auto document = rows_json(rows);
  if (!arguments.file.empty()) {
    std::ofstream out(arguments.file);
    out << document << '\n';
    if (!out.flush()) {
      return context.fail({.code = ErrorCode::kIo, .message = "cannot write " + arguments.file});
    }
  }
  if (context.json) {
    context.out << document << std::endl;
  } else {
    print_rows(context.out, rows);
  }
  return wrong(rows) ? kFailed : kDone;
}

}  // namespace

Command bench() {
  return {
      .path = "bench",
      .summary = "Measure the budgets beside the other ways, on a private cluster",
      .examples =
          "  lyceum bench\n"
          "  lyceum bench --out bench.json --rounds 9\n"
          "  lyceum bench --only point_reads,stories",
      .declare = [](std::vector<Option>& options) -> Run {
        auto arguments = std::make_shared<Arguments>();
        declare_input(options, arguments->input);
        options.push_back({"--out", "Also write the JSON document to this file", &arguments->file});
        options.push_back({"--rounds", "Rounds of each comparison", &arguments->bench.rounds});
        options.push_back(
            {"--seconds", "Length of one side of a throughput round", &arguments->bench.seconds});
        options.push_back(
            {"--calls", "Calls of an operation on one side of a round", &arguments->bench.calls});
        options.push_back({"--tables", "Tables of the database that the monitor is measured on",
                           &arguments->bench.tables});
        options.push_back({"--only", "Only ids that begin so", &arguments->bench.only});
        options.push_back(
            {"--reuse", "Measure on the cluster that --keep left", &arguments->reuse});
        options.push_back({"--keep", "Leave the cluster 'bench' running", &arguments->keep});
        return [arguments](Context& context) { return run_bench(context, *arguments); };
      }};
}

}  // namespace lyceum::cli
