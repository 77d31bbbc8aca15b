#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace lyceum::pg {

// A place in a cluster's history, to be compared with: a bookmark. Positions of one timeline order
// by lsn; a higher timeline is a later history.
struct Position {
  static constexpr std::uint64_t kBeyond = ~std::uint64_t{0};

  std::int32_t timeline = 0;  // 0: not known
  std::uint64_t lsn = 0;      // bytes of WAL since the beginning; 0: nothing has been seen

  [[nodiscard]] bool empty() const { return lsn == 0; }

  // Something has been seen, and how far it goes is not known: the connection broke after a write
  // was acknowledged and before its position came. The primary alone is surely past it; what it
  // tells next takes this one's place.
  [[nodiscard]] bool beyond() const { return lsn == kBeyond; }
  void lose_track() { lsn = kBeyond; }

  // Takes in one that has been seen besides. On a new timeline the log may go on below where the
  // old one ended: the new one's place counts.
  void advance(const Position& other) {
    if (beyond()) {
      *this = {.timeline = std::max(timeline, other.timeline), .lsn = other.lsn};
      return;
    }
    if (other.timeline > timeline && timeline != 0) {
      *this = other;
      return;
    }
    if (other.timeline != 0 && other.timeline < timeline) return;
    timeline = std::max(timeline, other.timeline);
    lsn = std::max(lsn, other.lsn);
  }

  auto operator<=>(const Position&) const = default;
};

}  // namespace lyceum::pg
