// lyceum replicas on a real primary with a real replica.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "support/postgres.h"

namespace lyceum::cli_test {
namespace {

using ::testing::HasSubstr;

TEST(Replicas, ShowsEachServerAndWhatIsWrongWithIt) {
  const auto place = local::Ephemeral::make().value();
  auto cluster = place.up({.replicas = 1, .durable = false}).value();
  const Environment environment{"DATABASE_PRIMARY_URL=" + cluster.primary().url(),
                                "DATABASE_REPLICA_1_URL=" + cluster.replica(0).url()};
  const auto replayed = [&] {
    return lyceum::testing::psql_value(cluster.replica(0).url(), "select pg_last_wal_replay_lsn()");
  };
  // A server writes a record of its own now and then: the position lies between what the replica
  // says before and after.
  const auto earliest = replayed();
  const auto well = run_lyceum({"replicas", "--json"}, environment);
  const auto latest = replayed();
  ASSERT_EQ(well.exit_status, 0) << well.err;
  const auto document = json_of(well);
  EXPECT_EQ(keys_of(document), (Keys{"primary", "timeline", "alarm", "nodes", "replicas"}));
  ASSERT_EQ(document.at("nodes").as_array().size(), 2U);
  const auto& replica = document.at("nodes").as_array()[1];
  EXPECT_EQ(replica.at("role").as_string(), "replica");
  EXPECT_EQ(replica.at("standing").as_string(), "serving");
  EXPECT_EQ(keys_of(replica),
            (Keys{"name", "role", "standing", "why", "timeline", "lsn", "received_lsn", "receiving",
                  "lag_bytes", "lag_seconds", "latency_ms", "connections", "max_connections"}));
  // The guide's ReplicationLagInfo.
  const auto& info = document.at("replicas").as_array().at(0);
  EXPECT_EQ(info.at("replicaIndex").as_int64(), 0);
  EXPECT_TRUE(info.at("healthy").as_bool());
  EXPECT_EQ(lyceum::testing::psql_value(
                cluster.primary().url(),
                fmt::format("select '{}'::pg_lsn between '{}' and '{}'",
                            std::string_view(info.at("replicaLSN").as_string()), earliest, latest)),
            "t");
  EXPECT_TRUE(info.as_object().contains("primaryLSN"));

  // Behind for longer than anybody has looked: the replica itself knows by how much, at least.
  lyceum::testing::psql(cluster.replica(0).url(), "select pg_wal_replay_pause()");
  lyceum::testing::psql(cluster.primary().url(),
                        "create table t (n int); insert into t select generate_series(1, 1000)");
  const auto behind = json_of(run_lyceum({"replicas", "--json"}, environment));
  EXPECT_GT(behind.at("nodes").as_array()[1].at("lag_bytes").to_number<std::int64_t>(), 0);
  EXPECT_GT(behind.at("replicas").as_array()[0].at("lagSeconds").to_number<double>(), 0);

  ASSERT_TRUE(cluster.replica(0).stop());
  const auto down = run_lyceum({"replicas"}, environment);
  EXPECT_EQ(down.exit_status, 3);
  EXPECT_THAT(down.out, HasSubstr("down"));
  const auto info_down = json_of(run_lyceum({"replicas", "--json"}, environment))
                             .at("replicas")
                             .as_array()
                             .at(0)
                             .as_object();
  EXPECT_FALSE(info_down.at("healthy").as_bool());
  EXPECT_EQ(info_down.at("lagSeconds").to_number<double>(), -1);
  EXPECT_TRUE(info_down.contains("error"));
}

TEST(Replicas, OneServerTwiceIsAMistake) {
  const auto twice = run_lyceum({"replicas"}, {"DATABASE_PRIMARY_URL=postgresql://h/lyceum",
                                               "DATABASE_REPLICA_1_URL=postgresql://h/lyceum"});
  EXPECT_EQ(twice.exit_status, 2);
  EXPECT_THAT(twice.err, HasSubstr("twice"));
}

}  // namespace
}  // namespace lyceum::cli_test
