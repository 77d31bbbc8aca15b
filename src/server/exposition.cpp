#include "server/exposition.h"

#include <limits>
#include <prometheus/text_serializer.h>

namespace lyceum::server {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily& Exposition::family(std::string name, std::string help, MetricType type) {
  families_.push_back({std::move(name), std::move(help), type, {}});
  return families_.back();
}

void Exposition::counter(std::string name, std::string help, double value) {
  add(family(std::move(name), std::move(help), MetricType::Counter), {}, value);
}

void Exposition::gauge(std::string name, std::string help, double value) {
  add(family(std::move(name), std::move(help), MetricType::Gauge), {}, value);
}

void Exposition::add(MetricFamily& family, Labels labels, double value) {
  auto& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.counter.value = value;
  metric.gauge.value = value;
}

void Exposition::add(MetricFamily& family, Labels labels, const Histogram& nanoseconds) {
  constexpr int kFirst = 16, kLast = 34;
  auto& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.histogram.sample_count = nanoseconds.count();
  metric.histogram.sample_sum = static_cast<double>(nanoseconds.sum()) * 1e-9;
  for (int power = kFirst; power <= kLast; ++power) {
    const auto bound = std::uint64_t{1} << power;
    ClientMetric::Bucket bucket;
    bucket.cumulative_count = nanoseconds.count_at_most(bound - 1);
    bucket.upper_bound = static_cast<double>(bound) * 1e-9;
    metric.histogram.bucket.push_back(bucket);
  }
  ClientMetric::Bucket rest;
  rest.cumulative_count = nanoseconds.count();
  rest.upper_bound = std::numeric_limits<double>::infinity();
  metric.histogram.bucket.push_back(rest);
}

std::string Exposition::text() const {
  return prometheus::TextSerializer().Serialize(families_);
}

std::string Exposition::openmetrics() const {
  constexpr std::string_view kTotal = "_total";
  std::string out;
  for (const auto& family : families_) {
    auto text = prometheus::TextSerializer().Serialize({family});
    if (family.type == MetricType::Counter && family.name.ends_with(kTotal)) {
      // The two lines that describe it.
      const auto bare = family.name.substr(0, family.name.size() - kTotal.size());
      for (const std::string_view what : {"# HELP ", "# TYPE "}) {
        const auto at = text.find(std::string(what) + family.name + ' ');
        if (at != std::string::npos) text.replace(at + what.size(), family.name.size(), bare);
      }
    }
    out += text;
  }
  return out + "# EOF\n";
}

bool wants_openmetrics(std::string_view accept) {
  return accept.find("application/openmetrics-text") != std::string_view::npos;
}

}  // namespace lyceum::server
