#include "cli/screen_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>

namespace lyceum::cli {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct Range {
  std::uint32_t first, last;
};

// Marks that combine, and what takes no place, of the scripts that one meets (Unicode 15,
// categories Mn, Me and Cf).
constexpr std::array kNoWidth = {
    Range{0x00AD, 0x00AD}, Range{0x0300, 0x036F}, Range{0x0483, 0x0489},   Range{0x0591, 0x05BD},
    Range{0x05BF, 0x05C7}, Range{0x0610, 0x061A}, Range{0x064B, 0x065F},   Range{0x0670, 0x0670},
    Range{0x06D6, 0x06ED}, Range{0x0900, 0x0902}, Range{0x093C, 0x093C},   Range{0x0941, 0x0948},
    Range{0x094D, 0x094D}, Range{0x0E31, 0x0E31}, Range{0x0E34, 0x0E3A},   Range{0x0E47, 0x0E4E},
    Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF}, Range{0x200B, 0x200D},   Range{0x20D0, 0x20FF},
    Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F}, Range{0xE0100, 0xE01EF},
};

// East Asian wide and full width, and emoji that are shown as pictures.
constexpr std::array kWide = {
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},
    Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x26A1, 0x26A1},
    Range{0x2705, 0x2705},   Range{0x2728, 0x2728},   Range{0x274C, 0x274C},
    Range{0x2753, 0x2757},   Range{0x2795, 0x2797},   Range{0x2B1B, 0x2B1C},
    Range{0x2B50, 0x2B55},   Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},
    Range{0x3400, 0x4DBF},   Range{0x4E00, 0xA4CF},   Range{0xA960, 0xA97F},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
    Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F004, 0x1F004},
    Range{0x1F0CF, 0x1F0CF}, Range{0x1F18E, 0x1F19A}, Range{0x1F200, 0x1F320},
    Range{0x1F32D, 0x1F64F}, Range{0x1F680, 0x1F6FF}, Range{0x1F7E0, 0x1F7EB},
    Range{0x1F900, 0x1FAFF}, Range{0x20000, 0x3FFFD},
};

template <class Table>
bool within(const Table& table, std::uint32_t point) {
  const auto after =
      std::upper_bound(table.begin(), table.end(), point,
                       [](std::uint32_t value, const Range& range) { return value < range.first; });
  return after != table.begin() && point <= std::prev(after)->last;
}

// Orders about the direction of writing: they make a line read as what it is not.
bool turns_writing(std::uint32_t point) {
  return point == 0x061C || point == 0x200E || point == 0x200F ||
         (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

struct Point {
  std::uint32_t value = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

// The first character of a text that is not empty: strictly, no surrogate and none that is longer
// than it need be.
Point first_of(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const auto lead = byte(0);
  if (lead < 0x80) return {.value = lead, .bytes = 1, .valid = true};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || bytes > text.size()) return {};
  std::uint32_t value = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = value << 6U | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast{0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast.at(bytes) || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
    return {};
  }
  return {.value = value, .bytes = bytes, .valid = true};
}

std::size_t width_of(std::uint32_t point) {
  if (within(kNoWidth, point)) return 0;
  return within(kWide, point) ? 2 : 1;
}

bool is_space(std::uint32_t point) {
  return point == ' ' || (point >= '\t' && point <= '\r') || point == 0x85 || point == 0x2028 ||
         point == 0x2029;
}

bool matches_word(std::string_view text, std::size_t at, std::string_view word) {
  const auto named = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  if (text.size() - at < word.size() || (at > 0 && named(text[at - 1]))) return false;
  return std::equal(
      word.begin(), word.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
      [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

}  // namespace

std::string harmless(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto point = first_of(text);
    const auto piece = text.substr(0, point.bytes);
    text.remove_prefix(point.bytes);
    if (point.valid && is_space(point.value)) {
      if (!out.empty() && !out.ends_with(' ')) out += ' ';
    } else if (!point.valid || point.value < 0x20 || (point.value >= 0x7F && point.value < 0xA0) ||
               turns_writing(point.value)) {
      out += kReplacement;
    } else {
      out += piece;
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t out = 0;
  while (!text.empty()) {
    const auto point = first_of(text);
    out += point.valid ? width_of(point.value) : 1;
    text.remove_prefix(point.bytes);
  }
  return out;
}

std::string fitted(std::string_view text, std::size_t width, bool to_the_right) {
  const auto clean = harmless(text);
  const auto wide = display_width(clean);
  if (wide <= width) {
    const std::string gap(width - wide, ' ');
    return to_the_right ? gap + clean : clean + gap;
  }
  if (width == 0) return {};
  std::string out;
  std::size_t taken = 0;
  for (std::string_view rest = clean; !rest.empty();) {
    const auto point = first_of(rest);
    const auto more = width_of(point.value);
    if (taken + more > width - 1) break;
    taken += more;
    out += rest.substr(0, point.bytes);
    rest.remove_prefix(point.bytes);
  }
  return out + '~' + std::string(width - 1 - taken, ' ');
}

std::string without_passwords(std::string_view statement) {
  constexpr std::string_view kWord = "password";
  std::string out;
  std::size_t at = 0;
  while (at < statement.size()) {
    if (!matches_word(statement, at, kWord)) {
      out += statement[at++];
      continue;
    }
    out += statement.substr(at, kWord.size());
    at += kWord.size();
    auto quote = at;
    while (quote < statement.size() &&
           (std::isspace(static_cast<unsigned char>(statement[quote])) != 0 ||
            statement[quote] == '=' || statement[quote] == ':')) {
      ++quote;
    }
    const bool escapes =
        quote < statement.size() && (statement[quote] == 'E' || statement[quote] == 'e');
    if (escapes) ++quote;
    if (quote >= statement.size() || (statement[quote] != '\'' && statement[quote] != '$'))
      continue;
    if (statement[quote] == '$') {
      // A parameter stays; a text between dollars goes to its end, or to that of what is known.
      const auto tag = statement.find('$', quote + 1);
      const bool number = quote + 1 < statement.size() &&
                          std::isdigit(static_cast<unsigned char>(statement[quote + 1])) != 0;
      if (number || tag == statement.npos) continue;
      const auto mark = statement.substr(quote, tag + 1 - quote);
      const auto end = statement.find(mark, tag + 1);
      out += " '***'";
      at = end == statement.npos ? statement.size() : end + mark.size();
      continue;
    }
    auto end = quote + 1;
    while (end < statement.size()) {
      const bool quoted = statement[end] == '\'';
      const bool doubled = quoted && end + 1 < statement.size() && statement[end + 1] == '\'';
      if (quoted && !doubled) break;
      end += doubled || (escapes && statement[end] == '\\') ? 2 : 1;
    }
    out += " '***'";
    at = std::min(end + 1, statement.size());
  }
  return out;
}

}  // namespace lyceum::cli
