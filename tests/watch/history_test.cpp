#include "watch/history.h"

#include <boost/json/parse.hpp>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

#include "watch/history_json.h"
#include "watch/history_run.h"

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
