#pragma once

#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <string>

#include "watch/sample.h"

namespace lyceum::watch {

// A finite number as one; nothing for what is missing, for texts, and for infinity and NaN.
[[nodiscard]] inline std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  const auto* real = std::get_if<double>(&value);
  return real == nullptr || !std::isfinite(*real) ? std::nullopt : std::optional(*real);
}

// As a label has it: whole numbers without a point, nothing for what is missing.
[[nodiscard]] inline std::string text_of(const Value& value) {
  if (const auto* text = std::get_if<Text>(&value)) return text->string();
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  return {};
}

}  // namespace lyceum::watch
