#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lyceum::cli {

// One comparison: how fast we are beside somebody else, measured in one run on the same rows.
struct BenchRow {
  std::string id;    // "stories_page.guide"
  std::string what;  // one line
  double ours = 0;
  double theirs = 0;
  std::string unit;                          // "ms", "per s", "ns"
  double ratio = 0;                          // how many times better we are
  double spread = 0;                         // of the rounds' ratios: (greatest − least) ÷ median
  double budget = 0;                         // least ratio that the design asks for; 0: none
  std::optional<std::string> mismatch = {};  // the answers differ: how

  [[nodiscard]] bool met() const { return !mismatch && ratio >= budget; }
};

// One round of a comparison: both sides, right after each other.
struct BenchRound {
  double ours = 0;
  double theirs = 0;
};

// Medians of both sides, the median of the rounds' ratios, and their spread. `less_is_better` for
// times. At least one round.
void summarize(std::span<const BenchRound> rounds, bool less_is_better, BenchRow& row);

// The middle one; of an even number the mean of the two in the middle. At least one.
[[nodiscard]] double median(std::vector<double> values);

}  // namespace lyceum::cli
