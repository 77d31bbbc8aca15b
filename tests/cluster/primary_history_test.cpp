#include "cluster/primary_history.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace lyceum::cluster {
namespace {

using namespace std::chrono_literals;

SteadyTime at(Duration since) {
  return SteadyTime(1h + since);
}

// All that was ever recorded, and the answer by walking over all of it: the last time at which a
// primary that writes evenly from one record to the next stood at the position or before it.
class SlowHistory {
 public:
  void record(std::uint64_t lsn, SteadyTime when) { seen_.push_back({lsn, when}); }

  [[nodiscard]] Duration behind(std::uint64_t replayed, SteadyTime now) const {
    if (seen_.back().lsn <= replayed) return Duration(0);
    SteadyTime passed = seen_.front().at;
    for (std::size_t i = 0; i + 1 < seen_.size(); ++i) {
      const auto& from = seen_[i];
      const auto& to = seen_[i + 1];
      if (from.lsn > replayed) break;
      if (to.lsn <= replayed) continue;
      const auto part = static_cast<long double>(replayed - from.lsn) /
                        static_cast<long double>(to.lsn - from.lsn);
      passed = from.at + Duration(static_cast<Duration::rep>(
                             part * static_cast<long double>((to.at - from.at).count())));
    }
    return now - passed;
  }

 private:
  struct Seen {
    std::uint64_t lsn;
    SteadyTime at;
  };
  std::vector<Seen> seen_;
};

TEST(PrimaryHistory, KnowsNothingBeforeThePrimaryWasSeen) {
  const PrimaryHistory history;
  EXPECT_FALSE(history.bytes_behind(5));
  EXPECT_FALSE(history.time_behind(5, at(0s)));
  EXPECT_FALSE(history.last_seen());
}

TEST(PrimaryHistory, AgreesWithAWalkOverAllRecords) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    PrimaryHistory history;
    SlowHistory slow;
    std::uint64_t lsn = 1'000'000 + random() % 1'000'000'000;
    const auto first = lsn;
    Duration time = 0s;
    for (int step = 0; step < 400; ++step) {
      time += std::chrono::microseconds(random() % 2'000'000);
      // A primary that rests, that is busy, and that loads data.
      const auto mood = random() % 3;
      if (mood == 1) lsn += random() % 1000;
      if (mood == 2) lsn += random() % 100'000'000;
      history.record(1, lsn, at(time));
      slow.record(lsn, at(time));
      ASSERT_EQ(history.last_seen(), at(time));
      const auto now = at(time + std::chrono::microseconds(random() % 2'000'000));
      for (int i = 0; i < 5; ++i) {
        const auto replayed = first - 1000 + random() % (lsn - first + 2000);
        ASSERT_EQ(history.bytes_behind(replayed), lsn > replayed ? lsn - replayed : 0);
        const auto is = *history.time_behind(replayed, now);
        const auto ought = slow.behind(replayed, now);
        ASSERT_LE(std::chrono::abs(is - ought), 1us) << "seed " << seed << ", step " << step;
      }
    }
  }
}

// Between two records nobody knows when it wrote what; but the lag that is told is one that could
// be: the primary was past the position at the record after it, and not yet at the one before it.
TEST(PrimaryHistory, TellsALagThatCouldBeTheTrueOne) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    // Where the primary truly stood, by the millisecond.
    std::vector<std::uint64_t> truth{5000};
    while (truth.size() < 60'000) {
      truth.push_back(truth.back() + (random() % 50 == 0 ? random() % 10'000 : 0));
    }
    PrimaryHistory history;
    for (std::size_t i = 0; i < truth.size(); i += 500) {
      history.record(1, truth[i], at(std::chrono::milliseconds(i)));
    }
    const auto now = at(60s);
    for (int i = 0; i < 200; ++i) {
      const auto replayed_at = random() % 59'000;
      const auto replayed = truth[replayed_at];
      std::size_t left = replayed_at;  // until when it stood there
      while (left + 1 < truth.size() && truth[left + 1] <= replayed) ++left;
      const auto told = *history.time_behind(replayed, now);
      if (truth[59'500] <= replayed) {
        EXPECT_EQ(told, 0s);
        continue;
      }
      const auto true_lag = now - at(std::chrono::milliseconds(left));
      EXPECT_LE(std::chrono::abs(told - true_lag), 500ms) << "seed " << seed;
    }
  }
}

TEST(PrimaryHistory, ARestingPrimaryLeavesNobodyBehind) {
  PrimaryHistory history;
  for (int i = 0; i <= 7200; ++i) history.record(1, 4096, at(i * 1s));
  EXPECT_EQ(history.bytes_behind(4096), 0);
  EXPECT_EQ(history.time_behind(4096, at(7200s)), 0s);
  EXPECT_EQ(history.time_behind(5000, at(7200s)), 0s);
}

// It counts from when the primary left that place, not from when it came there.
TEST(PrimaryHistory, TheLagOfOneThatGetsNothingGrowsFromTheFirstWriteItMisses) {
  PrimaryHistory history;
  for (int i = 0; i <= 100; ++i) history.record(1, 4096, at(i * 1s));
  history.record(1, 8192, at(101s));
  EXPECT_EQ(history.time_behind(4096, at(101s)), 1s);
  for (int i = 102; i <= 200; ++i) {
    history.record(1, 8192, at(i * 1s));
    EXPECT_EQ(history.time_behind(4096, at(i * 1s)), (i - 100) * 1s);
  }
}

TEST(PrimaryHistory, ANewTimelineBeginsAnew) {
  PrimaryHistory history;
  history.record(3, 9000, at(0s));
  history.record(3, 9500, at(1s));
  history.record(4, 9100, at(2s));
  EXPECT_EQ(history.timeline(), 4);
  EXPECT_EQ(history.bytes_behind(9100), 0);
  EXPECT_EQ(history.time_behind(9100, at(3s)), 0s);
  EXPECT_EQ(history.time_behind(9000, at(3s)), 1s) << "since it was first seen there";
}

// Else a replica would be behind for ever something that no longer exists.
TEST(PrimaryHistory, APositionThatFallsTakesWhatCameAfterWithIt) {
  PrimaryHistory history;
  history.record(1, 1000, at(0s));
  history.record(1, 2000, at(10s));
  history.record(1, 3000, at(20s));
  history.record(1, 2500, at(30s));
  EXPECT_EQ(history.bytes_behind(2500), 0);
  EXPECT_EQ(history.time_behind(2500, at(40s)), 0s);
  EXPECT_EQ(history.time_behind(2000, at(40s)), 30s);
  EXPECT_EQ(history.time_behind(1500, at(40s)), 35s);
  history.record(1, 500, at(50s));
  EXPECT_EQ(history.bytes_behind(400), 100);
  EXPECT_EQ(history.time_behind(400, at(51s)), 1s);
}

// What is old is kept coarsely, and a lag grows without end.
TEST(PrimaryHistory, RemembersALongTimeInLittleRoom) {
  std::mt19937_64 random(7);
  PrimaryHistory history;
  SlowHistory slow;
  std::uint64_t lsn = 1000;
  const auto first = lsn;
  constexpr auto kLength = 30h;
  std::vector<std::uint64_t> positions;
  for (Duration time = 0s; time <= kLength; time += 1s) {
    lsn += 1 + random() % 2000;
    positions.push_back(lsn);
    history.record(1, lsn, at(time));
    slow.record(lsn, at(time));
  }
  const auto now = at(kLength);
  const auto error = [&](Duration lag) {
    const auto replayed = positions[static_cast<std::size_t>((kLength - lag) / Duration(1s))] + 1;
    return std::chrono::abs(*history.time_behind(replayed, now) - slow.behind(replayed, now));
  };
  for (Duration lag = 1s; lag <= 30min; lag += 7s) EXPECT_LE(error(lag), 1us);
  for (Duration lag = 30min; lag <= 2h; lag += 61s) EXPECT_LE(error(lag), 1min);
  EXPECT_EQ(history.time_behind(first, now), kLength);
  // Further behind is never less.
  Duration before = 0s;
  for (auto replayed = lsn; replayed > first; replayed -= std::min(replayed - first, 1'000'000ul)) {
    const auto lag = *history.time_behind(replayed, now);
    EXPECT_GE(lag, before);
    before = lag;
  }
}

}  // namespace
}  // namespace lyceum::cluster
