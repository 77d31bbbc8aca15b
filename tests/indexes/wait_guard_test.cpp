#include "indexes/wait_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lyceum::indexes {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

BuildSample waits_for_table(int process) {
  BuildSample out;
  out.waits_for_table = true;
  out.waits_for = Blocker{};
  out.waits_for->process = process;
  return out;
}

BuildSample waits_for_transactions(int process) {
  BuildSample out;
  out.phase = "waiting for old snapshots";
  out.waits_for = Blocker{};
  out.waits_for->process = process;
  return out;
}

WaitLimits limits(std::optional<Duration> old_transactions = std::nullopt) {
  return {seconds(10), old_transactions};
}

TEST(WaitGuard, the_tables_lock_has_a_short_limit) {
  FakeClock clock;
  WaitGuard guard(limits());
  EXPECT_FALSE(guard.update(waits_for_table(7), clock.now()));
  clock.advance(seconds(9));
  EXPECT_FALSE(guard.update(waits_for_table(7), clock.now()));
  clock.advance(seconds(1));
  const auto reason = guard.update(waits_for_table(7), clock.now());
  ASSERT_TRUE(reason);
  EXPECT_THAT(*reason, HasSubstr("process 7"));
}

TEST(WaitGuard, old_transactions_are_waited_for_without_end_unless_limited) {
  FakeClock clock;
  WaitGuard patient(limits());
  WaitGuard hasty(limits(minutes(5)));
  EXPECT_FALSE(patient.update(waits_for_transactions(8), clock.now()));
  EXPECT_FALSE(hasty.update(waits_for_transactions(8), clock.now()));
  clock.advance(minutes(5));
  EXPECT_FALSE(patient.update(waits_for_transactions(8), clock.now()));
  const auto reason = hasty.update(waits_for_transactions(8), clock.now());
  ASSERT_TRUE(reason);
  EXPECT_THAT(*reason, HasSubstr("process 8"));
}

TEST(WaitGuard, a_wait_that_ended_does_not_count) {
  FakeClock clock;
  WaitGuard guard(limits());
  EXPECT_FALSE(guard.update(waits_for_table(7), clock.now()));
  clock.advance(seconds(9));
  EXPECT_FALSE(guard.update(BuildSample{}, clock.now()));
  clock.advance(seconds(9));
  EXPECT_FALSE(guard.update(waits_for_table(7), clock.now()));
  clock.advance(seconds(9));
  EXPECT_FALSE(guard.update(waits_for_table(7), clock.now()));
}

}  // namespace
}  // namespace lyceum::indexes
