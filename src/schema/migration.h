#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/embedded_file.h"
#include "base/error.h"

namespace lyceum::schema {

// One numbered step of the schema: plain SQL.
struct Migration {
  int number = 0;              // from 1, without gaps
  std::string name;            // "0002_tables"
  std::string_view text;       // whole file
  std::string checksum;        // SHA-256 of the text, 64 hexadecimal digits
  bool in_transaction = true;  // false: the file holds one statement that refuses transactions
};

// What a database says it has had.
struct AppliedMigration {
  int number = 0;
  std::string name;
  std::string checksum;
  Timestamp applied_at{};
};

// The state of one migration in one database.
struct MigrationStatus {
  enum class State {
    applied,
    pending,
    changed,  // applied, and the file is another one now
    unknown,  // applied, and this program does not know it: the database is newer
  };
  State state = State::pending;
  int number = 0;
  std::string name;
  std::optional<Timestamp> applied_at;
};

[[nodiscard]] std::string_view name_of(MigrationStatus::State state);

// The migrations among the files below migrations/, in order. A file is named NNNN_name.sql; a
// leading comment line "-- transaction: none" takes it out of the transaction.
// Error (kConfiguration): a name of another form, a number twice, a gap.
[[nodiscard]] Result<std::vector<Migration>> find_migrations(std::span<const EmbeddedFile> files);

// What each side has, by number.
[[nodiscard]] std::vector<MigrationStatus> compare(std::span<const Migration> known,
                                                   std::span<const AppliedMigration> applied);

// Refuses to go on where an applied file has changed, where the database is newer, or where a
// pending one comes before an applied one. Errors: kConflict.
[[nodiscard]] Result<void> check(std::span<const MigrationStatus> statuses);

}  // namespace lyceum::schema
