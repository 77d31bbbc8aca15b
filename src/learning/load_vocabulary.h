#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "learning/load_grade.h"

namespace lyceum::learning::load {

inline constexpr std::size_t kMaxWordBytes = 200;
inline constexpr std::size_t kMaxDefinitionBytes = 8000;

// One word in one part of speech, as the platform teaches it.
struct Word {
  std::string word;
  std::string part_of_speech;
  std::string definition;  // may be empty
  Cefr level = Cefr::kA1;
  double difficulty = 0;  // 0 to 5, at most two decimals
  double frequency = 0;   // occurrences per million words, 0 to 1,000,000
  bool operator==(const Word&) const = default;
};

// A CSV file (load_csv.h) with the columns word, part_of_speech, cefr, difficulty_level,
// frequency_per_million and definition, in any order. A difficulty with more than two decimals is
// rounded. Errors name file and line: what load_csv.h refuses; a word or part of speech that is
// empty or overlong; a level that is none; a number that is none or out of its range; a word that
// came before in the same part of speech.
[[nodiscard]] Result<std::vector<Word>> read_vocabulary(const std::string& file);

// The `most` most frequent words; of words as frequent, single words in lower case before names and
// phrases, then by the alphabet. The order of the result does not depend on that of the input.
[[nodiscard]] std::vector<Word> most_frequent(std::vector<Word> words, std::size_t most);

}  // namespace lyceum::learning::load
