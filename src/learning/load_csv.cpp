#include "learning/load_csv.h"

#include <algorithm>
#include <fmt/format.h>

namespace lyceum::learning::load {

void write_csv(std::string& out, const std::vector<std::string>& fields) {
  for (std::size_t at = 0; at < fields.size(); ++at) {
    const auto& field = fields[at];
    if (at > 0) out += ',';
    // A record of one empty field would be an empty line without its quotes.
    const bool quote = field.find_first_of("\",\r\n") != std::string::npos ||
                       (field.empty() && fields.size() == 1);
    if (!quote) {
      out += field;
      continue;
    }
    out += '"';
    for (const char c : field) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  }
  out += "\r\n";
}

Result<CsvReader> CsvReader::open(const std::string& file) {
  auto lines = LineReader::open(file);
  if (!lines) return lines.error();
  return CsvReader(std::move(*lines));
}

Error CsvReader::error(std::string_view reason) const {
  return error_at(lines_.file(), line_, reason);
}

Result<std::optional<std::vector<std::string>*>> CsvReader::next() {
  using Record = std::optional<std::vector<std::string>*>;
  std::string_view line;
  do {
    auto read = lines_.next();
    if (!read) return read.error();
    if (!*read) return Record{};
    line = **read;
  } while (line.empty() || line == "\r");
  line_ = lines_.line();
  fields_.clear();

  std::size_t size = 0;
  for (std::size_t at = 0;;) {
    std::string& field = fields_.emplace_back();
    if (at < line.size() && line[at] == '"') {
      ++at;
      for (;;) {
        const auto quote = line.find('"', at);
        field += line.substr(at, quote - at);  // to the end of the line where there is none
        if (quote == std::string_view::npos) {
          size += line.size();
          if (size > kMaxLineBytes) {
            return error(fmt::format("the record is longer than {} bytes", kMaxLineBytes));
          }
          auto more = lines_.next();
          if (!more) return more.error();
          if (!*more) return error("a quote opens in this record and never closes");
          field += '\n';
          line = **more;
          at = 0;
          continue;
        }
        at = quote + 1;
        if (at >= line.size() || line[at] != '"') break;
        field += '"';
        ++at;
      }
      if (at < line.size() && line[at] != ',' && line.substr(at) != "\r") {
        return error_at(file(), lines_.line(),
                        fmt::format("text after the closing quote of field {}", fields_.size()));
      }
    } else {
      const auto comma = line.find(',', at);
      field = line.substr(at, comma - at);
      at = std::min(comma, line.size());
      if (at == line.size() && field.ends_with('\r')) field.pop_back();
      if (field.find('"') != std::string::npos) {
        return error(fmt::format("field {} holds a quote and is not quoted", fields_.size()));
      }
    }
    if (at >= line.size() || line[at] != ',') break;
    ++at;
  }
  return Record{&fields_};
}

Result<CsvTable> CsvTable::open(const std::string& file,
                                const std::vector<std::string_view>& wanted) {
  auto csv = CsvReader::open(file);
  if (!csv) return csv.error();
  auto header = csv->next();
  if (!header) return header.error();
  if (!*header) return error_at(file, 1, "the header is missing");
  const auto& names = ***header;
  std::vector<std::size_t> positions;
  for (const auto name : wanted) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      return csv->error(fmt::format("the header has no column \"{}\"", name));
    }
    if (std::find(found + 1, names.end(), name) != names.end()) {
      return csv->error(fmt::format("the header has column \"{}\" twice", name));
    }
    positions.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  const auto columns = names.size();
  return CsvTable(std::move(*csv), std::move(positions), columns);
}

Result<std::optional<std::vector<std::string>>> CsvTable::next() {
  using Record = std::optional<std::vector<std::string>>;
  auto read = csv_.next();
  if (!read) return read.error();
  if (!*read) return Record{};
  auto& fields = ***read;
  if (fields.size() != columns_) {
    return csv_.error(fmt::format("the row has {} fields, the header {}", fields.size(), columns_));
  }
  std::vector<std::string> out;
  out.reserve(positions_.size());
  for (const auto position : positions_) out.push_back(fields[position]);
  return Record{std::move(out)};
}

}  // namespace lyceum::learning::load
