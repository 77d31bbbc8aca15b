#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "learning/load_vocabulary.h"

namespace lyceum::learning::load {

// Where Debian's wordnet-base has the dictionary.
inline constexpr std::string_view kWordNetDirectory = "/usr/share/wordnet";

// Every entry of WordNet 3.0's index.{noun,verb,adj,adv} (wndb(5WN)) as a word: written as in its
// most frequent sense's synset ("Berlin", "ice cream"), with the definition of that sense without
// its examples.
//
// Frequency: cntlist.rev counts how often each sense was tagged in the semantic concordances; a
// word's count is the sum over its senses in that part of speech, and its frequency is that count
// per million of all counts. Most words have none: 0.
//
// Difficulty: 0.875 + 0.75 · log2(rank / 500), within 0 to 5, two decimals; rank is one more than
// the number of words that are more frequent. So the 500 most frequent words are A1's, and each
// level doubles what the levels below it know, up to 22,627 words and difficulty 5.
//
// Errors name file and line: a line that is not of the format, an index entry whose synset is not
// in the data file or does not contain it, a synset that is not where its offset says, a sense
// counted twice, invalid UTF-8.
[[nodiscard]] Result<std::vector<Word>> read_wordnet(const std::string& directory);

// The formula above. rank from 1.
[[nodiscard]] double difficulty_of_rank(std::size_t rank);

}  // namespace lyceum::learning::load
