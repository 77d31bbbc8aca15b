#include "cluster/primary_history.h"

#include <algorithm>

namespace lyceum::cluster {

void PrimaryHistory::record(std::int32_t timeline, std::uint64_t lsn, SteadyTime at) {
  if (timeline != timeline_) stands_.clear();
  timeline_ = timeline;
  while (!stands_.empty() && stands_.back().lsn > lsn) stands_.pop_back();
  if (!stands_.empty() && stands_.back().lsn == lsn) {
    stands_.back().last = std::max(stands_.back().last, at);
    return;
  }
  if (!stands_.empty()) at = std::max(at, stands_.back().last);
  stands_.push_back({lsn, at, at});
  if (stands_.size() > kMost) thin();
}

// Every second one of the older half goes.
void PrimaryHistory::thin() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < stands_.size(); ++i) {
    if (i % 2 == 0 || i > kMost / 2) stands_[kept++] = stands_[i];
  }
  stands_.resize(kept);
}

std::optional<SteadyTime> PrimaryHistory::last_seen() const {
  if (stands_.empty()) return std::nullopt;
  return stands_.back().last;
}

std::optional<std::uint64_t> PrimaryHistory::bytes_behind(std::uint64_t replayed) const {
  if (stands_.empty()) return std::nullopt;
  const auto there = stands_.back().lsn;
  return there > replayed ? there - replayed : 0;
}

std::optional<Duration> PrimaryHistory::time_behind(std::uint64_t replayed, SteadyTime now) const {
  if (stands_.empty()) return std::nullopt;
  const auto next =
      std::upper_bound(stands_.begin(), stands_.end(), replayed,
                       [](std::uint64_t lsn, const Stand& stand) { return lsn < stand.lsn; });
  if (next == stands_.end()) return Duration(0);
  SteadyTime passed = next->first;
  if (next != stands_.begin()) {
    const auto& before = *std::prev(next);
    const auto part =
        static_cast<double>(replayed - before.lsn) / static_cast<double>(next->lsn - before.lsn);
    const auto span = std::chrono::duration<double>(next->first - before.last);
    passed = before.last + std::chrono::duration_cast<Duration>(span * part);
  }
  return std::max(now - passed, Duration(0));
}

}  // namespace lyceum::cluster
