#include "cluster/retry_budget.h"

#include <gtest/gtest.h>
#include <random>

namespace lyceum::cluster {
namespace {

using namespace std::chrono_literals;

int taken(RetryBudget& budget, SteadyTime now, int tries = 1000) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += budget.take(now) ? 1 : 0;
  return count;
}

TEST(RetryBudget, AFewAreThereWithoutAnyRequest) {
  RetryBudget budget(0.2);
  SteadyTime now{1h};
  EXPECT_EQ(taken(budget, now), 10);
  EXPECT_EQ(taken(budget, now), 0);
  EXPECT_EQ(taken(budget, now += 100ms), 1);
  EXPECT_EQ(taken(budget, now += 50ms), 0);
  EXPECT_EQ(taken(budget, now += 50ms), 1);
  EXPECT_EQ(taken(budget, now += 24h), 10) << "no more are saved up";
}

TEST(RetryBudget, RequestsSaveUpAShareAndAHundredAtMost) {
  RetryBudget budget(0.2);
  SteadyTime now{1h};
  EXPECT_EQ(taken(budget, now), 10);
  for (int i = 0; i < 51; ++i) budget.request();
  EXPECT_EQ(taken(budget, now), 10);
  for (int i = 0; i < 100'000; ++i) budget.request();
  EXPECT_EQ(taken(budget, now), 100);
}

TEST(RetryBudget, AShareOfNoneLeavesTheFewASecond) {
  RetryBudget budget(0);
  SteadyTime now{1h};
  for (int i = 0; i < 1000; ++i) budget.request();
  EXPECT_EQ(taken(budget, now), 10);
  EXPECT_EQ(taken(budget, now), 0);
}

// Everything fails, and whoever fails asks again as often as he may: what is sent a second time
// stays within the share and the few a second, over any length of time.
TEST(RetryBudget, BoundsWhatATotalFailureAddsToTheLoad) {
  for (const double share : {0.0, 0.05, 0.2, 1.0}) {
    for (const unsigned per_second : {1u, 100u, 20'000u}) {
      std::mt19937 random(per_second);
      RetryBudget budget(share);
      SteadyTime now{1h};
      constexpr unsigned kSeconds = 20;
      double requests = 0, again = 0;
      for (unsigned i = 0; i < kSeconds * per_second; ++i) {
        now += std::chrono::nanoseconds(random() % (2'000'000'000u / per_second));
        ++requests;
        budget.request();
        for (int attempt = 0; attempt < 8 && budget.take(now); ++attempt) ++again;
      }
      const double seconds = std::chrono::duration<double>(now - SteadyTime(1h)).count();
      EXPECT_LE(again, requests * share + seconds * 10 + 10 + 1);
      // And it is not mean either: nearly all that may be sent again is.
      EXPECT_GE(again, std::min(requests * 8, (requests * share + seconds * 10) * 0.9) - 101);
    }
  }
}

}  // namespace
}  // namespace lyceum::cluster
