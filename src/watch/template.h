#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "watch/expression.h"

namespace lyceum::watch {

// A text with places in it: "{relname} has {dead_tuples:count} dead rows". In braces stands an
// expression over the row, or value (the rule's figure), node or database, and after a colon how it
// is shown. A brace of its own is written twice.
//
//   count     1,234,567           bytes     12.3 MB         percent   of 1: 83.2 %
//   duration  seconds: 15 min     short     a text's first 80 characters
//   ident     an identifier of SQL, quoted      literal   a text or number as SQL has it
//   sql       SQL itself, as Lyceum's own column "mend" of the collector "collectors" holds it
class Template {
 public:
  enum class Use {
    prose,  // one line: white space in values is made one space each
    // To be pasted into psql: a text may only come in as ident or literal, so that no name that
    // somebody gave a table ends a comment or a statement.
    sql,
  };

  // Errors: kConfiguration, saying which place and why.
  [[nodiscard]] static Result<Template> compile(std::string_view text, const Collector& collector,
                                                Use use);

  struct Row {
    const watch::Row& cells;
    Timestamp at;
    const Past& past;
    std::optional<double> value;
    std::string_view node;
    std::string_view database;
  };
  // What is missing shows as "?" in prose; SQL that lacks a part is no SQL: empty.
  [[nodiscard]] std::string render(const Row& row) const;

  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] const std::vector<Expression::Look>& looks_back() const { return looks_; }

 private:
  enum class Format { plain, count, bytes, percent, duration, brief, ident, literal, sql };
  enum class What { words, column, value, node, database, expression };
  struct Piece {
    What what = What::words;
    Format format = Format::plain;
    std::string words = {};
    int column = -1;
    std::optional<Expression> expression = std::nullopt;
  };

  Result<void> add_place(std::string_view place, const Collector& collector);
  static std::optional<std::string> show(const Value& value, Format format);

  Use use_ = Use::prose;
  std::vector<Piece> pieces_;
  std::vector<Expression::Look> looks_;
};

// "a""b" and 'it''s', whatever they hold; control characters as escapes, so that both stay on their
// line.
[[nodiscard]] std::string sql_identifier(std::string_view name);
[[nodiscard]] std::string sql_literal(std::string_view text);

// "15 min", "3.2 h", "2.5 days".
[[nodiscard]] std::string duration_words(double seconds);

}  // namespace lyceum::watch
