#include "indexes/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lyceum::indexes {
namespace {

BuildSample sample(std::string phase, std::int64_t done = 0, std::int64_t total = 0) {
  BuildSample out;
  out.phase = std::move(phase);
  out.blocks_done = done;
  out.blocks_total = total;
  return out;
}

TEST(Progress, rises_through_the_phases_of_a_concurrent_build) {
  const BuildSample course[] = {
      sample(""),
      sample("initializing"),
      sample("waiting for writers before build"),
      sample("building index: initializing"),
      sample("building index: scanning table", 1, 100),
      sample("building index: scanning table", 99, 100),
      sample("building index: sorting live tuples"),
      sample("building index: loading tuples in tree"),
      sample("waiting for writers before validation"),
      sample("index validation: scanning index", 1, 10),
      sample("index validation: sorting tuples"),
      sample("index validation: scanning table", 50, 100),
      sample("waiting for old snapshots"),
  };
  double last = 0;
  for (const auto& each : course) {
    const double now = estimate_fraction(each);
    EXPECT_GE(now, last) << each.phase;
    EXPECT_LT(now, 1.0) << each.phase;
    last = now;
  }
  EXPECT_GT(last, 0.9);
}

TEST(Progress, counts_blocks_else_tuples_within_a_phase) {
  const auto begin = estimate_fraction(sample("building index: scanning table"));
  const auto middle = estimate_fraction(sample("building index: scanning table", 50, 100));
  const auto end = estimate_fraction(sample("building index: scanning table", 100, 100));
  EXPECT_NEAR(middle, (begin + end) / 2, 1e-9);
  // More blocks than there were when the scan began.
  EXPECT_EQ(estimate_fraction(sample("building index: scanning table", 200, 100)), end);
  auto tuples = sample("building index: loading tuples in tree");
  const auto before = estimate_fraction(tuples);
  tuples.tuples_done = 10;
  tuples.tuples_total = 20;
  EXPECT_GT(estimate_fraction(tuples), before);
}

TEST(Progress, of_other_access_methods_moves_too) {
  EXPECT_GT(estimate_fraction(sample("building index", 50, 100)), 0.3);
  EXPECT_GT(estimate_fraction(sample("building index: some new phase", 50, 100)), 0.3);
  EXPECT_EQ(estimate_fraction(sample("unheard of", 50, 100)), 0.0);
}

TEST(Progress, never_goes_back) {
  ProgressEstimator estimator;
  const auto high = estimator.update(sample("index validation: scanning table", 5, 10));
  EXPECT_EQ(estimator.update(sample("building index: scanning table", 1, 10)), high);
}

TEST(Progress, knows_the_long_waits) {
  EXPECT_TRUE(is_long_wait("waiting for old snapshots"));
  EXPECT_TRUE(is_long_wait("waiting for writers before build"));
  EXPECT_FALSE(is_long_wait("index validation: scanning table"));
  EXPECT_FALSE(is_long_wait(""));
}

TEST(Progress, says_who_is_waited_for_but_not_what_they_asked) {
  Blocker blocker;
  blocker.process = 4711;
  blocker.application = "report";
  blocker.state = "idle in transaction";
  blocker.transaction_age = std::chrono::seconds(90);
  blocker.transaction_start = "2026-01-01 00:00:00+00";
  blocker.query_start = "2026-01-01 00:00:01+00";
  blocker.query = "SELECT 'secret'";
  const auto text = blocker.to_string();
  EXPECT_THAT(text, testing::HasSubstr("4711"));
  EXPECT_THAT(text, testing::HasSubstr("report"));
  EXPECT_THAT(text, testing::HasSubstr("90 s"));
  EXPECT_THAT(text, testing::HasSubstr("2026-01-01 00:00:01+00"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("secret")));
}

}  // namespace
}  // namespace lyceum::indexes
