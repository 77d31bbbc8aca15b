#include "server/rate_limiter.h"

#include <algorithm>

namespace lyceum::server {

void RateLimiter::set(Rate rate) {
  Duration interval{};
  Duration tolerance{};
  if (rate.per_second > 0) {
    const std::chrono::duration<double> between(1 / rate.per_second);
    interval = std::chrono::duration_cast<Duration>(between);
    tolerance = std::chrono::duration_cast<Duration>(between * (std::max(rate.burst, 1.0) - 1));
  }
  for (auto& part : parts_) {
    const std::lock_guard lock(part.mutex);
    part.interval = interval;
    part.tolerance = tolerance;
  }
}

std::optional<Duration> RateLimiter::take(const Uuid& tenant, SteadyTime now) {
  // The last byte of a UUID is random in every version.
  auto& part = parts_[tenant.data[15] % kParts];
  const std::lock_guard lock(part.mutex);
  if (part.interval == Duration{}) return std::nullopt;
  if (part.due.size() >= part.sweep_at) sweep(part, now);
  auto& due = part.due.try_emplace(tenant, now).first->second;
  if (due - now > part.tolerance) return due - now - part.tolerance;
  due = std::max(due, now) + part.interval;
  return std::nullopt;
}

void RateLimiter::sweep(Part& part, SteadyTime now) {
  std::erase_if(part.due, [&](const auto& tenant) { return tenant.second <= now; });
  // Looking at all of them is paid for by as many that came since.
  part.sweep_at = std::max(kSweepFrom, 2 * part.due.size());
}

}  // namespace lyceum::server
