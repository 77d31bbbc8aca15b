#include "learning/load_grade.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lyceum::learning::load {
namespace {

constexpr std::array<std::string_view, kCefrLevels> kNames{"A1", "A2", "B1", "B2", "C1", "C2"};
constexpr double kFirst = 0.5;
constexpr double kWidth = 0.75;
constexpr std::uint32_t kLongWord = 6;

int rank(Cefr level) {
  return static_cast<int>(level);
}

bool is_letter(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xC3;
}

bool starts_character(unsigned char c) {
  return (c & 0xC0U) != 0x80U;
}

bool joins(std::string_view next) {
  if (next.empty()) return false;
  const auto c = static_cast<unsigned char>(next.front());
  return (c >= '0' && c <= '9') || (c != 0xE2 && is_letter(c));
}

}  // namespace

std::string_view name_of(Cefr level) {
  return kNames[static_cast<std::size_t>(level)];
}

std::optional<Cefr> parse_cefr(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Cefr>(found - kNames.begin());
}

double difficulty_of(Cefr level) {
  return kFirst + kWidth * rank(level);
}

Cefr level_of(double difficulty) {
  const double band = std::floor((difficulty - kFirst + kWidth / 2) / kWidth);
  return static_cast<Cefr>(std::clamp(band, 0.0, kCefrLevels - 1.0));
}

double clamp_to(Cefr level, double difficulty) {
  constexpr double kStep = 0.01;  // difficulties have two decimals; the upper bound is exclusive
  const double middle = difficulty_of(level);
  const double low = level == Cefr::kA1 ? 0.0 : middle - kWidth / 2;
  const double high = level == Cefr::kC2 ? kMaxDifficulty : middle + kWidth / 2 - kStep;
  const double kept = std::clamp(difficulty, low, high);
  // Rounding to two decimals must not leave the band again.
  const double rounded = std::round(kept * 100) / 100;
  return level_of(rounded) == level ? rounded : std::ceil(kept * 100) / 100;
}

Readability readability_of(std::string_view text) {
  Readability out;
  std::uint32_t letters = 0;  // of the word we are in
  bool open = false;          // words since the last end of a sentence
  bool line_empty = false;    // nothing but blanks since the last newline
  const auto end_word = [&] {
    if (letters == 0) return;
    ++out.words;
    out.long_words += letters > kLongWord ? 1 : 0;
    letters = 0;
    open = true;
  };
  const auto end_sentence = [&] {
    out.sentences += open ? 1 : 0;
    open = false;
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    const bool ellipsis = text.substr(at, 3) == "\xE2\x80\xA6";
    const bool apostrophe = c == '\'' || text.substr(at, 3) == "\xE2\x80\x99";
    if (apostrophe) {
      if (c != '\'') at += 2;
      if (letters == 0) continue;
      // Part of the word, and no letter.
    } else if (ellipsis) {
      end_word();
      end_sentence();
      at += 2;
    } else if (c == 0xE2 || c == 0xC2) {
      end_word();  // dashes, quotes, no-break space: punctuation of these two blocks
      at += c == 0xE2 ? 2 : 1;
    } else if (is_letter(c)) {
      ++letters;
    } else if (!starts_character(c)) {
      continue;  // within a letter past ASCII
    } else {
      end_word();
      // A point within a number or an address ends nothing.
      const bool stop = c == '!' || c == '?' || (c == '.' && !joins(text.substr(at + 1)));
      if (stop) end_sentence();
      if (c == '\n' && line_empty) end_sentence();
    }
    if (c == '\n') {
      line_empty = true;
    } else if (c != ' ' && c != '\t' && c != '\r') {
      line_empty = false;
    }
  }
  end_word();
  end_sentence();
  if (out.words == 0) return out;
  const double words = out.words;
  out.lix = words / std::max<std::uint32_t>(out.sentences, 1) + 100.0 * out.long_words / words;
  out.difficulty = std::clamp(std::round((out.lix - 4.0) * 10.0) / 100.0, 0.0, kMaxDifficulty);
  return out;
}

int reading_minutes(std::uint32_t words, Cefr level) {
  const auto per_minute = static_cast<std::uint32_t>(60 + 30 * rank(level));
  return static_cast<int>(std::max<std::uint32_t>(1, (words + per_minute - 1) / per_minute));
}

}  // namespace lyceum::learning::load
