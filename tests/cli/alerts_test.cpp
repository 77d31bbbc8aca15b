// lyceum alerts rules|test|replay.

#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"

namespace lyceum::cli_test {
namespace {

using ::testing::HasSubstr;

class Alerts : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    const auto path = (room_.path() / name).string();
    std::ofstream(path) << text;
    return path;
  }

 private:
  testing::TemporaryDirectory room_;
};

TEST_F(Alerts, RulesAreListed) {
  const auto listed = run_lyceum({"alerts", "rules"});
  EXPECT_EQ(listed.exit_status, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("connections_high"));
  const auto document = json_of(run_lyceum({"alerts", "rules", "--json"}));
  EXPECT_EQ(keys_of(document), Keys({"rules", "off"}));
  const auto& rules = document.at("rules").as_array();
  EXPECT_EQ(lines_of(listed.out), static_cast<std::ptrdiff_t>(rules.size()) + 1);
  EXPECT_EQ(keys_of(rules.at(0)), Keys({"name", "collector", "severity", "family", "where", "fires",
                                        "for_seconds", "labels", "why", "proofs", "place"}));
}

TEST_F(Alerts, EveryShippedRuleIsProven) {
  const auto all = run_lyceum({"alerts", "test", "--all", "--json"});
  EXPECT_EQ(all.exit_status, 0) << all.out;
  const auto document = json_of(all);
  EXPECT_TRUE(document.at("passed").as_bool());
  std::set<std::string> proven, listed;
  for (const auto& one : document.at("proofs").as_array()) {
    EXPECT_TRUE(one.at("fired").as_bool() && one.at("cleared").as_bool()) << one;
    proven.emplace(one.at("rule").as_string());
  }
  const auto rules = json_of(run_lyceum({"alerts", "rules", "--json"}));
  for (const auto& one : rules.at("rules").as_array()) listed.emplace(one.at("name").as_string());
  EXPECT_EQ(proven, listed);
}

TEST_F(Alerts, ARuleThatIsNotWhatItSaysFails) {
  const auto rules = file("rules.toml",
                          "[[rule]]\nname = \"mine\"\ncollector = \"connections\"\n"
                          "value = \"used\"\nabove = 10\nsummary = \"s\"\nwhy = \"w\"\n"
                          "[[rule.proof]]\nrow = { used = 1 }\nfires = { used = 10 }\n"
                          "[[rule]]\nname = \"deadlocks\"\nabove = 1\n");
  const auto failed = run_lyceum({"alerts", "test", "mine", "--rules", rules});
  EXPECT_EQ(failed.exit_status, 1);
  EXPECT_THAT(failed.out, HasSubstr("it does not fire"));
  const auto unproven = run_lyceum({"alerts", "test", "deadlocks", "--rules", rules});
  EXPECT_EQ(unproven.exit_status, 1);
  EXPECT_THAT(unproven.out, HasSubstr("it has no proof"));
  EXPECT_EQ(run_lyceum({"alerts", "test", "connections_high"}).exit_status, 0);
}

TEST_F(Alerts, WrongCallsAndFilesAreSaid) {
  const auto near = run_lyceum({"alerts", "test", "connection_high"});
  EXPECT_EQ(near.exit_status, 2);
  EXPECT_THAT(near.err, HasSubstr("did you mean 'connections_high'?"));
  EXPECT_EQ(run_lyceum({"alerts", "test"}).exit_status, 2);
  EXPECT_EQ(run_lyceum({"alerts", "test", "--all", "lock_wait"}).exit_status, 2);
  EXPECT_EQ(run_lyceum({"alerts", "rules", "--rules", "/nowhere.toml"}).exit_status, 1);
  EXPECT_EQ(run_lyceum({"alerts", "replay", "/nowhere.json"}).exit_status, 1);
  const auto bad = file("bad.toml", "[[rule]]\nname = \"mine\"\nabve = 1\n");
  const auto wrong = run_lyceum({"alerts", "rules", "--rules", bad});
  EXPECT_EQ(wrong.exit_status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("bad.toml:3: rule 'mine': there is no key 'abve'"));
  const auto lines = file("bad.jsonl", "\n{\"collector\": \"connections\", \"data\": []}\n");
  const auto no_sample = run_lyceum({"alerts", "replay", lines});
  EXPECT_EQ(no_sample.exit_status, 2);
  EXPECT_THAT(no_sample.err, HasSubstr("line 2"));
}

std::string sample(std::int64_t minute, int used) {
  return fmt::format(
      R"({{"timestamp": {}, "node": "h1", "database": "", "epoch": 1, "data": [{{"used": {}, "usable": 100, "unknown": 1}}]}})",
      1'767'225'600'000 + minute * 60'000, used);
}

TEST_F(Alerts, ARecordedHistoryIsPlayedInItsOrder) {
  const std::string lines = [] {
    std::string out;
    // Not in the order of time.
    for (const auto& [minute, used] : {std::pair{4, 70}, {0, 85}, {1, 84}, {2, 83}, {3, 79}}) {
      auto line = sample(minute, used);
      line.insert(1, "\"collector\": \"connections\", ");
      out += line + '\n';
    }
    return out;
  }();
  const auto played = run_lyceum({"alerts", "replay", file("recorded.jsonl", lines)});
  EXPECT_EQ(played.exit_status, 0) << played.err;
  EXPECT_EQ(played.out,
            "2026-01-01T00:02:00.000Z firing   warning  connections_high h1: 83 % of the "
            "connections are in use: 83 of 100, ? of them idle\n"
            "2026-01-01T00:04:00.000Z resolved warning  connections_high h1: 79 % of the "
            "connections are in use: 79 of 100, ? of them idle\n"
            "5 samples, 2 changes\n");

  // What `lyceum history --json` prints.
  const auto document = fmt::format("{{\"connections\": [{}, {}, {}], \"of_another_time\": [{}]}}",
                                    sample(0, 85), sample(2, 83), sample(4, 70), sample(0, 1));
  const auto result =
      json_of(run_lyceum({"alerts", "replay", file("history.json", document), "--json"}));
  EXPECT_EQ(result.at("samples"), 3);
  const auto& changes = result.at("changes").as_array();
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].at("state"), "firing");
  EXPECT_EQ(changes[0].at("at"), "2026-01-01T00:02:00.000Z");
  EXPECT_EQ(changes[1].at("state"), "resolved");
  EXPECT_EQ(changes[1].at("labels").at("node"), "h1");
}

}  // namespace
}  // namespace lyceum::cli_test
