// Embeds every .sql file of a folder into C++: `embed_sql SQL_DIR OUT_DIR` writes
//   OUT_DIR/statements.h   one `extern const Statement` per file outside migrations/ and indexes/
//   OUT_DIR/files.cpp      their definitions, and all files as text by path
// A statement's header (its leading comment lines) says `access: read|write` and may say
// `uses: index, index`; the header is dropped from the text and the statement's name put before it,
// so that the server's statistics show who asks.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

struct Source {
  std::string path;  // relative to the folder, with '/'
  std::string text;
};

struct StatementSource {
  std::vector<std::string> scope;  // folders
  std::string identifier;
  std::string name;
  std::string access;
  std::string uses;
  std::string text;
};

std::string trim(const std::string& s) {
  const auto first = s.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  const auto last = s.find_last_not_of(" \t\r\n");
  return s.substr(first, last - first + 1);
}

std::string literal(const std::string& text) {
  // Adjacent literals: compilers need not accept one of more than 64 KiB.
  std::string out;
  for (std::size_t at = 0; at < text.size() || at == 0; at += 8000) {
    out += "R\"lyceum(" + text.substr(at, 8000) + ")lyceum\"\n";
    if (text.empty()) break;
  }
  return out;
}

std::vector<Source> read_all(const fs::path& folder) {
  std::vector<Source> sources;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".sql") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) throw std::runtime_error("cannot read " + entry.path().string());
    sources.push_back({fs::relative(entry.path(), folder).generic_string(), text.str()});
  }
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return a.path < b.path; });
  return sources;
}

StatementSource parse(const Source& source) {
  StatementSource out;
  std::istringstream path(source.path.substr(0, source.path.size() - 4));
  for (std::string part; std::getline(path, part, '/');) {
    if (!out.identifier.empty()) out.scope.push_back(out.identifier);
    out.identifier = part;
    out.name += (out.name.empty() ? "" : ".") + part;
  }
  std::istringstream lines(source.text);
  std::string line;
  bool header = true;
  while (std::getline(lines, line)) {
    if (header && (line.rfind("--", 0) == 0 || trim(line).empty())) {
      const auto content = line.size() > 2 ? trim(line.substr(2)) : "";
      if (content.rfind("access:", 0) == 0) out.access = trim(content.substr(7));
      if (content.rfind("uses:", 0) == 0) out.uses = trim(content.substr(5));
      continue;
    }
    header = false;
    out.text += line + "\n";
  }
  out.text = trim(out.text);
  if (!out.text.empty() && out.text.back() == ';') out.text.pop_back();
  if (out.access != "read" && out.access != "write") {
    throw std::runtime_error("sql/" + source.path +
                             ": the header must say '-- access: read' or '-- access: write'");
  }
  out.text = "/* " + out.name + " */ " + out.text;
  return out;
}

// Not single statements: scripts of several, read as text by those who run them.
bool is_statement(const Source& source) {
  return source.path.rfind("migrations/", 0) != 0 && source.path.rfind("indexes/", 0) != 0 &&
         source.text.find("-- access:") != std::string::npos;
}

void write_if_changed(const fs::path& path, const std::string& content) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream old;
  old << in.rdbuf();
  if (in && old.str() == content) return;
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << content;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string scope_name(const StatementSource& s) {
  std::string scope = "lyceum::sql";
  for (const auto& part : s.scope) scope += "::" + part;
  return scope;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: embed_sql SQL_DIR OUT_DIR\n";
    return 2;
  }
  const auto sources = read_all(argv[1]);
  const fs::path out = argv[2];
  std::string header =
      "// Generated from sql/ by tools/embed_sql.cpp.\n#pragma once\n"
      "#include \"base/embedded_file.h\"\n#include \"base/statement.h\"\n\n";
  std::string body =
      "// Generated from sql/ by tools/embed_sql.cpp.\n#include \"sql/statements.h\"\n\n";
  std::string files, all;
  std::size_t count = 0;
  for (const auto& source : sources) {
    files += "    {\"" + source.path + "\",\n" + literal(source.text) + "},\n";
    if (!is_statement(source)) continue;
    const auto s = parse(source);
    ++count;
    header += "namespace " + scope_name(s) + " { extern const Statement " + s.identifier + "; }\n";
    body += "namespace " + scope_name(s) + " {\nconst Statement " + s.identifier + "{\"" + s.name +
            "\",\n" + literal(s.text) + ",\nAccess::" + s.access + ", \"" + s.uses + "\"};\n}\n";
    all += "    &" + scope_name(s) + "::" + s.identifier + ",\n";
  }
  header +=
      "\nnamespace lyceum::sql {\n"
      "// Every embedded file, by path, in the order of the paths.\n"
      "std::span<const EmbeddedFile> files();\n"
      "// Every statement.\n"
      "std::span<const Statement* const> statements();\n"
      "}  // namespace lyceum::sql\n";
  body += "\nnamespace lyceum::sql {\nnamespace {\nconst EmbeddedFile kFiles[] = {\n" + files +
          "    {}};\nconst Statement* const kStatements[] = {\n" + all +
          "    nullptr};\n}  // namespace\n"
          "std::span<const EmbeddedFile> files() { return std::span(kFiles).first<" +
          std::to_string(sources.size()) +
          ">(); }\n"
          "std::span<const Statement* const> statements() { return std::span(kStatements).first<" +
          std::to_string(count) +
          ">(); }\n"
          "}  // namespace lyceum::sql\n";
  write_if_changed(out / "statements.h", header);
  write_if_changed(out / "files.cpp", body);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "embed_sql: " << error.what() << '\n';
  return 1;
}
