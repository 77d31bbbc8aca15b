#pragma once

#include <boost/container/small_vector.hpp>
#include <chrono>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "watch/expression.h"
#include "watch/sample.h"

namespace lyceum::watch {

// A column of a collector that rules look back at, and how.
struct Track {
  int column = 0;
  Duration window{};    // the longest
  bool within = false;  // see Expression::Look
  bool counts = false;  // it is a counter
};

// Windows are remembered in so many parts.
inline constexpr int kStretches = 60;

// The past of one source's rows, as far as rules look back at it. What is held of a counter whose
// rise alone is asked for is its value at moments that all rows of the source share, and nothing
// but their number while it stands still: 1,500 indexes over 35 days take no megabyte. Where a
// counter begins anew, its past begins at the next such moment. One thread at a time.
class SourcePast {
 public:
  // The tracks outlive it.
  explicit SourcePast(const std::vector<Track>& tracks) : tracks_(&tracks), marks_(tracks.size()) {}

  // A sample begins: what is noted until the next one is of this time. All counters begin anew with
  // a new epoch.
  void begin(Timestamp at, bool new_epoch);
  // A row of it, by a hash of the name that it has among its neighbours: two of one hash, which is
  // one pair in many billions, would have one past. It is looked at until the next row is noted.
  // Null where no rule looks back.
  const Past* note(std::size_t name, const Row& row);
  // Rows that were not noted since begin() are forgotten.
  void end();

  // The clock was set by so much.
  void move(std::chrono::microseconds by);
  void clear();

 private:
  // A counter whose rise alone is asked for.
  struct Counter {
    double last = 0;
    bool known = false;         // `last` is one
    std::uint32_t still = 0;    // at so many marks up to the newest it was `last` ...
    std::vector<double> first;  // ... or, where that is 0, these: up to the newest; NaN: missing
  };
  // Of tracks in their order, each kind by itself.
  struct Kept {
    std::uint32_t seen = 0;  // the sample that had it last
    boost::container::small_vector<Counter, 1> counters;
    std::vector<std::vector<Stretch>> stretches;
  };
  struct Marks {
    std::vector<Timestamp> at;  // oldest first; of counters' tracks
    bool opened = false;        // the newest is this sample's
    std::size_t dropped = 0;    // so many with this sample
  };
  struct View final : Past {
    [[nodiscard]] std::span<const Stretch> of(int column) const override;
    const SourcePast* source = nullptr;
    const Kept* kept = nullptr;
    mutable std::vector<Stretch> made;  // of a counter, as it is asked for
  };
  void count(const Marks& marks, Counter& counter, std::optional<double> value);
  void stretch(const Track& track, std::vector<Stretch>& past, double value) const;

  const std::vector<Track>* tracks_;
  std::vector<Marks> marks_;  // of each track
  Timestamp at_{};
  bool new_epoch_ = false;
  std::uint32_t samples_ = 0;
  std::unordered_map<std::size_t, Kept> rows_;  // by the hash
  View view_;
};

}  // namespace lyceum::watch
