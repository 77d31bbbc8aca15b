#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/embedded_file.h"
#include "base/error.h"
#include "indexes/index_statement.h"

// The indexes that a database ought to have, declared as SQL.
//
// A catalogue file holds `CREATE [UNIQUE] INDEX name ON table ...;` statements, each with a comment
// before it that says what the index is for. CONCURRENTLY may be written and changes nothing: every
// build is concurrent. IF NOT EXISTS is refused: it means "any index of that name will do", and a
// catalogue means this one.
//
// A predicate may hold the constant `'rolling: N days'` (or weeks) cast to timestamptz, timestamp
// or date. Such an index is rolling: it is built with a literal date in that place, midnight UTC N
// days ago. As days pass it holds more than asked for, so it stays right and grows. An existing
// index counts as the declared one while it covers at least N and at most 2 N days; then it is
// replaced.
namespace lyceum::indexes {

using Date = std::chrono::sys_days;

// The place of a rolling date: which temporal constant of the predicate, and how far back it lies.
struct RollingDate {
  std::size_t constant = 0;  // position in IndexStatement::temporal
  std::chrono::days span{0};
};

struct DeclaredIndex {
  IndexStatement statement;
  std::vector<RollingDate> rolling;
  std::string file;

  [[nodiscard]] const std::string& name() const { return statement.name; }
  [[nodiscard]] bool is_rolling() const { return !rolling.empty(); }
  // "file:line", for messages.
  [[nodiscard]] std::string place() const;

  // The tail of the statement with its rolling dates as of `today`, or with `literals`, one for
  // each rolling date, where those are given.
  [[nodiscard]] std::string tail_on(Date today) const;
  [[nodiscard]] std::string tail_with(std::span<const std::string> literals) const;
};

class Catalogue {
 public:
  // Files in their order. The error (kBadInput) names the file and line of what is wrong first: a
  // text that does not parse, a statement that is no CREATE INDEX, no name, a name declared twice,
  // IF NOT EXISTS, ONLY, a rolling date that cannot be understood.
  [[nodiscard]] static Result<Catalogue> parse(std::span<const EmbeddedFile> files);

  // Files of a user, by path. An unreadable one is an error (kIo).
  [[nodiscard]] static Result<Catalogue> read(std::span<const std::string> paths);

  [[nodiscard]] std::span<const DeclaredIndex> indexes() const { return indexes_; }
  [[nodiscard]] const DeclaredIndex* find(std::string_view name) const;

 private:
  std::vector<DeclaredIndex> indexes_;
};

// The catalogue of a profile that is part of the program ("guide", "lean"):
// sql/indexes/PROFILE.sql. Unknown: kNotFound, with the profiles there are.
[[nodiscard]] Result<Catalogue> embedded_catalogue(std::string_view profile);
[[nodiscard]] std::vector<std::string> embedded_profiles();

// "2026-11-16" and, for timestamptz, "2026-11-16 00:00:00+00": how a rolling date is written.
[[nodiscard]] std::string rolling_literal(Date date, std::string_view type);
// The day of a temporal constant as the server prints it with DateStyle ISO; of a time within the
// day, that day. Empty where it is no such text.
[[nodiscard]] std::optional<Date> parse_literal_date(std::string_view value);

}  // namespace lyceum::indexes
