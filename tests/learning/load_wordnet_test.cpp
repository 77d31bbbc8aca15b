#include "learning/load_wordnet.h"

#include <cmath>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "load_files.h"

namespace lyceum::learning::load {
namespace {

using testing::HasSubstr;

// A dictionary of two nouns and one word in each other part of speech.
struct Dictionary {
  std::map<std::string, std::string> text;

  static constexpr std::string_view kLicense = "  1 A licence.  \n";

  static std::string data(std::initializer_list<std::string_view> rows) {
    std::string out(kLicense);
    for (const auto row : rows) out += fmt::format("{:08} {}", out.size(), row) + "  \n";
    return out;
  }
  Dictionary() {
    const std::string license(kLicense);
    text["data.noun"] = data({
        "15 n 01 Berlin 0 001 @i 00000099 n 0000 | capital of Germany; on the Spree; \"a view of "
        "it\"",
        "13 n 02 ice_cream 0 icecream 0 000 | frozen dessert",
    });
    const auto second = text["data.noun"].find("00000", 99);
    text["index.noun"] = license + "berlin n 1 1 @i 1 0 00000017  \n" +
                         fmt::format("ice_cream n 2 0 2 1 {:08} 00000017  \n", second);
    text["data.verb"] = data({"29 v 01 breathe 0 000 01 + 02 00 | draw air"});
    text["index.verb"] = license + "breathe v 1 0 1 1 00000017  \n";
    text["data.adj"] = data({"00 s 01 able(p) 0 000 | having the means"});
    text["index.adj"] = license + "able a 1 0 1 1 00000017  \n";
    text["data.adv"] = data({"02 r 01 aloud 0 000 | with the voice"});
    text["index.adv"] = license + "aloud r 1 0 1 0 00000017  \n";
    text["cntlist.rev"] =
        "able%5:00:00:capable:00 1 10\nbreathe%2:29:00:: 1 70\nbreathe%2:29:01:: 2 10\n"
        "ice_cream%1:13:00:: 1 10\n";
  }
  Result<std::vector<Word>> read() const {
    for (const auto& [name, content] : text) files.write(name, content);
    return read_wordnet(files.directory());
  }
  void replace(const std::string& name, std::string_view from, std::string_view to) {
    const auto at = text[name].find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text[name].replace(at, from.size(), to);
  }

  Files files;
};

TEST(LoadWordNet, ReadsWordsWithTheirFirstSense) {
  const auto words = Dictionary().read().value();
  ASSERT_EQ(words.size(), 5U);
  EXPECT_EQ(words[0].word, "Berlin");
  EXPECT_EQ(words[0].part_of_speech, "noun");
  EXPECT_EQ(words[0].definition, "capital of Germany; on the Spree");
  EXPECT_EQ(words[0].frequency, 0);
  EXPECT_EQ(words[1].word, "ice cream");
  EXPECT_EQ(words[1].definition, "frozen dessert");
  EXPECT_EQ(words[1].frequency, 100'000);
  EXPECT_EQ(words[2].word, "breathe");
  EXPECT_EQ(words[2].part_of_speech, "verb");
  EXPECT_EQ(words[2].frequency, 800'000);
  EXPECT_EQ(words[3].word, "able");
  EXPECT_EQ(words[3].part_of_speech, "adjective");
  EXPECT_EQ(words[3].frequency, 100'000);
  EXPECT_EQ(words[4].part_of_speech, "adverb");
}

TEST(LoadWordNet, EachLevelDoublesTheWordsKnown) {
  EXPECT_EQ(difficulty_of_rank(1), 0);
  EXPECT_EQ(level_of(difficulty_of_rank(490)), Cefr::kA1);
  EXPECT_EQ(level_of(difficulty_of_rank(510)), Cefr::kA2);
  EXPECT_EQ(level_of(difficulty_of_rank(1010)), Cefr::kB1);
  EXPECT_EQ(level_of(difficulty_of_rank(2020)), Cefr::kB2);
  EXPECT_EQ(level_of(difficulty_of_rank(4040)), Cefr::kC1);
  EXPECT_EQ(level_of(difficulty_of_rank(8080)), Cefr::kC2);
  EXPECT_LT(difficulty_of_rank(22'000), 5);
  EXPECT_EQ(difficulty_of_rank(22'628), 5);
  EXPECT_EQ(difficulty_of_rank(150'000), 5);
}

TEST(LoadWordNet, NamesFileLineAndReasonOfEachMalformation) {
  struct Case {
    std::string file, from, to, where, reason;
  };
  for (const Case& c : std::vector<Case>{
           {"cntlist.rev", "breathe%2:29:00:: 1 70", "breathe%2:29:00:: 1",
            "cntlist.rev:2:", "not"},
           {"cntlist.rev", "1 70", "1 seventy", "cntlist.rev:2:", "not"},
           {"cntlist.rev", "breathe%2", "breathe%7", "cntlist.rev:2:", "part of speech"},
           {"cntlist.rev", "29:01", "29:00", "cntlist.rev:3:", "comes twice"},
           {"data.noun", "15 n 01", "15 v 01", "data.noun:2:", "not a synset"},
           {"data.noun", "15 n 01", "15 n 0g", "data.noun:2:", "not a synset"},
           {"data.noun", " | frozen", " frozen", "data.noun:3:", "not a synset"},
           {"data.noun", "00000017 ", "00000018 ", "data.noun:2:", "is at 17"},
           {"data.noun", "001 @i", "009 @i", "data.noun:2:", "pointers"},
           {"data.noun", "n 01 Berlin 0 001 @i 00000099 n 0000 |",
            "n 0f Berlin 0 001 @i 00000099 n 0000 |", "data.noun:2:", "fewer than its 15"},
           {"data.verb", "air", "\xFF", "data.verb:2:", "invalid UTF-8"},
           {"index.noun", "berlin n 1 1 @i 1 0", "berlin n 1 1 @i 1",
            "index.noun:2:", "not an entry"},
           {"index.noun", "berlin n", "berlin v", "index.noun:2:", "not an entry"},
           {"index.noun", "00000017  \nice", "00000011  \nice", "index.noun:2:", "no synset at 11"},
           {"index.noun", "berlin", "bonn", "index.noun:2:", "does not contain \"bonn\""},
           {"index.adv", "aloud r 1 0 1 0 00000017  \n",
            "aloud r 1 0 1 0 00000017  \naloud r 1 0 1 0 00000017  \n",
            "index.adv:3:", "comes twice"},
       }) {
    Dictionary dictionary;
    dictionary.replace(c.file, c.from, c.to);
    const auto read = dictionary.read();
    ASSERT_FALSE(read) << c.from << " -> " << c.to;
    EXPECT_EQ(read.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(read.error().message, HasSubstr(c.where)) << c.from << " -> " << c.to;
    EXPECT_THAT(read.error().message, HasSubstr(c.reason)) << c.from << " -> " << c.to;
  }
}

TEST(LoadWordNet, AMissingFileIsNamed) {
  Dictionary dictionary;
  dictionary.text.erase("data.adj");
  const auto read = dictionary.read();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kIo);
  EXPECT_THAT(read.error().message, HasSubstr("data.adj"));
}

// The oracle: what grep counts in the files.
std::size_t lines_without_license(const std::string& file) {
  const auto command = "grep -vc '^  ' " + file;
  FILE* pipe = popen(command.c_str(), "r");
  unsigned long count = 0;
  const int read = fscanf(pipe, "%lu", &count);
  pclose(pipe);
  EXPECT_EQ(read, 1);
  return count;
}

TEST(LoadWordNet, ReadsTheWholeInstalledDictionary) {
  const std::string directory(kWordNetDirectory);
  if (!std::filesystem::exists(directory + "/index.noun")) GTEST_SKIP() << "no wordnet-base here";
  const auto words = read_wordnet(directory).value();
  std::map<std::string, std::size_t> per_part;
  double frequency = 0;
  std::set<std::pair<std::string, std::string>> keys;
  for (const auto& word : words) {
    ++per_part[word.part_of_speech];
    frequency += word.frequency;
    keys.emplace(word.part_of_speech, word.word);
    ASSERT_FALSE(word.definition.empty()) << word.word;
    ASSERT_EQ(word.level, level_of(word.difficulty));
    ASSERT_EQ(word.difficulty, std::round(word.difficulty * 100) / 100);
  }
  EXPECT_EQ(per_part["noun"], lines_without_license(directory + "/index.noun"));
  EXPECT_EQ(per_part["verb"], lines_without_license(directory + "/index.verb"));
  EXPECT_EQ(per_part["adjective"], lines_without_license(directory + "/index.adj"));
  EXPECT_EQ(per_part["adverb"], lines_without_license(directory + "/index.adv"));
  EXPECT_EQ(keys.size(), words.size());
  // All counts belong to some word, but for the 1.3 % whose word has left the index ("n't").
  EXPECT_GT(frequency, 980'000);
  EXPECT_LE(frequency, 1'000'001);
  const auto top = most_frequent(words, 20);
  EXPECT_EQ(top[0].word, "be");
  EXPECT_EQ(top[0].part_of_speech, "verb");
  EXPECT_THAT(top[0].definition, testing::StartsWith("have the quality of being"));
  EXPECT_EQ(top[0].level, Cefr::kA1);
}

}  // namespace
}  // namespace lyceum::learning::load
