#include "server/rate_limiter.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace lyceum::server {
namespace {

using namespace std::chrono_literals;

Uuid tenant(int number) {
  Uuid id{};
  id.data[3] = static_cast<std::uint8_t>(number >> 16);
  id.data[7] = static_cast<std::uint8_t>(number >> 8);
  id.data[15] = static_cast<std::uint8_t>(number);
  return id;
}

// The obvious way: a bucket per tenant that fills up. Exact, in nanoseconds times requests.
class Buckets {
 public:
  Buckets(std::int64_t interval, std::int64_t burst) : interval_(interval), burst_(burst) {}

  bool take(int who, std::int64_t now) {
    auto [at, fresh] = buckets_.try_emplace(who, Bucket{burst_ * interval_, now});
    auto& bucket = at->second;
    bucket.held = std::min(burst_ * interval_, bucket.held + (now - bucket.at));
    bucket.at = now;
    if (bucket.held < interval_) return false;
    bucket.held -= interval_;
    return true;
  }
  [[nodiscard]] std::int64_t missing(int who) const { return interval_ - buckets_.at(who).held; }

 private:
  struct Bucket {
    std::int64_t held, at;
  };
  std::int64_t interval_, burst_;
  std::map<int, Bucket> buckets_;
};

TEST(RateLimiter, IsATokenBucket) {
  for (const std::int64_t per_second : {1, 10, 1000}) {
    for (const std::int64_t burst : {1, 2, 7, 100}) {
      RateLimiter limiter(
          {.per_second = static_cast<double>(per_second), .burst = static_cast<double>(burst)});
      const std::int64_t interval = 1'000'000'000 / per_second;
      Buckets buckets(interval, burst);
      std::mt19937_64 random(static_cast<unsigned>(per_second * 1000 + burst));
      std::int64_t now = 0;
      for (int i = 0; i < 20'000; ++i) {
        const auto pace = random() % 100;
        now += pace < 60 ? 0
               : pace < 95
                   ? static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(interval))
                   : static_cast<std::int64_t>(random() %
                                               static_cast<std::uint64_t>(interval * 3 * burst));
        const int who = static_cast<int>(random() % 5);
        const auto wait = limiter.take(tenant(who), SteadyTime(std::chrono::nanoseconds(now)));
        const bool may = buckets.take(who, now);
        ASSERT_EQ(!wait, may) << "step " << i;
        if (wait) ASSERT_EQ(wait->count(), buckets.missing(who));
      }
    }
  }
}

TEST(RateLimiter, AfterTheWaitOneMayGo) {
  RateLimiter limiter({.per_second = 3, .burst = 2});
  const SteadyTime now(1h);
  EXPECT_FALSE(limiter.take(tenant(1), now));
  EXPECT_FALSE(limiter.take(tenant(1), now));
  const auto wait = limiter.take(tenant(1), now);
  ASSERT_TRUE(wait);
  EXPECT_TRUE(limiter.take(tenant(1), now + *wait - 1ns));
  EXPECT_FALSE(limiter.take(tenant(1), now + *wait));
}

TEST(RateLimiter, WithoutARateAllMayGo) {
  RateLimiter limiter({});
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(limiter.take(tenant(1), SteadyTime(1h)));
}

TEST(RateLimiter, ANewRateHoldsAtOnce) {
  RateLimiter limiter({.per_second = 1, .burst = 1});
  const SteadyTime now(1h);
  EXPECT_FALSE(limiter.take(tenant(1), now));
  EXPECT_TRUE(limiter.take(tenant(1), now));
  limiter.set({.per_second = 1, .burst = 10});
  EXPECT_FALSE(limiter.take(tenant(1), now));
  limiter.set({});
  EXPECT_FALSE(limiter.take(tenant(1), now));
  limiter.set({.per_second = 1, .burst = 1});
  EXPECT_TRUE(limiter.take(tenant(1), now));
}

// Forgetting the quiet ones changes nothing for those that are not.
TEST(RateLimiter, ManyTenantsDoNotDisturbOne) {
  RateLimiter limiter({.per_second = 10, .burst = 3});
  Buckets buckets(100'000'000, 3);
  std::int64_t now = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += 1'000'000;
    (void)limiter.take(tenant(16 * (1 + i)), SteadyTime(std::chrono::nanoseconds(now)));
    if (i % 40 == 0) {
      ASSERT_EQ(!limiter.take(tenant(0), SteadyTime(std::chrono::nanoseconds(now))),
                buckets.take(0, now));
    }
  }
}

}  // namespace
}  // namespace lyceum::server
