#include "cluster/primary_history.h"

#include <algorithm>

namespace lyceum::cluster {

void PrimaryHistory::record(std::int32_t timeline, std::uint64_t lsn, SteadyTime at) {
  if (timeline != timeline_) stands_.clear();
  timeline_ = timeline;
  if (!stands_.empty() && lsn <= stands_.back().lsn) {
    stands_.back().last = std::max(stands_.back().last, at);
    return;
  }
  stands_.push_back({lsn, at, at});
  if (stands_.size() > kMost) stands_.pop_front();
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
