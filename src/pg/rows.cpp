#include "pg/rows.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <libpq-fe.h>

namespace lyceum::pg {
namespace {

[[noreturn]] void defect(std::string message) {
  throw Exception({.code = ErrorCode::kInternal,
                   .message = std::move(message),
                   .hint = "the statement and the code that reads it disagree"});
}

}  // namespace

void Rows::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

bool Row::is_null(int column) const {
  return PQgetisnull(rows_->result_.get(), index_, column) != 0;
}

std::string_view Row::bytes(int column) const {
  const auto* result = rows_->result_.get();
  return {PQgetvalue(result, index_, column),
          static_cast<std::size_t>(PQgetlength(result, index_, column))};
}

int Row::column(std::string_view name) const {
  return rows_->column(name);
}

int Rows::size() const {
  return result_ ? PQntuples(result_.get()) : 0;
}
int Rows::columns() const {
  return result_ ? PQnfields(result_.get()) : 0;
}

std::string_view Rows::column_name(int column) const {
  const char* name = PQfname(result_.get(), column);
  return name == nullptr ? std::string_view{} : name;
}

Oid Rows::column_type(int column) const {
  return PQftype(result_.get(), column);
}

int Rows::column(std::string_view name) const {
  for (int at = 0; at < columns(); ++at) {
    if (column_name(at) == name) return at;
  }
  defect(fmt::format("the result has no column '{}'", name));
}

std::int64_t Rows::affected() const {
  if (!result_) return 0;
  const std::string_view text = PQcmdTuples(result_.get());
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

std::string_view Rows::command() const {
  return result_ ? PQcmdStatus(result_.get()) : "";
}

std::size_t Rows::bytes() const {
  return result_ ? PQresultMemorySize(result_.get()) : 0;
}

bool Rows::in_text(int column) const {
  return PQfformat(result_.get(), column) == 0;
}

void Rows::type_mismatch(int column, bool null) const {
  if (column < 0 || column >= columns()) {
    defect(fmt::format("the result has no column number {}", column));
  }
  if (null) defect(fmt::format("column '{}' is NULL where a value is read", column_name(column)));
  if (in_text(column)) {
    defect(
        fmt::format("column '{}' is in text format, to be read as a string", column_name(column)));
  }
  defect(fmt::format("column '{}' has type oid {}, which is not read as that C++ type",
                     column_name(column), column_type(column)));
}

void Rows::malformed(int column, const Error& error) const {
  defect(fmt::format("column '{}': {}", column_name(column), error.message));
}

void Rows::superfluous(std::span<const int> read) const {
  for (int at = 0; at < columns(); ++at) {
    if (std::find(read.begin(), read.end(), at) == read.end()) {
      defect(fmt::format("the result has a column '{}' that nothing reads", column_name(at)));
    }
  }
  defect("several members read the same column");
}

void Rows::expect_one_value() const {
  if (size() != 1 || columns() != 1) {
    defect(fmt::format("the result has {} rows of {} columns where one value is read", size(),
                       columns()));
  }
}

}  // namespace lyceum::pg
