#pragma once

#include <vector>

#include "cli/bench_row.h"
#include "cli/progress_line.h"
#include "cli/stage.h"

namespace lyceum::cli {

struct BenchOptions {
  int rounds = 5;                      // of each comparison, both sides in turn
  double seconds = 1.0;                // that one side of a throughput round lasts
  int calls = 20;                      // of one operation on one side of a round
  bool details = true;                 // of operations also what no budget is about
  int tables = 3000;                   // of the database that the monitor is measured on
  std::vector<std::string> only = {};  // prefixes of ids; empty: all
  bool wants(std::string_view id) const;
};

// Each measures what its name says against the peers the design names, on the stage's data, and
// appends a row for each. A peer that is not on this machine is said through `progress` and gives
// no row. Errors: a side failed.
Result<void> bench_point_reads(const Stage& stage, const BenchOptions& options,
                               ProgressLine& progress, std::vector<BenchRow>& rows);
Result<void> bench_operations(const Stage& stage, const BenchOptions& options,
                              ProgressLine& progress, std::vector<BenchRow>& rows);
Result<void> bench_batch(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                         std::vector<BenchRow>& rows);
Result<void> bench_http(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                        std::vector<BenchRow>& rows);
Result<void> bench_statistics(const BenchOptions& options, std::vector<BenchRow>& rows);
Result<void> bench_routing(const BenchOptions& options, std::vector<BenchRow>& rows);
// On servers of their own.
Result<void> bench_cluster(const BenchOptions& options, ProgressLine& progress,
                           std::vector<BenchRow>& rows);
Result<void> bench_monitor(const BenchOptions& options, ProgressLine& progress,
                           std::vector<BenchRow>& rows);
Result<void> bench_monitor_memory(const BenchOptions& options, ProgressLine& progress,
                                  std::vector<BenchRow>& rows);
Result<void> bench_load(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                        std::vector<BenchRow>& rows);

// All of them, as a table on `out`.
void print_rows(std::ostream& out, const std::vector<BenchRow>& rows);
// {"machine": …, "rows": […]}
[[nodiscard]] std::string rows_json(const std::vector<BenchRow>& rows);

}  // namespace lyceum::cli
