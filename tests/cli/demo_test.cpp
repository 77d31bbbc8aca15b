#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <signal.h>

#include "cli/program.h"
#include "local/ephemeral.h"
#include "local/process.h"
#include "support/postgres.h"

namespace lyceum::cli_test {
namespace {

// Its report takes seconds, and it is interrupted when that begins.
TEST(Demo, LeavesNothingBehindWhereItIsInterrupted) {
  // Ends and removes what is left of the servers if this test does not.
  const auto place = local::Ephemeral::make().value();
  const testing::TemporaryDirectory files;
  const auto path = [&](const char* name) { return (files.path() / name).string(); };
  {
    std::ofstream words(path("words.csv"));
    words << "word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition\n";
    for (int i = 0; i < 300; ++i) words << fmt::format("word{0},noun,A1,1.5,{0},a word\n", i);
  }
  local::Command command;
  command.argv = {
      build_path("bin/lyceum"),          "demo",         "--scale",        "0.002", "--stories",
      source_path("data/stories.jsonl"), "--vocabulary", path("words.csv")};
  command.environment = local::clean_environment(
      environment_with({"LYCEUM_LOCAL_DIRECTORY=" + place.directory().string()}));
  const auto pid = local::start_daemon(command, path("log")).value();
  const auto log = [&] {
    std::ifstream file(path("log"));
    return std::string{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  };
  EXPECT_TRUE(testing::eventually(
      [&] {
        return log().find("vacuum and analyze in") != std::string::npos || !local::is_alive(pid);
      },
      std::chrono::minutes(2)));
  EXPECT_TRUE(std::filesystem::exists(place.directory() / "demo"));
  ::kill(pid, SIGINT);
  EXPECT_TRUE(local::wait_until_gone(pid, std::chrono::minutes(1))) << log();
  ::kill(pid, SIGKILL);
  EXPECT_NE(log().find("interrupted"), std::string::npos) << log();
  EXPECT_TRUE(std::filesystem::is_empty(place.directory())) << log();
}

}  // namespace
}  // namespace lyceum::cli_test
