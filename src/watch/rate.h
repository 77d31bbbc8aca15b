#pragma once

#include <cstdint>
#include <optional>

#include "watch/value.h"

namespace lyceum::watch {

// By how much a counter rose from one reading to the next. Nothing where either is no number, and
// where it fell: then it began anew.
[[nodiscard]] inline std::optional<double> rise(const Value& before, const Value& now) {
  const auto a = number_of(before);
  const auto b = number_of(now);
  if (!a || !b) return std::nullopt;
  // Whole numbers beyond 2^53 are subtracted before they are rounded.
  const auto* from = std::get_if<std::int64_t>(&before);
  const auto* to = std::get_if<std::int64_t>(&now);
  if (from != nullptr && to != nullptr && *to >= *from) {
    return static_cast<double>(static_cast<std::uint64_t>(*to) - static_cast<std::uint64_t>(*from));
  }
  const double more = *b - *a;
  return more >= 0 ? std::optional(more) : std::nullopt;
}

}  // namespace lyceum::watch
