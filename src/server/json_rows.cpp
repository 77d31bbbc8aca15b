#include "server/json_rows.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "base/escape.h"

namespace lyceum::server {
namespace {

template <class Number>
void append_digits(std::string& out, Number value) {
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

// With leading zeros.
void append_padded(std::string& out, unsigned value, int width) {
  char digits[8];
  for (int at = width; at-- > 0; value /= 10) digits[at] = static_cast<char>('0' + value % 10);
  out.append(digits, static_cast<std::size_t>(width));
}

// Four digits of a year are all that RFC 3339 has.
constexpr pg::Date kFirstDay = std::chrono::year(0) / 1 / 1;
constexpr pg::Date kLastDay = std::chrono::year(9999) / 12 / 31;

void append_day(std::string& out, pg::Date day) {
  const std::chrono::year_month_day date(day);
  append_padded(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
}

// Most text is plain: looked at once and appended whole.
void append_text(std::string& out, std::string_view text) {
  const auto plain = [](char character) {
    return character >= ' ' && character != '"' && character != '\\' && character != '\x7f';
  };
  if (!std::ranges::all_of(text, plain)) return append_json_string(out, text);
  out += '"';
  out += text;
  out += '"';
}

void append_value(std::string& out, const pg::Row& row, int column, pg::Oid type) {
  namespace oid = pg::oid;
  switch (type) {
    case oid::kBool:
      out += row.get<bool>(column) ? "true" : "false";
      return;
    case oid::kInt2:
    case oid::kInt4:
    case oid::kInt8:
      return append_digits(out, row.get<std::int64_t>(column));
    case oid::kFloat4: {
      // By its own shortest decimal: 0.1, not 0.10000000149011612.
      const auto number = static_cast<float>(row.get<double>(column));
      if (!std::isfinite(number)) return append_json_number(out, number);
      return append_digits(out, number);
    }
    case oid::kFloat8:
      return append_json_number(out, row.get<double>(column));
    case oid::kNumeric: {
      const auto number = row.get<pg::Numeric>(column).text;
      const bool finite = number.find_first_not_of("0123456789.-") == std::string::npos;
      out += finite ? number : "null";
      return;
    }
    case oid::kUuid:
      return append_json_uuid(out, row.get<Uuid>(column));
    case oid::kTimestamptz:
      return append_json_timestamp(out, row.get<Timestamp>(column));
    case oid::kDate:
      return append_json_date(out, row.get<pg::Date>(column));
    case oid::kJson:
      out += row.bytes(column);
      return;
    case oid::kJsonb:
      out += row.bytes(column).substr(1);  // after the version of its format
      return;
    default:
      return append_text(out, row.get<std::string_view>(column));
  }
}

}  // namespace

RowWriter::RowWriter(const pg::Rows& rows, int columns) : rows_(&rows) {
  for (int column = 0; column < columns; ++column) {
    columns_.push_back(
        {fmt::format("\"{}\":", rows.column_name(column)), rows.column_type(column)});
  }
}

void RowWriter::append_members(std::string& out, int index) const {
  const auto row = (*rows_)[index];
  for (int column = 0; const auto& [key, type] : columns_) {
    if (column > 0) out += ',';
    out += key;
    if (row.is_null(column)) {
      out += "null";
    } else {
      append_value(out, row, column, type);
    }
    ++column;
  }
}

void RowWriter::append_object(std::string& out, int row) const {
  out += '{';
  append_members(out, row);
  out += '}';
}

void RowWriter::append_array(std::string& out, int count) const {
  out += '[';
  for (int row = 0; row < count; ++row) {
    if (row > 0) out += ',';
    append_object(out, row);
  }
  out += ']';
}

void append_json_uuid(std::string& out, const Uuid& value) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kDigits[value.data[i] >> 4];
    out += kDigits[value.data[i] & 15];
  }
  out += '"';
}

void append_json_timestamp(std::string& out, Timestamp value) {
  if (value < kFirstDay || value >= kLastDay + std::chrono::days(1)) {
    out += "null";
    return;
  }
  const auto day = std::chrono::floor<std::chrono::days>(value);
  const auto micros = static_cast<std::uint64_t>((value - day).count());
  const auto seconds = static_cast<unsigned>(micros / 1'000'000);
  out += '"';
  append_day(out, day);
  out += 'T';
  append_padded(out, seconds / 3600, 2);
  out += ':';
  append_padded(out, seconds / 60 % 60, 2);
  out += ':';
  append_padded(out, seconds % 60, 2);
  if (const auto fraction = static_cast<unsigned>(micros % 1'000'000); fraction != 0) {
    out += '.';
    append_padded(out, fraction, 6);
  }
  out += "Z\"";
}

void append_json_date(std::string& out, pg::Date value) {
  if (value < kFirstDay || value > kLastDay) {
    out += "null";
    return;
  }
  out += '"';
  append_day(out, value);
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  append_digits(out, value);
}

}  // namespace lyceum::server
