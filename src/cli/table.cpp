#include "cli/table.h"

#include <algorithm>
#include <fmt/format.h>

namespace lyceum::cli {
namespace {

// Code points: what a terminal shows of UTF-8, near enough for what is printed here.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// A figure, with or without its unit: "1,234", "5.9 ms", "22%"; not a name or a date that begins
// with a digit.
bool numeric(std::string_view cell) {
  if (cell.starts_with('-')) cell.remove_prefix(1);
  if (cell.empty() || std::isdigit(static_cast<unsigned char>(cell[0])) == 0) return false;
  const auto unit = cell.find_first_not_of("0123456789,.");
  return unit == std::string_view::npos || cell[unit] == ' ' || cell[unit] == '%';
}

}  // namespace

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  std::vector<bool> right(headings_.size(), true);
  for (const auto& heading : headings_) widths.push_back(width(heading));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width(row[i]));
      if (!row[i].empty() && !numeric(row[i])) right[i] = false;
    }
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string gap(widths[i] - width(cells[i]), ' ');
      text += right[i] ? gap + cells[i] : cells[i] + gap;
      text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  };
  line(headings_);
  for (const auto& row : rows_) line(row);
}

std::string count_text(std::uint64_t count) {
  auto text = std::to_string(count);
  for (auto at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string bytes_text(std::int64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string seconds_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.1f} min", seconds / 60);
}

}  // namespace lyceum::cli
