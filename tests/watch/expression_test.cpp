#include "watch/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <map>

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const Collector& collector() {
  static const Collector one{.name = "made",
                             .meaning = "",
                             .scope = Scope::node,
                             .pace = Pace::fast,
                             .columns = {{"name", Kind::key, ""},
                                         {"state", Kind::text, ""},
                                         {"used", Kind::gauge, ""},
                                         {"usable", Kind::gauge, ""},
                                         {"max", Kind::gauge, ""},
                                         {"calls", Kind::counter, ""},
                                         {"since", Kind::gauge, ""}}};
  return one;
}

constexpr Timestamp kNow{1'800'000'000s};

struct MadePast final : Past {
  std::map<int, std::vector<Stretch>> columns;
  [[nodiscard]] std::span<const Stretch> of(int column) const override {
    const auto found = columns.find(column);
    return found == columns.end() ? std::span<const Stretch>() : std::span(found->second);
  }
  void add(int column, Duration ago, double value, bool anew = false) {
    columns[column].push_back(
        {.at = kNow - std::chrono::duration_cast<std::chrono::microseconds>(ago),
         .first = value,
         .last = value,
         .low = value,
         .high = value,
         .sum = value,
         .count = 1,
         .anew = anew});
  }
};

const Row kRow = {
    std::string("it's"), std::string("active"), std::int64_t{80}, std::int64_t{100}, Value{},
    std::int64_t{500},   1'799'999'940.0};

// The answer as one reads it.
std::string answer(std::string_view text, const Past& past = MadePast(), const Row& row = kRow) {
  const auto compiled = Expression::compile(text, collector());
  if (compiled.has_error()) return compiled.error().message;
  const auto found = compiled->evaluate(row, kNow, past);
  if (const auto number = found.number()) return fmt::format("{:g}", *number);
  if (const auto* word = std::get_if<std::string_view>(&found.value))
    return fmt::format("'{}'", *word);
  return found.wants_history ? "not enough history" : "missing";
}

TEST(Expression, Computes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"10 - 4 - 3", "3"},
      {"2 / 4 / 2", "0.25"},
      {"-used", "-80"},
      {"- -used", "80"},
      {"used / usable", "0.8"},
      {"used / usable > 80%", "0"},
      {"used / usable >= 80%", "1"},
      {"5m", "300"},
      {"250ms", "0.25"},
      {"2kB", "2048"},
      {"1.5e3", "1500"},
      {"1GB / 1MB", "1024"},
      {"state = 'active'", "1"},
      {"state <> 'active'", "0"},
      {"name = 'it''s'", "1"},
      {"name = 7", "missing"},
      {"state in ('idle', 'active')", "1"},
      {"state not in ('idle', 'active')", "0"},
      {"not state = 'idle' and used > 1", "1"},
      {"true or false and false", "1"},
      {"age(since)", "60"},
      {"contains(state, 'tiv')", "1"},
      {"starts_with(state, 'tiv')", "0"},
      {"least(used, usable)", "80"},
      {"greatest(used, usable, 7)", "100"},
      {"state", "'active'"},
      {"max", "missing"},
      {"used > 1 and used < 2 or used = 80", "1"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(answer(text), expected) << text;
}

// SQL's own table for true, false and NULL.
TEST(Expression, WhatIsMissingIsNeverTrue) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"max > 1", "missing"},
      {"not max > 1", "missing"},
      {"max + 1", "missing"},
      {"-max", "missing"},
      {"max > 1 and used > 1", "missing"},
      {"max > 1 and used < 1", "0"},
      {"used < 1 and max > 1", "0"},
      {"max > 1 or used > 1", "1"},
      {"max > 1 or used < 1", "missing"},
      {"max is missing", "1"},
      {"max is not missing", "0"},
      {"used is missing", "0"},
      {"coalesce(max, used)", "80"},
      {"coalesce(max, max)", "missing"},
      {"least(max, used)", "80"},
      {"used / 0", "missing"},
      {"used / (usable - 100)", "missing"},
      {"1e308 * 1e308", "missing"},
      {"max in (1, 2)", "missing"},
      {"age(max)", "missing"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(answer(text), expected) << text;
  auto row = kRow;
  row[2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(answer("used > 0", MadePast(), row), "missing");
}

TEST(Expression, RisesAreMeasuredFromTheNewestReadingThatIsOldEnough) {
  constexpr int kCalls = 5;
  MadePast past;
  past.add(kCalls, 7min, 100);
  past.add(kCalls, 5min, 200);
  past.add(kCalls, 4min, 300);
  past.add(kCalls, 0s, 500);
  EXPECT_EQ(answer("increase(calls, 5m)", past), "300");
  EXPECT_EQ(answer("rate(calls, 5m)", past), "1");
  // The reading seven minutes ago: 400 in 420 seconds.
  EXPECT_EQ(answer("increase(calls, 6m)", past), "400");
  EXPECT_EQ(answer("rate(calls, 6m) = 400 / 420", past), "1");
  EXPECT_EQ(answer("increase(calls, 8m)", past), "not enough history");
  EXPECT_EQ(answer("increase(calls, 5m)"), "not enough history");
}

TEST(Expression, NothingIsMeasuredAcrossANewBeginning) {
  constexpr int kCalls = 5;
  MadePast past;
  past.add(kCalls, 10min, 900);
  past.add(kCalls, 5min, 20, true);
  past.add(kCalls, 0s, 500);
  EXPECT_EQ(answer("increase(calls, 9m)", past), "not enough history");
  EXPECT_EQ(answer("increase(calls, 5m)", past), "480");
}

TEST(Expression, AnOldReadingIsNotTakenForOneOfTheWindow) {
  constexpr int kCalls = 5;
  MadePast past;
  past.add(kCalls, 40min, 100);
  past.add(kCalls, 0s, 500);
  EXPECT_EQ(answer("increase(calls, 5m)", past), "not enough history");
  EXPECT_EQ(answer("increase(calls, 30m)", past), "400");
}

TEST(Expression, ExtremesAndMeansAreOfTheWindow) {
  constexpr int kUsed = 2;
  MadePast past;
  past.add(kUsed, 10min, 99);
  past.add(kUsed, 5min, 98);
  past.add(kUsed, 3min, 10);
  past.add(kUsed, 1min, 60);
  past.add(kUsed, 0s, 80);
  EXPECT_EQ(answer("max(used, 4m)", past), "80");
  EXPECT_EQ(answer("min(used, 4m)", past), "10");
  EXPECT_EQ(answer("avg(used, 4m)", past), "50");
  EXPECT_EQ(answer("max(used, 6m)", past), "98");
  EXPECT_EQ(answer("max(used, 11m)", past), "not enough history");
}

TEST(Expression, ErrorsNameThePlaceAndWhatWasExpected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "at position 1: expected a column, a number, a text or '(', found the end"},
      {"used >", "at position 7: expected a column, a number, a text or '(', found the end"},
      {"used usable", "at position 6: expected an operator or the end, found 'usable'"},
      {"(used", "at position 6: expected ')', found the end"},
      {"usd > 1", "at position 1: collector 'made' has no column 'usd'; did you mean 'used'?"},
      {"zzzzzzzz", "at position 1: collector 'made' has no column 'zzzzzzzz'"},
      {"rate(used, 5m)", "at position 6: rate() takes a counter, and 'used' is none"},
      {"max(state, 5m)", "at position 5: max() takes a number, and 'state' is none"},
      {"rate(calls)", "at position 11: expected ',', found ')'"},
      {"rate(calls, 5)", "at position 13: expected a time from 1s to 366d, as 5m, found '5'"},
      {"rate(calls, 5MB)", "at position 13: expected a time from 1s to 366d, as 5m, found '5MB'"},
      {"rat(calls, 5m)", "at position 1: there is no function 'rat'; did you mean 'rate'?"},
      {"age(since, 1)", "at position 1: age() takes 1 of these, not 2"},
      {"coalesce(used)", "at position 1: coalesce() takes two or more"},
      {"used = 'x'", "at position 8: a number is needed here, and this is a text"},
      {"state > 3", "at position 9: a text is needed here, and this is a number"},
      {"state + 1", "at position 1: a number is needed here, and this is a text"},
      {"state and used", "at position 1: a number is needed here, and this is a text"},
      {"used is", "at position 8: expected 'missing', found the end"},
      {"used not 3", "at position 10: expected 'in', found '3'"},
      {"5 parsecs", "at position 3: expected an operator or the end, found 'parsecs'"},
      {"5parsecs", "at position 2: 'parsecs' is no unit"},
      {"'open", "at position 1: the quote that begins here does not end"},
      {"used ; 1", "at position 6: ';' means nothing here"},
      {"used \xc3\xa9", "at position 6: a character that means nothing here"},
      {".", "at position 1: this is no number"},
      {"1e999", "at position 1: this is no number"},
  };
  for (const auto& [text, expected] : cases) EXPECT_THAT(answer(text), HasSubstr(expected)) << text;
}

TEST(Expression, LengthAndDepthAreBounded) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '(') + "1" +
           std::string(static_cast<std::size_t>(depth), ')');
  };
  EXPECT_EQ(answer(nested(20)), "1");
  EXPECT_THAT(answer(nested(1000)), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(answer(std::string(1000, '-') + "1"), HasSubstr("nested deeper than 64"));
  std::string nots, sum = "1";
  for (int i = 0; i < 500; ++i) nots += "not ", sum += "+1";
  EXPECT_THAT(answer(nots + "1"), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(answer(sum), HasSubstr("more than 256 signs"));
  EXPECT_THAT(answer(std::string(5000, ' ') + "1"), HasSubstr("longer than 4096 bytes"));
  // A long row of conditions is not deep.
  std::string row = "used = 80";
  for (int i = 0; i < 200; ++i) row += " and used = 80";
  EXPECT_EQ(answer(row), "1");
}

TEST(Expression, SaysWhatItLooksBackAt) {
  const auto compiled =
      Expression::compile("rate(calls, 5m) > 1 and max(used, 1h) < 3", collector());
  ASSERT_TRUE(compiled.has_value());
  ASSERT_EQ(compiled->looks_back().size(), 2U);
  EXPECT_EQ(compiled->looks_back()[0].column, 5);
  EXPECT_EQ(compiled->looks_back()[0].window, 5min);
  EXPECT_EQ(compiled->looks_back()[1].column, 2);
  EXPECT_EQ(compiled->looks_back()[1].window, 1h);
  EXPECT_TRUE(compiled->is_condition());
  EXPECT_FALSE(Expression::compile("used + 1", collector())->is_condition());
}

}  // namespace
}  // namespace lyceum::watch
