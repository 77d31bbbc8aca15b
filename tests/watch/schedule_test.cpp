#include "watch/schedule.h"

#include <gtest/gtest.h>
#include <set>

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNow{1000h};
const Task kFast{"wal", ""};
const Task kSlow{"tables", "app"};

TEST(Schedule, TheFirstRunIsDueAtOnceAndTheOthersAtTheirDistance) {
  Schedule schedule("a");
  schedule.add(kFast, 10s, "", kNow);
  EXPECT_EQ(schedule.next(), kNow);
  EXPECT_EQ(schedule.begin(kNow), kFast);
  schedule.end(kNow + 5ms, true);
  auto due = schedule.next();
  EXPECT_GT(due, kNow + 5s);
  EXPECT_LE(due, kNow + 15s + 5ms);
  EXPECT_EQ(schedule.begin(due - 1ns), std::nullopt);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(schedule.begin(due), kFast);
    schedule.end(due + 20ms, true);
    EXPECT_EQ(schedule.next(), due + 10s) << "it does not wander";
    due = schedule.next();
  }
}

TEST(Schedule, OneAtATime) {
  Schedule schedule("a");
  schedule.add(kFast, 10s, "", kNow);
  schedule.add(kSlow, 5min, "app", kNow);
  EXPECT_EQ(schedule.begin(kNow), kFast) << "the shorter interval first";
  EXPECT_EQ(schedule.begin(kNow + 1h), std::nullopt);
  EXPECT_EQ(schedule.next(), SteadyTime::max());
  schedule.end(kNow, true);
  EXPECT_EQ(schedule.begin(kNow), kSlow);
}

TEST(Schedule, WhatWasMissedIsNotCaughtUp) {
  Schedule schedule("a");
  schedule.add(kFast, 10s, "", kNow);
  EXPECT_TRUE(schedule.begin(kNow));
  schedule.end(kNow, true);
  // The process stood still for an hour.
  const auto later = kNow + 1h;
  int runs = 0;
  for (auto now = later; now < later + 4s; now += 100ms) {
    if (!schedule.begin(now)) continue;
    ++runs;
    schedule.end(now, true);
  }
  EXPECT_EQ(runs, 1);
}

TEST(Schedule, ARunAsLongAsItsIntervalLeavesTheServerTime) {
  Schedule schedule("a");
  schedule.add(kFast, 10s, "", kNow);
  auto now = kNow;
  for (int i = 0; i < 10; ++i) {
    now = std::max(now, schedule.next());
    EXPECT_TRUE(schedule.begin(now));
    now += 12s;
    schedule.end(now, true);
    EXPECT_GE(schedule.next() - now, 5s);
    EXPECT_LE(schedule.next() - now, 15s);
  }
}

TEST(Schedule, AfterFailuresTheDistanceGrowsAndASuccessEndsThat) {
  Schedule schedule("a", 15min);
  schedule.add(kFast, 10s, "", kNow);
  auto now = kNow;
  const auto wait_after = [&](bool succeeded) {
    now = std::max(now, schedule.next());
    EXPECT_TRUE(schedule.begin(now));
    schedule.end(now, succeeded);
    return schedule.next() - now;
  };
  (void)wait_after(true);
  EXPECT_EQ(wait_after(false), 20s);
  EXPECT_EQ(wait_after(false), 40s);
  EXPECT_EQ(wait_after(false), 80s);
  EXPECT_EQ(wait_after(false), 80s) << "not beyond eightfold";
  EXPECT_EQ(wait_after(true), 10s);
}

TEST(Schedule, TheDistanceIsBoundedHoweverLongTheInterval) {
  Schedule schedule("a", 15min);
  schedule.add(kSlow, 5min, "app", kNow);
  Schedule daily("a", 15min);
  daily.add(kSlow, 24h, "app", kNow);
  auto now = kNow;
  for (int i = 0; i < 6; ++i) {
    now = schedule.next();
    EXPECT_TRUE(schedule.begin(now));
    schedule.end(now, false);
    EXPECT_LE(schedule.next() - now, 20min);
  }
  EXPECT_TRUE(daily.begin(kNow));
  daily.end(kNow, false);
  EXPECT_GT(daily.next() - kNow, 12h) << "never more often than without failures";
}

TEST(Schedule, NodesAndDatabasesAreSpreadOut) {
  std::set<Duration> offsets;
  for (int i = 0; i < 50; ++i) {
    Schedule schedule("node-" + std::to_string(i % 5));
    schedule.add(kSlow, 5min, "database-" + std::to_string(i), kNow);
    EXPECT_TRUE(schedule.begin(kNow));
    schedule.end(kNow, true);
    offsets.insert((schedule.next() - kNow) / 30s * 30s);
  }
  EXPECT_GE(offsets.size(), 7U) << "of ten parts of the interval";
}

TEST(Schedule, ThoseOfOnePhaseRunOneAfterAnother) {
  Schedule schedule("a");
  for (const auto* name : {"tables", "indexes", "sequences"}) {
    schedule.add({name, "app"}, 5min, "app", kNow);
  }
  while (schedule.begin(kNow)) schedule.end(kNow, true);
  const auto due = schedule.next();
  int runs = 0;
  while (schedule.begin(due)) {
    schedule.end(due, true);
    ++runs;
  }
  EXPECT_EQ(runs, 3);
}

TEST(Schedule, AFastOneDoesNotStarveTheSlow) {
  // Each run takes longer than the interval of the fast one.
  Schedule schedule("a");
  schedule.add(kFast, 1s, "", kNow);
  schedule.add(kSlow, 10s, "app", kNow);
  auto now = kNow;
  int slow = 0;
  for (int i = 0; i < 60; ++i) {
    now = std::max(now, schedule.next());
    slow += schedule.begin(now) == kSlow ? 1 : 0;
    now += 2s;
    schedule.end(now, true);
  }
  EXPECT_GE(slow, 5);
}

TEST(Schedule, WhatIsRemovedDoesNotComeBack) {
  Schedule schedule("a");
  schedule.add(kSlow, 5min, "app", kNow);
  EXPECT_TRUE(schedule.begin(kNow));
  schedule.remove(kSlow);
  schedule.end(kNow, true);
  EXPECT_EQ(schedule.next(), SteadyTime::max());
  EXPECT_FALSE(schedule.contains(kSlow));
  // What is there already keeps its time.
  schedule.add(kFast, 10s, "", kNow);
  EXPECT_TRUE(schedule.begin(kNow));
  schedule.end(kNow, true);
  const auto due = schedule.next();
  schedule.add(kFast, 10s, "", kNow);
  EXPECT_EQ(schedule.next(), due);
}

}  // namespace
}  // namespace lyceum::watch
