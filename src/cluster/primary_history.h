#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace lyceum::cluster {

// When the primary stood where: turns a replica's position into a time. A replica lags by as much
// time as has passed since the primary stood where the replica stands now. So the lag is near zero
// beside a primary that writes nothing, and grows on a replica that gets nothing while the primary
// writes, as now() - pg_last_xact_replay_timestamp() does not. The latest half hour of records of a
// second each is kept as it was, and what is older ever more coarsely: a lag of two hours is known
// to about a minute, and the first record is never forgotten, so that a lag grows without end.
class PrimaryHistory {
 public:
  // The primary was seen at this position. A time that falls counts as the one before. A position
  // that falls is a primary that came back without what it had not flushed: that part of the
  // history is gone. On a new timeline it begins anew.
  void record(std::int32_t timeline, std::uint64_t lsn, SteadyTime at);

  // How far behind, in bytes: nothing before the primary was seen.
  [[nodiscard]] std::optional<std::uint64_t> bytes_behind(std::uint64_t replayed) const;

  // And in time, at a time not before the last record. Between two records the primary is taken to
  // have written evenly; what it passed before the first counts from that one.
  [[nodiscard]] std::optional<Duration> time_behind(std::uint64_t replayed, SteadyTime now) const;

  // Whether the primary was ever seen so far back.
  [[nodiscard]] bool reaches_back_to(std::uint64_t lsn) const {
    return !stands_.empty() && stands_.front().lsn <= lsn;
  }

  [[nodiscard]] std::int32_t timeline() const { return timeline_; }

  // When the primary was last seen; nothing before it was.
  [[nodiscard]] std::optional<SteadyTime> last_seen() const;

  // How many places it keeps, at most.
  static constexpr std::size_t kMost = 3600;

 private:
  struct Stand {
    std::uint64_t lsn;
    SteadyTime first;  // seen there
    SteadyTime last;
  };
  void thin();

  std::int32_t timeline_ = 0;
  std::vector<Stand> stands_;  // rising in lsn, first and last
};

}  // namespace lyceum::cluster
