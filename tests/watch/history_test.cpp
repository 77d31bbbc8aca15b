#include "watch/history.h"

#include <boost/json/parse.hpp>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

#include "watch/history_json.h"
#include "watch/history_run.h"
#include "watch/series.h"

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(HistoryTest, GivesBackWhatItWasGivenAlsoAfterARestart) {
  // A plain copy to compare with: several sources, with gaps, of several epochs.
  std::mt19937 random(7);
  std::vector<Sample> given;
  std::map<std::string, std::int64_t> total;
  for (int i = 0; i < 2000; ++i) {
    const std::string node = random() % 2 == 0 ? "one" : "two";
    given.push_back(wal(i * 10, total[node] += random() % 50, 1 + i / 700, node));
  }
  auto* history = &open({.film_samples = 50});
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (i % 300 == 299) history = &open({.film_samples = 50});
    ASSERT_TRUE(history->append(given[i]));
  }
  const auto check = [&](History& read, Timestamp from, Timestamp to, const std::string& node) {
    std::vector<const Sample*> expected;
    for (const auto& sample : given) {
      if (sample.at < from || sample.at > to) continue;
      if (node.empty() || sample.source.node == node) expected.push_back(&sample);
    }
    const auto found = all(read, {.collectors = {"wal"}, .node = node, .from = from, .to = to});
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].source, expected[i]->source);
      EXPECT_EQ(found[i].at, expected[i]->at);
      EXPECT_EQ(found[i].epoch, expected[i]->epoch);
      EXPECT_EQ(found[i].picture.rows, expected[i]->rows);
    }
  };
  const auto check_all = [&](History& read) {
    check(read, Timestamp::min(), Timestamp::max(), "");
    check(read, at_second(5005), at_second(15'000), "");
    check(read, at_second(19'990), at_second(1e6), "two");
    check(read, at_second(-100), at_second(-1), "");
    check(read, at_second(3000), at_second(3000), "one");
  };
  check_all(*history);
  // Another process may read while this one writes.
  auto reading = Store::open(path(), clock_, {.read_only = true});
  ASSERT_TRUE(reading) << reading.error().to_string();
  History reader(*reading);
  check_all(reader);
  EXPECT_FALSE(reader.append(given[0]));
  given.push_back(wal(21'000, 5, 9));
  ASSERT_TRUE(history->append(given.back()));
  check_all(reader);

  const auto sources = reader.sources();
  ASSERT_TRUE(sources);
  ASSERT_THAT(*sources, SizeIs(2));
  EXPECT_EQ((*sources)[0].samples + (*sources)[1].samples, 2001);
  EXPECT_EQ((*sources)[0].last, at_second(21'000));
  const auto latest = reader.latest({.node = "one"});
  ASSERT_TRUE(latest);
  ASSERT_THAT(*latest, SizeIs(1));
  EXPECT_EQ((*latest)[0].at, at_second(21'000));
  EXPECT_EQ((*latest)[0].epoch, 9);
  EXPECT_THAT(records(*latest), ElementsAre(5));
}

// As while a service is replaced by the next: the old one has not ended, the new one has begun.
TEST_F(HistoryTest, TwoWhoWriteDoNotMixTheirFilms) {
  auto& one = open({.film_samples = 7});
  auto other = Store::open(path(), clock_);
  ASSERT_TRUE(other);
  History two(*other, {.film_samples = 5});
  std::vector<std::int64_t> given;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE((i % 3 == 0 ? two : one).append(wal(i, i * i)));
    given.push_back(i * i);
  }
  auto found = records(all(one));
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, given);
}

TEST_F(HistoryTest, TheFileIsItsOwnersAlone) {
  ASSERT_TRUE(open().append(wal(0, 1)));
  for (const auto* beside : {"", "-wal", "-shm"}) {
    const auto rights = std::filesystem::status(path().string() + beside).permissions();
    EXPECT_EQ(static_cast<int>(rights), 0600) << beside;
  }
}

TEST_F(HistoryTest, WhatCannotBeKeptIsRefusedAndTheNextIsKept) {
  auto& history = open();
  ASSERT_TRUE(history.append(wal(0, 1)));
  auto short_row = wal(10, 2);
  short_row.rows[0].pop_back();
  EXPECT_EQ(history.append(short_row).error().code, ErrorCode::kBadInput);
  auto unknown = wal(10, 2);
  unknown.source.collector = "no_such";
  EXPECT_EQ(history.append(unknown).error().code, ErrorCode::kBadInput);
  EXPECT_EQ(history.counts().lost, 2U);
  EXPECT_TRUE(history.counts().last_error);
  ASSERT_TRUE(history.append(wal(20, 3)));
  EXPECT_FALSE(history.counts().last_error);
  EXPECT_THAT(records(all(history)), ElementsAre(1, 3));
}

// ---- A clock that jumps
// --------------------------------------------------------------------------

TEST_F(HistoryTest, AClockThatIsSetBackKeepsTheOrderOfArrivalAndTimesStayRight) {
  auto& history = open();
  // 0 1 2 3, back to 1.5, on; then two hours ahead for a moment, and back.
  const std::vector<double> times = {0, 10, 20, 30, 15, 25, 35, 7235, 45, 55};
  std::int64_t n = 0;
  for (const auto time : times) ASSERT_TRUE(history.append(wal(time, n++)));
  EXPECT_THAT(records(all(history)), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(records(all(history, {.from = at_second(18), .to = at_second(40)})),
              ElementsAre(2, 3, 5, 6));
  EXPECT_THAT(records(all(history, {.from = at_second(7000)})), ElementsAre(7));
  EXPECT_THAT(records(*history.latest({})), ElementsAre(9));
}

TEST_F(HistoryTest, AClockThatIsAYearAheadForAMomentDeletesNothing) {
  auto& history = open({.retention = 24h, .film_samples = 6});
  std::int64_t n = 0;
  double time = 0;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(history.append(wal(time += 300, n++)));
  ASSERT_TRUE(history.append(wal(time + 365.0 * 86400, n++)));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(history.append(wal(time += 300, n++)));
  EXPECT_THAT(all(history), SizeIs(201));
  // Also not after a restart in that moment.
  auto& again = open({.retention = 24h, .film_samples = 6});
  ASSERT_TRUE(again.append(wal(time + 365.0 * 86400, n++)));
  auto& once_more = open({.retention = 24h, .film_samples = 6});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(once_more.append(wal(time += 300, n++)));
  EXPECT_THAT(all(once_more), SizeIs(212));
}

// ---- Forgetting
// ------------------------------------------------------------------------------------

TEST_F(HistoryTest, WhatIsOlderThanItsRetentionGoesAndNothingThatIsYounger) {
  const HistoryOptions options{.retention = 24h};
  auto* history = &open(options);
  std::int64_t n = 0;
  double time = 0;
  for (int day = 0; day < 4; ++day) {
    for (int i = 0; i < 288; ++i) ASSERT_TRUE(history->append(wal(time += 300, n++)));
    history = &open(options);
  }
  const auto kept = all(*history);
  // A day, and at most two films more.
  EXPECT_LE(kept.front().at, at_second(time - 86'400));
  EXPECT_GE(kept.front().at, at_second(time - 86'400 - 3.0 * 4 * 3600));
  EXPECT_EQ(records(kept).back(), n - 1);
  EXPECT_EQ(kept.size(), static_cast<std::size_t>(n - records(kept).front())) << "gaps";
}

std::uint64_t size_on_disk(const std::filesystem::path& path) {
  std::uint64_t out = 0;
  for (const auto* beside : {"", "-wal"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path.string() + beside, error);
    if (!error) out += size;
  }
  return out;
}

// Samples that cannot be made small.
Sample noise(double second, std::mt19937& random, std::size_t rows = 100) {
  Sample sample{.source = {"sessions", "one", ""}, .at = at_second(second), .epoch = 1};
  for (std::size_t i = 0; i < rows; ++i) {
    std::string state(200, ' ');
    for (auto& c : state) c = static_cast<char>('a' + random() % 26);
    sample.rows.push_back(row_of("sessions", {{"database", std::string("app")},
                                              {"state", state},
                                              {"connection_count", std::int64_t{1}}}));
  }
  return sample;
}

TEST_F(HistoryTest, TheFileStaysBelowItsLimitAndTheOldestGoFirst) {
  constexpr std::uint64_t kLimit = 16U << 20U;
  std::mt19937 random(1);
  auto& history = open({.film_samples = 20}, {.max_bytes = kLimit});
  std::uint64_t most_deleted = 0;
  double time = 0;
  for (int i = 0; i < 2500; ++i) {
    const auto before = history.counts().films_deleted;
    ASSERT_TRUE(history.append(noise(time += 10, random)));
    most_deleted = std::max(most_deleted, history.counts().films_deleted - before);
    ASSERT_LE(size_on_disk(path()), kLimit) << i;
  }
  EXPECT_GT(history.counts().films_deleted, 50U) << "more than the limit was written";
  EXPECT_LE(most_deleted, 4U) << "an append does a bounded amount of work";
  const auto kept = all(history);
  EXPECT_GT(kept.size(), 400U);
  EXPECT_EQ(kept.back().at, at_second(time));
  // A lower limit is come down to, some at a time.
  constexpr std::uint64_t kLower = 8U << 20U;
  auto& lower = open({.film_samples = 1}, {.max_bytes = kLower});
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(lower.append(noise(time += 10, random, 1)));
  close();
  EXPECT_LE(size_on_disk(path()), kLower);
}

// ---- Series
// ---------------------------------------------------------------------------------------

Sample server(double second, Value started) {
  return {.source = {"server", "one", ""},
          .at = at_second(second),
          .epoch = 1,
          .rows = {row_of("server", {{"started_at", std::move(started)}})}};
}

std::vector<double> averages(const Series& series) {
  std::vector<double> out;
  for (const auto& point : series.points) out.push_back(point.average);
  return out;
}

TEST_F(HistoryTest, ACountersSeriesIsItsRateAndStartsAnewWhereCountingDid) {
  auto& history = open();
  const SeriesQuery query{.source = {"wal", "one", ""}, .column = "records"};
  EXPECT_THAT(series(history, query)->points, IsEmpty()) << "no samples";
  ASSERT_TRUE(history.append(wal(0, 100)));
  EXPECT_THAT(series(history, query)->points, IsEmpty()) << "one sample is not enough";
  EXPECT_EQ(series(history, query)->samples, 1U);
  ASSERT_TRUE(history.append(wal(10, 150)));      // 5 a second
  ASSERT_TRUE(history.append(wal(30, 150)));      // 0
  ASSERT_TRUE(history.append(wal(40, 20)));       // fell
  ASSERT_TRUE(history.append(wal(50, 40)));       // 2
  ASSERT_TRUE(history.append(wal(60, 1000, 2)));  // another epoch, though it rose
  ASSERT_TRUE(history.append(wal(70, 1010, 2)));  // 1
  auto missing = wal(80, 0, 2);
  missing.rows.clear();
  ASSERT_TRUE(history.append(missing));
  ASSERT_TRUE(history.append(wal(90, 1300, 2)));  // the row was away
  ASSERT_TRUE(history.append(wal(85, 1400, 2)));  // the clock was set back
  ASSERT_TRUE(history.append(wal(95, 1430, 2)));  // 3
  const auto found = series(history, query);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, Kind::counter);
  EXPECT_THAT(averages(*found), ElementsAre(5, 0, 2, 1, 3));
  EXPECT_EQ(found->points[0].at, at_second(10));
}

TEST_F(HistoryTest, WholeNumbersBeyondWhatADoubleHoldsHaveExactRates) {
  auto& history = open();
  constexpr std::int64_t kLarge = (1LL << 60) + 1;
  ASSERT_TRUE(history.append(wal(0, kLarge / 100)));
  auto first = wal(10, 0), second = wal(20, 0);
  const auto column = static_cast<std::size_t>(find_collector("wal")->position("records"));
  first.rows[0][column] = kLarge;
  second.rows[0][column] = kLarge + 10;
  ASSERT_TRUE(history.append(first));
  ASSERT_TRUE(history.append(second));
  const auto found = series(history, {.source = {"wal", "one", ""}, .column = "records"});
  EXPECT_EQ(averages(*found).back(), 1.0);
}

TEST_F(HistoryTest, AGaugesSeriesIsItsValuesAndManyBecomeFew) {
  auto& history = open();
  std::vector<double> given;
  for (int i = 0; i < 1000; ++i) {
    given.push_back(std::sin(i) * 100);
    ASSERT_TRUE(history.append(server(i * 10, given.back())));
  }
  ASSERT_TRUE(history.append(server(10'000, Value{})));
  SeriesQuery query{.source = {"server", "one", ""}, .column = "started_at", .most_points = 5000};
  EXPECT_EQ(averages(*series(history, query)), given);
  query.most_points = 50;
  const auto few = series(history, query);
  ASSERT_THAT(few->points, SizeIs(50));
  EXPECT_EQ(few->samples, 1000U);
  double least = 1e9, most = -1e9, sum = 0;
  for (const auto& point : few->points) {
    EXPECT_LE(point.least, point.average);
    EXPECT_LE(point.average, point.most);
    least = std::min(least, point.least);
    most = std::max(most, point.most);
    sum += point.average;
  }
  EXPECT_EQ(least, *std::min_element(given.begin(), given.end()));
  EXPECT_EQ(most, *std::max_element(given.begin(), given.end()));
  EXPECT_NEAR(sum / 50, std::accumulate(given.begin(), given.end(), 0.0) / 1000, 0.5);
  EXPECT_TRUE(std::is_sorted(few->points.begin(), few->points.end(),
                             [](const Point& a, const Point& b) { return a.at < b.at; }));
}

TEST_F(HistoryTest, TheAverageOfRatesIsWhatWasCountedOverTheTimeItTook) {
  auto& history = open();
  ASSERT_TRUE(history.append(wal(0, 0)));
  ASSERT_TRUE(history.append(wal(1, 100)));    // 100 a second, for one second
  ASSERT_TRUE(history.append(wal(100, 100)));  // 0 for 99
  const auto one =
      series(history, {.source = {"wal", "one", ""}, .column = "records", .most_points = 1});
  ASSERT_THAT(one->points, SizeIs(1));
  EXPECT_DOUBLE_EQ(one->points[0].average, 1.0);
  EXPECT_EQ(one->points[0].least, 0);
  EXPECT_EQ(one->points[0].most, 100);
}

TEST_F(HistoryTest, ASeriesIsOfOneRowAndOfNumbers) {
  auto& history = open();
  for (int i = 0; i < 3; ++i) {
    Sample sample{.source = {"tables", "one", "app"}, .at = at_second(i * 10), .epoch = 1};
    for (std::int64_t k = 1; k < 4; ++k) {
      sample.rows.push_back(row_of("tables", {{"schemaname", std::string("public")},
                                              {"relname", "t" + std::to_string(k)},
                                              {"inserts", i * k * 10}}));
    }
    ASSERT_TRUE(history.append(sample));
    sample.source.database = "other";
    ASSERT_TRUE(history.append(sample));
  }
  SeriesQuery query{.source = {"tables", "one", "app"},
                    .keys = {{"schemaname", std::string("public")}, {"relname", std::string("t3")}},
                    .column = "inserts"};
  EXPECT_THAT(averages(*series(history, query)), ElementsAre(3, 3));
  query.keys[1].second = std::string("t9");
  EXPECT_THAT(series(history, query)->points, IsEmpty());
  query.column = "relname";
  EXPECT_EQ(series(history, query).error().code, ErrorCode::kBadInput);
  query.column = "no_such";
  EXPECT_EQ(series(history, query).error().code, ErrorCode::kBadInput);
}

// ---- JSON
// ----------------------------------------------------------------------------------------

TEST_F(HistoryTest, AsJsonItIsTheGuidesMetrics) {
  auto& history = open();
  Sample sessions{.source = {"sessions", "db:5432", ""}, .at = at_second(1.5), .epoch = 3};
  sessions.rows.push_back(row_of("sessions", {{"database", std::string("app")},
                                              {"state", std::string("act\xffive\n")},
                                              {"connection_count", std::int64_t{7}},
                                              {"max_duration_seconds", std::nan("")}}));
  ASSERT_TRUE(history.append(sessions));
  ASSERT_TRUE(history.append(wal(0, 5, 1, "two")));
  ASSERT_TRUE(history.append(wal(2, 6, 1, "one")));
  ASSERT_TRUE(history.append(wal(4, 7, 1, "two")));
  const auto text = history_json(history, {});
  ASSERT_TRUE(text);
  const auto document = boost::json::parse(*text).as_object();
  ASSERT_EQ(document.size(), 2U);
  EXPECT_EQ(document.at("sessions"),
            boost::json::parse(R"([{"timestamp": 1767225601500, "node": "db:5432", "database": "",
              "epoch": 3, "data": [{"database": "app", "state": "act\ufffdive\n",
              "wait_event_type": null, "wait_event": null, "connection_count": 7,
              "max_duration_seconds": null}]}])"));
  const auto& samples = document.at("wal").as_array();
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[0].at("node").as_string(), "two");
  EXPECT_EQ(samples[1].at("node").as_string(), "one");
  EXPECT_EQ(samples[2].at("timestamp").as_int64(), 1767225604000);

  const auto cut = boost::json::parse(*history_json(
      history, {.collectors = {"wal", "io"}, .node = "one", .from = at_second(1)}, {"records"}));
  EXPECT_EQ(cut,
            boost::json::parse(R"({"io": [], "wal": [{"timestamp": 1767225602000, "node": "one",
    "database": "", "epoch": 1, "data": [{"records": 6}]}]})"));
  const auto list = boost::json::parse(*history_list_json(history));
  EXPECT_EQ(list.at("sources").as_array().size(), 3U);
}

TEST_F(HistoryTest, AnEmptyHistoryIsAnEmptyDocument) {
  EXPECT_EQ(*history_json(open(), {}), "{}");
}

TEST(HistoryNames, AreCollectorsAndTheGuidesTypes) {
  EXPECT_THAT(*collectors_named("query_performance"), ElementsAre("statements"));
  EXPECT_THAT(*collectors_named("connections"), ElementsAre("connections", "sessions"));
  EXPECT_THAT(*collectors_named("tables"), ElementsAre("tables"));
  EXPECT_THAT(*collectors_named("indexes"), ElementsAre("indexes"));
  EXPECT_THAT(collectors_named("nothing").error().hint, HasSubstr("wraparound"));
}

}  // namespace
}  // namespace lyceum::watch
