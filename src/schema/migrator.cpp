#include "schema/migrator.h"

#include <fmt/format.h>

#include "pg/transaction.h"

namespace lyceum::schema {
namespace {

using boost::asio::awaitable;

// "lyceum.m" in ASCII: one number for all migrators, chosen once.
constexpr std::int64_t kLock = 0x6c796365756d2e6d;

constexpr Statement kJournalExists{"", "select to_regclass('lyceum_migrations') is not null",
                                   Access::read};
constexpr Statement kApplied{
    "", "select number, name, checksum, applied_at from lyceum_migrations order by number",
    Access::read};
constexpr Statement kMark{
    "", "insert into lyceum_migrations (number, name, checksum) values ($1, $2, $3)",
    Access::write};
constexpr std::string_view kMakeJournal =
    "create table if not exists lyceum_migrations ("
    " number integer primary key,"
    " name text not null,"
    " checksum text not null,"
    " applied_at timestamptz not null default now(),"
    " applied_by text not null default current_user)";

Error in_migration(Error error, const Migration& migration) {
  error.message = fmt::format("migration {} failed: {}", migration.name, error.message);
  error.statement = migration.name;
  if (error.hint.empty()) {
    error.hint = migration.in_transaction ? "nothing of it was kept; mend the cause and run again"
                                          : "it may be half done; look, then run again";
  }
  return error;
}

}  // namespace

awaitable<Result<std::vector<MigrationStatus>>> Migrator::status() {
  const auto exists = co_await connection_->execute(kJournalExists);
  if (exists.has_error()) co_return exists.error();
  std::vector<AppliedMigration> applied;
  if (exists->value<bool>()) {
    const auto rows = co_await connection_->execute(kApplied);
    if (rows.has_error()) co_return rows.error();
    for (const auto row : *rows) {
      applied.push_back({row.get<std::int32_t>(0), row.get<std::string>(1), row.get<std::string>(2),
                         row.get<Timestamp>(3)});
    }
  }
  co_return compare(migrations_, applied);
}

awaitable<Result<int>> Migrator::apply(std::function<void(const std::string&)> progress) {
  const auto say = [&progress](const std::string& text) {
    if (progress) progress(text);
  };
  const pg::Params lock(kLock);
  static constexpr Statement kTryLock{"", "select pg_try_advisory_lock($1)", Access::read};
  static constexpr Statement kWaitForLock{"", "select pg_advisory_lock($1)", Access::read};
  static constexpr Statement kUnlock{"", "select pg_advisory_unlock($1)", Access::read};
  const auto locked = co_await connection_->execute(kTryLock, lock);
  if (locked.has_error()) co_return locked.error();
  if (!locked->value<bool>()) {
    say("another migrator is at work on this database; waiting for it");
    const auto waited = co_await connection_->execute(kWaitForLock, lock);
    if (waited.has_error()) co_return waited.error();
  }

  int count = 0;
  std::optional<Error> failure;
  const auto made = co_await connection_->script(std::string(kMakeJournal));
  if (made.has_error()) failure = made.error();
  if (!failure) {
    const auto statuses = co_await status();
    if (statuses.has_error()) {
      failure = statuses.error();
    } else if (const auto fit = check(*statuses); fit.has_error()) {
      failure = fit.error();
    } else {
      for (const auto& one : *statuses) {
        if (one.state != MigrationStatus::State::pending) continue;
        const auto& migration = migrations_[static_cast<std::size_t>(one.number) - 1];
        say("applying " + migration.name);
        const auto applied = co_await apply_one(migration);
        if (applied.has_error()) {
          failure = in_migration(applied.error(), migration);
          break;
        }
        ++count;
      }
    }
  }
  (void)co_await connection_->execute(kUnlock, lock);
  if (failure) co_return *failure;
  co_return count;
}

awaitable<Result<void>> Migrator::apply_one(const Migration& migration) {
  const pg::Params mark(migration.number, migration.name, migration.checksum);
  if (!migration.in_transaction) {
    auto done = co_await connection_->script(std::string(migration.text));
    if (done.has_error()) co_return done.error();
    auto marked = co_await connection_->execute(kMark, mark);
    if (marked.has_error()) co_return marked.error();
    co_return Result<void>{};
  }
  auto begun = co_await pg::Transaction::begin(connection_);
  if (begun.has_error()) co_return begun.error();
  auto transaction = *begun;
  auto done = co_await connection_->script(std::string(migration.text));
  if (done.has_error()) {
    (void)co_await transaction.rollback();
    co_return done.error();
  }
  auto marked = co_await transaction.execute(kMark, mark);
  if (marked.has_error()) {
    (void)co_await transaction.rollback();
    co_return marked.error();
  }
  co_return co_await transaction.commit();
}

}  // namespace lyceum::schema
