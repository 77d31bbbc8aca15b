#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "learning/load_lines.h"

namespace lyceum::learning::load {

// Appends one record as RFC 4180 has it, ended by "\r\n". Only fields that need quotes get them.
void write_csv(std::string& out, const std::vector<std::string>& fields);

// The records of a CSV file as in RFC 4180: commas, fields in double quotes that may hold commas,
// newlines and doubled quotes. Lines may end in "\r\n" or "\n". A quote within an unquoted field,
// text after a closing quote and a quote that never closes are errors. Empty lines are skipped
// where records have several fields. One record takes at most kMaxLineBytes.
class CsvReader {
 public:
  [[nodiscard]] static Result<CsvReader> open(const std::string& file);

  // The next record's fields, or nothing at the end. Valid until the next call.
  [[nodiscard]] Result<std::optional<std::vector<std::string>*>> next();

  // The line on which the record given out last begins.
  [[nodiscard]] std::uint64_t line() const { return line_; }
  [[nodiscard]] const std::string& file() const { return lines_.file(); }
  [[nodiscard]] Error error(std::string_view reason) const;

 private:
  explicit CsvReader(LineReader lines) : lines_(std::move(lines)) {}

  LineReader lines_;
  std::vector<std::string> fields_;
  std::uint64_t line_ = 0;
};

// A CSV file with a header: columns are found by name, in any order; columns that nobody asks for
// are read over.
class CsvTable {
 public:
  // Errors: no header, a wanted column that is missing, a column that comes twice.
  [[nodiscard]] static Result<CsvTable> open(const std::string& file,
                                             const std::vector<std::string_view>& wanted);

  // The wanted fields of the next record, in the order in which they were asked for. A record with
  // more or fewer fields than the header is an error.
  [[nodiscard]] Result<std::optional<std::vector<std::string>>> next();

  [[nodiscard]] std::uint64_t line() const { return csv_.line(); }
  [[nodiscard]] Error error(std::string_view reason) const { return csv_.error(reason); }

 private:
  CsvTable(CsvReader csv, std::vector<std::size_t> positions, std::size_t columns)
      : csv_(std::move(csv)), positions_(std::move(positions)), columns_(columns) {}

  CsvReader csv_;
  std::vector<std::size_t> positions_;
  std::size_t columns_;
};

}  // namespace lyceum::learning::load
