#include "watch/alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "watch/evaluate.h"
#include "watch/row_of.h"

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Two rules of one family, one that says a node is dead, and the book with a clock.
class Book : public testing::Test {
 protected:
  Book() {
    const std::vector<RuleFile> files{{.name = "made.toml", .text = R"(
[[rule]]
name = "high"
collector = "connections"
family = "connections"
value = "used"
above = 80
clear = 70
for = "2m"
summary = "{used} used"
why = "w"

[[rule]]
name = "full"
collector = "connections"
severity = "critical"
family = "connections"
value = "used"
above = 90
for = "2m"
summary = "{used} used"
why = "w"

[[rule]]
name = "down"
collector = "nodes"
severity = "critical"
inhibits = "node"
when = "up = 0"
for = "30s"
summary = "{node} is down"
why = "w"

[[rule]]
name = "dead"
collector = "tables"
value = "dead_tuples"
above = 1000
summary = "{relname}"
why = "w"
)"}};
    auto loaded = load_rules(files);
    if (loaded.has_error()) throw std::runtime_error(loaded.error().message);
    rules = std::make_shared<const RuleSet>(std::move(*loaded));
    evaluator = std::make_unique<Evaluator>(rules);
  }

  void pass(Duration time) {
    now.steady += time;
    now.wall += std::chrono::duration_cast<std::chrono::microseconds>(time);
  }
  Sample sample(std::string_view collector, const std::string& node) const {
    return {.source = {.collector = std::string(collector), .node = node, .database = ""},
            .at = now.wall,
            .epoch = 1,
            .rows = {}};
  }
  static Row row(std::string_view collector, const std::map<std::string, Value>& cells) {
    const auto* found = find_collector(collector);
    Row out(found->columns.size());
    for (const auto& [name, value] : cells)
      out.at(static_cast<std::size_t>(found->position(name))) = value;
    return out;
  }
  std::vector<std::string> take(const Sample& sample) {
    std::vector<std::string> out;
    for (const auto& change : book.observe(sample.source, evaluator->take(sample), now)) {
      out.push_back(fmt::format("{} {}", change.alert.rule, name_of(change.alert.state)));
    }
    return out;
  }
  std::vector<std::string> used(std::int64_t count, const std::string& node = "h1") {
    auto one = sample("connections", node);
    one.rows.push_back(row("connections", {{"used", count}}));
    return take(one);
  }
  std::vector<std::string> up(const std::string& node, std::int64_t is_up) {
    auto one = sample("nodes", "");
    one.rows.push_back(row("nodes", {{"node", node}, {"up", is_up}}));
    return take(one);
  }
  std::vector<std::string> dead(const std::vector<std::string>& tables,
                                const std::string& node = "h1") {
    auto one = sample("tables", node);
    one.source.database = "lyceum";
    for (const auto& table : tables) {
      one.rows.push_back(row("tables", {{"schemaname", std::string("s")},
                                        {"relname", table},
                                        {"dead_tuples", std::int64_t{5000}}}));
    }
    return take(one);
  }
  // "firing high x1": what is told.
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const auto& notice : book.take_notices(now)) {
      out.push_back(fmt::format("{} {} x{}", notice.firing ? "firing" : "resolved",
                                notice.alerts[0].rule, notice.alerts.size()));
    }
    return out;
  }

  std::shared_ptr<const RuleSet> rules;
  std::unique_ptr<Evaluator> evaluator;
  AlertBook book;
  Moment now{.steady = SteadyTime(1h), .wall = Timestamp(1'800'000'000s)};
};

TEST_F(Book, PendingFiringResolvedWithHysteresisAndOneMessageEach) {
  EXPECT_THAT(used(81), IsEmpty());
  EXPECT_EQ(book.alerts().at(0).state, AlertState::pending);
  pass(119s);
  EXPECT_THAT(used(85), IsEmpty());
  pass(1s);
  EXPECT_THAT(used(85), ElementsAre("high firing"));
  EXPECT_THAT(told(), IsEmpty()) << "the group gathers";
  pass(10s);
  EXPECT_THAT(used(75), IsEmpty()) << "between the thresholds it goes on";
  EXPECT_THAT(told(), ElementsAre("firing high x1"));
  EXPECT_THAT(told(), IsEmpty());
  pass(1min);
  EXPECT_THAT(used(85), IsEmpty());
  EXPECT_THAT(used(70), ElementsAre("high resolved"));
  EXPECT_THAT(told(), ElementsAre("resolved high x1"));
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_THAT(book.alerts(), IsEmpty());
}

TEST_F(Book, WhatStopsBeforeItsTimeIsNeverTold) {
  (void)used(85);
  pass(90s);
  (void)used(75);
  pass(90s);
  EXPECT_THAT(used(85), IsEmpty()) << "it begins anew";
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(Book, ARowThatIsGoneResolvesAndOthersStay) {
  EXPECT_THAT(dead({"a", "b"}), ElementsAre("dead firing", "dead firing"));
  pass(10s);
  EXPECT_THAT(told(), ElementsAre("firing dead x2")) << "one message for one rule on one node";
  EXPECT_THAT(dead({"b"}), ElementsAre("dead resolved"));
  EXPECT_THAT(dead({"b"}, "h2"), ElementsAre("dead firing"));
  EXPECT_THAT(told(), ElementsAre("resolved dead x1"));
}

TEST_F(Book, SilenceOfASourceResolvesNothingAndIsSaid) {
  (void)dead({"a"});
  pass(10s);
  EXPECT_THAT(told(), ElementsAre("firing dead x1"));
  pass(3h);
  EXPECT_THAT(book.tick(now), IsEmpty());
  EXPECT_TRUE(book.alerts().at(0).stale);
  EXPECT_THAT(told(), IsEmpty());
  (void)dead({"a"});
  EXPECT_FALSE(book.alerts().at(0).stale);
  pass(25h);
  EXPECT_EQ(book.tick(now).size(), 1U);
  EXPECT_THAT(told(), ElementsAre("resolved dead x1"));
}

TEST_F(Book, ASilenceHoldsBackUntilItEndsAndWhatIsOverByThenIsNotTold) {
  Silence silence;
  silence.matchers = {*Matcher::parse("node=h*"), *Matcher::parse("severity!=critical")};
  silence.until = now.wall + 1h;
  silence.author = "ann";
  silence.comment = "a load";
  const auto id = book.add_silence(silence);
  (void)dead({"a", "b"});
  pass(30min);
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(book.held_back(book.alerts().at(0), now), "silenced by ann: a load");
  EXPECT_THAT(book.firing(now), IsEmpty());
  (void)dead({"b"});
  EXPECT_THAT(told(), IsEmpty()) << "nobody heard that it fired";
  pass(31min);
  (void)dead({"b"});
  EXPECT_THAT(told(), ElementsAre("firing dead x1"));
  EXPECT_FALSE(book.end_silence(id)) << "it is over";
  // Told as firing, it is told as resolved, whoever is silent.
  silence.until = now.wall + 1h;
  (void)book.add_silence(silence);
  (void)dead({});
  EXPECT_THAT(told(), ElementsAre("resolved dead x1"));
}

TEST_F(Book, ADeadNodeSilencesItsOwn) {
  (void)up("h1", 0);
  (void)dead({"a"});
  (void)dead({"a"}, "h2");
  pass(20s);
  EXPECT_THAT(told(), ElementsAre("firing dead x1")) << "of the other node";
  pass(10s);
  EXPECT_THAT(up("h1", 0), ElementsAre("down firing"));
  pass(10s);
  EXPECT_THAT(told(), ElementsAre("firing down x1"));
  EXPECT_THAT(up("h1", 1), ElementsAre("down resolved"));
  EXPECT_THAT(told(), ElementsAre("resolved down x1", "firing dead x1"));
}

TEST_F(Book, TheGraverOfAFamilySilencesTheOther) {
  (void)used(95);
  pass(2min);
  EXPECT_THAT(used(95), ElementsAre("high firing", "full firing"));
  pass(10s);
  EXPECT_THAT(told(), ElementsAre("firing full x1"));
  pass(10s);
  EXPECT_THAT(used(85), ElementsAre("full resolved"));
  EXPECT_THAT(told(), ElementsAre("resolved full x1", "firing high x1"));
}

TEST_F(Book, AClockThatIsSetNeitherFiresNorClears) {
  (void)used(85);
  now.wall += 10h;
  pass(1s);
  EXPECT_THAT(used(85), IsEmpty());
  now.wall -= 20h;
  pass(2min);
  EXPECT_THAT(used(85), ElementsAre("high firing"));
}

TEST_F(Book, ARestartNeitherRepeatsNorLosesAMessage) {
  Silence silence;
  silence.matchers = {*Matcher::parse("alertname=no*ne")};
  silence.until = now.wall + 1h;
  (void)book.add_silence(silence);
  (void)dead({"told", "gone"});
  pass(10s);
  EXPECT_THAT(told(), ElementsAre("firing dead x2"));
  (void)used(85);
  (void)dead({"told"});
  const auto saved = book.save(now);

  AlertBook other;
  // Another process: its steady clock has nothing to do with the old one.
  pass(2min);
  now.steady += 77h;
  ASSERT_TRUE(other.restore(saved, now).has_value());
  EXPECT_EQ(other.save(now), [&] {
    AlertBook again;
    EXPECT_TRUE(again.restore(other.save(now), now).has_value());
    return again.save(now);
  }());
  book = std::move(other);
  EXPECT_EQ(book.silences().size(), 1U);
  EXPECT_THAT(told(), ElementsAre("resolved dead x1")) << "what was due and not taken";
  EXPECT_THAT(dead({"told"}), IsEmpty());
  EXPECT_THAT(used(85), ElementsAre("high firing")) << "the time that it held counts";
  pass(10s);
  EXPECT_THAT(told(), ElementsAre("firing high x1"));
  AlertBook untouched;
  EXPECT_TRUE(untouched.restore("{\"version\": 2}", now).has_error());
  EXPECT_TRUE(untouched.restore("nonsense", now).has_error());
}

// Every reading is told in advance; the oracle looks at all of them anew each time: it fires at
// reading n where some run of true readings, long enough, ended at or before n with nothing that
// clears between.
TEST_F(Book, AgreesWithAnObviousOracleOnRandomReadings) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    AlertBook fresh;
    book = std::move(fresh);
    evaluator = std::make_unique<Evaluator>(rules);
    struct Reading {
      SteadyTime at;
      std::int64_t value;
    };
    std::vector<Reading> readings;
    bool fired = false;
    for (int step = 0; step < 60; ++step) {
      pass(std::chrono::seconds(std::uniform_int_distribution(1, 90)(random)));
      if (random() % 50 == 0) now.wall -= 3h;
      const std::int64_t value = std::array<std::int64_t, 5>{60, 70, 75, 81, 85}.at(random() % 5);
      const auto kept = random() % 2 == 0 && !readings.empty() ? readings.back().value : value;
      readings.push_back({now.steady, kept});
      const auto changes = used(kept);

      bool expected = false;
      for (std::size_t end = 0; end < readings.size(); ++end) {
        std::size_t begin = end;
        if (readings[end].value <= 80) continue;
        while (begin > 0 && readings[begin - 1].value > 80) --begin;
        if (readings[end].at - readings[begin].at < 2min) continue;
        expected = expected ||
                   std::none_of(readings.begin() + static_cast<std::ptrdiff_t>(end), readings.end(),
                                [](const Reading& one) { return one.value <= 70; });
      }
      const auto alerts = book.alerts();
      const bool actual = !alerts.empty() && alerts[0].state == AlertState::firing;
      ASSERT_EQ(actual, expected) << "seed " << seed << " step " << step;
      ASSERT_EQ(changes.size(), actual == fired ? 0U : 1U) << "seed " << seed << " step " << step;
      fired = actual;
    }
  }
}

TEST(Matcher, TakesStarsAndNegation) {
  const std::map<std::string, std::string> labels{{"node", "h1:5432/lyceum"}};
  const auto fits = [&](std::string_view text) { return Matcher::parse(text)->matches(labels); };
  EXPECT_TRUE(fits("node=h1:5432/lyceum"));
  EXPECT_TRUE(fits("node=h1*"));
  EXPECT_TRUE(fits("node=*:5432*um"));
  EXPECT_FALSE(fits("node=h1"));
  EXPECT_FALSE(fits("node!=h1*"));
  EXPECT_TRUE(fits("node!=h2*"));
  EXPECT_TRUE(fits("team!=db"));
  EXPECT_TRUE(Matcher::parse("nonsense").has_error());
  EXPECT_TRUE(Matcher::parse("=x").has_error());
}

// What every node has to agree on.
// Rules that look back over time: what they know of it.
class Remembered : public ::testing::Test {
 protected:
  static std::shared_ptr<const RuleSet> made_rules() {
    const std::vector<RuleFile> files{{.name = "made.toml", .text = R"toml(
[[rule]]
name = "busy"
collector = "wal"
value = "increase(records, 1h)"
above = 1000
summary = "{value:count}"
why = "w"
)toml"}};
    auto loaded = load_rules(files);
    if (loaded.has_error()) throw std::runtime_error(loaded.error().message);
    return std::make_shared<const RuleSet>(std::move(*loaded));
  }
  Sample wal(std::int64_t records, std::int64_t epoch = 1) const {
    Sample out{.source = {.collector = "wal", .node = "h1", .database = ""},
               .at = now.wall,
               .epoch = epoch,
               .rows = {}};
    Row row(find_collector("wal")->columns.size());
    row.at(static_cast<std::size_t>(find_collector("wal")->position("records"))) = records;
    out.rows.push_back(std::move(row));
    return out;
  }
  void pass(Duration time) {
    now.steady += time;
    now.wall += std::chrono::duration_cast<std::chrono::microseconds>(time);
  }
  // What the rule measures now; nothing where it is not known.
  std::optional<double> measured(const Sample& sample) {
    const auto found = evaluator.take(sample, now.steady).conditions;
    return found.empty() || !found[0].known ? std::nullopt : found[0].value;
  }
  std::shared_ptr<const RuleSet> rules = made_rules();
  Evaluator evaluator{rules};
  Moment now{.steady = SteadyTime(1h), .wall = Timestamp(1'800'000'000s)};
};

TEST_F(Remembered, WhatWasReadBeforeThisProcessBeganCounts) {
  for (int minute = 0; minute <= 70; minute += 10) {
    evaluator.remember(wal(minute * 100));
    pass(10min);
  }
  // An hour ago it was 2000.
  EXPECT_EQ(measured(wal(8000)), 6000);
  Evaluator fresh(rules);
  const auto found = fresh.take(wal(8000), now.steady).conditions;
  EXPECT_TRUE(found.empty() || !found[0].known) << "without a past nothing is known";
}

TEST_F(Remembered, NothingIsMeasuredAcrossAnEpochThatIsRemembered) {
  for (int minute = 0; minute <= 70; minute += 10) {
    evaluator.remember(wal(minute * 100, minute < 40 ? 1 : 2));
    pass(10min);
  }
  EXPECT_EQ(measured(wal(8000, 2)), std::nullopt);
}

TEST_F(Remembered, AClockThatIsSetChangesNoMeasure) {
  std::int64_t records = 0;
  for (int i = 0; i < 7; ++i) {
    (void)measured(wal(records));
    pass(10min);
    records += 500;
  }
  EXPECT_EQ(measured(wal(records)), 3000);
  for (const auto by : {std::chrono::hours(240), std::chrono::hours(-300)}) {
    now.wall += by;
    pass(10min);
    records += 500;
    EXPECT_EQ(measured(wal(records)), 3000) << "set by " << by.count() << " h";
  }
}

TEST_F(Remembered, SaysHowFarBackItLooks) {
  const auto wanted = evaluator.wanted();
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_EQ(wanted[0].collector, "wal");
  EXPECT_GE(wanted[0].reach, 1h);
  EXPECT_EQ(wanted[0].step, 1min);
}

TEST(Everywhere, HoldsWhereItHoldsOnEveryNode) {
  const std::vector<RuleFile> files{{.name = "made.toml", .text = R"(
[[rule]]
name = "unused"
collector = "indexes"
everywhere = true
when = "idx_scan = 0"
summary = "{indexrelname}"
why = "w"
)"}};
  auto loaded = load_rules(files);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  const auto rules = std::make_shared<const RuleSet>(std::move(*loaded));
  Evaluator evaluator(rules);
  AlertBook book;
  Moment now{.steady = SteadyTime(1h), .wall = Timestamp(1'800'000'000s)};
  const auto sample = [&](const std::string& node, std::int64_t scans) {
    Sample out{.source = {.collector = "indexes", .node = node, .database = "d"},
               .at = now.wall,
               .epoch = 1,
               .rows = {}};
    Row row(find_collector("indexes")->columns.size());
    row[0] = std::string("s"), row[1] = std::string("t"), row[2] = std::string("i"), row[3] = scans;
    out.rows.push_back(row);
    return out;
  };
  const auto take = [&](const Sample& one) {
    now.steady += 1min;
    now.wall += 1min;
    return book.observe(one.source, evaluator.take(one), now).size();
  };
  (void)take(sample("replica", 3));
  EXPECT_EQ(take(sample("primary", 0)), 0U);
  EXPECT_THAT(book.alerts(), IsEmpty());
  (void)take(sample("replica", 0));
  (void)take(sample("primary", 0));
  ASSERT_EQ(book.alerts().size(), 1U);
  EXPECT_EQ(book.alerts()[0].node, "");
  EXPECT_EQ(take(sample("replica", 1)), 1U);
  EXPECT_THAT(book.alerts(), IsEmpty());

  const std::vector<Sample> one_unused{sample("replica", 3), sample("primary", 0)};
  EXPECT_THAT(verdicts(one_unused, *rules).found, IsEmpty());
  const std::vector<Sample> both_unused{sample("replica", 0), sample("primary", 0)};
  EXPECT_EQ(verdicts(both_unused, *rules).found.size(), 1U);
}

// A primary, its replica, and a rule on what both have.
class Replicated : public ::testing::Test {
 protected:
  static std::shared_ptr<const RuleSet> made() {
    const std::vector<RuleFile> files{{.name = "made.toml", .text = R"(
[[rule]]
name = "sequence"
collector = "sequences"
replicated = true
value = "used"
above = 0.9
summary = "{value}"
why = "w"
[[rule]]
name = "busy"
collector = "sequences"
value = "used"
above = 0.5
summary = "{value}"
why = "w"
)"}};
    auto loaded = load_rules(files);
    if (loaded.has_error()) throw Exception(loaded.error());
    return std::make_shared<const RuleSet>(std::move(*loaded));
  }
  void take(const Sample& sample) {
    now.steady += 1min;
    now.wall += 1min;
    for (const auto& change : book.observe(sample.source, evaluator.take(sample), now)) {
      changes.push_back(fmt::format("{} {} {}", change.alert.rule, change.alert.node,
                                    name_of(change.alert.state)));
    }
  }
  void role(const std::string& node, bool recovering) {
    Sample out{.source = {.collector = "server", .node = node}, .at = now.wall, .epoch = 1};
    const auto* collector = find_collector("server");
    out.rows.push_back(
        RowOf(*collector).set("in_recovery", std::int64_t{recovering ? 1 : 0}).take());
    take(out);
  }
  void used(const std::string& node, std::optional<double> share) {
    Sample out{.source = {.collector = "sequences", .node = node, .database = "d"},
               .at = now.wall,
               .epoch = 1};
    if (share) {
      out.rows.push_back(RowOf(*find_collector("sequences"))
                             .set("schemaname", "s")
                             .set("sequencename", "q")
                             .set("used", *share)
                             .take());
    }
    take(out);
  }
  std::vector<std::string> told() { return std::exchange(changes, {}); }

  Evaluator evaluator{made()};
  AlertBook book;
  Moment now{.steady = SteadyTime(1h), .wall = Timestamp(1'800'000'000s)};
  std::vector<std::string> changes;
};

TEST_F(Replicated, IsSaidOnceOfThePrimary) {
  role("replica", true);
  role("primary", false);
  for (int i = 0; i < 4; ++i) {
    used("replica", 0.96);
    used("primary", 0.95);
  }
  // What is not replicated is each node's own.
  EXPECT_THAT(told(), UnorderedElementsAre("sequence primary firing", "busy primary firing",
                                           "busy replica firing"));
  used("replica", 0.1);
  EXPECT_THAT(told(), ElementsAre("busy replica resolved")) << "a replica that lags ends nothing";
  used("primary", 0.1);
  EXPECT_THAT(told(), UnorderedElementsAre("sequence primary resolved", "busy primary resolved"));
  EXPECT_THAT(book.alerts(), IsEmpty());
}

TEST_F(Replicated, AReplicaSpeaksForAPrimaryThatIsAway) {
  role("replica", true);
  role("primary", false);
  used("primary", 0.95);
  used("replica", 0.95);
  told();
  // Nothing is read of the primary any more.
  for (int i = 0; i < 20; ++i) used("replica", 0.95);
  EXPECT_THAT(told(), IsEmpty());
  for (const auto& alert : book.alerts()) {
    if (alert.rule == "sequence") {
      EXPECT_EQ(alert.node, "primary");
      EXPECT_EQ(alert.state, AlertState::firing);
      EXPECT_FALSE(alert.stale);
    }
  }
  // Another thing goes wrong meanwhile, and this one does no more.
  used("replica", std::nullopt);
  EXPECT_THAT(told(), UnorderedElementsAre("sequence primary resolved", "busy replica resolved"));
  used("replica", 0.97);
  EXPECT_THAT(told(), UnorderedElementsAre("sequence primary firing", "busy replica firing"));
  // The primary comes back, and it is its word again.
  used("primary", 0.97);
  used("replica", 0.2);
  EXPECT_THAT(told(), ElementsAre("busy replica resolved"));
}

TEST_F(Replicated, WhoIsPromotedSpeaksForItself) {
  role("old", false);
  role("new", true);
  used("old", 0.95);
  told();
  role("new", false);
  used("new", 0.95);
  EXPECT_THAT(told(), UnorderedElementsAre("sequence new firing", "busy new firing"));
  // The old one comes back as a replica, and has nothing to say of its own.
  role("old", true);
  used("old", 0.95);
  EXPECT_THAT(told(), ElementsAre("sequence old resolved"));
}

TEST_F(Replicated, SurvivesARestart) {
  role("replica", true);
  role("primary", false);
  used("primary", 0.95);
  AlertBook again;
  ASSERT_TRUE(again.restore(book.save(now), now).has_value());
  book = again;
  evaluator = Evaluator(made());
  told();
  role("replica", true);
  role("primary", false);
  used("replica", 0.95);
  used("primary", 0.95);
  EXPECT_THAT(told(), ElementsAre("busy replica firing"));
  used("primary", std::nullopt);
  EXPECT_THAT(told(), UnorderedElementsAre("sequence primary resolved", "busy primary resolved"));
}

TEST(Verdicts, JudgeOneSampleWorstFirstAndSayWhatTheyCannot) {
  const auto rules = load_rules("");
  ASSERT_TRUE(rules.has_value());
  const auto sample = [&](std::string_view collector, const std::map<std::string, Value>& cells) {
    const auto* found = find_collector(collector);
    Sample out{.source = {.collector = std::string(collector), .node = "h1", .database = "d"},
               .at = Timestamp(1'800'000'000s),
               .epoch = 1,
               .rows = {}};
    Row row(found->columns.size());
    for (const auto& [name, value] : cells)
      row.at(static_cast<std::size_t>(found->position(name))) = value;
    out.rows.push_back(row);
    return out;
  };
  const std::vector<Sample> samples{
      sample("tables", {{"schemaname", std::string("public")},
                        {"relname", std::string("My \"T\"")},
                        {"dead_tuples", std::int64_t{5000}},
                        {"vacuum_threshold", std::int64_t{100}}}),
      sample("connections", {{"used", std::int64_t{95}}, {"usable", std::int64_t{97}}}),
      sample("statements", {{"queryid", std::int64_t{7}},
                            {"query", std::string("select 1")},
                            {"calls", std::int64_t{11}},
                            {"mean_exec_time", 1500.0},
                            {"total_exec_time", 16500.0}}),
      sample("databases", {{"database", std::string("d")}, {"deadlocks", std::int64_t{9}}}),
  };
  const auto found = verdicts(samples, *rules);
  std::vector<std::string> names;
  for (const auto& one : found.found) names.push_back(one.rule);
  EXPECT_THAT(names, ElementsAre("connections_exhausted", "dead_rows", "statement_slow"));
  EXPECT_EQ(found.found[1].mend, "VACUUM (ANALYZE, VERBOSE) \"public\".\"My \"\"T\"\"\";");
  EXPECT_THAT(found.found[2].summary, HasSubstr("takes 1.5 s on average: select 1"));
  const auto why = [&](std::string_view rule) -> std::string {
    for (const auto& [name, reason] : found.unjudged) {
      if (name == rule) return reason;
    }
    return "";
  };
  EXPECT_EQ(why("deadlocks"), "not enough history");
  EXPECT_EQ(why("slot_lost"), "slots was not read");
  EXPECT_EQ(why("statement_slow"), "");
}

}  // namespace
}  // namespace lyceum::watch
