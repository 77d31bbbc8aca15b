// How the program is called: help, wrong usage, completion, the man page.

#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command.h"
#include "cli/program.h"

namespace lyceum::cli_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> words_of(const std::string& path) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find(' ', at), path.size());
    out.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

TEST(Usage, HelpOfEveryCommandHasSummaryExamplesAndTheCommonOptions) {
  for (const auto& command : cli::commands()) {
    auto arguments = words_of(command.path);
    arguments.push_back("--help");
    const auto result = run_lyceum(arguments);
    EXPECT_EQ(result.exit_status, 0) << command.path;
    EXPECT_THAT(result.err, IsEmpty()) << command.path;
    for (const auto& expected :
         {command.summary, std::string("Examples:"), command.examples, std::string("--json"),
          std::string("--config"), std::string("--database-url")}) {
      EXPECT_THAT(result.out, HasSubstr(expected)) << command.path;
    }
    EXPECT_THAT(command.examples, HasSubstr("lyceum " + command.path));
  }
}

TEST(Usage, TheFirstHelpNamesEveryGroupTheVariablesAndTheExitStatuses) {
  const auto result = run_lyceum({"--help"});
  EXPECT_EQ(result.exit_status, 0);
  for (const auto& command : cli::commands()) {
    EXPECT_THAT(result.out, HasSubstr("\n  " + words_of(command.path)[0] + " "));
  }
  for (const auto* expected :
       {"DATABASE_URL", "LYCEUM_CONFIG", "0 done, 1 failed, 2 wrong usage, 3"}) {
    EXPECT_THAT(result.out, HasSubstr(expected));
  }
  EXPECT_EQ(run_lyceum({"--version"}).exit_status, 0);
}

TEST(Usage, WhatIsCalledWronglyExitsWith2AndSaysWhy) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> calls = {
      {{}, "subcommand"},
      {{"nosuch"}, "nosuch"},
      {{"index", "nosuch"}, "'index nosuch'"},
      {{"local"}, "subcommand"},
      {{"migrate", "--nosuch"}, "--nosuch"},
      {{"load", "--scale", "many"}, "--scale"},
      {{"load", "--as-of", "2026-02-30"}, "2026-02-30"},
      {{"load", "--scale", "0", "--dry-run"}, "scale"},
      {{"index", "plan", "--profile", "nosuch"}, "guide"},
      {{"local", "up", "--name", "Not a name"}, "Not a name"},
      {{"local", "up", "--name", "t", "--replicas", "99", "--directory", "/nowhere"}, "99"},
      {{"migrate"}, "no database is named"},
  };
  for (const auto& [arguments, expected] : calls) {
    const auto result = run_lyceum(arguments);
    const auto call = fmt::format("lyceum {}", fmt::join(arguments, " "));
    EXPECT_EQ(result.exit_status, 2) << call;
    EXPECT_THAT(result.err, HasSubstr(expected)) << call;
    EXPECT_THAT(result.out, IsEmpty()) << call;
  }
}

// What a newcomer's TAB offers: bash's own completion machinery is played by setting its variables.
std::string completed(const std::string& script, const std::string& line) {
  const auto result = ::lyceum::testing::run_process({"bash", "-c",
                                                      "source \"$1\" || exit 1\n"
                                                      "read -r -a COMP_WORDS <<<\"$2\"\n"
                                                      "[[ $2 == *' ' ]] && COMP_WORDS+=('')\n"
                                                      "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                                                      "_lyceum\n"
                                                      "printf '%s\\n' \"${COMPREPLY[@]}\"",
                                                      "bash", script, line},
                                                     {.directory = source_path("")});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  return result.out;
}

TEST(Usage, CompletionIsBashAndCompletes) {
  const auto printed = run_lyceum({"completion"});
  ASSERT_EQ(printed.exit_status, 0);
  const ::lyceum::testing::TemporaryDirectory room;
  const auto script = (room.path() / "lyceum.bash").string();
  std::ofstream(script) << printed.out;
  const auto checked = ::lyceum::testing::run_process({"bash", "-n", script});
  EXPECT_EQ(checked.exit_status, 0) << checked.err;

  EXPECT_EQ(completed(script, "lyceum lo"), "load\nlocal\n");
  EXPECT_EQ(completed(script, "lyceum local "), "down\npsql\nstatus\nup\n");
  EXPECT_EQ(completed(script, "lyceum local up --rep"), "--replicas\n");
  EXPECT_EQ(completed(script, "lyceum load --stories data/sto"), "data/stories.jsonl\n");
  EXPECT_THAT(completed(script, "lyceum index plan --"), HasSubstr("--json\n"));
}

TEST(Usage, TheManPageHoldsEveryCommandAndFormatsWithoutWarning) {
  const auto printed = run_lyceum({"manual"});
  ASSERT_EQ(printed.exit_status, 0);
  for (const auto& command : cli::commands()) {
    EXPECT_THAT(printed.out, HasSubstr("\n.SS " + command.path + "\n"));
  }
  const auto page = ::lyceum::testing::run_process({"groff", "-man", "-Tascii", "-ww", "-P-cbou"},
                                                   {.input = printed.out});
  EXPECT_EQ(page.exit_status, 0);
  EXPECT_THAT(page.err, IsEmpty());
  EXPECT_THAT(page.out, HasSubstr("EXIT STATUS"));
  EXPECT_THAT(page.out, HasSubstr("lyceum local up --name dev"));
}

}  // namespace
}  // namespace lyceum::cli_test
