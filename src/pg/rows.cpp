#include "pg/rows.h"

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <charconv>
#include <fmt/format.h>

namespace lyceum::pg {
namespace {

[[noreturn]] void defect(std::string message) {
  throw Exception({.code = ErrorCode::kInternal,
                   .message = std::move(message),
                   .hint = "the statement and the code that reads it disagree"});
}

}  // namespace

// Rows as they came, one after another, and where each value of each row lies.
struct Rows::Answer {
  std::shared_ptr<const protocol::Columns> columns;
  // A row or two of a few columns need no memory of their own.
  boost::container::small_vector<char, 192> bytes;
  boost::container::small_vector<std::size_t, 12> values;
  int rows = 0;
  std::array<char, 64> command{};  // the server's limit for it
  std::uint8_t command_length = 0;
};

Rows::Rows(std::shared_ptr<const protocol::Columns> columns) : answer_(std::make_unique<Answer>()) {
  answer_->columns = std::move(columns);
}
Rows::Rows() noexcept = default;
Rows::Rows(Rows&&) noexcept = default;
Rows& Rows::operator=(Rows&&) noexcept = default;
Rows::~Rows() = default;

// An Int16 of how many values, and for each an Int32 of its length (-1: NULL) and its bytes.
bool Rows::add(std::string_view data_row) {
  if (!answer_ || !answer_->columns || data_row.size() < 2) return false;
  const auto count = static_cast<std::size_t>(wire::get<std::uint16_t>(data_row));
  if (count != answer_->columns->size()) return false;
  data_row.remove_prefix(2);
  auto& bytes = answer_->bytes;
  auto& values = answer_->values;
  const auto begin = bytes.size(), values_before = values.size();
  std::size_t at = 0;
  bool fits = true;
  for (std::size_t i = 0; fits && i < count; ++i) {
    fits = data_row.size() - at >= 4;
    if (!fits) break;
    const auto length = wire::get<std::int32_t>(data_row.substr(at));
    at += 4;
    values.push_back(begin + at);
    const auto size = length > 0 ? static_cast<std::size_t>(length) : 0;
    fits = length >= -1 && data_row.size() - at >= size;
    if (fits) at += size;
  }
  if (!fits || at != data_row.size()) {
    values.resize(values_before);
    return false;
  }
  bytes.resize(begin + at, boost::container::default_init);
  if (at > 0) std::memcpy(bytes.data() + begin, data_row.data(), at);
  ++answer_->rows;
  return true;
}

void Rows::complete(std::string_view command) {
  if (!answer_) answer_ = std::make_unique<Answer>();
  command = command.substr(0, answer_->command.size());
  std::copy(command.begin(), command.end(), answer_->command.begin());
  answer_->command_length = static_cast<std::uint8_t>(command.size());
}

std::shared_ptr<const protocol::Columns> Rows::shared_columns() const {
  return answer_ ? answer_->columns : nullptr;
}

// The value's bytes; no pointer where it is NULL or there is no such value.
std::string_view Row::value(int column) const {
  const auto* answer = rows_->answer_.get();
  const auto columns = static_cast<std::size_t>(rows_->columns());
  const auto row = static_cast<std::size_t>(index_), at = static_cast<std::size_t>(column);
  if (index_ < 0 || index_ >= rows_->size() || column < 0 || at >= columns) return {};
  const auto begin = answer->values[row * columns + at];
  const char* bytes = answer->bytes.data() + begin;
  const auto length = wire::get<std::int32_t>({bytes - 4, 4});
  if (length < 0) return {};
  return {bytes, static_cast<std::size_t>(length)};
}

bool Row::is_null(int column) const {
  return value(column).data() == nullptr;
}

std::string_view Row::bytes(int column) const {
  return value(column);
}

int Row::column(std::string_view name) const {
  return rows_->column(name);
}

int Rows::size() const {
  return answer_ ? answer_->rows : 0;
}
int Rows::columns() const {
  return answer_ && answer_->columns ? static_cast<int>(answer_->columns->size()) : 0;
}

std::string_view Rows::column_name(int column) const {
  if (column < 0 || column >= columns()) return {};
  return (*answer_->columns)[static_cast<std::size_t>(column)].name;
}

Oid Rows::column_type(int column) const {
  if (column < 0 || column >= columns()) return 0;
  return (*answer_->columns)[static_cast<std::size_t>(column)].type;
}

int Rows::column(std::string_view name) const {
  for (int at = 0; at < columns(); ++at) {
    if (column_name(at) == name) return at;
  }
  defect(fmt::format("the result has no column '{}'", name));
}

// "INSERT 0 5", "SELECT 3", "CREATE TABLE": the last word, where it is a number.
std::int64_t Rows::affected() const {
  const auto text = command();
  const auto last = text.substr(text.rfind(' ') + 1);
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), count);
  return error == std::errc() && end == last.data() + last.size() ? count : 0;
}

std::string_view Rows::command() const {
  return answer_ ? std::string_view(answer_->command.data(), answer_->command_length)
                 : std::string_view();
}

std::size_t Rows::bytes() const {
  return answer_ ? answer_->bytes.size() : 0;
}

bool Rows::in_text(int column) const {
  return column >= 0 && column < columns() &&
         (*answer_->columns)[static_cast<std::size_t>(column)].text;
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
