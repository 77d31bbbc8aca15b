#include <gtest/gtest.h>

#include "watch/evaluate.h"
#include "watch/history_run.h"

namespace lyceum::watch {
namespace {

Sample server(const std::string& node, bool in_recovery) {
  return {.source = {"server", node, ""},
          .at = at_second(0),
          .rows = {row_of("server", {{"in_recovery", std::int64_t{in_recovery ? 1 : 0}}})}};
}
Sample invalid_index(const std::string& node, const std::string& name) {
  return {.source = {"indexes", node, "d"},
          .at = at_second(0),
          .rows = {row_of("indexes", {{"schemaname", std::string("public")},
                                      {"relname", std::string("t")},
                                      {"indexrelname", name},
                                      {"valid", std::int64_t{0}},
                                      {"constrains", std::int64_t{0}},
                                      {"size_bytes", std::int64_t{8192}}})}};
}

TEST(Verdicts, WhatAReplicaRepeatsIsSaidOnceOfThePrimary) {
  const auto rules = load_rules("").value();
  std::vector<Sample> samples{server("a", true), server("b", false), server("c", true)};
  for (const auto* node : {"a", "b", "c"}) samples.push_back(invalid_index(node, "one"));
  // What only a replica says is said of it.
  samples.push_back(invalid_index("a", "two"));
  std::vector<std::pair<std::string, std::string>> said;
  for (const auto& one : verdicts(samples, rules).found) {
    if (one.rule == "index_invalid") said.emplace_back(one.node, one.labels.at("indexrelname"));
  }
  std::sort(said.begin(), said.end());
  EXPECT_EQ(said, (std::vector<std::pair<std::string, std::string>>{{"a", "two"}, {"b", "one"}}));
}

}  // namespace
}  // namespace lyceum::watch
