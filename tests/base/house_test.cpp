// Holds the house's one rule: a file includes only its own layer and the layers below it.

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <unistd.h>

#include "support/paths.h"

namespace lyceum {
namespace {

namespace fs = std::filesystem;

// Low to high.
constexpr std::array<std::string_view, 13> kLayers = {
    "base",  "local",   "pg",     "schema",   "pool",   "cluster", "shards",
    "watch", "indexes", "upkeep", "learning", "server", "cli"};

std::optional<std::size_t> height_of(std::string_view layer) {
  const auto at = std::find(kLayers.begin(), kLayers.end(), layer);
  if (at == kLayers.end()) return std::nullopt;
  return static_cast<std::size_t>(at - kLayers.begin());
}

// What stands between the quotes or brackets of an #include line; empty for any other line.
std::string included_by(std::string_view line, bool& quoted) {
  const auto skip = [&] {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  };
  skip();
  if (!line.starts_with('#')) return "";
  line.remove_prefix(1);
  skip();
  if (!line.starts_with("include")) return "";
  line.remove_prefix(7);
  skip();
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return "";
  quoted = line.front() == '"';
  const auto close = line.find(quoted ? '"' : '>', 1);
  return close == std::string_view::npos ? "" : std::string(line.substr(1, close - 1));
}

struct House {
  std::vector<std::string> violations;
  std::size_t files = 0;
  std::size_t includes = 0;  // of one layer by another or by itself
};

House inspect(const fs::path& source) {
  House house;
  for (const auto& entry : fs::recursive_directory_iterator(source)) {
    const auto extension = entry.path().extension();
    if (!entry.is_regular_file() || (extension != ".h" && extension != ".cpp")) continue;
    ++house.files;
    const auto relative = fs::relative(entry.path(), source);
    const auto where = relative.generic_string();
    const bool at_the_top = relative.begin() == std::prev(relative.end());
    const std::string layer = at_the_top ? "" : relative.begin()->string();
    const auto own = height_of(layer);
    // main.cpp and the like stand above all layers.
    if (!at_the_top && !own) {
      house.violations.push_back(where + ": " + layer + " is no layer of the house");
      continue;
    }
    std::ifstream file(entry.path());
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
      bool quoted = false;
      const auto included = included_by(line, quoted);
      if (included.empty()) continue;
      const auto say = [&](const std::string& what) {
        house.violations.push_back(where + ":" + std::to_string(number) + ": " + what);
      };
      const fs::path path(included);
      const auto first = path.begin()->string();
      const bool has_folder = path.begin() != std::prev(path.end());
      const auto height = has_folder ? height_of(first) : std::nullopt;
      if (!quoted) {
        if (height && fs::exists(source / path))
          say("a file of ours in angle brackets: " + included);
        continue;
      }
      if (first == "sql") continue;  // generated, for everybody
      if (!height) {
        say("not rooted at src, or not a layer: " + included);
        continue;
      }
      if (std::find(path.begin(), path.end(), "..") != path.end()) say("it climbs: " + included);
      ++house.includes;
      if (!own) continue;
      if (*height > *own) say("upward, from " + layer + " to " + first + ": " + included);
      if (layer == "local" && first != "local" && first != "base") {
        say("local may use only base: " + included);
      }
    }
  }
  return house;
}

TEST(House, NoFileIncludesUpward) {
  const auto house = inspect(source_path("src"));
  for (const auto& violation : house.violations) ADD_FAILURE() << violation;
  EXPECT_GT(house.files, 20U) << "the walk did not find the source";
  EXPECT_GT(house.includes, 20U) << "the walk did not find the includes";
}

// The same inspection of a made-up tree with one of every fault: it must find each, and nothing
// else.
class MadeUpTree : public testing::Test {
 protected:
  MadeUpTree() {
    std::string name = (fs::temp_directory_path() / "lyceum-house-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    root_ = name;
  }
  ~MadeUpTree() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(MadeUpTree, WithoutFaultsPasses) {
  write("main.cpp", "#include \"cli/run.h\"\n");
  write("cli/run.h", "#include <vector>\n#include \"base/error.h\"\n#include \"pool/pool.h\"\n");
  write("pool/pool.h", "#include \"pg/connection.h\"\n#include \"pool/lane.h\"\n");
  write("pool/lane.h", "#include \"sql/statements.h\"\n#include <boost/asio.hpp>\n");
  write("pg/connection.h", "#include \"base/error.h\"\n// #include \"cli/run.h\"\n");
  write("local/server.h", "#include \"base/error.h\"\n");
  write("base/error.h", "#include <string>\n");
  const auto house = inspect(root_);
  EXPECT_TRUE(house.violations.empty()) << house.violations.front();
  EXPECT_EQ(house.files, 7U);
  EXPECT_EQ(house.includes, 7U);
}

TEST_F(MadeUpTree, EachFaultIsFound) {
  write("base/error.h", "#pragma once\n#include \"pg/connection.h\"\n");
  write("pool/pool.cpp", "  #  include \"learning/stories.h\"\n");
  write("local/server.cpp", "#include \"pg/connection.h\"\n");
  write("schema/migrate.cpp", "#include \"local/server.h\"\n#include \"pool/pool.h\" // up\n");
  write("pg/connection.h", "#include \"error.h\"\n#include \"base/../cli/run.h\"\n");
  write("learning/stories.h", "#include <base/error.h>\n");
  write("helpers/util.h", "\n");
  auto violations = inspect(root_).violations;
  std::sort(violations.begin(), violations.end());
  const std::vector<std::string> expected = {
      "base/error.h:2: upward, from base to pg: pg/connection.h",
      "helpers/util.h: helpers is no layer of the house",
      "learning/stories.h:1: a file of ours in angle brackets: base/error.h",
      "local/server.cpp:1: local may use only base: pg/connection.h",
      "local/server.cpp:1: upward, from local to pg: pg/connection.h",
      "pg/connection.h:1: not rooted at src, or not a layer: error.h",
      "pg/connection.h:2: it climbs: base/../cli/run.h",
      "pool/pool.cpp:1: upward, from pool to learning: learning/stories.h",
      "schema/migrate.cpp:2: upward, from schema to pool: pool/pool.h"};
  EXPECT_EQ(violations, expected);
}

}  // namespace
}  // namespace lyceum
