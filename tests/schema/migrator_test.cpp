#include "schema/migrator.h"

#include <gtest/gtest.h>

#include "sql/statements.h"
#include "support/postgres.h"
#include "support/run.h"

namespace lyceum::schema {
namespace {

using boost::asio::awaitable;
using testing::run;
using testing::TestDatabase;
using State = MigrationStatus::State;

std::vector<Migration> migrations(std::vector<EmbeddedFile> files) {
  return find_migrations(files).value();
}

struct Outcome {
  std::optional<Error> error;
  int applied = 0;
  std::vector<std::string> said;
};

Outcome migrate(const std::string& url, std::vector<Migration> known) {
  return run([&](auto executor) -> awaitable<Outcome> {
    Outcome outcome;
    auto connection =
        (co_await pg::Connection::connect(executor, {.target = pg::parse_target(url).value()}))
            .value();
    Migrator migrator(connection, known);
    auto applied =
        co_await migrator.apply([&](const std::string& text) { outcome.said.push_back(text); });
    if (applied.has_error()) {
      outcome.error = applied.error();
    } else {
      outcome.applied = *applied;
    }
    connection->close();
    co_return outcome;
  });
}

TEST(Migrator, BringsTheProjectsSchemaAndThenHasNothingToDo) {
  TestDatabase database;
  const auto known = find_migrations(sql::files()).value();
  auto first = migrate(database.url(), known);
  ASSERT_FALSE(first.error) << first.error->to_string();
  EXPECT_EQ(first.applied, static_cast<int>(known.size()));
  EXPECT_EQ(database.value("select count(*) from lyceum_migrations"), std::to_string(known.size()));

  auto second = migrate(database.url(), known);
  ASSERT_FALSE(second.error);
  EXPECT_EQ(second.applied, 0);
}

TEST(Migrator, GivesEveryTenantOwnedTableIsolationAndTenantLedKeys) {
  TestDatabase database;
  ASSERT_FALSE(migrate(database.url(), find_migrations(sql::files()).value()).error);
  // Every table with a tenant_id: row security is on and forced.
  EXPECT_EQ(database.value("select string_agg(relname, ' ') from pg_class c "
                           "join pg_attribute a on a.attrelid = c.oid and attname = 'tenant_id' "
                           "where relkind in ('r', 'p') "
                           "and not (relrowsecurity and relforcerowsecurity)"),
            testing::kNull);
  // Its primary key, unique and foreign keys begin with it.
  EXPECT_EQ(
      database.value("select string_agg(conname, ' ') from pg_constraint k "
                     "join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'tenant_id' "
                     "where k.contype in ('p', 'u', 'f') and k.conkey[1] <> a.attnum "
                     "and k.confrelid <> coalesce(to_regclass('vocabulary'), 0)"),
      testing::kNull);
  EXPECT_EQ(database.value("select count(*) from pg_class where relkind = 'r' and relname in "
                           "('tenants', 'users', 'stories', 'progress', 'vocabulary', "
                           "'user_vocabulary_progress', 'exercises', 'exercise_attempts', "
                           "'learning_sessions', 'user_events')"),
            "10");
  // The application role owns nothing and cannot get around row security.
  EXPECT_EQ(database.value("select count(*) from pg_class where relowner = "
                           "'lyceum_app'::regrole"),
            "0");
  EXPECT_EQ(database.value("select rolbypassrls or rolsuper from pg_roles "
                           "where rolname = 'lyceum_app'"),
            "f");
}

TEST(Migrator, KeepsNothingOfAMigrationThatFails) {
  TestDatabase database;
  const auto known = migrations({{"migrations/0001_good.sql", "create table good (id int)"},
                                 {"migrations/0002_bad.sql",
                                  "create table half (id int); select 1/0; "
                                  "create table rest (id int)"},
                                 {"migrations/0003_after.sql", "create table after (id int)"}});
  const auto outcome = migrate(database.url(), known);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->sqlstate, "22012");
  EXPECT_EQ(outcome.error->statement, "0002_bad");
  EXPECT_EQ(database.value("select string_agg(relname, ' ' order by relname) from pg_class "
                           "where relname in ('good', 'half', 'rest', 'after')"),
            "good");
  EXPECT_EQ(database.value("select string_agg(name, ' ') from lyceum_migrations"), "0001_good");
}

TEST(Migrator, RunsWhatRefusesTransactionsOutsideOfOne) {
  TestDatabase database;
  const auto known =
      migrations({{"migrations/0001_table.sql", "create table t (id int)"},
                  {"migrations/0002_index.sql",
                   "-- transaction: none\ncreate index concurrently t_id on t (id)"}});
  const auto outcome = migrate(database.url(), known);
  ASSERT_FALSE(outcome.error) << outcome.error->to_string();
  EXPECT_EQ(outcome.applied, 2);
  EXPECT_EQ(database.value("select indisvalid from pg_index where indexrelid = "
                           "'t_id'::regclass"),
            "t");
}

TEST(Migrator, RefusesAFileThatWasChangedAfterItWasApplied) {
  TestDatabase database;
  ASSERT_FALSE(migrate(database.url(), migrations({{"migrations/0001_a.sql", "select 1"}})).error);
  const auto outcome = migrate(database.url(), migrations({{"migrations/0001_a.sql", "select 2"}}));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::kConflict);
  EXPECT_NE(outcome.error->message.find("0001_a was changed"), std::string::npos);
}

TEST(Migrator, TwoAtOnceApplyEverythingOnce) {
  TestDatabase database;
  // The second would fail on the table if it ran, and finds the first at work because that waits
  // for a lock which is let go only when the second has said that it waits.
  const auto known = migrations({{"migrations/0001_slow.sql",
                                  "create table once (id int); select pg_advisory_xact_lock(7)"}});
  const auto outcomes = run([&](auto executor) -> awaitable<std::pair<int, std::string>> {
    const auto target = pg::parse_target(database.url()).value();
    auto holder = (co_await pg::Connection::connect(executor, {.target = target})).value();
    auto one = (co_await pg::Connection::connect(executor, {.target = target})).value();
    auto two = (co_await pg::Connection::connect(executor, {.target = target})).value();
    (co_await holder->script("select pg_advisory_lock(7)")).value();
    int applied = 0;
    int ended = 0;
    std::string said;
    const auto one_of_two = [&](std::shared_ptr<pg::Connection> connection) -> awaitable<void> {
      Migrator migrator(connection, known);
      applied += (co_await migrator.apply([&](const std::string& text) {
                   if (text.find("another migrator") == std::string::npos) return;
                   said = text;
                   boost::asio::co_spawn(
                       executor,
                       [&]() -> awaitable<void> {
                         (co_await holder->script("select pg_advisory_unlock(7)")).value();
                       },
                       boost::asio::detached);
                 })).value();
      ++ended;
    };
    boost::asio::co_spawn(executor, one_of_two(one), boost::asio::detached);
    co_await one_of_two(two);
    while (ended < 2) co_await boost::asio::post(executor, boost::asio::use_awaitable);
    for (auto& connection : {holder, one, two}) connection->close();
    co_return std::pair(applied, said);
  });
  EXPECT_EQ(outcomes.first, 1);
  EXPECT_NE(outcomes.second.find("another migrator"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::schema
