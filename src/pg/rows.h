#pragma once

#include <array>
#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pg/codec.h"
#include "pg/protocol.h"

namespace lyceum::pg {

class Rows;

// One row of a result; valid as long as its Rows.
class Row {
 public:
  Row(const Rows& rows, int index) : rows_(&rows), index_(index) {}

  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::string_view bytes(int column) const;
  // As Rows::column().
  [[nodiscard]] int column(std::string_view name) const;

  // The value of a column, by position from 0. Throws Exception (kInternal), which names the
  // column, where its type is not T's, where it is NULL and T is no std::optional, and where its
  // bytes make no T. In text format (scripts) every column is a string and nothing else.
  template <class T>
  [[nodiscard]] T get(int column) const;

 private:
  [[nodiscard]] std::string_view value(int column) const;

  const Rows* rows_;
  int index_;
};

// What a statement gave back: rows in binary, and how many it touched. Movable, not copyable; any
// one thread at a time.
class Rows {
 public:
  Rows() noexcept;
  // For the connection: a result that begins, with these columns (null: none), its rows as they
  // come, and its end. add() is false where the bytes make no row of these columns.
  explicit Rows(std::shared_ptr<const protocol::Columns> columns);
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) noexcept;
  ~Rows();
  [[nodiscard]] bool add(std::string_view data_row);
  void complete(std::string_view command);
  [[nodiscard]] std::shared_ptr<const protocol::Columns> shared_columns() const;

  [[nodiscard]] int size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] int columns() const;
  [[nodiscard]] std::string_view column_name(int column) const;
  [[nodiscard]] Oid column_type(int column) const;
  // The position of a column. Throws Exception (kInternal) where there is none of that name.
  [[nodiscard]] int column(std::string_view name) const;
  // Rows inserted, updated, deleted, selected or copied, as the command's tag says; else 0.
  [[nodiscard]] std::int64_t affected() const;
  [[nodiscard]] std::string_view command() const;
  // Bytes the server sent for its rows.
  [[nodiscard]] std::size_t bytes() const;

  [[nodiscard]] Row operator[](int index) const { return {*this, index}; }

  class Iterator {
   public:
    using value_type = Row;
    using difference_type = int;
    Iterator() = default;
    Iterator(const Rows* rows, int index) : rows_(rows), index_(index) {}
    Row operator*() const { return {*rows_, index_}; }
    Iterator& operator++() { return ++index_, *this; }
    Iterator operator++(int) { return {rows_, index_++}; }
    bool operator==(const Iterator&) const = default;

   private:
    const Rows* rows_ = nullptr;
    int index_ = 0;
  };
  [[nodiscard]] Iterator begin() const { return {this, 0}; }
  [[nodiscard]] Iterator end() const { return {this, size()}; }

  // The one value of a result of one row and one column. Throws Exception (kInternal) otherwise.
  template <class T>
  [[nodiscard]] T value() const;

  // The rows as structs described with BOOST_DESCRIBE_STRUCT: columns are matched to members by
  // name, so their order does not matter; a column without a member is an error, as is a member
  // without a column. Throws Exception (kInternal).
  template <class T>
  [[nodiscard]] std::vector<T> as() const;

 private:
  friend class Row;
  struct Answer;
  [[nodiscard]] bool in_text(int column) const;
  [[noreturn]] void type_mismatch(int column, bool null) const;
  [[noreturn]] void malformed(int column, const Error& error) const;
  [[noreturn]] void superfluous(std::span<const int> read) const;
  void expect_one_value() const;

  std::unique_ptr<Answer> answer_;
};

template <class T>
T Row::get(int column) const {
  if constexpr (IsOptional<T>::value) {
    if (is_null(column)) return std::nullopt;
    return get<typename IsOptional<T>::Value>(column);
  } else {
    constexpr bool kString = std::same_as<T, std::string> || std::same_as<T, std::string_view>;
    const auto type = rows_->column_type(column);
    if (is_null(column)) rows_->type_mismatch(column, true);
    const bool readable = rows_->in_text(column) ? kString : Codec<T>::accepts(type);
    if (!readable) rows_->type_mismatch(column, false);
    try {
      return Codec<T>::decode(bytes(column), type);
    } catch (const Exception& problem) {
      rows_->malformed(column, problem.error());
    }
  }
}

template <class T>
T Rows::value() const {
  expect_one_value();
  return (*this)[0].get<T>(0);
}

// One row as such a struct; columns that have no member are passed over. Throws Exception
// (kInternal) where a member has no column.
template <class T>
[[nodiscard]] T read_row(const Row& row) {
  T out{};
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
      [&](auto member) {
        using Value = std::remove_cvref_t<decltype(out.*member.pointer)>;
        out.*member.pointer = row.get<Value>(row.column(member.name));
      });
  return out;
}

template <class T>
std::vector<T> Rows::as() const {
  using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
  constexpr auto kMembers = boost::mp11::mp_size<Members>::value;
  std::array<int, kMembers> positions{};
  std::size_t at = 0;
  boost::mp11::mp_for_each<Members>([&](auto member) { positions[at++] = column(member.name); });
  if (columns() != static_cast<int>(kMembers)) superfluous(positions);
  std::vector<T> out(static_cast<std::size_t>(size()));
  for (int row = 0; row < size(); ++row) {
    auto& item = out[static_cast<std::size_t>(row)];
    at = 0;
    boost::mp11::mp_for_each<Members>([&](auto member) {
      using Value = std::remove_cvref_t<decltype(item.*member.pointer)>;
      item.*member.pointer = (*this)[row].get<Value>(positions[at++]);
    });
  }
  return out;
}

}  // namespace lyceum::pg
