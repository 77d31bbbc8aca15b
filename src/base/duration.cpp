#include "base/duration.h"

#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <utility>

namespace lyceum {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::pair<std::string_view, Duration>, 7> kUnits = {
    {{"d", 24h}, {"h", 1h}, {"m", 1min}, {"s", 1s}, {"ms", 1ms}, {"us", 1us}, {"ns", 1ns}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text, std::optional<Duration> bare_unit) {
  constexpr auto kMost = std::numeric_limits<Duration::rep>::max();
  std::size_t at = 0;
  Duration::rep whole = 0;
  while (at < text.size() && is_digit(text[at])) {
    const Duration::rep digit = text[at++] - '0';
    if (whole > (kMost - digit) / 10) return std::nullopt;
    whole = whole * 10 + digit;
  }
  if (at == 0) return std::nullopt;
  std::string_view fraction;
  if (at < text.size() && text[at] == '.') {
    const auto start = ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    fraction = text.substr(start, at - start);
    if (fraction.empty()) return std::nullopt;
  }
  const auto name = text.substr(at);
  std::optional<Duration> unit;
  if (name.empty()) {
    unit = bare_unit;
    if (!unit && text == "0") unit = 1ns;
  }
  for (const auto& [label, length] : kUnits) {
    if (name == label) unit = length;
  }
  if (!unit) return std::nullopt;
  const auto length = unit->count();
  if (whole > kMost / length) return std::nullopt;
  // What a digit is worth is cut to whole nanoseconds at its own place.
  Duration::rep rest = 0;
  Duration::rep place = length;
  for (const char digit : fraction) {
    place /= 10;
    rest += place * (digit - '0');
  }
  if (whole * length > kMost - rest) return std::nullopt;
  return Duration(whole * length + rest);
}

std::string format_duration(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  for (const auto& [label, length] : kUnits) {
    if (duration % length == Duration::zero()) return fmt::format("{}{}", duration / length, label);
  }
  return fmt::format("{}ns", duration.count());
}

std::string format_rounded(Duration duration) {
  const auto ns = static_cast<double>(duration.count());
  const double size = ns < 0 ? -ns : ns;
  const auto in = [&](double length, std::string_view label) {
    const double value = ns / length;
    const double magnitude = size / length;
    return fmt::format("{:.{}f}{}", value,
                       magnitude < 9.995   ? 2
                       : magnitude < 99.95 ? 1
                                           : 0,
                       label);
  };
  if (size == 0) return "0s";
  if (size < 1e3) return fmt::format("{}ns", duration.count());
  if (size < 999.5e3) return in(1e3, "us");
  if (size < 999.5e6) return in(1e6, "ms");
  if (size < 120e9) return in(1e9, "s");
  return in(60e9, "m");
}

}  // namespace lyceum
