#include "pg/codec.h"

#include <charconv>
#include <fmt/format.h>
#include <limits>

namespace lyceum::pg {
namespace {

constexpr std::uint16_t kNegative = 0x4000;  // numeric's sign
// What numeric can hold: digits before and after the point.
constexpr std::size_t kMostWhole = 131072;
constexpr int kMostScale = 16383;

constexpr Date kPostgresEpoch = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);
constexpr std::chrono::microseconds kEpochsApart = kPostgresEpoch.time_since_epoch();

[[noreturn]] void malformed(std::string message) {
  throw Exception({.code = ErrorCode::kInternal, .message = std::move(message)});
}

}  // namespace

namespace wire {

void bad_length(std::string_view type, std::size_t got) {
  malformed(fmt::format("a binary value is no {}: {} bytes", type, got));
}

void unexpected_null() {
  malformed("an array holds NULL where a value is read");
}

void out_of_range(std::string_view type) {
  throw Exception({.code = ErrorCode::kBadInput,
                   .message = fmt::format("a value is out of the range of {}", type)});
}

Oid element_type(Oid array) {
  switch (array) {
    case oid::kBoolArray:
      return oid::kBool;
    case oid::kByteaArray:
      return oid::kBytea;
    case oid::kInt2Array:
      return oid::kInt2;
    case oid::kInt4Array:
      return oid::kInt4;
    case oid::kInt8Array:
      return oid::kInt8;
    case oid::kOidArray:
      return oid::kOid;
    case oid::kTextArray:
      return oid::kText;
    case oid::kNameArray:
      return oid::kName;
    case oid::kBpcharArray:
      return oid::kBpchar;
    case oid::kVarcharArray:
      return oid::kVarchar;
    case oid::kFloat4Array:
      return oid::kFloat4;
    case oid::kFloat8Array:
      return oid::kFloat8;
    case oid::kDateArray:
      return oid::kDate;
    case oid::kTimestamptzArray:
      return oid::kTimestamptz;
    case oid::kNumericArray:
      return oid::kNumeric;
    case oid::kUuidArray:
      return oid::kUuid;
    case oid::kJsonArray:
      return oid::kJson;
    case oid::kJsonbArray:
      return oid::kJsonb;
    default:
      return 0;
  }
}

// numeric: count of base-10000 digits, weight of the first, sign, digits after the point, digits.
void put_numeric(std::string& out, std::string_view text) {
  const auto special = [&out](std::uint16_t sign) {
    put(out, std::uint16_t{0});
    put(out, std::uint16_t{0});
    put(out, sign);
    put(out, std::uint16_t{0});
  };
  if (text == "NaN") return special(0xC000);
  if (text == "Infinity") return special(0xD000);
  if (text == "-Infinity") return special(0xF000);

  std::string_view rest = text;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (negative) rest.remove_prefix(1);
  const auto point = rest.find('.');
  std::string whole(rest.substr(0, point));
  std::string fraction(point == std::string_view::npos ? "" : rest.substr(point + 1));
  const auto scale = fraction.size();
  if ((whole.empty() && fraction.empty()) ||
      (whole + fraction).find_first_not_of("0123456789") != std::string::npos ||
      whole.size() > kMostWhole || scale > static_cast<std::size_t>(kMostScale)) {
    throw Exception({.code = ErrorCode::kBadInput,
                     .message = fmt::format("'{}' is not a decimal number", text.substr(0, 40))});
  }
  whole.insert(0, (4 - whole.size() % 4) % 4, '0');
  fraction.append((4 - fraction.size() % 4) % 4, '0');
  std::vector<std::int16_t> digits;
  const std::string all = whole + fraction;
  for (std::size_t at = 0; at < all.size(); at += 4) {
    std::int16_t digit = 0;
    std::from_chars(all.data() + at, all.data() + at + 4, digit);
    digits.push_back(digit);
  }
  auto weight = static_cast<int>(whole.size() / 4) - 1;
  std::size_t first = 0;
  while (first < digits.size() && digits[first] == 0) ++first, --weight;
  while (digits.size() > first && digits.back() == 0) digits.pop_back();
  if (first == digits.size()) weight = 0;
  put(out, static_cast<std::uint16_t>(digits.size() - first));
  put(out, static_cast<std::int16_t>(weight));
  put(out, negative && first != digits.size() ? kNegative : std::uint16_t{0});
  put(out, static_cast<std::uint16_t>(scale));
  for (auto at = first; at < digits.size(); ++at) put(out, digits[at]);
}

std::string get_numeric(std::string_view bytes) {
  if (bytes.size() < 8) bad_length("numeric", bytes.size());
  const int count = get<std::uint16_t>(bytes);
  const int weight = get<std::int16_t>(bytes.substr(2));
  const auto sign = get<std::uint16_t>(bytes.substr(4));
  const int scale = get<std::uint16_t>(bytes.substr(6));
  if (sign == 0xC000) return "NaN";
  if (sign == 0xD000) return "Infinity";
  if (sign == 0xF000) return "-Infinity";
  if (bytes.size() != 8 + 2 * static_cast<std::size_t>(count) || scale > kMostScale ||
      (sign != 0 && sign != kNegative)) {
    bad_length("numeric", bytes.size());
  }
  const auto digit = [&](int index) -> int {
    if (index < 0 || index >= count) return 0;
    const auto value = get<std::uint16_t>(bytes.substr(8 + 2 * static_cast<std::size_t>(index)));
    if (value > 9999) bad_length("numeric", bytes.size());
    return value;
  };
  std::string out = sign == kNegative ? "-" : "";
  if (weight < 0) {
    out += '0';
  } else {
    out += fmt::format("{}", digit(0));
    for (int at = 1; at <= weight; ++at) out += fmt::format("{:04}", digit(at));
  }
  if (scale > 0) {
    std::string fraction;
    for (int at = weight + 1; fraction.size() < static_cast<std::size_t>(scale); ++at) {
      fraction += fmt::format("{:04}", digit(at));
    }
    out += '.' + fraction.substr(0, static_cast<std::size_t>(scale));
  }
  return out;
}

ArrayReader::ArrayReader(std::string_view bytes) : rest_(bytes) {
  if (bytes.size() < 12) bad_length("array", bytes.size());
  const auto dimensions = get<std::int32_t>(bytes);
  element = get<std::uint32_t>(bytes.substr(8));
  if (dimensions < 0 || dimensions > 6 ||
      bytes.size() < 12 + 8 * static_cast<std::size_t>(dimensions)) {
    bad_length("array", bytes.size());
  }
  size = dimensions == 0 ? 0 : 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(dimensions); ++i) {
    const auto extent = get<std::int32_t>(bytes.substr(12 + 8 * i));
    // Each element takes at least its length word: a size beyond that is a lie.
    if (extent < 0 || __builtin_mul_overflow(size, static_cast<std::size_t>(extent), &size) ||
        size > bytes.size() / 4) {
      bad_length("array", bytes.size());
    }
  }
  rest_.remove_prefix(12 + 8 * static_cast<std::size_t>(dimensions));
}

std::optional<std::string_view> ArrayReader::next() {
  const auto length = get<std::int32_t>(rest_);
  rest_.remove_prefix(4);
  if (length == -1) return std::nullopt;
  if (length < 0) bad_length("array element", rest_.size());
  if (static_cast<std::size_t>(length) > rest_.size()) bad_length("array element", rest_.size());
  const auto value = rest_.substr(0, static_cast<std::size_t>(length));
  rest_.remove_prefix(value.size());
  return value;
}

}  // namespace wire

double Codec<double>::decode(std::string_view bytes, Oid type) {
  if (type == oid::kFloat4) {
    return static_cast<double>(std::bit_cast<float>(wire::get_all<std::int32_t>(bytes, "float4")));
  }
  if (type == oid::kNumeric) {
    const auto text = wire::get_numeric(bytes);
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  return std::bit_cast<double>(wire::get_all<std::int64_t>(bytes, "float8"));
}

void Codec<Date>::encode(std::string& out, Date value) {
  using Limits = std::numeric_limits<std::int32_t>;
  const auto days = (value - kPostgresEpoch).count();
  // The ends stand for the infinite dates.
  if (days <= Limits::min() || days >= Limits::max()) wire::out_of_range("date");
  wire::put(out, static_cast<std::int32_t>(days));
}

Date Codec<Date>::decode(std::string_view bytes, Oid) {
  const auto days = wire::get_all<std::int32_t>(bytes, "date");
  if (days == std::numeric_limits<std::int32_t>::max() ||
      days == std::numeric_limits<std::int32_t>::min()) {
    malformed("an infinite date has no value here");
  }
  return kPostgresEpoch + std::chrono::days(days);
}

void Codec<Timestamp>::encode(std::string& out, Timestamp value) {
  if (value == Timestamp::max() || value == Timestamp::min()) {
    return wire::put(out, value.time_since_epoch().count());
  }
  if (value <= Timestamp::min() + kEpochsApart) wire::out_of_range("timestamptz");
  wire::put(out, std::int64_t{(value.time_since_epoch() - kEpochsApart).count()});
}

Timestamp Codec<Timestamp>::decode(std::string_view bytes, Oid) {
  const auto micros = wire::get_all<std::int64_t>(bytes, "timestamptz");
  if (micros == std::numeric_limits<std::int64_t>::max()) return Timestamp::max();
  if (micros == std::numeric_limits<std::int64_t>::min()) return Timestamp::min();
  if (std::chrono::microseconds(micros) >= std::chrono::microseconds::max() - kEpochsApart) {
    malformed("a timestamptz is beyond the year 294247, where Timestamp ends");
  }
  return Timestamp(kEpochsApart + std::chrono::microseconds(micros));
}

}  // namespace lyceum::pg
