#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace lyceum {

// A duration with its unit: a decimal number, then ns, us, ms, s, m (minutes), h or d, with nothing
// else around or between: "250ms", "1.5s", "10m". A bare "0" needs no unit. Where `bare_unit` is
// given, a bare number counts in it ("10" is ten seconds with seconds(1)). Nothing for anything
// else, for a negative number, and for what does not fit (292 years).
[[nodiscard]] std::optional<Duration> parse_duration(
    std::string_view text, std::optional<Duration> bare_unit = std::nullopt);

// Exact, in the largest unit that leaves a whole number: 90 s is "90s", 600 s is "10m", zero "0s".
// parse_duration() gives the same duration back.
[[nodiscard]] std::string format_duration(Duration duration);

// For people: three significant digits in the unit that keeps the number small: "1.23ms", "45.6s",
// "12.0us". Half a digit is lost; minutes and above are given in minutes ("75.5m").
[[nodiscard]] std::string format_rounded(Duration duration);

}  // namespace lyceum
