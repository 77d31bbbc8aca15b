// What the program makes of its configuration, and what it never shows of it.

#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"

namespace lyceum::cli_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Config : public ::testing::Test {
 protected:
  std::string file(const std::string& text) {
    const auto path = (room_.path() / "lyceum.toml").string();
    std::ofstream(path) << text;
    return path;
  }
  ::lyceum::testing::TemporaryDirectory room_;
};

TEST_F(Config, ShowNamesEachSettingsValueAndSource) {
  const auto path = file("[pool]\nlanes = 3\nlane_depth = 7\n[log]\nlevel = \"warning\"\n");
  const auto shown = run_lyceum(
      {"config", "show", "--config", path, "--json", "--database-url", "postgresql://u@h/x"},
      {"LYCEUM_POOL_LANE_DEPTH=9"});
  ASSERT_EQ(shown.exit_status, 0) << shown.err;
  const auto document = json_of(shown);
  EXPECT_EQ(keys_of(document), Keys{"settings"});
  std::map<std::string, std::pair<std::string, std::string>> rows;
  for (const auto& row : document.at("settings").as_array()) {
    EXPECT_EQ(keys_of(row), (Keys{"key", "value", "source"}));
    rows[std::string(row.at("key").as_string())] = {std::string(row.at("value").as_string()),
                                                    std::string(row.at("source").as_string())};
  }
  using Row = std::pair<std::string, std::string>;
  EXPECT_EQ(rows["pool.lanes"], Row("3", path + ":2"));
  EXPECT_EQ(rows["pool.lane_depth"], Row("9", "LYCEUM_POOL_LANE_DEPTH"));
  EXPECT_EQ(rows["log.level"], Row("warning", path + ":5"));
  EXPECT_EQ(rows["pool.queue_limit"], Row("10000", "default"));
  EXPECT_EQ(rows["database.url"], Row("postgresql://u@h/x", "--database-url"));
}

TEST_F(Config, TheFileIsNamedByTheFlagOrByTheVariable) {
  const auto path = file("[pool]\nlanes = 3\n");
  for (const auto& shown : {run_lyceum({"config", "show", "--config", path}),
                            run_lyceum({"config", "show"}, {"LYCEUM_CONFIG=" + path})}) {
    EXPECT_EQ(shown.exit_status, 0) << shown.err;
    EXPECT_THAT(shown.out, HasSubstr(path + ":2"));
  }
  const auto missing = run_lyceum({"config", "show"}, {"LYCEUM_CONFIG=/nowhere/lyceum.toml"});
  EXPECT_EQ(missing.exit_status, 1);
  EXPECT_THAT(missing.err, HasSubstr("/nowhere/lyceum.toml"));
}

TEST_F(Config, CheckNamesEveryProblemWithItsPlace) {
  const auto path = file("[pool]\nlanes = 0\nlane_deth = 7\n");
  const Environment environment{"LYCEUM_POL_LANES=3"};
  const auto checked = run_lyceum({"config", "check", "--config", path}, environment);
  EXPECT_EQ(checked.exit_status, 2);
  EXPECT_THAT(checked.out, IsEmpty());
  EXPECT_EQ(lines_of(checked.err), 3) << checked.err;
  EXPECT_THAT(checked.err, AllOf(HasSubstr(path + ":2"), HasSubstr("pool.lanes = \"0\"")));
  EXPECT_THAT(checked.err, HasSubstr("unknown key pool.lane_deth in " + path +
                                     ":3; did you mean pool.lane_depth?"));
  EXPECT_THAT(checked.err, HasSubstr("LYCEUM_POL_LANES; did you mean LYCEUM_POOL_LANES?"));

  const auto as_json = run_lyceum({"config", "check", "--json", "--config", path}, environment);
  EXPECT_EQ(as_json.exit_status, 2);
  const auto document = json_of(as_json);
  EXPECT_EQ(keys_of(document), (Keys{"valid", "problems"}));
  EXPECT_FALSE(document.at("valid").as_bool());
  EXPECT_EQ(document.at("problems").as_array().size(), 3U);

  const auto good = run_lyceum({"config", "check", "--config", file("[pool]\nlanes = 3\n")});
  EXPECT_EQ(good.exit_status, 0);
  EXPECT_THAT(good.out, HasSubstr("valid"));
}

TEST_F(Config, EveryCommandRefusesAnUnknownVariable) {
  const ::lyceum::testing::TemporaryDirectory room;
  const std::vector<std::vector<std::string>> calls = {
      {"migrate", "--status", "--database-url", "postgresql://u@127.0.0.1:1/x"},
      {"health", "--database-url", "postgresql://u@127.0.0.1:1/x"},
      {"index", "plan", "--database-url", "postgresql://u@127.0.0.1:1/x"},
      {"load", "--dry-run"},
      {"local", "up", "--directory", room.path().string()},
      {"local", "status", "--directory", room.path().string()},
      {"config", "show"},
  };
  for (const auto& arguments : calls) {
    const auto result = run_lyceum(arguments, {"LYCEUM_POL_LANES=3"});
    const auto call = fmt::format("lyceum {}", fmt::join(arguments, " "));
    EXPECT_EQ(result.exit_status, 2) << call;
    EXPECT_THAT(result.err, HasSubstr("LYCEUM_POL_LANES")) << call;
  }
}

// Passwords in every form in which they are written, right and wrong, by flag, variable and file.
TEST_F(Config, NoPasswordIsEverShown) {
  const std::vector<std::string> urls = {
      "postgresql://u:geheim@h/x",
      "postgresql://u:ge@geheim@h/x",
      "postgresql://u:geheim%40@h/x?sslmode=require",
      "postgresql://u:geh/geheim@h/x",
      "postgresql://u:?geheim@h/x",
      "postgresql://u:geheim@h:port/x",
      "postgresql://u@h/x?password=geheim",
      "postgresql://u@h/x?passwrd=geheim",
      "host=h user=u password=geheim dbname=x",
      "host=h user=u password='ge@ geheim' dbname=x",
      "host=h user=u password='geheim dbname=x",
      "mysql://u:geheim@h/x",
  };
  int valid = 0;
  for (const auto& url : urls) {
    const auto path = file(fmt::format("[database]\nurl = '''{}'''\n", url));
    for (const auto& result : {run_lyceum({"config", "show"}, {"DATABASE_URL=" + url}),
                               run_lyceum({"config", "show", "--database-url", url}),
                               run_lyceum({"config", "show", "--config", path, "--json"}),
                               run_lyceum({"config", "check"}, {"DATABASE_URL=" + url}),
                               run_lyceum({"config", "show"}, {"LYCEUM_POOL_LANES=" + url})}) {
      EXPECT_THAT(result.out + result.err, Not(HasSubstr("geheim"))) << url;
      EXPECT_THAT(result.exit_status, ::testing::AnyOf(0, 2)) << url;
      if (result.exit_status == 0 && result.out.find("***") != std::string::npos) ++valid;
    }
  }
  EXPECT_EQ(valid, 18);  // six of these are right, and three of the calls show them
}

}  // namespace
}  // namespace lyceum::cli_test
