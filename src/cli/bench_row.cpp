#include "cli/bench_row.h"

#include <algorithm>

namespace lyceum::cli {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void summarize(std::span<const BenchRound> rounds, bool less_is_better, BenchRow& row) {
  std::vector<double> ours, theirs, ratios;
  for (const auto& round : rounds) {
    ours.push_back(round.ours);
    theirs.push_back(round.theirs);
    ratios.push_back(less_is_better ? round.theirs / round.ours : round.ours / round.theirs);
  }
  row.ours = median(ours);
  row.theirs = median(theirs);
  row.ratio = median(ratios);
  const auto [least, greatest] = std::ranges::minmax(ratios);
  row.spread = (greatest - least) / row.ratio;
}

}  // namespace lyceum::cli
