#include "base/histogram.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <thread>

namespace lyceum {
namespace {

constexpr std::array kQuantiles = {0.0,  0.001, 0.01, 0.1,  0.25,  0.5,
                                   0.75, 0.9,   0.95, 0.99, 0.999, 1.0};

// The oracle: nearest rank over the sorted values.
std::uint64_t exact_quantile(const std::vector<std::uint64_t>& sorted, double q) {
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

double relative_error(std::uint64_t got, std::uint64_t exact) {
  if (got == exact) return 0;
  const auto difference = got > exact ? got - exact : exact - got;
  return static_cast<double>(difference) / static_cast<double>(exact);
}

std::uint64_t as_value(double x) {
  return x <= 0      ? 0
         : x >= 1e18 ? std::uint64_t{1000000000000000000}
                     : static_cast<std::uint64_t>(x);
}

std::vector<std::vector<std::uint64_t>> samples() {
  std::mt19937_64 random(20240601);
  std::vector<std::function<std::uint64_t()>> sources = {
      [&] { return as_value(std::uniform_real_distribution<>(1, 4e12)(random)); },  // to 67 minutes
      [&] { return as_value(std::exponential_distribution<>(1e-6)(random)); },
      [&] { return as_value(std::lognormal_distribution<>(13, 2.5)(random)); },
      [&] { return as_value(std::exp2(std::uniform_real_distribution<>(0, 63)(random))); },
      [&] {
        return as_value(1e5 / std::pow(std::uniform_real_distribution<>(1e-9, 1)(random), 1.3));
      },
      [&] { return std::uint64_t{random() % 100}; },
      [&] {
        return random() % 2 == 0 ? 120'000 + random() % 1000 : 3'000'000'000 + random() % 1000;
      },
      [&] { return std::uint64_t{random()}; },
      [&] { return std::uint64_t{777'777}; }};
  std::vector<std::vector<std::uint64_t>> all;
  for (const auto& source : sources) {
    for (const std::size_t size : {1U, 2U, 3U, 100U, 20'000U}) {
      auto& sample = all.emplace_back(size);
      for (auto& value : sample) value = source();
    }
  }
  return all;
}

TEST(Histogram, QuantilesAreWithinOnePercentOfTheExactOnes) {
  double worst = 0;
  for (auto& sample : samples()) {
    Histogram histogram;
    for (const auto value : sample) histogram.record(value);
    std::sort(sample.begin(), sample.end());
    for (const double q : kQuantiles) {
      const double error = relative_error(histogram.quantile(q), exact_quantile(sample, q));
      EXPECT_LE(error, 0.01) << "q " << q << " of " << sample.size();
      worst = std::max(worst, error);
    }
  }
  EXPECT_LE(worst, 1.0 / 128);
  EXPECT_GT(worst, 0.001) << "the samples do not put the bound to the test";
}

// Every bucket's edges, so that no octave hides a coarser one.
TEST(Histogram, TheBoundHoldsAtEveryBucketEdge) {
  for (int bit = 0; bit < 64; ++bit) {
    const auto power = std::uint64_t{1} << bit;
    for (std::uint64_t part = 0; part < 64; ++part) {
      const auto edge = power + (bit >= 6 ? part << (bit - 6) : part % power);
      for (const auto value : {edge, edge - 1, edge + 1}) {
        Histogram histogram;
        histogram.record(0);
        histogram.record(value);
        histogram.record(std::numeric_limits<std::uint64_t>::max());
        EXPECT_LE(relative_error(histogram.quantile(0.5), value), 1.0 / 128) << value;
      }
    }
  }
}

TEST(Histogram, CountSumAndExtremesAreExact) {
  for (const auto& sample : samples()) {
    Histogram histogram;
    std::uint64_t sum = 0;
    for (const auto value : sample) {
      histogram.record(value);
      sum += value;
    }
    EXPECT_EQ(histogram.count(), sample.size());
    EXPECT_EQ(histogram.sum(), sum);
    EXPECT_EQ(histogram.min(), *std::min_element(sample.begin(), sample.end()));
    EXPECT_EQ(histogram.max(), *std::max_element(sample.begin(), sample.end()));
  }
}

TEST(Histogram, AnEmptyOneIsZeroThroughout) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0U);
  EXPECT_EQ(histogram.max(), 0U);
  EXPECT_EQ(histogram.mean(), 0.0);
  EXPECT_EQ(histogram.quantile(0.5), 0U);
  EXPECT_EQ(histogram.count_at_most(1'000'000), 0U);
}

TEST(Histogram, MergingIsRecordingAll) {
  const auto all = samples();
  for (std::size_t i = 1; i < all.size(); ++i) {
    Histogram left, right, both;
    for (const auto value : all[i - 1]) left.record(value), both.record(value);
    for (const auto value : all[i]) right.record(value), both.record(value);
    left.merge(right);
    left.merge(Histogram{});
    EXPECT_EQ(left.count(), both.count());
    EXPECT_EQ(left.sum(), both.sum());
    EXPECT_EQ(left.min(), both.min());
    EXPECT_EQ(left.max(), both.max());
    for (const double q : kQuantiles) EXPECT_EQ(left.quantile(q), both.quantile(q));
    for (int bit = 0; bit < 64; ++bit) {
      const auto value = (std::uint64_t{1} << bit) - 1;
      EXPECT_EQ(left.count_at_most(value), both.count_at_most(value));
    }
  }
}

TEST(Histogram, SinceACopyIsWhatWasRecordedAfterIt) {
  std::mt19937_64 random(5);
  Histogram all, later;
  for (int i = 0; i < 5000; ++i) all.record(random() >> (random() % 60));
  const Histogram earlier = all;
  EXPECT_EQ(all.since(earlier).count(), 0U);
  EXPECT_EQ(all.since(earlier).quantile(0.5), 0U);
  for (int i = 0; i < 3000; ++i) {
    const auto value = random() >> (20 + random() % 40);
    all.record(value);
    later.record(value);
  }
  const auto since = all.since(earlier);
  EXPECT_EQ(since.count(), later.count());
  EXPECT_EQ(since.sum(), later.sum());
  for (const double q : {0.0, 0.1, 0.5, 0.95, 0.99, 1.0}) {
    const auto expected = static_cast<double>(later.quantile(q));
    EXPECT_NEAR(static_cast<double>(since.quantile(q)), expected, expected * 0.016) << q;
  }
}

TEST(Histogram, CountsExactlyUpToOneLessThanAPowerOfTwo) {
  for (const auto& sample : samples()) {
    Histogram histogram;
    for (const auto value : sample) histogram.record(value);
    for (int bit = 0; bit < 64; ++bit) {
      const auto limit = (std::uint64_t{1} << bit) - 1;
      const auto exact = std::count_if(sample.begin(), sample.end(),
                                       [&](std::uint64_t value) { return value <= limit; });
      EXPECT_EQ(histogram.count_at_most(limit), static_cast<std::uint64_t>(exact)) << limit;
    }
    EXPECT_EQ(histogram.count_at_most(std::numeric_limits<std::uint64_t>::max()), sample.size());
  }
}

TEST(Histogram, CopiesAndMovesKeepTheContents) {
  Histogram first;
  for (std::uint64_t i = 1; i <= 1000; ++i) first.record(i * 1000);
  Histogram copy(first);
  copy.record(5);
  EXPECT_EQ(first.count(), 1000U);
  EXPECT_EQ(copy.count(), 1001U);
  const Histogram moved(std::move(copy));
  EXPECT_EQ(moved.count(), 1001U);
  EXPECT_EQ(moved.min(), 5U);
  first = moved;
  EXPECT_EQ(first.quantile(0.5), moved.quantile(0.5));
  auto& itself = first;
  first = itself;
  EXPECT_EQ(first.count(), 1001U);
}

TEST(Histogram, MemoryGrowsWithThePowersOfTwoThatWereHit) {
  Histogram histogram;
  EXPECT_EQ(histogram.memory(), 504U);
  for (int i = 0; i < 1000; ++i) histogram.record(1'000'000);
  EXPECT_EQ(histogram.memory(), 504U + 512U);
  for (int bit = 0; bit < 64; ++bit) histogram.record(std::uint64_t{1} << bit);
  EXPECT_EQ(histogram.memory(), 504U + 59U * 512U);
}

TEST(Histogram, IsReadWhileAnotherThreadRecords) {
  constexpr std::uint64_t kValues = 3'000'000;
  Histogram histogram;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kValues; ++i) histogram.record(i * 977);
    done = true;
  });
  std::uint64_t before = 0;
  while (!done) {
    const Histogram copy(histogram);
    EXPECT_GE(copy.count(), before);
    EXPECT_LE(copy.quantile(0.5), kValues * 977);
    before = copy.count();
  }
  writer.join();
  EXPECT_EQ(Histogram(histogram).count(), kValues);
}

}  // namespace
}  // namespace lyceum
