#include "watch/rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watch/proof.h"

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

Result<RuleSet> rules_of(const std::string& text) {
  const std::vector<RuleFile> files{shipped_rules(), {.name = "mine.toml", .text = text}};
  return load_rules(files);
}

std::string problem_of(const std::string& text) {
  const auto loaded = rules_of(text);
  return loaded.has_error() ? loaded.error().message : "";
}

TEST(ShippedRules, EachHasAProofThatFiresAndClearsAndANeighbourThatDoesNot) {
  const auto rules = load_rules("");
  ASSERT_TRUE(rules.has_value()) << rules.error().to_string();
  EXPECT_GE(rules->rules.size(), 45U);
  for (const auto& rule : rules->rules) {
    EXPECT_FALSE(rule.proofs.empty()) << rule.name << " has no proof";
    std::size_t neighbours = 0;
    for (const auto& proof : rule.proofs) {
      const auto outcome = prove(rule, proof);
      EXPECT_TRUE(outcome.passed()) << rule.name << ": " << outcome.problem;
      neighbours += proof.stays.size();
    }
    EXPECT_GT(neighbours, 0U) << rule.name << " has no neighbour that stays";
    EXPECT_FALSE(rule.mend.empty()) << rule.name << " has no mending SQL";
  }
}

TEST(ShippedRules, HoldTheGuidesAndTheReferencesThresholds) {
  const auto rules = load_rules("");
  ASSERT_TRUE(rules.has_value());
  const auto threshold = [&](std::string_view name) {
    const auto* rule = rules->find(name);
    if (rule == nullptr) return std::string("no such rule");
    return rule->above   ? rule->above->text()
           : rule->below ? rule->below->text()
                         : rule->when->text();
  };
  const std::vector<std::pair<std::string_view, std::string_view>> expected = {
      {"statement_slow", "1s"},
      {"connections_high", "80%"},
      {"connections_exhausted", "90%"},
      {"pool_queue_long", "10"},
      {"cache_hit_low", "90%"},
      {"idle_in_transaction", "300"},
      {"idle_in_transaction_long", "900"},
      {"xid_wraparound_near", "50%"},
      {"xid_wraparound_imminent", "75%"},
      {"multixact_wraparound_near", "50%"},
      {"multixact_wraparound_imminent", "75%"},
      {"xid_freeze_late", "110%"},
      {"xid_freeze_stuck", "125%"},
      {"multixact_freeze_late", "110%"},
      {"multixact_freeze_stuck", "125%"},
      {"sequence_running_out", "90%"},
      {"lock_wait", "30"}};
  for (const auto& [name, text] : expected) EXPECT_EQ(threshold(name), text) << name;
  EXPECT_THAT(threshold("dead_rows"), HasSubstr("dead_tuples > 1000"));
  EXPECT_THAT(threshold("dead_rows"), HasSubstr("seconds_since_autovacuum > 1h"));
  EXPECT_THAT(threshold("index_unused"), HasSubstr("35d"));
}

// A proof proves something only where one that is wrong fails.
TEST(Proof, FailsWhereTheRuleIsNotWhatItSays) {
  const auto outcome = [](const std::string& rule, const std::string& proof) {
    const auto rules = rules_of(
        "[[rule]]\nname = \"mine\"\ncollector = \"connections\"\n"
        "summary = \"s\"\nwhy = \"w\"\n" +
        rule + "\n[[rule.proof]]\n" + proof);
    EXPECT_TRUE(rules.has_value()) << rules.error().message;
    const auto* found = rules->find("mine");
    return prove(*found, found->proofs.at(0)).problem;
  };
  const std::string rule = "value = \"used\"\nabove = 10\nfor = \"5m\"";
  EXPECT_EQ(outcome(rule, "row = {used = 1}\nfires = {used = 11}\nstays = {used = 10}"), "");
  EXPECT_EQ(outcome(rule, "row = {used = 1}\nfires = {used = 10}"), "it does not fire");
  EXPECT_EQ(outcome(rule, "row = {used = 11}\nfires = {used = 12}"),
            "it fires for the row as it is");
  EXPECT_THAT(outcome(rule, "row = {used = 1}\nfires = {used = 12}\nstays = {used = 11}"),
              HasSubstr("neighbour 1"));
  EXPECT_EQ(outcome(rule, "row = {used = 1}\nfires = {used = 12}\nclears = {used = 11}"),
            "it does not clear");
  EXPECT_EQ(outcome("value = \"used\"\nabove = 10\nclear = 5",
                    "row = {used = 1}\nfires = {used = 12}\nclears = {used = 6}"),
            "it does not clear");
}

TEST(RuleFile, AUsersFileAddsChangesAndSwitchesOff) {
  const auto rules = rules_of(R"(
[[rule]]
name = "connections_high"
above = "60%"
clear = "50%"

[[rule]]
name = "deadlocks"
enabled = false

[[rule]]
name = "lock_wait"
severity = "critical"
labels = { team = "db" }

[[rule]]
name = "too_many_active"
collector = "connections"
value = "active"
above = 32
summary = "{active} run"
why = "There are two processors."
)");
  ASSERT_TRUE(rules.has_value()) << rules.error().message;
  const auto* changed = rules->find("connections_high");
  ASSERT_NE(changed, nullptr);
  EXPECT_EQ(changed->above->text(), "60%");
  EXPECT_EQ(changed->hold, 2min);
  EXPECT_TRUE(changed->proofs.empty()) << "the proof of another threshold proves nothing";
  EXPECT_EQ(rules->find("deadlocks"), nullptr);
  EXPECT_THAT(rules->off, ::testing::ElementsAre("deadlocks"));
  EXPECT_EQ(rules->find("lock_wait")->severity, Severity::critical);
  EXPECT_FALSE(rules->find("lock_wait")->proofs.empty());
  EXPECT_EQ(rules->find("lock_wait")->labels.at("team"), "db");
  EXPECT_NE(rules->find("too_many_active"), nullptr);
}

TEST(RuleFile, ErrorsNameFileLineRuleAndKey) {
  const std::string begin = "[[rule]]\nname = \"mine\"\n";
  const std::string whole = begin + "collector = \"connections\"\nsummary = \"s\"\nwhy = \"w\"\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[[rule]\n", "mine.toml:1: this is not TOML"},
      {"rules = 1\n", "mine.toml:1: 'rules' has no meaning here"},
      {"[[rule]]\nvalue = \"used\"\n", "mine.toml:1: a rule needs a name"},
      {begin + "abve = 3\n",
       "mine.toml:3: rule 'mine': there is no key 'abve'; did you mean 'above'?"},
      {begin + "collector = \"connection\"\n",
       "mine.toml:3: rule 'mine', key 'collector': there is no collector 'connection'; did you "
       "mean "
       "'connections'?"},
      {begin, "mine.toml:1: rule 'mine', key 'collector': it is missing"},
      {whole, "key 'above': it is missing"},
      {whole + "value = \"usd\"\nabove = 1\n",
       "mine.toml:6: rule 'mine', key 'value': at position 1: collector 'connections' has no "
       "column "
       "'usd'; did you mean 'used'?"},
      {whole + "value = \"used\"\nabove = 1\nbelow = 2\n", "one of above, below and when"},
      {whole + "value = \"used\"\nabove = 1\nclear = 2\n",
       "mine.toml:8: rule 'mine', key 'clear': it lies beyond"},
      {whole + "value = \"used\"\nabove = 1\nseverity = \"bad\"\n", "there are info, warning"},
      {whole + "value = \"used\"\nabove = 1\nfor = \"5\"\n", "key 'for'"},
      {whole + "when = \"used + 1\"\n", "key 'when': it is no condition"},
      {whole + "value = \"used\"\nabove = 1\nlabels = { node = \"x\" }\n", "node is Lyceum's own"},
      {whole + "value = \"used\"\nabove = 1\n[[rule.proof]]\nfires = { usd = 1 }\n",
       "no column 'usd'"},
      {whole + "value = \"used\"\nabove = 1\n[[rule.proof]]\nrow = { used = 1 }\n",
       "fires is missing"},
      {whole + "value = \"used\"\nabove = 1\n" + whole, "there is a rule 'mine' already"},
      {begin + "collector = \"tables\"\nvalue = \"dead_tuples\"\nabove = 1\nsummary = \"s\"\nwhy = "
               "\"w\"\n"
               "mend = \"VACUUM {relname};\"\n",
       "in SQL, a text is an identifier or a literal: write {relname:ident}"},
      {begin + "collector = \"tables\"\nvalue = \"dead_tuples\"\nabove = 1\nwhy = \"w\"\n"
               "summary = \"{dead_tuples:bites}\"\n",
       "'bites' is no way to show it"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(problem_of(text), HasSubstr(expected)) << text;
}

TEST(Template, NoNameOfATableBreaksOutOfTheSql) {
  EXPECT_EQ(sql_identifier("stories"), "\"stories\"");
  EXPECT_EQ(sql_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(sql_identifier("a\nb\\"), "U&\"a\\000ab\\\\\"");
  EXPECT_EQ(sql_literal("it's"), "'it''s'");
  EXPECT_EQ(sql_literal("a\\b\nc"), "E'a\\\\b\\x0ac'");
}

TEST(Template, ShowsFigures) {
  const auto* collector = find_collector("tables");
  struct NoPast final : Past {
    [[nodiscard]] std::span<const Stretch> of(int) const override { return {}; }
  } past;
  Row row(collector->columns.size());
  row[0] = std::string("public");
  row[1] = std::string("two\n lines");
  row[static_cast<std::size_t>(collector->position("dead_tuples"))] = std::int64_t{1234567};
  row[static_cast<std::size_t>(collector->position("size_bytes"))] = std::int64_t{1536};
  const auto shown = [&](std::string_view text, Template::Use use = Template::Use::prose) {
    const auto made = Template::compile(text, *collector, use);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return made->render(
        {.cells = row, .at = {}, .past = past, .value = 0.1234, .node = "h1", .database = "d"});
  };
  EXPECT_EQ(shown("{{{relname}}} {dead_tuples:count} {size_bytes:bytes} {value:percent}"),
            "{two lines} 1,234,567 1.5 kB 12.3 %");
  EXPECT_EQ(shown("{node}/{database} {live_tuples} {dead_tuples / 1000:duration}"),
            "h1/d ? 21 min");
  EXPECT_EQ(shown("VACUUM {schemaname:ident};", Template::Use::sql), "VACUUM \"public\";");
  EXPECT_EQ(shown("SELECT {live_tuples};", Template::Use::sql), "");
}

}  // namespace
}  // namespace lyceum::watch
