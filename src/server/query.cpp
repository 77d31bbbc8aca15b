#include "server/query.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "base/percent.h"

namespace lyceum::server {
namespace {

Error bad(std::string_view name, std::string_view wanted) {
  return {.code = ErrorCode::kBadInput,
          .message = fmt::format("the parameter '{}' is no {}", name, wanted)};
}

// With + for a space, as forms have it; nothing where an escape is broken. By hand: Boost.URL 1.81
// gives wrong parameters after one that holds a comma or a plus.
std::optional<std::string> decode(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return percent_decode(spaced);
}

// All of the text as a number of this many digits; nothing otherwise.
std::optional<int> digits(std::string_view text) {
  int value = 0;
  for (const char character : text) {
    if (character < '0' || character > '9') return std::nullopt;
    value = value * 10 + (character - '0');
  }
  return value;
}

std::optional<std::chrono::sys_days> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = digits(text.substr(0, 4));
  const auto month = digits(text.substr(5, 2));
  const auto day = digits(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

// "12:34", each part below its limit.
std::optional<std::chrono::minutes> parse_hours_minutes(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hours = digits(text.substr(0, 2));
  const auto minutes = digits(text.substr(3, 2));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
}

// "Z", "+01:00"; how far local time is ahead.
std::optional<std::chrono::minutes> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::minutes(0);
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto ahead = parse_hours_minutes(text.substr(1));
  if (!ahead) return std::nullopt;
  return text[0] == '-' ? -*ahead : *ahead;
}

}  // namespace

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  const auto day = parse_day(text.substr(0, 10));
  if (!day) return std::nullopt;
  if (text.size() == 10) return Timestamp(*day);
  if (text.size() < 20 || (text[10] != 'T' && text[10] != 't') || text[16] != ':') {
    return std::nullopt;
  }
  const auto minutes = parse_hours_minutes(text.substr(11, 5));
  const auto seconds = digits(text.substr(17, 2));
  if (!minutes || !seconds || *seconds > 59) return std::nullopt;
  auto rest = text.substr(19);
  std::chrono::microseconds fraction(0);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    std::int64_t unit = 100'000;
    std::size_t count = 0;
    for (; count < rest.size() && rest[count] >= '0' && rest[count] <= '9'; ++count) {
      fraction += std::chrono::microseconds((rest[count] - '0') * unit);
      unit /= 10;
    }
    if (count == 0 || count > 12) return std::nullopt;
    rest.remove_prefix(count);
  }
  const auto ahead = parse_offset(rest);
  if (!ahead) return std::nullopt;
  const auto time = Timestamp(*day) + *minutes + std::chrono::seconds(*seconds) + fraction - *ahead;
  // In UTC, too, it has a year of four digits, and can be said.
  const auto year = std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(time)).year();
  if (year < std::chrono::year(0) || year > std::chrono::year(9999)) return std::nullopt;
  return time;
}

Result<Query> Query::parse(std::string_view query, std::span<const std::string_view> known) {
  Query out;
  while (!query.empty()) {
    const auto part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), part.size() + 1));
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = decode(part.substr(0, equals));
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : decode(part.substr(equals + 1));
    if (!name || !value) {
      return Error{.code = ErrorCode::kBadInput, .message = "the query of the URL is malformed"};
    }
    if (std::ranges::find(known, std::string_view(*name)) == known.end()) {
      return Error{.code = ErrorCode::kBadInput,
                   .message = fmt::format("there is no parameter '{}' here", name->substr(0, 50))};
    }
    if (out.find(*name) != nullptr) {
      return Error{.code = ErrorCode::kBadInput,
                   .message = fmt::format("the parameter '{}' comes twice", *name)};
    }
    out.parameters_.push_back({std::move(*name), std::move(*value)});
  }
  return out;
}

const std::string* Query::find(std::string_view name) const {
  const auto at = std::ranges::find(parameters_, name, &Parameter::name);
  return at == parameters_.end() ? nullptr : &at->value;
}

std::optional<std::string> Query::text(std::string_view name) const {
  const auto* value = find(name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

Result<std::optional<std::int64_t>> Query::integer(std::string_view name) const {
  const auto* value = find(name);
  if (value == nullptr) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size()) return bad(name, "integer");
  return std::optional(number);
}

Result<std::optional<double>> Query::number(std::string_view name) const {
  const auto* value = find(name);
  if (value == nullptr) return std::optional<double>();
  double number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size() || !std::isfinite(number)) {
    return bad(name, "number");
  }
  return std::optional(number);
}

Result<std::optional<Uuid>> Query::uuid(std::string_view name) const {
  const auto* value = find(name);
  if (value == nullptr) return std::optional<Uuid>();
  const auto id = parse_uuid(*value);
  if (!id) return bad(name, "UUID");
  return id;
}

Result<std::optional<Timestamp>> Query::timestamp(std::string_view name) const {
  const auto* value = find(name);
  if (value == nullptr) return std::optional<Timestamp>();
  const auto time = parse_timestamp(*value);
  if (!time) return bad(name, "time such as 2026-01-31T12:00:00Z or 2026-01-31");
  return time;
}

}  // namespace lyceum::server
