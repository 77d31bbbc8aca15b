#include "learning/load_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "learning/load_csv.h"
#include "load_files.h"

namespace lyceum::learning::load {
namespace {

using testing::HasSubstr;
using Record = std::vector<std::string>;

std::vector<Record> all_of(const std::string& file) {
  auto reader = CsvReader::open(file).value();
  std::vector<Record> out;
  while (auto record = reader.next().value()) out.push_back(**record);
  return out;
}

TEST(LoadCsv, ReadsWhatTheRfcShows) {
  Files files;
  EXPECT_EQ(all_of(files.write("a", "aaa,bbb,ccc\r\nzzz,yyy,xxx")),
            (std::vector<Record>{{"aaa", "bbb", "ccc"}, {"zzz", "yyy", "xxx"}}));
  EXPECT_EQ(all_of(files.write("b", "\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz,,\r\n")),
            (std::vector<Record>{{"aaa", "b\r\nbb", "ccc"}, {"zzz", "", ""}}));
  EXPECT_EQ(all_of(files.write("c", "\"a\"\"a\",\"\",\",\"\n\n,\n\"\"\n")),
            (std::vector<Record>{{"a\"a", "", ","}, {"", ""}, {""}}));
  EXPECT_EQ(all_of(files.write("d", "\"a\n\nb\"\n")), (std::vector<Record>{{"a\n\nb"}}));
}

TEST(LoadCsv, NamesTheLineOfWhatIsMalformed) {
  Files files;
  const auto fail = [&](std::string_view text) {
    auto reader = CsvReader::open(files.write("x.csv", text)).value();
    for (;;) {
      const auto record = reader.next();
      if (!record) return record.error().message;
      if (!*record) return std::string("no error");
    }
  };
  EXPECT_THAT(fail("a,b\na,b\"c\n"), HasSubstr("x.csv:2: field 2 holds a quote"));
  EXPECT_THAT(fail("a,b\n\"x\ny\"z,b\n"), HasSubstr("x.csv:3: text after the closing quote"));
  EXPECT_THAT(fail("a,b\n\n\"x\ny,b\nmore"), HasSubstr("x.csv:3: a quote opens"));
  EXPECT_THAT(fail("a,\"b\nc\",\"\n\xFF"), HasSubstr("x.csv:3: invalid UTF-8"));
}

TEST(LoadCsv, ReadsBackWhatItWrote) {
  Files files;
  std::mt19937_64 random(3);
  constexpr std::string_view kPieces[]{"a", "\"", ",", "\n", "\r\n", " ", "é", "😀", "\"\"", ""};
  for (int round = 0; round < 200; ++round) {
    const auto columns = 1 + random() % 5;
    std::vector<Record> wanted(random() % 20);
    std::string text;
    for (auto& record : wanted) {
      for (std::size_t i = 0; i < columns; ++i) {
        auto& field = record.emplace_back();
        for (auto n = random() % 6; n > 0; --n) field += kPieces[random() % std::size(kPieces)];
      }
      write_csv(text, record);
    }
    ASSERT_EQ(all_of(files.write("r.csv", text)), wanted) << text;
  }
}

constexpr std::string_view kHeader =
    "definition,word,part_of_speech,cefr,difficulty_level,frequency_per_million,note\n";

TEST(LoadVocabulary, ReadsColumnsByName) {
  Files files;
  const auto words =
      read_vocabulary(files.write("v.csv", std::string(kHeader) +
                                               "\"a place,\nto sit\",chair,noun,A1,0.5,56.2,x\r\n" +
                                               ",chair,verb,C2,4.254,1e-3,\r\n"))
          .value();
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words[0], (Word{"chair", "noun", "a place,\nto sit", Cefr::kA1, 0.5, 56.2}));
  EXPECT_EQ(words[1], (Word{"chair", "verb", "", Cefr::kC2, 4.25, 0.001}));
}

TEST(LoadVocabulary, NamesFileLineAndReasonOfEachMalformation) {
  struct Case {
    std::string row;
    std::string_view reason;
  };
  const std::vector<Case> cases{
      {"d,b,noun,A1,0.5", "the row has 5 fields, the header 7"},
      {"d,b,noun,A1,0.5,1,x,y", "the row has 8 fields, the header 7"},
      {"d,,noun,A1,0.5,1,", "\"word\" is empty"},
      {"d,b, ,A1,0.5,1,", "\"part_of_speech\" is empty"},
      {"d,b,noun,A9,0.5,1,", "\"cefr\" is \"A9\""},
      {"d,b,noun,,0.5,1,", "\"cefr\" is \"\""},
      {"d,b,noun,A1,half,1,", "\"difficulty_level\" is \"half\""},
      {"d,b,noun,A1,5.01,1,", "\"difficulty_level\" is \"5.01\""},
      {"d,b,noun,A1,-1,1,", "\"difficulty_level\" is \"-1\""},
      {"d,b,noun,A1,nan,1,", "\"difficulty_level\" is \"nan\""},
      {"d,b,noun,A1,0x1p1,1,", "\"difficulty_level\" is"},
      {"d,b,noun,A1,1 ,1,", "\"difficulty_level\" is"},
      {"d,b,noun,A1,1,inf,", "\"frequency_per_million\" is \"inf\""},
      {"d,b,noun,A1,1,1e300,", "\"frequency_per_million\" is"},
      {"d,b,noun,A1,1,1e999,", "\"frequency_per_million\" is"},
      {"d,b,noun,A1,1,,", "\"frequency_per_million\" is \"\""},
      {"d," + std::string(kMaxWordBytes + 1, 'w') + ",noun,A1,1,1,", "\"word\" is longer"},
      {std::string(kMaxDefinitionBytes + 1, 'w') + ",b,noun,A1,1,1,", "\"definition\" is longer"},
      {"again,a,noun,A2,1,1,", "noun \"a\" stands in line 2 already"},
      {"\xED\xA0\x80,b,noun,A1,1,1,", "invalid UTF-8"},
      {"d,\"b,noun,A1,1,1,", "a quote opens in this record and never closes"},
  };
  Files files;
  for (const auto& c : cases) {
    // The record before it has a newline in quotes: it begins in line 2, the bad one in line 4.
    const auto file =
        files.write("v.csv", std::string(kHeader) + "\"d\nd\",a,noun,A1,0.5,1,\n" + c.row + "\n");
    const auto read = read_vocabulary(file);
    ASSERT_FALSE(read) << c.row;
    EXPECT_EQ(read.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(read.error().message, testing::StartsWith(file + ":4: ")) << c.row;
    EXPECT_THAT(read.error().message, HasSubstr(c.reason)) << c.row;
  }
}

TEST(LoadVocabulary, RequiresItsHeader) {
  Files files;
  const auto fail = [&](std::string_view text) {
    return read_vocabulary(files.write("v.csv", text)).error().message;
  };
  EXPECT_THAT(fail(""), HasSubstr("v.csv:1: the header is missing"));
  EXPECT_THAT(fail("word,part_of_speech,cefr,difficulty_level,definition\n"),
              HasSubstr("v.csv:1: the header has no column \"frequency_per_million\""));
  EXPECT_THAT(fail("word," + std::string(kHeader)), HasSubstr("column \"word\" twice"));
  EXPECT_THAT(fail(kHeader), HasSubstr("holds no word"));
}

TEST(LoadVocabulary, TheMostFrequentDoNotDependOnTheOrder) {
  std::vector<Word> words;
  for (const auto* word : {"b", "a", "New York", "ice cream"}) {
    for (const double frequency : {1.0, 0.0}) {
      words.push_back({word, frequency > 0 ? "noun" : "verb", "", Cefr::kA1, 1, frequency});
    }
  }
  const auto expected = most_frequent(words, 6);
  ASSERT_EQ(expected.size(), 6U);
  std::string order;
  for (const auto& word : expected) order += word.word + word.part_of_speech[0] + ' ';
  EXPECT_EQ(order, "an bn New Yorkn ice creamn av bv ");
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    std::shuffle(words.begin(), words.end(), random);
    EXPECT_EQ(most_frequent(words, 6), expected);
  }
}

}  // namespace
}  // namespace lyceum::learning::load
