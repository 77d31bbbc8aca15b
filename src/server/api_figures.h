#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/histogram.h"

namespace lyceum::server {

// What one worker counts of its requests, by route. One thread writes, any may read. The last place
// is for requests that met no route.
class ApiFigures {
 public:
  struct PerRoute {
    std::array<std::atomic<std::uint64_t>, 6> by_class{};  // by the first digit of the status
    Histogram duration;                                    // nanoseconds
  };

  explicit ApiFigures(std::size_t routes) : routes_(routes + 1) {}

  void record(std::size_t route, int status, Duration took) {
    auto& figures = routes_[route];
    const auto status_class = static_cast<std::size_t>(status / 100);
    // One writer: no need for an atomic addition.
    auto& counter = figures.by_class[status_class < 6 ? status_class : 0];
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    figures.duration.record(static_cast<std::uint64_t>(took.count()));
  }

  [[nodiscard]] const std::vector<PerRoute>& routes() const { return routes_; }

 private:
  std::vector<PerRoute> routes_;
};

}  // namespace lyceum::server
