#include "watch/grouped_series.h"

#include <random>

#include "watch/history_run.h"

namespace lyceum::watch {
namespace {

class GroupedSeriesTest : public HistoryTest {
 protected:
  static Sample sessions(double second, const std::vector<std::pair<std::string, int>>& counts,
                         const std::string& node = "one") {
    Sample out{.source = {"sessions", node, ""}, .at = at_second(second), .epoch = 1};
    for (std::size_t i = 0; i < counts.size(); ++i) {
      out.rows.push_back(
          row_of("sessions", {{"database", std::string("d")},
                              {"state", counts[i].first},
                              {"wait_event_type", std::string()},
                              {"wait_event", std::to_string(i)},
                              {"connection_count", std::int64_t{counts[i].second}}}));
    }
    return out;
  }
  static GroupQuery of(const std::string& collector, const std::string& column, double seconds,
                       std::size_t points) {
    return {.collector = collector,
            .column = column,
            .from = at_second(0),
            .to = at_second(seconds),
            .most_points = points};
  }
  // Of the first group, without its gaps.
  static std::vector<double> values_of(const GroupedSeries& series) {
    std::vector<double> out;
    for (const auto& [at, value] : series.groups.at(0).points) {
      if (value) out.push_back(*value);
    }
    return out;
  }
};

TEST_F(GroupedSeriesTest, RowsThatFallTogetherAreAdded) {
  auto& history = open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(history.append(sessions(i * 10 + 1, {{"active", 2}, {"idle", 5}, {"active", i}})));
  }
  auto query = of("sessions", "connection_count", 30, 3);
  auto all = grouped_series(history, query).value();
  ASSERT_EQ(all.groups.size(), 1U);
  EXPECT_FALSE(all.rates);
  ASSERT_EQ(all.groups[0].points.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(all.groups[0].points[static_cast<std::size_t>(i)].second, 7 + i);
    EXPECT_EQ(all.groups[0].points[static_cast<std::size_t>(i)].first, at_second(10 * (i + 1)));
  }
  query.by = {"state", "database"};
  const auto by = grouped_series(history, query).value();
  ASSERT_EQ(by.groups.size(), 2U);
  EXPECT_EQ(by.groups[0].labels.at("state"), "active");
  EXPECT_EQ(by.groups[0].labels.at("database"), "d");
  EXPECT_EQ(by.groups[0].points[2].second, 4);
  EXPECT_EQ(by.groups[1].points[2].second, 5);
  query.where = {{"state", "idle"}, {"database", "d"}};
  EXPECT_EQ(grouped_series(history, query)->groups.size(), 1U);
  query.where = {{"database", "other"}};
  EXPECT_TRUE(grouped_series(history, query)->groups.empty());
}

// A counter against the plain sum of what it rose by.
TEST_F(GroupedSeriesTest, ACountersRatesAddUpToWhatItCounted) {
  auto& history = open();
  std::mt19937 random(3);
  std::int64_t counter = 1'000'000, rose = 0;
  ASSERT_TRUE(history.append(wal(0, counter)));
  double second = 0;
  while (second < 990) {
    second += 10;
    const std::int64_t more = random() % 1000;
    counter += more;
    rose += more;
    ASSERT_TRUE(history.append(wal(second, counter)));
  }
  for (const std::size_t points : {1U, 7U, 33U, 99U}) {
    const auto found = grouped_series(history, of("wal", "records", 990, points)).value();
    EXPECT_TRUE(found.rates);
    ASSERT_EQ(found.groups.size(), 1U);
    EXPECT_LE(found.groups[0].points.size(), points);
    if (points != 1) continue;
    EXPECT_NEAR(found.groups[0].points[0].second.value() * 990, static_cast<double>(rose), 1e-3);
  }
}

TEST_F(GroupedSeriesTest, WholeNumbersBeyondWhatADoubleHoldsHaveExactRates) {
  auto& history = open();
  constexpr std::int64_t kLarge = (1LL << 60) + 1;
  auto first = wal(0, 0), second = wal(10, 0);
  const auto column = static_cast<std::size_t>(find_collector("wal")->position("records"));
  first.rows[0][column] = kLarge;
  second.rows[0][column] = kLarge + 10;
  ASSERT_TRUE(history.append(first));
  ASSERT_TRUE(history.append(second));
  EXPECT_EQ(values_of(grouped_series(history, of("wal", "records", 20, 2)).value()),
            std::vector<double>{1});
}

TEST_F(GroupedSeriesTest, TheMeanOfRatesIsWhatWasCountedOverTheTimeItTook) {
  auto& history = open();
  ASSERT_TRUE(history.append(wal(0, 0)));
  ASSERT_TRUE(history.append(wal(1, 100)));    // 100 a second, for one second
  ASSERT_TRUE(history.append(wal(100, 100)));  // 0 for 99
  const auto one = values_of(grouped_series(history, of("wal", "records", 101, 1)).value());
  ASSERT_EQ(one.size(), 1U);
  EXPECT_DOUBLE_EQ(one[0], 1);
}

TEST_F(GroupedSeriesTest, NothingIsCountedAcrossAnEpochAFallAGapOrAClockThatWasSetBack) {
  auto& history = open();
  ASSERT_TRUE(history.append(wal(0, 100)));
  EXPECT_TRUE(grouped_series(history, of("wal", "records", 110, 110))->groups.empty())
      << "one sample is not enough";
  ASSERT_TRUE(history.append(wal(10, 200)));     // 10 a second
  ASSERT_TRUE(history.append(wal(20, 900, 2)));  // another epoch, though it rose
  ASSERT_TRUE(history.append(wal(30, 910, 2)));  // 1
  ASSERT_TRUE(history.append(wal(40, 5, 2)));    // fell
  ASSERT_TRUE(history.append(wal(50, 25, 2)));   // 2
  auto missing = wal(60, 0, 2);
  missing.rows.clear();
  ASSERT_TRUE(history.append(missing));
  ASSERT_TRUE(history.append(wal(70, 1300, 2)));   // the row was away
  ASSERT_TRUE(history.append(wal(65, 1400, 2)));   // the clock was set back
  ASSERT_TRUE(history.append(wal(100, 1505, 2)));  // 3
  EXPECT_EQ(values_of(grouped_series(history, of("wal", "records", 110, 110)).value()),
            (std::vector<double>{10, 1, 2, 3}));
}

TEST_F(GroupedSeriesTest, WhatWasMissedIsAGap) {
  auto& history = open();
  for (const double second : {0, 10, 20, 30, 90, 100}) {
    ASSERT_TRUE(history.append(sessions(second, {{"active", 1}})));
  }
  const auto found = grouped_series(history, of("sessions", "connection_count", 110, 11)).value();
  std::size_t gaps = 0;
  for (const auto& [at, value] : found.groups.at(0).points) {
    if (value) continue;
    ++gaps;
    EXPECT_GT(at, at_second(30));
    EXPECT_LE(at, at_second(90));
  }
  EXPECT_EQ(gaps, 1U);
}

TEST_F(GroupedSeriesTest, WhatIsNoSeriesIsRefused) {
  auto& history = open();
  for (const auto& [collector, column] : std::vector<std::pair<std::string, std::string>>{
           {"none", "x"}, {"wal", "none"}, {"sessions", "state"}, {"settings", "value"}}) {
    const auto found = grouped_series(history, of(collector, column, 10, 1));
    ASSERT_TRUE(found.has_error());
    EXPECT_EQ(found.error().code, ErrorCode::kBadInput);
  }
}

}  // namespace
}  // namespace lyceum::watch
