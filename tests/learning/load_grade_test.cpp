#include "learning/load_grade.h"

#include <cmath>
#include <gtest/gtest.h>

#include "learning/load_stories.h"
#include "support/paths.h"

namespace lyceum::learning::load {
namespace {

TEST(LoadGrade, BandsLieAroundTheLevelsFigures) {
  for (int i = 0; i < kCefrLevels; ++i) {
    const auto level = static_cast<Cefr>(i);
    EXPECT_EQ(parse_cefr(name_of(level)), level);
    EXPECT_EQ(level_of(difficulty_of(level)), level);
    for (int cents = 0; cents <= 500; ++cents) {
      const double moved = clamp_to(level, cents / 100.0);
      EXPECT_EQ(level_of(moved), level) << cents;
      EXPECT_EQ(moved, std::round(moved * 100) / 100) << cents;
      if (level_of(cents / 100.0) == level) {
        EXPECT_EQ(moved, cents / 100.0);
      }
    }
  }
  EXPECT_EQ(difficulty_of(Cefr::kC2), 4.25);
  EXPECT_EQ(level_of(0), Cefr::kA1);
  EXPECT_EQ(level_of(5), Cefr::kC2);
  for (const auto* bad : {"", "a1", "A3", "A1 ", "D1"}) EXPECT_FALSE(parse_cefr(bad)) << bad;
}

TEST(LoadGrade, CountsWhatAReaderCounts) {
  struct Case {
    std::string_view text;
    std::uint32_t words, sentences, long_words;
  };
  for (const auto& c : {
           Case{"", 0, 0, 0},
           Case{"...!", 0, 0, 0},
           Case{"The dog isn't here. It left!", 6, 2, 0},
           Case{"The kite\nflew over\nthe house", 6, 1, 0},
           Case{"A title\n\nThen the text. ", 5, 2, 0},
           Case{"It cost 3.50 in www.example.org, he said.", 8, 1, 1},
           Case{"“Really?” she asked… “Yes.”", 4, 3, 0},
           Case{"Ünïcödé größere Wörter zählen", 4, 1, 2},
           Case{"one—two–three", 3, 1, 0},
           Case{"wonderful elephants", 2, 1, 2},
       }) {
    const auto got = readability_of(c.text);
    EXPECT_EQ(got.words, c.words) << c.text;
    EXPECT_EQ(got.sentences, c.sentences) << c.text;
    EXPECT_EQ(got.long_words, c.long_words) << c.text;
    if (c.words > 0) {
      EXPECT_NEAR(got.lix, 1.0 * c.words / c.sentences + 100.0 * c.long_words / c.words, 1e-9);
      EXPECT_NEAR(got.difficulty, std::min(5.0, std::max(0.0, (got.lix - 4) / 10)), 0.0051);
    }
  }
}

TEST(LoadGrade, PutsOurStoriesWithinOneLevelOfTheirGrade) {
  const auto stories = read_stories(source_path("data/stories.jsonl")).value();
  EXPECT_GE(stories.size(), 24U);
  int per_level[kCefrLevels]{};
  for (const auto& story : stories) {
    const auto measured = level_of(readability_of(story.content()).difficulty);
    EXPECT_LE(std::abs(static_cast<int>(measured) - static_cast<int>(story.level)), 1)
        << story.title;
    EXPECT_EQ(level_of(story.difficulty), story.level) << story.title;
    EXPECT_EQ(story.author, "Lyceum");
    EXPECT_EQ(story.license, "CC BY 4.0");
    ++per_level[static_cast<int>(story.level)];
  }
  for (const int count : per_level) EXPECT_GE(count, 4);
}

TEST(LoadGrade, HarderReadersReadFaster) {
  EXPECT_EQ(reading_minutes(0, Cefr::kA1), 1);
  EXPECT_EQ(reading_minutes(60, Cefr::kA1), 1);
  EXPECT_EQ(reading_minutes(61, Cefr::kA1), 2);
  EXPECT_EQ(reading_minutes(420, Cefr::kC2), 2);
}

}  // namespace
}  // namespace lyceum::learning::load
