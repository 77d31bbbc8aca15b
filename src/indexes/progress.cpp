#include "indexes/progress.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace lyceum::indexes {
namespace {

struct Share {
  std::string_view phase;
  double from;
  double to;
};

// The phases of pg_stat_progress_create_index ("Monitoring → CREATE INDEX Progress Reporting").
// "building index" alone is what access methods without phases of their own say.
constexpr std::array<Share, 12> kShares{{
    {"initializing", 0, 0},
    {"waiting for writers before build", 0, 0},
    {"building index: initializing", 0, 0.01},
    {"building index: scanning table", 0.01, 0.50},
    {"building index: sorting live tuples", 0.50, 0.60},
    {"building index: sorting dead tuples", 0.60, 0.61},
    {"building index: loading tuples in tree", 0.61, 0.75},
    {"waiting for writers before validation", 0.75, 0.75},
    {"index validation: scanning index", 0.75, 0.83},
    {"index validation: sorting tuples", 0.83, 0.85},
    {"index validation: scanning table", 0.85, 0.99},
    {"waiting for old snapshots", 0.99, 0.99},
}};
constexpr Share kBuilding{"building index", 0.01, 0.75};

double share_done(std::int64_t done, std::int64_t total) {
  if (total <= 0) return 0;
  return std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
}

}  // namespace

std::string Blocker::to_string() const {
  auto out = fmt::format("process {}", process);
  if (!user.empty()) out += fmt::format(" of {}", user);
  if (!application.empty()) out += fmt::format(" ({})", application);
  if (!state.empty()) out += fmt::format(", {}", state);
  if (!transaction_start.empty()) {
    out += fmt::format(", its transaction {} s old", transaction_age.count());
  }
  if (!query_start.empty()) out += fmt::format(", its last query from {}", query_start);
  return out;
}

double estimate_fraction(const BuildSample& sample) {
  const auto found = std::find_if(kShares.begin(), kShares.end(), [&sample](const Share& share) {
    return share.phase == sample.phase;
  });
  Share share{};
  if (found != kShares.end()) {
    share = *found;
  } else if (sample.phase.starts_with(kBuilding.phase)) {
    share = kBuilding;
  } else {
    return 0;
  }
  const double within = sample.blocks_total > 0
                            ? share_done(sample.blocks_done, sample.blocks_total)
                            : share_done(sample.tuples_done, sample.tuples_total);
  return share.from + within * (share.to - share.from);
}

bool is_long_wait(std::string_view phase) {
  return phase.starts_with("waiting for ");
}

double ProgressEstimator::update(const BuildSample& sample) {
  fraction_ = std::max(fraction_, estimate_fraction(sample));
  return fraction_;
}

}  // namespace lyceum::indexes
