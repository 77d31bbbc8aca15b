// Private clusters, as scripts use them.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "local/ephemeral.h"
#include "support/postgres.h"

namespace lyceum::cli_test {
namespace {

using ::testing::HasSubstr;

const Keys kServerKeys{"url", "running", "port", "pid", "log"};

std::string url_at(const boost::json::value& server) {
  return std::string(server.at("url").as_string());
}

TEST(Local, UpStatusPsqlDownWithStableKeys) {
  // Ends and removes what is left of the servers if this test does not.
  const auto place = local::Ephemeral::make();
  const auto directory = place.value().directory().string();
  const auto with_place = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--name", "demo", "--directory", directory});
    return arguments;
  };

  const auto up = run_lyceum(with_place(
      {"local", "up", "--fast", "--replicas", "1", "--shards", "1", "--synchronous", "--json"}));
  ASSERT_EQ(up.exit_status, 0) << up.err;
  const auto document = json_of(up);
  EXPECT_EQ(keys_of(document), (Keys{"name", "directory", "primary", "replicas", "shards"}));
  EXPECT_EQ(document.at("name").as_string(), "demo");
  ASSERT_EQ(document.at("replicas").as_array().size(), 1U);
  ASSERT_EQ(document.at("shards").as_array().size(), 1U);
  const auto& primary = document.at("primary");
  const auto& replica = document.at("replicas").as_array()[0];
  const auto& shard = document.at("shards").as_array()[0];
  for (const auto& [server, in_recovery] :
       {std::pair(primary, "f"), std::pair(replica, "t"), std::pair(shard, "f")}) {
    EXPECT_EQ(keys_of(server), kServerKeys);
    EXPECT_TRUE(server.at("running").as_bool());
    EXPECT_EQ(testing::psql_value(url_at(server), "select pg_is_in_recovery()"), in_recovery);
    EXPECT_EQ(testing::psql_value(url_at(server), "show port"),
              std::to_string(server.at("port").as_int64()));
  }

  EXPECT_EQ(testing::psql_value(url_at(primary), "show synchronous_standby_names"),
            "ANY 1 (\"replica-1\")");

  const auto status = run_lyceum(with_place({"local", "status", "--json"}));
  EXPECT_EQ(status.exit_status, 0) << status.err;
  EXPECT_EQ(json_of(status), document);
  const auto table = run_lyceum(with_place({"local", "status"}));
  EXPECT_THAT(table.out, HasSubstr(url_at(primary)));

  // A second up finds it running: the same processes.
  const auto again = run_lyceum(with_place({"local", "up", "--json"}));
  EXPECT_EQ(again.exit_status, 0) << again.err;
  EXPECT_EQ(json_of(again), document);

  // psql takes what stands behind --, and its exit status is psql's.
  const auto psql = run_lyceum(
      {"local", "psql", "--name", "demo", "--directory", directory, "--", "-Atc", "select 40 + 2"});
  EXPECT_EQ(psql.exit_status, 0) << psql.err;
  EXPECT_EQ(psql.out, "42\n");
  const auto failing = run_lyceum({"local", "psql", "--name", "demo", "--directory", directory,
                                   "--", "-c", "selekt", "-v", "ON_ERROR_STOP=1"});
  EXPECT_EQ(failing.exit_status, 1);
  EXPECT_THAT(failing.err, HasSubstr("selekt"));

  // Kept data are there again after the next up.
  testing::psql(url_at(primary), "create table kept ()");
  EXPECT_EQ(run_lyceum(with_place({"local", "down", "--keep-data"})).exit_status, 0);
  const auto stopped = run_lyceum(with_place({"local", "status", "--json"}));
  EXPECT_EQ(stopped.exit_status, 3);
  EXPECT_FALSE(json_of(stopped).at("primary").at("running").as_bool());
  const auto returned = run_lyceum(with_place({"local", "up", "--json"}));
  ASSERT_EQ(returned.exit_status, 0) << returned.err;
  EXPECT_EQ(testing::psql_value(url_at(json_of(returned).at("primary")),
                                "select to_regclass('kept') is not null"),
            "t");

  const auto down = run_lyceum(with_place({"local", "down", "--json"}));
  EXPECT_EQ(down.exit_status, 0) << down.err;
  EXPECT_EQ(down.out, "{\"down\":true}\n");
  EXPECT_FALSE(std::filesystem::exists(directory + "/demo"));
  for (const auto* command : {"status", "down", "psql"}) {
    const auto gone = run_lyceum(with_place({"local", command}));
    EXPECT_EQ(gone.exit_status, 1) << command;
    EXPECT_EQ(lines_of(gone.err), 1) << gone.err;
    EXPECT_THAT(gone.err, HasSubstr("lyceum local up --name demo")) << command;
  }
}

TEST(Local, TheConfigurationNamesThePlaceAndTheBinaries) {
  const auto place = local::Ephemeral::make();
  const auto directory = place.value().directory().string();
  const auto refused =
      run_lyceum({"local", "up", "--name", "there"},
                 {"LYCEUM_LOCAL_DIRECTORY=" + directory, "LYCEUM_LOCAL_BINARIES=/nowhere/bin"});
  EXPECT_EQ(refused.exit_status == 1 || refused.exit_status == 2, true) << refused.exit_status;
  EXPECT_THAT(refused.err, HasSubstr("/nowhere/bin"));
  const auto missing =
      run_lyceum({"local", "status", "--name", "there"}, {"LYCEUM_LOCAL_DIRECTORY=" + directory});
  EXPECT_EQ(missing.exit_status, 1);
  EXPECT_THAT(missing.err, HasSubstr(directory));
}

}  // namespace
}  // namespace lyceum::cli_test
