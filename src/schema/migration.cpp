#include "schema/migration.h"

#include <charconv>
#include <fmt/format.h>
#include <map>

#include "base/sha256.h"

namespace lyceum::schema {
namespace {

constexpr std::string_view kFolder = "migrations/";

bool outside_transaction(std::string_view text) {
  while (text.starts_with("--")) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.find("transaction: none") != std::string_view::npos) return true;
    if (line.size() == text.size()) break;
    text.remove_prefix(line.size() + 1);
  }
  return false;
}

Error misnamed(std::string_view path) {
  return {.code = ErrorCode::kConfiguration,
          .message = fmt::format("sql/{} is not named as a migration", path),
          .hint = "name it NNNN_what_it_does.sql"};
}

}  // namespace

std::string_view name_of(MigrationStatus::State state) {
  switch (state) {
    case MigrationStatus::State::applied:
      return "applied";
    case MigrationStatus::State::pending:
      return "pending";
    case MigrationStatus::State::changed:
      return "changed";
    case MigrationStatus::State::unknown:
      return "unknown";
  }
  return "unknown";
}

Result<std::vector<Migration>> find_migrations(std::span<const EmbeddedFile> files) {
  std::map<int, Migration> found;
  for (const auto& file : files) {
    if (!file.path.starts_with(kFolder)) continue;
    auto name = file.path.substr(kFolder.size());
    if (!name.ends_with(".sql")) return misnamed(file.path);
    name.remove_suffix(4);
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end - name.data() != 4 || name.size() < 6 || *end != '_' ||
        number < 1) {
      return misnamed(file.path);
    }
    const auto [at, added] =
        found.emplace(number, Migration{number, std::string(name), file.text,
                                        hex(sha256(file.text)), !outside_transaction(file.text)});
    if (!added) {
      return Error{.code = ErrorCode::kConfiguration,
                   .message = fmt::format("two migrations have the number {:04}: {} and {}", number,
                                          at->second.name, name)};
    }
  }
  std::vector<Migration> out;
  for (auto& [number, migration] : found) {
    if (number != static_cast<int>(out.size()) + 1) {
      return Error{.code = ErrorCode::kConfiguration,
                   .message = fmt::format("migration {:04} is missing before {}", out.size() + 1,
                                          migration.name)};
    }
    out.push_back(std::move(migration));
  }
  return out;
}

std::vector<MigrationStatus> compare(std::span<const Migration> known,
                                     std::span<const AppliedMigration> applied) {
  using State = MigrationStatus::State;
  std::map<int, MigrationStatus> all;
  for (const auto& migration : known) {
    all[migration.number] = {State::pending, migration.number, migration.name, std::nullopt};
  }
  for (const auto& done : applied) {
    const auto at = all.find(done.number);
    if (at == all.end()) {
      all[done.number] = {State::unknown, done.number, done.name, done.applied_at};
      continue;
    }
    const auto& migration = known[static_cast<std::size_t>(done.number) - 1];
    at->second.state = migration.checksum == done.checksum ? State::applied : State::changed;
    at->second.applied_at = done.applied_at;
  }
  std::vector<MigrationStatus> out;
  for (auto& [number, status] : all) out.push_back(std::move(status));
  return out;
}

Result<void> check(std::span<const MigrationStatus> statuses) {
  using State = MigrationStatus::State;
  const MigrationStatus* pending = nullptr;
  for (const auto& status : statuses) {
    if (status.state == State::changed) {
      return Error{
          .code = ErrorCode::kConflict,
          .message = fmt::format("migration {} was changed after it had been applied", status.name),
          .hint = "restore the file, and write the change as a new migration"};
    }
    if (status.state == State::unknown) {
      return Error{.code = ErrorCode::kConflict,
                   .message = fmt::format("the database has migration {}, which this program does "
                                          "not know: the database is newer",
                                          status.name),
                   .hint = "use the newer program"};
    }
    if (status.state == State::pending) {
      pending = &status;
    } else if (pending != nullptr) {
      return Error{.code = ErrorCode::kConflict,
                   .message = fmt::format("migration {} is missing although {} has been applied",
                                          pending->name, status.name),
                   .hint = "number it after those that have been applied"};
    }
  }
  return Result<void>{};
}

}  // namespace lyceum::schema
