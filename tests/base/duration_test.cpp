#include "base/duration.h"

#include <gtest/gtest.h>
#include <random>

#include "base/backoff.h"

namespace lyceum {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsNumbersWithUnits) {
  const std::vector<std::pair<const char*, Duration>> good = {
      {"10s", 10s},
      {"250ms", 250ms},
      {"5m", 5min},
      {"2h", 2h},
      {"1d", 24h},
      {"7us", 7us},
      {"9ns", 9ns},
      {"1.5s", 1500ms},
      {"0.25ms", 250us},
      {"0", 0s},
      {"0s", 0s},
      {"1.0000000019s", 1000000001ns},
      {"9223372036854775807ns", Duration::max()}};
  for (const auto& [text, duration] : good) EXPECT_EQ(parse_duration(text), duration) << text;
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* bad : {"", "10", "s", "-1s", "+1s", "10 s", " 10s", "10s ", "10S", "1.s", ".5s",
                          "1e3s", "10sec", "1h30m", "9223372036854775808ns", "106752d", "0x10s"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(Duration, ABareNumberCountsInTheUnitGiven) {
  EXPECT_EQ(parse_duration("10", 1s), Duration(10s));
  EXPECT_EQ(parse_duration("0.5", 1s), Duration(500ms));
  EXPECT_EQ(parse_duration("10ms", 1s), Duration(10ms));
  EXPECT_FALSE(parse_duration("", 1s));
}

TEST(Duration, IsWrittenInTheLargestUnitThatDivides) {
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(10min), "10m");
  EXPECT_EQ(format_duration(24h), "1d");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(1ns), "1ns");
}

TEST(Duration, WhatIsWrittenIsReadBack) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 10'000; ++i) {
    const Duration duration(static_cast<Duration::rep>(random() >> (1 + random() % 62)));
    EXPECT_EQ(parse_duration(format_duration(duration)), duration);
  }
}

TEST(Duration, IsRoundedForPeople) {
  EXPECT_EQ(format_rounded(0s), "0s");
  EXPECT_EQ(format_rounded(999ns), "999ns");
  EXPECT_EQ(format_rounded(1234us), "1.23ms");
  EXPECT_EQ(format_rounded(12us), "12.0us");
  EXPECT_EQ(format_rounded(999'600ns), "1.00ms");
  EXPECT_EQ(format_rounded(45'600ms), "45.6s");
  EXPECT_EQ(format_rounded(99'960ms), "100s");
  EXPECT_EQ(format_rounded(4530s), "75.5m");
  EXPECT_EQ(format_rounded(-1500ms), "-1.50s");
}

TEST(Backoff, DoublesTheCeilingUpToTheCap) {
  Backoff backoff(50ms, 5s);
  for (const auto ceiling : {50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms}) {
    EXPECT_EQ(backoff.next(1.0), Duration(ceiling));
  }
  for (int i = 0; i < 1000; ++i) EXPECT_LE(backoff.next(1.0), Duration(5s));
  EXPECT_EQ(backoff.failures(), 1009);
  backoff.reset();
  EXPECT_EQ(backoff.failures(), 0);
  EXPECT_EQ(backoff.next(0.5), Duration(25ms));
  EXPECT_EQ(backoff.next(0.0), Duration(0ms));
}

TEST(Backoff, DoesNotOverflowAtTheLongestCap) {
  Backoff backoff(Duration(1), Duration::max());
  for (int i = 0; i < 200; ++i) EXPECT_GE(backoff.next(0.5), Duration::zero());
}

}  // namespace
}  // namespace lyceum
