// lyceum doctor on a database that things are wrong with.

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "support/postgres.h"

namespace lyceum::cli_test {
namespace {

using lyceum::testing::psql;
using lyceum::testing::TestDatabase;
using ::testing::HasSubstr;

// The verdicts of a rule.
std::vector<boost::json::value> of_rule(const boost::json::value& document, std::string_view rule) {
  std::vector<boost::json::value> out;
  for (const auto& one : document.at("verdicts").as_array()) {
    if (one.at("rule").as_string() == rule) out.push_back(one);
  }
  return out;
}

TEST(Doctor, SaysWhatIsWrongWorstFirstWithWhatMendsIt) {
  const TestDatabase database;
  database.query(
      "create table orders (id int generated always as identity, n int);"
      "insert into orders (n) select 1 from generate_series(1, 3);"
      "select setval('orders_id_seq', 2100000000);"
      "create table twice (n int);"
      "insert into twice values (1), (1);");
  // An index that could not be built stays, and is written to.
  EXPECT_THROW(database.query("create unique index concurrently twice_n on twice (n)"),
               std::runtime_error);
  const Environment environment{"DATABASE_URL=" + database.url()};
  const auto found = run_lyceum({"doctor", "--json"}, environment);
  EXPECT_EQ(found.exit_status, 3) << found.err;
  const auto document = json_of(found);
  EXPECT_EQ(keys_of(document), (Keys{"verdicts", "unjudged"}));

  const std::map<std::string, int> gravity{{"critical", 0}, {"warning", 1}, {"info", 2}};
  int last = 0;
  for (const auto& one : document.at("verdicts").as_array()) {
    EXPECT_EQ(keys_of(one), (Keys{"rule", "severity", "node", "database", "labels", "value",
                                  "summary", "why", "mend"}));
    const auto now = gravity.at(std::string(one.at("severity").as_string()));
    EXPECT_GE(now, last);
    last = now;
  }
  bool sequence = false, index = false;
  for (const auto& one : document.at("verdicts").as_array()) {
    const std::string summary(one.at("summary").as_string());
    if (one.at("database").as_string() != database.name()) continue;
    sequence |= summary.find("orders_id_seq") != std::string::npos;
    if (summary.find("twice_n") == std::string::npos) continue;
    index = true;
    EXPECT_THAT(std::string(one.at("mend").as_string()), HasSubstr("twice_n"));
  }
  EXPECT_TRUE(sequence) << found.out;
  EXPECT_TRUE(index) << found.out;

  const auto text = run_lyceum({"doctor"}, environment);
  EXPECT_EQ(text.exit_status, 3);
  EXPECT_THAT(text.out, HasSubstr("twice_n"));
  EXPECT_THAT(text.out, HasSubstr("rules"));
}

TEST(Doctor, ACleanDatabaseNeedsNothing) {
  const auto place = local::Ephemeral::make().value();
  const auto cluster = place.up({.durable = true}).value();
  const auto& server = const_cast<local::Cluster&>(cluster).primary();
  psql(server.url("lyceum"), "create extension if not exists pg_stat_statements");
  const auto well = run_lyceum({"doctor", "--json"}, {"DATABASE_URL=" + server.url("lyceum")});
  const auto document = json_of(well);
  for (const auto& one : document.at("verdicts").as_array()) {
    EXPECT_EQ(one.at("severity").as_string(), "info") << boost::json::serialize(one);
  }
  EXPECT_EQ(well.exit_status, 0) << well.out;
}

TEST(Doctor, AServerThatIsNotThereIsTheFirstVerdict) {
  const auto down =
      run_lyceum({"doctor", "--json"}, {"DATABASE_URL=postgresql://postgres@127.0.0.1:1/none"});
  EXPECT_EQ(down.exit_status, 3) << down.err;
  const auto dead = of_rule(json_of(down), "node_down");
  ASSERT_EQ(dead.size(), 1U) << down.out;
  EXPECT_EQ(dead[0].at("severity").as_string(), "critical");
}

TEST(Doctor, MissingPermissionsAreSaidWithTheirGrant) {
  const TestDatabase database;
  const auto role = "blind_" + database.name();
  database.query("create role " + role + " login");
  auto url = database.url();
  const std::string superuser = "//postgres@";
  url.replace(url.find(superuser), superuser.size(), "//" + role + "@");
  const auto found = run_lyceum({"doctor"}, {"DATABASE_URL=" + url});
  database.query("drop owned by " + role + "; drop role " + role);
  EXPECT_THAT(found.out, HasSubstr("GRANT pg_monitor TO"));
}

}  // namespace
}  // namespace lyceum::cli_test
