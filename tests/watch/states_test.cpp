// States that an operator meets, made up on real servers, and what the collectors say of each.

#include <fmt/format.h>

#include "cluster/traffic.h"
#include "watch/session.h"
#include "watch/watching.h"

namespace lyceum::watch {
namespace {

using lyceum::testing::Session;

TEST(States, ABlockedChainOfThree) {
  TestDatabase database;
  database.query("create table a (id int); create table b (id int)");
  Session root(database.url()), middle(database.url()), leaf(database.url());
  root.run("begin; lock table a");
  middle.run("set application_name = 'middle'; begin; lock table b");
  middle.send("lock table a");
  leaf.send("select * from b");
  Asking asking(database.url());
  Reading reading;
  ASSERT_TRUE(eventually([&] {
    reading = asking.well("blocking");
    return reading.sample->rows.size() == 3;
  }));
  const auto* one = find_pid(reading, root.pid());
  const auto* two = find_pid(reading, middle.pid());
  const auto* three = find_pid(reading, leaf.pid());
  ASSERT_TRUE(one != nullptr && two != nullptr && three != nullptr);
  EXPECT_EQ(number(reading, *one, "depth"), 0);
  EXPECT_EQ(number(reading, *one, "blocks"), 2);
  EXPECT_EQ(text(reading, *one, "blocked_by"), "");
  EXPECT_EQ(text(reading, *one, "state"), "idle in transaction");
  EXPECT_TRUE(is_null(reading, *one, "waiting_seconds"));
  EXPECT_EQ(number(reading, *two, "depth"), 1);
  EXPECT_EQ(number(reading, *two, "blocks"), 1);
  EXPECT_EQ(text(reading, *two, "blocked_by"), std::to_string(root.pid()));
  EXPECT_EQ(text(reading, *two, "relation"), "public.a");
  EXPECT_EQ(text(reading, *two, "mode"), "AccessExclusiveLock");
  EXPECT_EQ(text(reading, *two, "application"), "middle");
  EXPECT_EQ(text(reading, *two, "query"), "lock table a");
  EXPECT_EQ(text(reading, *two, "database"), database.name());
  EXPECT_EQ(number(reading, *three, "depth"), 2);
  EXPECT_EQ(number(reading, *three, "blocks"), 0);
  EXPECT_EQ(text(reading, *three, "lock_type"), "relation");
  EXPECT_LT(number(reading, *three, "waiting_seconds"), 60);

  const auto connections = asking.well("connections");
  EXPECT_EQ(number(connections, connections.sample->rows.at(0), "waiting_for_lock"), 2);
  const auto sessions = asking.well("sessions");
  double waiting = 0;
  for (const auto& row : sessions.sample->rows) {
    if (text(sessions, row, "wait_event_type") != "Lock") continue;
    EXPECT_EQ(text(sessions, row, "database"), database.name());
    EXPECT_EQ(text(sessions, row, "state"), "active");
    waiting += number(sessions, row, "connection_count");
  }
  EXPECT_EQ(waiting, 2);
  root.run("rollback");
  EXPECT_TRUE(eventually([&] { return asking.well("blocking").sample->rows.size() < 3; }));
}

TEST(States, IdleInTransaction) {
  TestDatabase database;
  Session idle(database.url());
  idle.run("set application_name = 'forgetful'; begin isolation level repeatable read; select 1");
  Asking asking(database.url());
  const auto reading = asking.well("transactions");
  const auto& row = row_of(reading, "holder", std::to_string(idle.pid()));
  EXPECT_EQ(text(reading, row, "kind"), "session");
  EXPECT_EQ(text(reading, row, "state"), "idle in transaction");
  EXPECT_EQ(text(reading, row, "application"), "forgetful");
  EXPECT_GE(number(reading, row, "snapshot_age"), 0);
  EXPECT_LT(number(reading, row, "transaction_seconds"), 60);
  EXPECT_LE(number(reading, row, "state_seconds"), number(reading, row, "transaction_seconds"));
  const auto connections = asking.well("connections");
  EXPECT_EQ(number(connections, connections.sample->rows.at(0), "idle_in_transaction"), 1);
}

TEST(States, WhoHoldsTheOldestSnapshot) {
  cluster::Servers servers(0, {{"max_prepared_transactions", "2"}, {"wal_level", "logical"}});
  const auto url = servers.primary().url();
  psql(url, "create table t (id int)");
  const auto burn = [&] {
    for (int i = 0; i < 5; ++i) psql(url, "insert into t values (1)");
  };
  const auto holder = [&](Asking& asking) {
    const auto reading = asking.well("transactions");
    std::string out;
    for (const auto& row : reading.sample->rows) {
      if (number(reading, row, "holds_oldest") != 1) continue;
      EXPECT_EQ(out, "") << "there is one";
      out = text(reading, row, "kind") + " " + text(reading, row, "holder");
    }
    return out;
  };
  Asking asking(url);
  psql(url, "begin; insert into t values (2); prepare transaction 'forgotten'");
  burn();
  Session session(url);
  session.run("begin isolation level repeatable read; select * from t");
  burn();
  EXPECT_EQ(holder(asking), "prepared forgotten");
  psql(url, "commit prepared 'forgotten'");
  EXPECT_EQ(holder(asking), fmt::format("session {}", session.pid()));
  session.run("rollback");
  psql(url, "select pg_create_logical_replication_slot('unread', 'test_decoding')");
  burn();
  Session later(url);
  later.run("begin isolation level repeatable read; select * from t");
  EXPECT_EQ(holder(asking), "slot unread");
  const auto slots = asking.well("slots");
  const auto& slot = row_of(slots, "slot", "unread");
  EXPECT_EQ(number(slots, slot, "active"), 0);
  EXPECT_EQ(text(slots, slot, "type"), "logical");
  EXPECT_EQ(text(slots, slot, "database"), "lyceum");
  later.run("rollback");
  psql(url, "select pg_drop_replication_slot('unread')");
  EXPECT_EQ(holder(asking), "");

  // Who waits for a prepared transaction waits for no process.
  psql(url, "begin; lock table t; prepare transaction 'locks'");
  Session waits(url);
  waits.send("select * from t");
  Reading blocking;
  ASSERT_TRUE(eventually([&] {
    blocking = asking.well("blocking");
    return blocking.sample->rows.size() == 2;
  }));
  const auto* none = find_pid(blocking, 0);
  ASSERT_NE(none, nullptr);
  EXPECT_EQ(text(blocking, *none, "state"), "prepared");
  EXPECT_EQ(number(blocking, *none, "blocks"), 1);
  EXPECT_EQ(number(blocking, *find_pid(blocking, waits.pid()), "depth"), 1);
  psql(url, "rollback prepared 'locks'");
}

TEST(States, ASlotThatLostItsLog) {
  cluster::Servers servers(0, {{"max_slot_wal_keep_size", "1MB"}});
  const auto url = servers.primary().url();
  psql(url, "select pg_create_physical_replication_slot('left_behind', true)");
  Asking asking(url);
  auto slots = asking.well("slots");
  EXPECT_EQ(number(slots, row_of(slots, "slot", "left_behind"), "active"), 0);
  EXPECT_GT(number(slots, row_of(slots, "slot", "left_behind"), "safe_wal_size"), 0);
  psql(url, "create table t (id int)");
  for (int i = 0; i < 4; ++i) psql(url, "insert into t values (1); select pg_switch_wal()");
  psql(url, "checkpoint");
  slots = asking.well("slots");
  EXPECT_EQ(text(slots, row_of(slots, "slot", "left_behind"), "wal_status"), "lost");
}

TEST(States, AnArchiverThatFails) {
  cluster::Servers servers(0, {{"archive_mode", "on"},
                               {"archive_command", "test -e /nowhere/password=hunter2"},
                               {"wal_level", "replica"}});
  const auto url = servers.primary().url();
  Asking asking(url);
  psql(url, "create table t (id int); select pg_switch_wal()");
  Reading reading;
  EXPECT_TRUE(eventually([&] {
    reading = asking.well("archiver");
    return number(reading, reading.sample->rows.at(0), "failed") > 0;
  }));
  const auto& row = reading.sample->rows.at(0);
  EXPECT_EQ(number(reading, row, "archiving"), 1);
  EXPECT_EQ(number(reading, row, "failing"), 1);
  EXPECT_EQ(number(reading, row, "archived"), 0);
  EXPECT_TRUE(is_null(reading, row, "seconds_since_archived")) << "never";
  EXPECT_LT(number(reading, row, "seconds_since_failed"), 60);
  const auto settings = asking.well("settings");
  for (const auto& one : settings.sample->rows) {
    EXPECT_EQ(text(settings, one, "value").find("hunter2"), std::string::npos);
  }
  psql(url, "alter system set max_connections = 77; select pg_reload_conf()");
  EXPECT_TRUE(eventually([&] {
    const auto changed = asking.well("settings");
    return number(changed, row_of(changed, "name", "max_connections"), "pending_restart") == 1;
  }));
}

TEST(States, DeadRowsBeyondTheTablesOwnThreshold) {
  TestDatabase database;
  database.query(
      "create table t (id int, v int) with (autovacuum_vacuum_threshold = 7, "
      "autovacuum_vacuum_scale_factor = 0.5, autovacuum_vacuum_insert_threshold = -1, "
      "autovacuum_analyze_threshold = 3, autovacuum_analyze_scale_factor = 0, autovacuum_enabled = "
      "off);"
      "create table never (id int);"
      "insert into t select x, x from generate_series(1, 100) x; analyze t;"
      "update t set v = 0 where id <= 60");
  Asking asking(database.url());
  EXPECT_TRUE(eventually([&] {
    const auto reading = asking.well("tables");
    return number(reading, row_of(reading, "relname", "t"), "dead_tuples") == 60;
  }));
  const auto reading = asking.well("tables");
  const auto& row = row_of(reading, "relname", "t");
  EXPECT_DOUBLE_EQ(number(reading, row, "vacuum_threshold"), 7 + 0.5 * 100);
  EXPECT_TRUE(is_null(reading, row, "insert_threshold"));
  EXPECT_DOUBLE_EQ(number(reading, row, "analyze_threshold"), 3);
  EXPECT_EQ(number(reading, row, "autovacuum_enabled"), 0);
  // Never counted: as the server has it, no rows.
  EXPECT_DOUBLE_EQ(number(reading, row_of(reading, "relname", "never"), "vacuum_threshold"), 50);
}

TEST(States, AnInvalidIndexAndSequencesNearTheirEnd) {
  TestDatabase database;
  database.query(
      "create table t (id int, small smallint default 1);"
      "insert into t values (1), (1);"
      "create sequence wide as bigint owned by t.id; select setval('wide', 2000000000);"
      "create sequence by_default; alter table t alter small set default nextval('by_default');"
      "select setval('by_default', 32000);"
      "create sequence unused;"
      "create sequence down increment -1 minvalue -100 maxvalue -1; select setval('down', -90);"
      "create sequence around maxvalue 10 cycle; select setval('around', 10)");
  EXPECT_THROW(database.query("create unique index concurrently broken on t (id)"),
               std::runtime_error);
  Asking asking(database.url());
  const auto indexes = asking.well("indexes");
  EXPECT_EQ(number(indexes, row_of(indexes, "indexrelname", "broken"), "valid"), 0);
  const auto sequences = asking.well("sequences");
  const auto& wide = row_of(sequences, "sequencename", "wide");
  EXPECT_EQ(text(sequences, wide, "column"), "public.t.id");
  EXPECT_EQ(number(sequences, wide, "limit_value"), 2147483647);
  EXPECT_EQ(number(sequences, wide, "last_value"), 2000000000);
  EXPECT_NEAR(number(sequences, wide, "used"), 2000000000.0 / 2147483647, 1e-6);
  const auto& by_default = row_of(sequences, "sequencename", "by_default");
  EXPECT_EQ(number(sequences, by_default, "limit_value"), 32767);
  EXPECT_NEAR(number(sequences, by_default, "used"), 32000.0 / 32767, 1e-4);
  const auto& unused = row_of(sequences, "sequencename", "unused");
  EXPECT_TRUE(is_null(sequences, unused, "last_value"));
  EXPECT_EQ(text(sequences, unused, "column"), "");
  EXPECT_NEAR(number(sequences, row_of(sequences, "sequencename", "down"), "used"), 0.9, 0.01);
  EXPECT_EQ(number(sequences, row_of(sequences, "sequencename", "down"), "limit_value"), -100);
  EXPECT_TRUE(is_null(sequences, row_of(sequences, "sequencename", "around"), "used"));
}

TEST(States, NobodyWaitsForWhoLockedATable) {
  TestDatabase database;
  database.query(
      "create extension pg_stat_statements;"
      "create table big (id serial primary key, v text);"
      "insert into big (v) select repeat('x', 100) from generate_series(1, 20000);"
      "create index on big (lower(v)) where id > 5; analyze big");
  const auto lock = std::make_unique<OpenTransaction>(
      database.url(),
      "lock table big; alter sequence big_id_seq restart; lock table pg_database in "
      "share row exclusive mode");
  // Whoever waits fails.
  Asking asking(database.url(), {.lock = 20ms});
  for (const auto& collector : asked_of_servers()) {
    if (collector.name == "io") continue;
    const auto reading = asking.read(collector.name);
    EXPECT_TRUE(reading.sample.has_value()) << trouble(reading);
    EXPECT_FALSE(reading.error.has_value()) << trouble(reading);
  }
  const auto locked = asking.well("indexes");
  EXPECT_TRUE(is_null(locked, row_of(locked, "indexrelname", "big_lower_idx"), "definition"));
  const auto sequences = asking.well("sequences");
  EXPECT_TRUE(is_null(sequences, row_of(sequences, "sequencename", "big_id_seq"), "last_value"));
  const auto tables = asking.well("tables");
  EXPECT_GT(number(tables, row_of(tables, "relname", "big"), "size_bytes"), 2e6);
  lock->end();
  const auto free = asking.well("indexes");
  EXPECT_NE(
      text(free, row_of(free, "indexrelname", "big_lower_idx"), "definition").find("lower(v)"),
      std::string::npos);
}

TEST(States, AVacuumAndAnIndexBuildUnderWay) {
  TestDatabase database;
  database.query(
      "create table t (id int, v text) with (autovacuum_enabled = off);"
      "insert into t select x, repeat('x', 200) from generate_series(1, 20000) x;"
      "create index on t (id); delete from t where id % 2 = 0");
  Session vacuum(database.url());
  vacuum.run("set vacuum_cost_delay = '100ms'; set vacuum_cost_limit = 1");
  vacuum.send("vacuum t");
  Asking asking(database.url());
  Reading reading;
  ASSERT_TRUE(eventually([&] {
    reading = asking.well("vacuum_progress");
    return !reading.sample->rows.empty();
  }));
  const auto* row = find_pid(reading, vacuum.pid());
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(text(reading, *row, "relation"), "public.t");
  EXPECT_EQ(number(reading, *row, "automatic"), 0);
  EXPECT_EQ(text(reading, *row, "database"), database.name());
  database.query(fmt::format("select pg_cancel_backend({})", vacuum.pid()));

  // A concurrent build waits for who was there before it.
  OpenTransaction before(database.url(),
                         "select count(*) from t; lock table t in access share mode");
  Session build(database.url());
  OpenTransaction writer(database.url(), "insert into t values (0, '')");
  build.send("create index concurrently slow on t (v)");
  ASSERT_TRUE(eventually([&] {
    reading = asking.well("index_progress");
    return !reading.sample->rows.empty() &&
           text(reading, reading.sample->rows[0], "phase").starts_with("waiting for writers");
  }));
  row = find_pid(reading, build.pid());
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(text(reading, *row, "command"), "CREATE INDEX CONCURRENTLY");
  EXPECT_EQ(text(reading, *row, "relation"), "public.t");
  EXPECT_EQ(number(reading, *row, "done"), 0);
  database.query(fmt::format("select pg_cancel_backend({})", build.pid()));
}

// A role with no rights at all, but that it may log in.
struct Stranger {
  explicit Stranger(TestDatabase& at) : database(at) {
    database.query("create role \"odd \"\"stranger\" login password 'pw'");
  }
  ~Stranger() {
    database.query("drop owned by \"odd \"\"stranger\"; drop role \"odd \"\"stranger\"");
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  [[nodiscard]] std::string url() const {
    return fmt::format("host=127.0.0.1 port={} dbname={} user='odd \"stranger' password=pw",
                       database.server().port(), database.name());
  }
  TestDatabase& database;
};

TEST(States, ARoleWithoutRightsIsToldWhatMendsIt) {
  TestDatabase database;
  database.query(
      "create extension pg_stat_statements; create schema s; create table s.t (id serial)");
  Stranger stranger(database);
  const std::string monitor = "GRANT pg_monitor TO \"odd \"\"stranger\";";
  Asking asking(stranger.url(), {.facts = 0s});
  for (const auto& collector : asked_of_servers()) {
    if (collector.name == "io") continue;
    const auto reading = asking.read(collector.name);
    EXPECT_FALSE(reading.error.has_value()) << trouble(reading);
    EXPECT_TRUE(reading.sample.has_value()) << trouble(reading);
    const std::set<std::string_view> whole = {"server",   "databases",   "wraparound",
                                              "wal",      "checkpoints", "slots",
                                              "archiver", "tables",      "indexes"};
    const auto mend = reading.gap.value_or(Gap{}).mend;
    if (whole.contains(collector.name)) {
      EXPECT_EQ(mend, "") << collector.name;
    } else if (collector.name == "sequences") {
      EXPECT_EQ(mend, "GRANT SELECT ON ALL SEQUENCES IN SCHEMA \"s\" TO \"odd \"\"stranger\";");
      EXPECT_TRUE(reading.sample->rows.empty()) << "nothing is told of what is hidden";
    } else {
      EXPECT_EQ(mend, monitor) << collector.name;
    }
  }
  const auto own = asking.read("statements");
  for (const auto& row : own.sample->rows) EXPECT_EQ(text(own, row, "user"), "odd \"stranger");
  // What it says mends it, over the same connection.
  database.query(monitor);
  database.query("GRANT SELECT ON ALL SEQUENCES IN SCHEMA \"s\" TO \"odd \"\"stranger\";");
  for (const auto& collector : asked_of_servers()) {
    if (collector.name == "io") continue;
    (void)asking.well(collector.name);
  }
}

TEST(States, ADatabaseWithoutTheExtension) {
  TestDatabase database;
  Asking asking(database.url(), {.facts = 0s});
  auto reading = asking.read("statements");
  EXPECT_FALSE(reading.sample.has_value());
  EXPECT_FALSE(reading.error.has_value());
  EXPECT_EQ(reading.gap.value_or(Gap{}).mend, "CREATE EXTENSION pg_stat_statements;");
  database.query(
      "create schema \"Ext\"; create extension pg_stat_statements schema \"Ext\" version "
      "'1.8'");
  EXPECT_FALSE(asking.well("statements").sample->rows.empty());
  (void)asking.well("tables");
}

TEST(States, WhatChangesBehindTheFactsIsAskedAgain) {
  TestDatabase database;
  database.query("create extension pg_stat_statements version '1.8'");
  Asking asking(database.url(), {.facts = 1h});
  (void)asking.well("statements");
  // The columns are named otherwise, or elsewhere, or nowhere.
  database.query("alter extension pg_stat_statements update to '1.10'");
  (void)asking.well("statements");
  database.query(
      "create schema elsewhere; alter extension pg_stat_statements set schema elsewhere");
  (void)asking.well("statements");
  database.query("drop extension pg_stat_statements");
  EXPECT_EQ(asking.read("statements").gap.value_or(Gap{}).mend,
            "CREATE EXTENSION pg_stat_statements;");
}

TEST(States, AnExtensionThatIsNotLoaded) {
  cluster::Servers servers(0, {{"shared_preload_libraries", ""}});
  const auto url = servers.primary().url();
  psql(url, "create extension if not exists pg_stat_statements");
  Asking asking(url);
  const auto reading = asking.read("statements");
  EXPECT_FALSE(reading.sample.has_value());
  EXPECT_FALSE(reading.error.has_value());
  EXPECT_EQ(reading.gap.value_or(Gap{}).mend,
            "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'; -- then restart the "
            "server");
}

TEST(States, ALimitEndsARunAndTheConnectionStays) {
  TestDatabase database;
  database.query("create sequence s");
  // Not even the system's tables may hold us up.
  OpenTransaction lock(database.url(), "lock table pg_sequence");
  Asking impatient(database.url(), {.lock = 20ms});
  auto reading = impatient.read("sequences");
  EXPECT_EQ(reading.error.value_or(Error{}).sqlstate, "55P03");
  EXPECT_FALSE(reading.gap.has_value());
  Asking asking(database.url(), {.slow = 100ms, .lock = 10s});
  reading = asking.read("sequences");
  EXPECT_EQ(reading.error.value_or(Error{}).code, ErrorCode::kTimeout);
  EXPECT_LT(reading.took, 5s);
  lock.end();
  EXPECT_EQ(asking.well("sequences").sample->rows.size(), 1U);
  reading = asking.read("sequences", "", std::chrono::steady_clock::now() - 1s);
  EXPECT_EQ(reading.error.value_or(Error{}).code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace lyceum::watch
