#include "base/config.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

#include "support/paths.h"

namespace lyceum {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ConfigurationSources file(std::string text) {
  ConfigurationSources sources;
  sources.file = {"lyceum.toml", std::move(text)};
  return sources;
}

ConfigurationSources environment(std::map<std::string, std::string> variables) {
  ConfigurationSources sources;
  sources.environment = std::move(variables);
  return sources;
}

LoadedConfiguration loaded(const ConfigurationSources& sources) {
  auto result = load_configuration(sources);
  EXPECT_TRUE(result) << (result ? "" : result.error().to_string());
  return result ? *std::move(result) : LoadedConfiguration{};
}

std::string problem(const ConfigurationSources& sources) {
  const auto result = load_configuration(sources);
  EXPECT_FALSE(result);
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::kConfiguration);
  return result.error().to_string();
}

SettingRow row(const LoadedConfiguration& configuration, std::string_view key) {
  for (const auto& one : configuration.rows) {
    if (one.key == key) return one;
  }
  ADD_FAILURE() << "no row " << key;
  return {};
}

TEST(Config, TheGuidesDefaultsStandWhereNothingIsSet) {
  const auto configuration = loaded({});
  const auto& database = configuration.values.database;
  EXPECT_FALSE(database.url);
  EXPECT_EQ(database.connection_limit, 20);
  EXPECT_EQ(database.pool_timeout, 10s);
  EXPECT_EQ(database.connect_timeout, 10s);
  EXPECT_EQ(database.socket_timeout, 30s);
  EXPECT_EQ(database.shard_count, 4);
  EXPECT_FALSE(database.max_connections);
  EXPECT_EQ(configuration.values.pool.statement_timeout, Duration(30s));
  for (const auto& one : configuration.rows) EXPECT_EQ(one.source, "default") << one.key;
}

TEST(Config, TheGuidesVariablesAreRead) {
  const auto configuration = loaded(environment({{"DATABASE_URL", "postgresql://u:pw@h/db"},
                                                 {"DB_CONNECTION_LIMIT", "50"},
                                                 {"DB_POOL_TIMEOUT", "5"},
                                                 {"DB_CONNECT_TIMEOUT", "2500ms"},
                                                 {"DB_SOCKET_TIMEOUT", "60"},
                                                 {"DB_MAX_CONNECTIONS", "100"},
                                                 {"DATABASE_PRIMARY_URL", "postgresql://p/db"},
                                                 {"DATABASE_REPLICA_1_URL", "postgresql://r1/db"},
                                                 {"DATABASE_REPLICA_12_URL", "host=r12"},
                                                 {"DATABASE_REPLICA_2_URL", "postgresql://r2/db"},
                                                 {"DATABASE_SHARD_COUNT", "2"},
                                                 {"DATABASE_SHARD_0_URL", "postgresql://s0/db"},
                                                 {"DATABASE_SHARD_1_URL", "postgresql://s1/db"},
                                                 {"PATH", "/bin"},
                                                 {"DATABASE_SOMETHING", "not ours"}}));
  const auto& database = configuration.values.database;
  EXPECT_EQ(database.url->where(), "h:5432/db");
  EXPECT_EQ(database.connection_limit, 50);
  EXPECT_EQ(database.pool_timeout, 5s);
  EXPECT_EQ(database.connect_timeout, 2500ms);
  EXPECT_EQ(database.socket_timeout, 60s);
  EXPECT_EQ(configuration.values.pool.statement_timeout, Duration(60s));
  EXPECT_EQ(database.max_connections, 100);
  EXPECT_EQ(database.primary()->where(), "p:5432/db");
  ASSERT_EQ(database.replica_urls.size(), 3U);
  EXPECT_EQ(database.replica_urls[1].where(), "r2:5432/db") << "in the order of their numbers";
  EXPECT_EQ(database.replica_urls[2].where(), "r12:5432");
  ASSERT_EQ(database.shard_urls.size(), 2U);
  EXPECT_EQ(row(configuration, "database.url").value, "postgresql://u:***@h/db");
  EXPECT_EQ(row(configuration, "database.pool_timeout").source, "DB_POOL_TIMEOUT");
  EXPECT_EQ(row(configuration, "database.shard_urls").source,
            "DATABASE_SHARD_0_URL, DATABASE_SHARD_1_URL");
}

constexpr const char* kFile = R"(# a comment
[database]
url = "postgresql://u:pw@h/db"
connection_limit = 30
socket_timeout = "45s"
replica_urls = ["postgresql://r1/db", "postgresql://r2/db"]

[pool]
lanes = 6
idle_timeout = "5m"
max_lifetime_jitter = "25%"

[statistics]
slow_threshold = "0"
log_parameters = true

[log]
level = "debug"
format = "json"

[local]
directory = "/var/lib/lyceum"

[server]
data_address = "[::1]:80"
)";

TEST(Config, AFileIsReadAndEachValueSaysItsLine) {
  const auto configuration = loaded(file(kFile));
  const auto& values = configuration.values;
  EXPECT_EQ(values.database.connection_limit, 30);
  EXPECT_EQ(values.database.socket_timeout, 45s);
  EXPECT_EQ(values.database.replica_urls.size(), 2U);
  EXPECT_EQ(values.pool.lanes, 6);
  EXPECT_EQ(values.pool.idle_timeout, 5min);
  EXPECT_DOUBLE_EQ(values.pool.max_lifetime_jitter, 0.25);
  EXPECT_EQ(values.statistics.slow_threshold, 0s);
  EXPECT_TRUE(values.statistics.log_parameters);
  EXPECT_EQ(values.log.level, LogLevel::debug);
  EXPECT_EQ(values.log.format, LogFormat::json);
  EXPECT_EQ(values.local.directory, "/var/lib/lyceum");
  EXPECT_EQ(values.server.data_address, (ListenAddress{"::1", 80}));
  EXPECT_EQ(row(configuration, "database.connection_limit").source, "lyceum.toml:4");
  EXPECT_EQ(row(configuration, "pool.max_lifetime_jitter").value, "25%");
  EXPECT_EQ(row(configuration, "server.data_address").value, "[::1]:80");
  EXPECT_EQ(row(configuration, "pool.queue_limit").source, "default");
}

TEST(Config, TheEnvironmentWinsOverTheFileAndAFlagOverBoth) {
  auto sources = file(kFile);
  sources.environment = {{"DB_CONNECTION_LIMIT", "40"},
                         {"LYCEUM_POOL_LANES", "7"},
                         {"LYCEUM_LOG_LEVEL", ""},
                         {"DATABASE_REPLICA_5_URL", "postgresql://r5/db"},
                         {"DATABASE_URL", "postgresql://env/db"}};
  sources.flags = {{"--database-url", "database.url", "postgresql://flag/db"}};
  const auto configuration = loaded(sources);
  EXPECT_EQ(configuration.values.database.connection_limit, 40);
  EXPECT_EQ(configuration.values.pool.lanes, 7);
  EXPECT_EQ(configuration.values.log.level, LogLevel::debug) << "an empty variable is unset";
  ASSERT_EQ(configuration.values.database.replica_urls.size(), 1U) << "a list wins as a whole";
  EXPECT_EQ(configuration.values.database.url->where(), "flag:5432/db");
  EXPECT_EQ(row(configuration, "database.url").source, "--database-url");
  EXPECT_EQ(row(configuration, "pool.lanes").source, "LYCEUM_POOL_LANES");
  EXPECT_EQ(row(configuration, "pool.idle_timeout").source, "lyceum.toml:10");
}

TEST(Config, PoolParametersOfTheUrlWinOverWeakerPlaces) {
  auto sources = file("[database]\nconnection_limit = 30\npool_timeout = \"3s\"\n");
  sources.environment = {
      {"DATABASE_URL", "postgresql://h/db?connection_limit=5&pool_timeout=7&socket_timeout=9"},
      {"DB_POOL_TIMEOUT", "8"}};
  const auto configuration = loaded(sources);
  EXPECT_EQ(configuration.values.database.connection_limit, 5) << "stronger than the file";
  EXPECT_EQ(configuration.values.database.pool_timeout, 8s) << "its own variable is as strong";
  EXPECT_EQ(configuration.values.database.socket_timeout, 9s) << "stronger than the default";
  EXPECT_EQ(row(configuration, "database.socket_timeout").source, "the URL in DATABASE_URL");
  EXPECT_THAT(problem(environment({{"DATABASE_URL", "postgresql://h/db?connection_limit=99999"}})),
              HasSubstr("database.connection_limit = \"99999\" in the URL in DATABASE_URL"));
}

TEST(Config, ErrorsNameKeyValueAndPlace) {
  EXPECT_THAT(problem(file("[pool]\nlanes = 0\n")),
              AllOf(HasSubstr("pool.lanes"), HasSubstr("\"0\""), HasSubstr("lyceum.toml:2"),
                    HasSubstr("1 to 1000")));
  EXPECT_THAT(problem(file("[pool]\nlanes = \"four\"\n")), HasSubstr("a whole number"));
  EXPECT_THAT(problem(file("[pool]\nidle_timeout = 10\n")), HasSubstr("a duration with its unit"));
  EXPECT_THAT(problem(file("[pool]\nmax_lifetime_jitter = \"60%\"\n")), HasSubstr("0% to 50%"));
  EXPECT_THAT(problem(file("[pool]\nlane = 4\n")),
              AllOf(HasSubstr("unknown key pool.lane in lyceum.toml:2"),
                    HasSubstr("did you mean pool.lanes?")));
  EXPECT_THAT(problem(file("[pol]\nlanes = 4\n")),
              AllOf(HasSubstr("unknown section [pol] in lyceum.toml:1"), HasSubstr("[pool]?")));
  EXPECT_THAT(problem(file("lanes = 4\n")), HasSubstr("unknown key lanes"));
  EXPECT_THAT(problem(file("[pool.deep]\nlanes = 4\n")), HasSubstr("[pool.deep]"));
  EXPECT_THAT(problem(file("[pool]\nlanes =\n")), HasSubstr("lyceum.toml:2: this is not TOML"));
  // Found by fuzzing: an assertion of toml++.
  EXPECT_THAT(problem(file("[,pool]\nlanes = 1\n")), HasSubstr("lyceum.toml:1: this is not TOML"));
  EXPECT_THAT(problem(file("[pool]\nlanes = 1\nlanes = 2\n")), HasSubstr("lyceum.toml:3"));
  EXPECT_THAT(
      problem(environment({{"LYCEUM_POOL_LANES", "many"}})),
      AllOf(HasSubstr("pool.lanes"), HasSubstr("\"many\""), HasSubstr("LYCEUM_POOL_LANES")));
  EXPECT_THAT(problem(environment({{"LYCEUM_POOL_IDLE_TIMEOUT", "10"}})), HasSubstr("unit"));
  EXPECT_THAT(problem(environment({{"DB_POOL_TIMEOUT", "0"}})), HasSubstr("1ms to 1h"));
  EXPECT_THAT(problem(environment({{"LYCEUM_POOL_LANE", "4"}})),
              AllOf(HasSubstr("unknown environment variable LYCEUM_POOL_LANE"),
                    HasSubstr("LYCEUM_POOL_LANES?")));
  EXPECT_THAT(problem(environment({{"LYCEUM_DATABASE_URL", "postgresql://u:hunter2@h/db"}})),
              AllOf(HasSubstr("use DATABASE_URL"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(problem(environment({{"DATABASE_REPLICA_ONE_URL", "postgresql://u:hunter2@h/db"}})),
              AllOf(HasSubstr("DATABASE_REPLICA_ONE_URL"), Not(HasSubstr("hunter2"))));
  EXPECT_THAT(problem(environment({{"DATABASE_REPLICA_01_URL", "x"}})), HasSubstr("_01_"));
  EXPECT_THAT(problem(environment({{"LYCEUM_SERVER_DATA_ADDRESS", "localhost"}})),
              HasSubstr("an address and a port"));
  ConfigurationSources flags;
  flags.flags = {{"--lanes", "pool.lanes", "x"}};
  EXPECT_THAT(problem(flags), HasSubstr("--lanes"));
}

TEST(Config, AClusterHasItsSettings) {
  const auto defaults = loaded({}).values.cluster;
  EXPECT_EQ(defaults.probe_interval, 1s);
  EXPECT_EQ(defaults.probe_timeout, 1s);
  EXPECT_EQ(defaults.max_lag, 10s);
  EXPECT_EQ(defaults.max_lag_mib, 0);
  EXPECT_EQ(defaults.bookmark_wait, 100ms);
  EXPECT_EQ(defaults.primary_wait, 5s);
  EXPECT_EQ(defaults.balance, Balance::least_loaded);
  EXPECT_FALSE(defaults.read_primary);
  EXPECT_DOUBLE_EQ(defaults.primary_read_share, 0.5);
  EXPECT_DOUBLE_EQ(defaults.retry_budget, 0.2);

  auto sources = file(R"([cluster]
probe_interval = "250ms"
probe_timeout = "2s"
max_lag = "0"
max_lag_mib = 64
bookmark_wait = "0"
balance = "least_loaded"
read_primary = true
primary_read_share = "75%"
)");
  sources.environment = {{"LYCEUM_CLUSTER_PRIMARY_WAIT", "0s"},
                         {"LYCEUM_CLUSTER_BALANCE", "round_robin"},
                         {"LYCEUM_CLUSTER_RETRY_BUDGET", "100%"}};
  const auto configuration = loaded(sources);
  const auto& cluster = configuration.values.cluster;
  EXPECT_EQ(cluster.probe_interval, 250ms);
  EXPECT_EQ(cluster.probe_timeout, 2s);
  EXPECT_EQ(cluster.max_lag, 0s);
  EXPECT_EQ(cluster.max_lag_mib, 64);
  EXPECT_EQ(cluster.bookmark_wait, 0s);
  EXPECT_EQ(cluster.primary_wait, 0s);
  EXPECT_EQ(cluster.balance, Balance::round_robin);
  EXPECT_TRUE(cluster.read_primary);
  EXPECT_DOUBLE_EQ(cluster.primary_read_share, 0.75);
  EXPECT_DOUBLE_EQ(cluster.retry_budget, 1);
  EXPECT_EQ(row(configuration, "cluster.balance").value, "round_robin");
  EXPECT_EQ(row(configuration, "cluster.balance").source, "LYCEUM_CLUSTER_BALANCE");
  EXPECT_EQ(row(configuration, "cluster.max_lag").source, "lyceum.toml:4");
}

TEST(Config, AClustersSettingsKeepToTheirRanges) {
  const std::map<std::string, std::vector<std::string>> refused{
      {"PROBE_INTERVAL", {"0", "9ms", "61m", "1"}},
      {"PROBE_TIMEOUT", {"9ms", "61s"}},
      {"MAX_LAG", {"-1s", "25h"}},
      {"MAX_LAG_MIB", {"-1", "1000001", "64MB"}},
      {"BOOKMARK_WAIT", {"-1ms", "10001ms"}},
      {"PRIMARY_WAIT", {"601s"}},
      {"BALANCE", {"random", "LEAST_LOADED"}},
      {"READ_PRIMARY", {"1"}},
      {"PRIMARY_READ_SHARE", {"101%", "0.5", "-1%"}},
      {"RETRY_BUDGET", {"101%", "0.2"}}};
  for (const auto& [key, values] : refused) {
    const auto variable = "LYCEUM_CLUSTER_" + key;
    for (const auto& value : values) {
      EXPECT_THAT(problem(environment({{variable, value}})),
                  AllOf(HasSubstr('"' + value + '"'), HasSubstr(variable)));
    }
  }
  EXPECT_THAT(problem(environment({{"LYCEUM_CLUSTER_BALANCE", "random"}})),
              HasSubstr("least_loaded or round_robin"));
  EXPECT_THAT(problem(environment({{"LYCEUM_CLUSTER_MAX_LAG_MIB", "-1"}})),
              HasSubstr("1 to 1000000, or 0 for off"));
}

TEST(Config, VariablesOfScriptsAreLeftAlone) {
  loaded(environment({{"LYCEUM_DEMO_SCALE", "3"},
                      {"LYCEUM_TEST_ANYTHING", "x"},
                      {"LYCEUM_BENCH_ROUNDS", "5"},
                      {"LYCEUM_CONFIG", "lyceum.toml"}}));
}

TEST(Config, EveryProblemIsFoundAtOnce) {
  auto sources = file("[pool]\nlanes = 0\nlane = 1\n[log]\nlevel = \"loud\"\n");
  sources.environment = {{"LYCEUM_NONSENSE", "1"}};
  EXPECT_EQ(check_configuration(sources).size(), 4U);
  EXPECT_THAT(problem(sources), HasSubstr("and 3 more problems"));
  EXPECT_TRUE(check_configuration(file(kFile)).empty());
}

TEST(Config, AShardWithoutAUrlIsAnErrorOnceAnyHasOne) {
  EXPECT_EQ(loaded(environment({{"DATABASE_SHARD_COUNT", "8"}})).values.database.shard_count, 8);
  const std::map<std::string, std::string> three = {{"DATABASE_SHARD_0_URL", "postgresql://s0/db"},
                                                    {"DATABASE_SHARD_1_URL", "postgresql://s1/db"},
                                                    {"DATABASE_SHARD_3_URL", "postgresql://s3/db"}};
  EXPECT_THAT(problem(environment(three)),
              AllOf(HasSubstr("shard 2 has no URL"), HasSubstr("4 (default)"),
                    HasSubstr("DATABASE_SHARD_2_URL")));
  auto with_count = three;
  with_count["DATABASE_SHARD_COUNT"] = "2";
  EXPECT_THAT(problem(environment(with_count)), HasSubstr("shard 3 has a URL"));
  EXPECT_THAT(problem(file("[database]\nshard_count = 3\nshard_urls = [\"host=a\", \"host=b\"]\n")),
              AllOf(HasSubstr("shard 2"), HasSubstr("lyceum.toml:2")));
}

TEST(Config, SettingsThatContradictEachOtherAreRefused) {
  EXPECT_EQ(loaded(environment({{"DB_CONNECTION_LIMIT", "2"}})).values.pool.lanes, 2)
      << "a default gives way";
  EXPECT_THAT(problem(environment({{"DB_CONNECTION_LIMIT", "2"}, {"LYCEUM_POOL_LANES", "3"}})),
              HasSubstr("more than database.connection_limit"));
  EXPECT_THAT(problem(environment({{"LYCEUM_POOL_BACKOFF_INITIAL", "10s"}})),
              HasSubstr("backoff_max"));
}

// Passwords in every place that takes a connection string, and in places that do not.
TEST(Config, NoPasswordIsEverShown) {
  constexpr std::string_view kLetters = "QXZJKWVY@:/?#%&=' ";
  std::mt19937_64 random(99);
  for (int i = 0; i < 3000; ++i) {
    std::string password = "QX";
    while (password.size() < 12) password += kLetters[random() % kLetters.size()];
    const std::string url = random() % 2 == 0 ? "postgresql://app:" + password + "@h/db"
                                              : "host=h password=" + password;
    std::string toml = url;
    std::erase(toml, '\'');
    ConfigurationSources sources;
    switch (random() % 8) {
      case 0:
        sources = environment({{"DATABASE_URL", url}});
        break;
      case 1:
        sources = environment({{"DATABASE_REPLICA_1_URL", url}});
        break;
      case 2:
        sources = environment({{"DATABASE_SHARD_0_URL", url}});
        break;
      case 3:
        sources = file("[database]\nurl = '" + toml + "'\n");
        break;
      case 4:
        sources = file("[database]\nreplica_urls = ['" + toml + "']\n");
        break;
      case 5:
        sources = environment({{"LYCEUM_POOL_LANES", url}});
        break;
      case 6:
        sources = file("[database]\nurl = " + toml + "\n");
        break;
      default:
        sources = file("[database]\nurls = '" + toml + "'\n");
        break;
    }
    std::string shown;
    for (const auto& error : check_configuration(sources)) shown += error.to_string() + '\n';
    if (const auto result = load_configuration(sources)) {
      for (const auto& one : result->rows) shown += one.value + one.source + '\n';
    }
    for (std::size_t at = 0; at + 4 <= password.size(); ++at) {
      const auto fragment = password.substr(at, 4);
      const auto letters = std::count_if(fragment.begin(), fragment.end(),
                                         [](char c) { return c >= 'A' && c <= 'Z'; });
      EXPECT_FALSE(letters >= 3 && shown.find(fragment) != std::string::npos)
          << url << "\nshown as " << shown;
    }
  }
}

TEST(Config, AFileThatIsNotThereIsNamed) {
  const auto read = read_configuration_file("/nowhere/lyceum.toml");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kIo);
  EXPECT_THAT(read.error().to_string(),
              AllOf(HasSubstr("/nowhere/lyceum.toml"), HasSubstr("No such file")));
  EXPECT_FALSE(read_configuration_file("/")) << "a directory";
}

// Each row's value, written into a file under its key, must load and show the same row again: the
// table's names, types and defaults hold together.
TEST(Config, EveryDefaultCanBeWrittenIntoAFile) {
  for (const auto& one : loaded({}).rows) {
    const auto dot = one.key.find('.');
    const auto section = one.key.substr(0, dot);
    const auto key = one.key.substr(dot + 1);
    bool accepted = false;
    for (const auto& value : {one.value, '"' + one.value + '"'}) {
      const auto sources = file(fmt::format("[{}]\n{} = {}\n", section, key, value));
      if (const auto result = load_configuration(sources)) {
        accepted = true;
        EXPECT_EQ(row(*result, one.key).value, one.value);
        EXPECT_EQ(row(*result, one.key).source, "lyceum.toml:2");
      }
    }
    const bool has_no_value = one.key.ends_with("url") || one.key.ends_with("urls") ||
                              one.key == "database.max_connections" ||
                              one.key == "server.workers" || one.key == "pool.statement_timeout";
    EXPECT_NE(accepted, has_no_value) << one.key;
  }
}

// Found by fuzzing: the parser took for granted that a key begins there.
TEST(Config, AFileThatIsNoTomlIsAnError) {
  for (const std::string text :
       {"[?at", "[", "[?\n=1", "a.?=1", "=", "[[?]]", "[\u02ec]", "[\u02ecdatabase]\n"}) {
    ConfigurationSources sources;
    sources.file = ConfigurationSources::File{"lyceum.toml", text};
    const auto loaded = load_configuration(sources);
    ASSERT_TRUE(loaded.has_error()) << text;
    EXPECT_EQ(loaded.error().code, ErrorCode::kConfiguration) << text;
  }
}

TEST(Config, TheDocumentationIsThatOfTheTable) {
  const std::string path = source_path("docs/configuration.md");
  if (std::getenv("LYCEUM_TEST_WRITE_DOCS") != nullptr) {
    std::ofstream(path) << configuration_documentation();
  }
  std::ifstream written(path);
  std::ostringstream text;
  text << written.rdbuf();
  EXPECT_EQ(text.str(), configuration_documentation())
      << "run test_base with LYCEUM_TEST_WRITE_DOCS=1 to write it anew";
  for (const auto& one : loaded({}).rows) {
    EXPECT_THAT(text.str(), HasSubstr('`' + one.key.substr(one.key.find('.') + 1) + '`'));
  }
}

}  // namespace
}  // namespace lyceum
