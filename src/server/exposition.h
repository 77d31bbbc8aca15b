#pragma once

#include <prometheus/metric_family.h>
#include <string>
#include <vector>

#include "base/histogram.h"

namespace lyceum::server {

// Families of metrics on their way into a text. The names of counters end in "_total".
class Exposition {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  prometheus::MetricFamily& family(std::string name, std::string help, prometheus::MetricType type);
  void counter(std::string name, std::string help, double value);
  void gauge(std::string name, std::string help, double value);
  static void add(prometheus::MetricFamily& family, Labels labels, double value);
  // In seconds; a bucket for each power of two of nanoseconds from 65 µs to 17 s.
  static void add(prometheus::MetricFamily& family, Labels labels, const Histogram& nanoseconds);

  [[nodiscard]] const std::vector<prometheus::MetricFamily>& families() const { return families_; }

  // Prometheus' text format 0.0.4.
  [[nodiscard]] std::string text() const;
  // OpenMetrics 1.0: a counter's family is named without "_total", and the text says where it ends.
  [[nodiscard]] std::string openmetrics() const;

 private:
  std::vector<prometheus::MetricFamily> families_;
};

inline constexpr std::string_view kTextFormat = "text/plain; version=0.0.4; charset=utf-8";
inline constexpr std::string_view kOpenMetricsFormat =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// Whether an Accept field asks for OpenMetrics, as Prometheus' does.
[[nodiscard]] bool wants_openmetrics(std::string_view accept);

}  // namespace lyceum::server
