#pragma once

#include <array>
#include <boost/functional/hash.hpp>
#include <boost/uuid/uuid_hash.hpp>
#include <cstddef>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "base/uuid.h"

namespace lyceum::server {

struct Rate {
  double per_second = 0;  // 0: no limit
  double burst = 1;       // requests at once, after a pause; at least 1
};

// How many requests a tenant may make: the generic cell rate algorithm (ITU-T I.371), which keeps
// one time per tenant and needs no timer. Tenants that have been quiet for as long as their burst
// takes to fill up are forgotten. Any thread; a request costs some 50 ns.
class RateLimiter {
 public:
  explicit RateLimiter(Rate rate) { set(rate); }

  // Counts one request. Nothing: it may go on; else how long until one may.
  [[nodiscard]] std::optional<Duration> take(const Uuid& tenant, SteadyTime now);

  // From now on. Not at the same time as itself.
  void set(Rate rate);

 private:
  static constexpr std::size_t kParts = 16;
  static constexpr std::size_t kSweepFrom = 1024;  // tenants of a part

  struct Part {
    std::mutex mutex;
    Duration interval{};  // between requests; zero: no limit
    Duration tolerance{};
    // When the tenant's next request would be due, were all to come at the allowed rate.
    std::unordered_map<Uuid, SteadyTime, boost::hash<Uuid>> due;
    std::size_t sweep_at = kSweepFrom;
  };

  static void sweep(Part& part, SteadyTime now);

  std::array<Part, kParts> parts_;
};

}  // namespace lyceum::server
