#include "indexes/catalogue.h"

#include <charconv>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "sql/statements.h"

namespace lyceum::indexes {
namespace {

constexpr std::string_view kRollingMark = "rolling:";
constexpr std::string_view kFolder = "indexes/";
constexpr std::string_view kSuffix = ".sql";

Error at_place(const DeclaredIndex& index, std::string what, std::string hint) {
  Error error;
  error.code = ErrorCode::kBadInput;
  error.message = fmt::format("{}: {}", index.place(), what);
  error.hint = std::move(hint);
  return error;
}

// "7 days", "1 week".
std::optional<std::chrono::days> parse_span(std::string_view text) {
  const auto skip_blanks = [&text] {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  };
  skip_blanks();
  int count = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failed != std::errc() || count < 1 || count > 3650) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  skip_blanks();
  if (text == "day" || text == "days") return std::chrono::days(count);
  if (text == "week" || text == "weeks") return std::chrono::days(7 * count);
  return std::nullopt;
}

std::optional<Error> find_rolling(DeclaredIndex& index) {
  const auto& temporal = index.statement.temporal;
  for (std::size_t i = 0; i < temporal.size(); ++i) {
    std::string_view value = temporal[i].value;
    if (!value.starts_with(kRollingMark)) continue;
    const auto span = parse_span(value.substr(kRollingMark.size()));
    // The literal is replaced where it stands, so it must stand there as it is meant.
    if (!span || temporal[i].length != value.size() + 2) {
      return at_place(index, fmt::format("'{}' is no rolling date", value),
                      "write 'rolling: N days' or 'rolling: N weeks', N from 1 to 3650");
    }
    index.rolling.push_back({i, *span});
  }
  return std::nullopt;
}

std::optional<Error> check(DeclaredIndex& index) {
  const auto& statement = index.statement;
  if (statement.name.empty()) {
    return at_place(index, "the index has no name", "give it one: it is known by its name");
  }
  if (statement.if_not_exists) {
    return at_place(index, "IF NOT EXISTS is not allowed here",
                    "leave it out: the catalogue declares what must be, and what is there is found "
                    "out by comparing");
  }
  if (statement.only) {
    return at_place(index, "ON ONLY is not allowed here", "name the partition itself");
  }
  return find_rolling(index);
}

}  // namespace

std::string DeclaredIndex::place() const {
  return fmt::format("{}:{}", file, statement.line);
}

std::string DeclaredIndex::tail_with(std::span<const std::string> literals) const {
  std::string out = statement.tail;
  for (std::size_t i = rolling.size(); i-- > 0;) {  // from the back: offsets stay right
    const auto& constant = statement.temporal[rolling[i].constant];
    out.replace(constant.offset, constant.length, quoted_literal(literals[i]));
  }
  return out;
}

std::string DeclaredIndex::tail_on(Date today) const {
  std::vector<std::string> literals;
  for (const auto& each : rolling) {
    literals.push_back(rolling_literal(today - each.span, statement.temporal[each.constant].type));
  }
  return tail_with(literals);
}

Result<Catalogue> Catalogue::parse(std::span<const EmbeddedFile> files) {
  Catalogue out;
  for (const auto& file : files) {
    auto statements = parse_index_statements(file.text, file.path);
    if (!statements) return statements.error();
    for (auto& statement : *statements) {
      DeclaredIndex index{std::move(statement), {}, std::string(file.path)};
      if (auto error = check(index)) return std::move(*error);
      if (const auto* other = out.find(index.name())) {
        return at_place(index, fmt::format("the name \"{}\" is declared twice", index.name()),
                        fmt::format("the other one is at {}", other->place()));
      }
      out.indexes_.push_back(std::move(index));
    }
  }
  return out;
}

Result<Catalogue> Catalogue::read(std::span<const std::string> paths) {
  std::vector<std::string> texts;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) {
      Error error;
      error.code = ErrorCode::kIo;
      error.message = fmt::format("the catalogue file {} cannot be read", path);
      error.hint = "check the path and its permissions";
      return error;
    }
    texts.push_back(std::move(text).str());
  }
  std::vector<EmbeddedFile> files;
  for (std::size_t i = 0; i < texts.size(); ++i) files.push_back({paths[i], texts[i]});
  return parse(files);
}

const DeclaredIndex* Catalogue::find(std::string_view name) const {
  for (const auto& index : indexes_) {
    if (index.name() == name) return &index;
  }
  return nullptr;
}

std::vector<std::string> embedded_profiles() {
  std::vector<std::string> out;
  for (const auto& file : sql::files()) {
    if (!file.path.starts_with(kFolder) || !file.path.ends_with(kSuffix)) continue;
    out.emplace_back(
        file.path.substr(kFolder.size(), file.path.size() - kFolder.size() - kSuffix.size()));
  }
  return out;
}

Result<Catalogue> embedded_catalogue(std::string_view profile) {
  const auto path = fmt::format("{}{}{}", kFolder, profile, kSuffix);
  for (const auto& file : sql::files()) {
    if (file.path == path) return Catalogue::parse(std::span(&file, 1));
  }
  Error error;
  error.code = ErrorCode::kNotFound;
  error.message = fmt::format("there is no index profile \"{}\"", profile);
  error.hint = fmt::format("there are: {}", fmt::join(embedded_profiles(), ", "));
  return error;
}

std::string rolling_literal(Date date, std::string_view type) {
  const std::chrono::year_month_day day(date);
  auto text = fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                          static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
  if (type == "timestamptz") return text + " 00:00:00+00";
  if (type == "timestamp") return text + " 00:00:00";
  return text;
}

std::optional<Date> parse_literal_date(std::string_view value) {
  if (value.size() < 10 || value[4] != '-' || value[7] != '-') return std::nullopt;
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  const auto number = [&value](std::size_t at, std::size_t length, auto& out) {
    const auto* begin = value.data() + at;
    const auto [end, failed] = std::from_chars(begin, begin + length, out);
    return failed == std::errc() && end == begin + length;
  };
  if (!number(0, 4, year) || !number(5, 2, month) || !number(8, 2, day)) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return Date(date);
}

}  // namespace lyceum::indexes
