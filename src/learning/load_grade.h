#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace lyceum::learning::load {

// The six levels of the Common European Framework, in order.
enum class Cefr : std::uint8_t { kA1, kA2, kB1, kB2, kC1, kC2 };
inline constexpr int kCefrLevels = 6;

// "A1" to "C2".
[[nodiscard]] std::string_view name_of(Cefr level);
// Exactly those names.
[[nodiscard]] std::optional<Cefr> parse_cefr(std::string_view name);

// Difficulty is a number from 0 to 5, the guide's scale. A level is a band of it, 0.75 wide, around
// the level's own figure: A1 0.50, A2 1.25, B1 2.00, B2 2.75, C1 3.50, C2 4.25. The first band
// reaches down to 0 and the last up to 5. These are the figures of the vocabulary files in use.
inline constexpr double kMaxDifficulty = 5.0;
[[nodiscard]] double difficulty_of(Cefr level);
[[nodiscard]] Cefr level_of(double difficulty);

// The difficulty moved into the level's band where it lies outside of it.
[[nodiscard]] double clamp_to(Cefr level, double difficulty);

// How hard a text is to read, measured without a dictionary.
struct Readability {
  std::uint32_t words = 0;       // runs of letters and apostrophes; letters past ASCII count
  std::uint32_t sentences = 0;   // ends at . ! ? or an ellipsis, and at an empty line
  std::uint32_t long_words = 0;  // of more than 6 letters
  double lix = 0;                // words per sentence + 100 · long words per word
  double difficulty = 0;         // (lix - 4) / 10, within 0 to 5, two decimals
};

// The measure is LIX (C.-H. Björnsson, Läsbarhet, 1968). The straight line from LIX to difficulty
// was laid through the graded stories in data/: there it puts each within one level of its author's
// grade. Depends on the text alone.
[[nodiscard]] Readability readability_of(std::string_view text);

// Minutes that a learner of the level takes to read so many words, at least 1: 60 words a minute at
// A1, 30 more with each level.
[[nodiscard]] int reading_minutes(std::uint32_t words, Cefr level);

}  // namespace lyceum::learning::load
