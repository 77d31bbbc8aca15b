#include "learning/load_stories.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load_files.h"

namespace lyceum::learning::load {
namespace {

using testing::HasSubstr;

constexpr std::string_view kGood =
    R"({"source": "s/1", "title": "A hat", "pages": ["The hat is red.", "It \u2014 falls."], )"
    R"("license": "CC-BY", "author": "Ann", "illustrator": "", "translator": "Bo", )"
    R"("language": "en"})";

std::string row(std::string_view source, std::string_view more = "") {
  return fmt::format(R"({{"source":"{}","title":"T","pages":["One two three."],"license":"L",)"
                     R"("author":"","language":"en"{}}})",
                     source, more);
}

TEST(LoadStories, ReadsAStory) {
  Files files;
  const auto stories = read_stories(files.write("s.jsonl", std::string(kGood) + "\r\n\n")).value();
  ASSERT_EQ(stories.size(), 1U);
  const auto& story = stories[0];
  EXPECT_EQ(story.source, "s/1");
  EXPECT_EQ(story.title, "A hat");
  EXPECT_EQ(story.pages, (std::vector<std::string>{"The hat is red.", "It — falls."}));
  EXPECT_EQ(story.content(), "The hat is red.\n\nIt — falls.");
  EXPECT_EQ(story.license, "CC-BY");
  EXPECT_EQ(story.author, "Ann");
  EXPECT_EQ(story.illustrator, "");
  EXPECT_EQ(story.translator, "Bo");
  EXPECT_EQ(story.language, "en");
  EXPECT_EQ(story.words, 6U);
  EXPECT_EQ(story.level, Cefr::kA1);
}

TEST(LoadStories, TakesTheLevelThatIsGiven) {
  Files files;
  const auto stories =
      read_stories(files.write("s", row("a", R"(,"level":"B2","extra":{"k":[1,{"title":null}]})")))
          .value();
  EXPECT_EQ(stories[0].level, Cefr::kB2);
  EXPECT_EQ(level_of(stories[0].difficulty), Cefr::kB2);
  EXPECT_EQ(stories[0].title, "T");
}

TEST(LoadStories, NamesFileLineAndReasonOfEachMalformation) {
  using namespace std::string_literals;
  struct Case {
    std::string row;
    std::string_view reason;
  };
  const std::string big(kMaxTitleBytes + 1, 'x');
  const std::vector<Case> cases{
      {"{", "bad JSON at column"},
      {"{]", "bad JSON at column"},
      {R"({"source": "a" "title"})", "bad JSON at column"},
      {"nonsense", "bad JSON at column"},
      {"[]", "not a JSON object but an array"},
      {"12", "not a JSON object but a number"},
      {"\"x\"", "not a JSON object but a string"},
      {"null", "not a JSON object but null"},
      {row("b") + " {}", "more text after the JSON object"},
      {R"({"source":"b"})", "key \"title\" is missing"},
      {R"({"source":"b","title":"T","license":"L","author":"","language":"en"})",
       "key \"pages\" is missing"},
      {R"({"source":"b","title":3,"pages":["x"]})",
       "\"title\" must be a string, and holds a number"},
      {R"({"source":"b","title":null})", "\"title\" must be a string, and holds null"},
      {R"({"source":"b","title":["x"]})", "\"title\" must be a string, and holds an array"},
      {R"({"source":{"x":1}})", "\"source\" must be a string, and holds an object"},
      {R"({"pages":"x"})", "\"pages\" must be an array of strings, and holds a string"},
      {R"({"pages":["x",7]})", "\"pages\" must be an array of strings, and holds a number"},
      {R"({"pages":[["x"]]})", "\"pages\" must be an array of strings, and holds an array"},
      {R"({"pages":[{"x":1}]})", "\"pages\" must be an array of strings, and holds an object"},
      {R"({"pages":true})", "\"pages\" must be an array of strings, and holds a boolean"},
      {R"({"source":"b","source":"c"})", "key \"source\" comes twice"},
      {R"({"title":""})", "\"title\" is empty"},
      {R"({"title":"x\u0000y"})", "\"title\" holds a NUL character"},
      {R"({"pages":["\u0000"]})", "\"pages\" holds a NUL character"},
      {R"({"title":"\ud800"})", "bad JSON at column"},
      {R"({"title":")" + big + "\"}", "\"title\" is longer than 500 bytes"},
      {R"({"source":"b","title":"T","pages":[],"license":"L","author":"","language":"en"})",
       "\"pages\" holds no text"},
      {row("b", R"(,"level":"D1")"), "\"level\" is \"D1\""},
      {row("b", R"(,"level":2)"), "\"level\" must be a string"},
      {"{\"title\":\"\xC0\xAF\"}", "invalid UTF-8"},
      {"{\"title\":\"\0\"}"s, "a NUL byte"},
      {row("a"), "source \"a\" stands in line 1 already"},
  };
  Files files;
  for (const auto& c : cases) {
    const auto file = files.write("s.jsonl", row("a") + "\n\n" + c.row + "\n" + row("z") + "\n");
    const auto read = read_stories(file);
    ASSERT_FALSE(read) << c.row;
    EXPECT_EQ(read.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(read.error().message, testing::StartsWith(file + ":3: ")) << c.row;
    EXPECT_THAT(read.error().message, HasSubstr(c.reason)) << c.row;
  }
}

TEST(LoadStories, AFileWithoutStoriesIsAnError) {
  Files files;
  EXPECT_THAT(read_stories(files.write("none", "\n \n")).error().message,
              HasSubstr("holds no story"));
}

TEST(LoadStories, SurvivesEveryCutAndEveryFlippedByte) {
  Files files;
  const std::string good(kGood);
  for (std::size_t cut = 1; cut < good.size(); ++cut) {
    EXPECT_FALSE(read_stories(files.write("cut", good.substr(0, cut)))) << cut;
  }
  int refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto changed = good;
    changed[at] = static_cast<char>(changed[at] ^ 0x80);
    refused += read_stories(files.write("flip", changed)) ? 0 : 1;
  }
  // No byte with the high bit flipped fits, outside of the dash that is escaped.
  EXPECT_EQ(refused, static_cast<int>(good.size()));
}

}  // namespace
}  // namespace lyceum::learning::load
