#include "pool/load.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace lyceum::pool {
namespace {

using namespace std::chrono_literals;

TEST(Load, FollowsAServerThatIsSteady) {
  Load load;
  for (int i = 0; i < 100; ++i) load.took(4ms);
  EXPECT_NEAR(load.latency, 0.004, 1e-5);
}

TEST(Load, LeavesAStallSoonAndForgetsItSlowly) {
  Load load;
  for (int i = 0; i < 100; ++i) load.took(1ms);
  load.took(1s);
  EXPECT_GT(load.latency, 0.4F);
  // An eighth of what is left goes with each answer.
  int answers = 0;
  while (load.latency > 0.01F) {
    load.took(1ms);
    ++answers;
  }
  const auto expected = std::log(0.009 / 0.4995) / std::log(7.0 / 8.0);
  EXPECT_NEAR(answers, expected, 1.5);
}

TEST(Load, StaysWithinWhatWasSeen) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> millis(2, 300);
  Load load;
  for (int i = 0; i < 10'000; ++i) {
    load.took(std::chrono::milliseconds(millis(random)));
    ASSERT_LE(load.latency, 0.3F + 1e-6F);
    if (i > 100) ASSERT_GE(load.latency, 0.002F - 1e-6F);
  }
}

TEST(Load, EveryRequestCostsAlsoWhereNothingIsKnown) {
  Load idle, busy;
  busy.in_flight = 3;
  EXPECT_GT(idle.cost(), 0);
  EXPECT_GT(busy.cost(), idle.cost());
  idle.took(10ms);
  EXPECT_GT(idle.cost(), busy.cost());
}

}  // namespace
}  // namespace lyceum::pool
