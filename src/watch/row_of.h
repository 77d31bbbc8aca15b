#pragma once

#include <cstdint>
#include <utility>

#include "watch/collector.h"

namespace lyceum::watch {

// Makes a row of a collector by its columns' names; what is not set is missing. The collector
// outlives it. Setting a column that the collector does not have throws std::out_of_range.
class RowOf {
 public:
  explicit RowOf(const Collector& collector)
      : collector_(collector), row_(collector.columns.size()) {}
  RowOf& set(std::string_view column, Value value) {
    row_.at(static_cast<std::size_t>(collector_.position(column))) = std::move(value);
    return *this;
  }
  RowOf& count(std::string_view column, std::uint64_t value) {
    return set(column, static_cast<std::int64_t>(value));
  }
  [[nodiscard]] Row take() { return std::move(row_); }

 private:
  const Collector& collector_;
  Row row_;
};

}  // namespace lyceum::watch
