// README and docs/ cannot rot: what they tell a reader to type is typed here, what they show of the
// library is compiled, and what they point to is there.

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "cli/program.h"
#include "local/ephemeral.h"
#include "local/port.h"
#include "server/api.h"
#include "server/problem.h"

namespace lyceum::cli_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<fs::path> documents() {
  std::vector<fs::path> out{source_path("README.md")};
  for (const auto& entry : fs::directory_iterator(source_path("docs"))) {
    if (entry.path().extension() == ".md") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

struct Line {
  std::string text;
  std::size_t number = 0;
};

// The lines of a document's fenced blocks of one language, block by block.
std::vector<std::vector<Line>> blocks_of(const std::string& text, const std::string& language) {
  std::vector<std::vector<Line>> out;
  bool inside = false;
  std::istringstream in(text);
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("```")) {
      inside = !inside && line == "```" + language;
      if (inside) out.emplace_back();
    } else if (inside) {
      out.back().push_back({line, number});
    }
  }
  return out;
}

TEST(Blocks, AreFoundByTheirLanguage) {
  const auto blocks =
      blocks_of("a\n```sh\none\ntwo\n```\n```cpp\nthree\n```\n```\nfour\n```\n", "sh");
  ASSERT_EQ(blocks.size(), 1U);
  ASSERT_EQ(blocks[0].size(), 2U);
  EXPECT_EQ(blocks[0][1].text, "two");
  EXPECT_EQ(blocks[0][1].number, 4U);
}

// A script of every command in a document's shell blocks, in order, in one shell. A command exits
// with 0, or with what its comment says ("# exit 3"). "# not run here" leaves a command to bash -n.
std::string script_of(const fs::path& document, int& commands) {
  static const std::regex exits("# exit ([0-9]+)");
  // A service that is started in the background ends with the script, wherever that ends.
  std::string script = "shopt -s expand_aliases\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n";
  for (const auto& block : blocks_of(text_of(document), "sh")) {
    std::string command;
    for (const auto& line : block) {
      command += line.text + '\n';
      if (line.text.ends_with('\\') || line.text.find_first_not_of(" ") == std::string::npos) {
        if (!line.text.ends_with('\\')) command.clear();
        continue;
      }
      const auto text = std::exchange(command, {});
      if (text.starts_with('#')) continue;
      if (text.find("# not run here") != std::string::npos) {
        const auto parsed = testing::run_process({"bash", "-n"}, {.input = text});
        EXPECT_EQ(parsed.exit_status, 0) << document << ':' << line.number << ": " << parsed.err;
        continue;
      }
      std::smatch found;
      const std::string expected = std::regex_search(text, found, exits) ? found[1].str() : "0";
      ++commands;
      script += fmt::format(
          "{}status=$?\n[[ $status == {} ]] || {{ echo \"{}:{} exited $status, not {}\" >&2; exit "
          "9; "
          "}}\n",
          text, expected, document.filename().string(), line.number, expected);
    }
  }
  return script;
}

std::string replace_all(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

TEST(Documents, EveryCommandLineRuns) {
  int commands = 0;
  for (const auto& document : documents()) {
    // The standard addresses may be taken: the script and the program speak of others.
    const auto data = fmt::format("127.0.0.1:{}", local::find_free_port().value());
    const auto admin = fmt::format("127.0.0.1:{}", local::find_free_port().value());
    const auto script =
        replace_all(replace_all(script_of(document, commands), "127.0.0.1:8080", data),
                    "127.0.0.1:9090", admin);
    // Whatever the reader starts ends with the test.
    const auto place = local::Ephemeral::make();
    const testing::TemporaryDirectory room;
    fs::create_directory_symlink(source_path("data"), room.path() / "data");
    fs::create_symlink(source_path("data/stories.jsonl"), room.path() / "stories.jsonl");
    std::string words =
        "word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition\n";
    for (int i = 0; i < 60; ++i) words += fmt::format("word{0},noun,A1,0.5,{0},w\n", i);
    std::ofstream(room.path() / "words.csv") << words;
    std::ofstream(room.path() / "lyceum.toml") << "[pool]\nlanes = 2\n";
    std::ofstream(room.path() / "my-indexes.sql")
        << "CREATE INDEX my_users ON users (tenant_id, created_at, id);\n";
    // The files that docs/alerts.md shows.
    const auto shown = [&](const std::string& language, const std::string& name) {
      std::ofstream file(room.path() / name);
      for (const auto& block : blocks_of(text_of(document), language)) {
        for (const auto& line : block) file << line.text << '\n';
      }
    };
    shown("toml", "my-rules.toml");
    shown("json", "recorded.jsonl");
    const auto environment = environment_with(
        {"LYCEUM_LOCAL_DIRECTORY=" + place.value().directory().string(),
         "LYCEUM_SERVER_DATA_ADDRESS=" + data, "LYCEUM_SERVER_ADMIN_ADDRESS=" + admin,
         fmt::format("PATH={}:{}", build_path("bin"), std::getenv("PATH"))});
    const auto done = testing::run_process(
        {"bash", "-c", script},
        {.environment = environment, .directory = room.path(), .timeout = std::chrono::minutes(3)});
    EXPECT_EQ(done.exit_status, 0) << document << "\n" << done.err << "\n" << done.out;
  }
  EXPECT_GE(commands, 15);  // the blocks were found
}

TEST(Documents, TheReadmesExampleIsTheOneThatIsCompiled) {
  const auto blocks = blocks_of(text_of(source_path("README.md")), "cpp");
  ASSERT_EQ(blocks.size(), 1U);
  std::string example;
  for (const auto& line : blocks[0]) example += line.text + '\n';
  EXPECT_THAT(text_of(source_path("examples/stories_page.cpp")), HasSubstr(example));
}

TEST(Documents, LinksLeadToFiles) {
  static const std::regex link(R"(\]\(([^)#:]+)(#[^)]*)?\))");
  int links = 0;
  for (const auto& document : documents()) {
    const auto text = text_of(document);
    for (auto it = std::sregex_iterator(text.begin(), text.end(), link);
         it != std::sregex_iterator(); ++it) {
      ++links;
      EXPECT_TRUE(fs::exists(document.parent_path() / (*it)[1].str()))
          << document << ": " << it->str();
    }
  }
  EXPECT_GE(links, 4);
}

// Every command and every make target that a document names is there.
TEST(Documents, NameOnlyWhatIsThere) {
  static const std::regex target("`make ([a-z-]+)`");
  const auto makefile = text_of(source_path("Makefile"));
  int named = 0;
  for (const auto& document : documents()) {
    const auto text = text_of(document);
    for (auto it = std::sregex_iterator(text.begin(), text.end(), target);
         it != std::sregex_iterator(); ++it) {
      ++named;
      EXPECT_THAT(makefile, HasSubstr("\n" + (*it)[1].str() + ":")) << document;
    }
  }
  EXPECT_GE(named, 2);
}

// The cells of a document's tables below a heading, row by row, without the heads.
std::vector<std::vector<std::string>> rows_below(const std::string& text,
                                                 const std::string& heading) {
  std::vector<std::vector<std::string>> out;
  std::istringstream in(text);
  std::string line;
  bool inside = false;
  bool body = false;
  while (std::getline(in, line)) {
    if (line.starts_with("## ")) inside = line == heading;
    if (!line.starts_with('|')) body = false;
    if (inside && body) {
      auto& row = out.emplace_back();
      std::istringstream cells(line.substr(1));
      for (std::string cell; std::getline(cells, cell, '|');) {
        const auto from = cell.find_first_not_of(' ');
        row.push_back(from == std::string::npos
                          ? ""
                          : cell.substr(from, cell.find_last_not_of(' ') + 1 - from));
      }
    }
    if (line.starts_with("|---")) body = true;
  }
  return out;
}

// What stands between backticks.
std::vector<std::string> words_in(const std::string& cell) {
  static const std::regex word("`([^`]+)`");
  std::vector<std::string> out;
  for (auto it = std::sregex_iterator(cell.begin(), cell.end(), word); it != std::sregex_iterator();
       ++it) {
    out.push_back((*it)[1].str());
  }
  return out;
}

TEST(Documents, TheRoutesAreThoseOfTheService) {
  const auto rows = rows_below(text_of(source_path("docs/http.md")), "## Routes");
  const auto routes = server::routes();
  ASSERT_EQ(rows.size(), routes.size());
  const auto learner = parse_uuid("01234567-89ab-cdef-0123-456789abcdef").value();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& route = routes[i];
    EXPECT_EQ(rows[i][0], fmt::format("`{} {}`", server::name_of(route.method), route.path));
    const auto kib = route.most_body / 1024;
    const auto body = kib < 1024 ? fmt::format("{} KiB", kib) : fmt::format("{} MiB", kib / 1024);
    EXPECT_EQ(rows[i][2], kib == 0 ? "" : body) << route.path;
    for (const auto role : server::kAllRoles) {
      const auto& who = rows[i][1];
      const server::Principal principal{.roles = {role}, .learner = learner};
      EXPECT_EQ(!server::check_audience(route.audience, principal, learner),
                who.starts_with("every") || who.find(server::name_of(role)) != std::string::npos)
          << route.path << ' ' << server::name_of(role);
    }
  }
}

TEST(Documents, TheErrorsAreThoseOfTheService) {
  const auto rows = rows_below(text_of(source_path("docs/http.md")), "## Errors");
  std::set<std::string> documented;  // "503 retry"
  int states = 0;
  for (const auto& row : rows) {
    if (std::isdigit(row[0][0]) != 0) {
      for (const auto& code : words_in(row[1])) documented.insert(row[0] + ' ' + code);
      continue;
    }
    auto listed = words_in(row[0]);
    if (listed.empty()) listed.emplace_back("42601");  // "any other"
    for (auto state : listed) {
      ++states;
      // A class, by a state of it that has no row of its own.
      if (state.ends_with("…")) state = state.substr(0, 2) + "999";
      const auto problem = server::problem_of({.code = ErrorCode::kSql, .sqlstate = state});
      EXPECT_EQ(fmt::format("{} `{}`", problem.status, problem.code), row[1] + ' ' + row[2])
          << state;
      EXPECT_TRUE(documented.contains(fmt::format("{} {}", problem.status, problem.code))) << state;
    }
  }
  EXPECT_GE(states, 12);
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const auto problem = server::problem_of({.code = static_cast<ErrorCode>(code)});
    EXPECT_TRUE(documented.contains(fmt::format("{} {}", problem.status, problem.code)))
        << problem.status << ' ' << problem.code;
  }
}

}  // namespace
}  // namespace lyceum::cli_test
