// What the collectors read, held against what psql is told.

#include <fmt/format.h>

#include "cluster/traffic.h"
#include "watch/versions.h"
#include "watch/watching.h"

namespace lyceum::watch {
namespace {

bool fits(const Column& column, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return column.kind != Kind::key;
  const bool words = std::holds_alternative<Text>(value);
  if (column.kind == Kind::text) return words;
  return column.kind == Kind::key || !words;
}

void hold(const Reading& reading) {
  const auto& collector = *find_collector(reading.source.collector);
  ASSERT_TRUE(reading.sample.has_value()) << trouble(reading);
  EXPECT_EQ(trouble(reading), "");
  EXPECT_EQ(reading.sample->source, reading.source);
  EXPECT_GT(reading.took, 0ns);
  std::set<std::vector<std::string>> keys;
  for (const auto& row : reading.sample->rows) {
    ASSERT_EQ(row.size(), collector.columns.size());
    std::vector<std::string> key;
    for (std::size_t i = 0; i < row.size(); ++i) {
      EXPECT_TRUE(fits(collector.columns[i], row[i]))
          << collector.name << "." << collector.columns[i].name;
      if (collector.columns[i].kind != Kind::key) continue;
      const auto* words = std::get_if<Text>(&row[i]);
      const auto* whole = std::get_if<std::int64_t>(&row[i]);
      key.push_back(words != nullptr   ? words->string()
                    : whole != nullptr ? std::to_string(*whole)
                                       : "");
    }
    if (!key.empty()) {
      EXPECT_TRUE(keys.insert(key).second) << collector.name << ": two rows of one key";
    }
  }
}

TEST(Collectors, EachRunsOnAPrimaryAndOnAReplica) {
  cluster::Servers servers(1);
  psql(servers.primary().url(),
       "create table t (id serial primary key); insert into t default "
       "values; create index on t ((id + 1)); analyze t");
  servers.wait_until_replayed();
  for (auto& server : servers.cluster->servers()) {
    Asking asking(server.url());
    for (const auto& collector : asked_of_servers()) {
      const auto database =
          collector.scope == Scope::database ? std::string("lyceum") : std::string();
      const auto reading = asking.read(collector.name, database);
      if (collector.name == "io") {
        EXPECT_FALSE(reading.sample.has_value());
        EXPECT_EQ(reading.gap.value_or(Gap{}).why, "PostgreSQL 16 or later is needed");
        continue;
      }
      hold(reading);
      if (collector.name == "settings" && server.is_replica()) {
        // It holds the password of the one that it follows as.
        EXPECT_EQ(text(reading, row_of(reading, "name", "primary_conninfo"), "value"), "(hidden)");
      }
      const bool replica = server.is_replica();
      const std::set<std::string_view> may_be_empty = {
          "blocking", "vacuum_progress", "index_progress", "transactions", "sessions", "slots"};
      if (may_be_empty.contains(collector.name)) continue;
      if (collector.name == "replication" && replica) continue;
      EXPECT_EQ(reading.sample->rows.empty(), collector.name == "replica" && !replica)
          << collector.name;
    }
    // The statement gives all of the columns: what it does not give would be told as unknown.
    for (const auto& collector : asked_of_servers()) {
      const auto question = question_for(collector.name, 150'000, "1.10");
      if (question.statement == nullptr) continue;
      auto connection = asking.loop.connect(server.url());
      const auto rows = asking.loop.execute(
          *connection, in_schema(question.statement->text, "public"), {}, Access::read);
      ASSERT_TRUE(rows.has_value()) << collector.name << ": " << rows.error().to_string();
      std::set<std::string_view> got, wanted;
      for (int i = 0; i < rows->columns(); ++i) got.insert(rows->column_name(i));
      for (const auto& column : collector.columns) {
        // From the edges, and from the statement for texts.
        const bool made =
            collector.name == "blocking" && (column.name == "depth" || column.name == "blocks");
        if (!made && column.name != question.text_column) wanted.insert(column.name);
      }
      for (const auto* extra : {"hidden", "text_of", "stats_reset"}) {
        if (!wanted.contains(extra)) got.erase(extra);
      }
      EXPECT_EQ(got, wanted) << collector.name;
    }
  }
}

TEST(Collectors, AReplicaIsSeenFromBothSides) {
  cluster::Servers servers(1);
  servers.wait_until_replayed();
  Asking primary(servers.primary().url()), replica(servers.replica(0).url());
  Reading senders;
  // It has not said how far it is before its first word.
  ASSERT_TRUE(eventually([&] {
    senders = primary.well("replication");
    return !is_null(senders, senders.sample->rows.at(0), "replay_lag_bytes");
  }));
  ASSERT_EQ(senders.sample->rows.size(), 1U);
  const auto& sender = senders.sample->rows[0];
  EXPECT_EQ(text(senders, sender, "state"), "streaming");
  EXPECT_EQ(number(senders, sender, "pid"),
            std::stod(psql_value(servers.primary().url(), "select pid from pg_stat_replication")));
  EXPECT_GE(number(senders, sender, "replay_lag_bytes"), 0);
  const auto follower = replica.well("replica");
  EXPECT_EQ(number(follower, follower.sample->rows.at(0), "receiving"), 1);
  EXPECT_EQ(number(follower, follower.sample->rows.at(0), "replay_paused"), 0);
  psql(servers.replica(0).url(), "select pg_wal_replay_pause()");
  psql(servers.primary().url(), "create table x as select generate_series(1, 1000)");
  EXPECT_TRUE(eventually([&] {
    const auto paused = replica.well("replica");
    const auto& row = paused.sample->rows.at(0);
    return number(paused, row, "replay_paused") == 1 &&
           number(paused, row, "received_not_replayed_bytes") > 10'000;
  }));
  EXPECT_TRUE(eventually([&] {
    const auto behind = primary.well("replication");
    return number(behind, behind.sample->rows.at(0), "replay_lag_bytes") > 10'000;
  }));
  const auto slots = primary.well("slots");
  const auto& slot = slots.sample->rows.at(0);
  EXPECT_EQ(number(slots, slot, "active"), 1);
  EXPECT_EQ(text(slots, slot, "type"), "physical");
  EXPECT_EQ(text(slots, slot, "wal_status"), "reserved");
  const auto server = replica.well("server");
  EXPECT_EQ(number(server, server.sample->rows.at(0), "in_recovery"), 1);
  psql(servers.replica(0).url(), "select pg_wal_replay_resume()");
}

class CollectorsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    database_ = new TestDatabase();
    database_->query(
        "create extension pg_stat_statements;"
        "create schema \"Odd Schema\";"
        "do $$ begin for i in 1..300 loop "
        "execute format('create table \"Odd Schema\".\"T%s\" (id serial primary key, a int, b "
        "text)', i); "
        "execute format('create index on \"Odd Schema\".\"T%s\" (a) where b is not null', i); "
        "if i % 10 = 0 then "
        "execute format('insert into \"Odd Schema\".\"T%s\" (a, b) select x, x::text from "
        "generate_series(1, %s) x', i, i); "
        "execute format('update \"Odd Schema\".\"T%s\" set a = a + 1 where id %% 3 = 0', i); "
        "execute format('delete from \"Odd Schema\".\"T%s\" where id %% 7 = 0', i); end if; "
        "if i % 25 = 0 then execute format('alter table \"Odd Schema\".\"T%s\" set "
        "(autovacuum_enabled = false)', i); end if; end loop; end $$;"
        "analyze \"Odd Schema\".\"T10\"; vacuum \"Odd Schema\".\"T20\";"
        "create table \"Odd Schema\".parts (id int) partition by range (id);"
        "create materialized view \"Odd Schema\".seen as select 1 as one;"
        "set enable_seqscan = off; select * from \"Odd Schema\".\"T100\" where id = 5;");
  }
  static void TearDownTestSuite() {
    delete database_;
    database_ = nullptr;
  }

  // Every row and column of an oracle against the sample; a number within a hundredth. The oracle's
  // first row is the names of its columns, `keys` of which name the row.
  static std::string difference(const Reading& reading, const std::string& sql,
                                const std::vector<std::string>& columns, std::size_t keys) {
    const auto& collector = *find_collector(reading.source.collector);
    std::map<std::vector<std::string>, const Row*> rows;
    for (const auto& row : reading.sample->rows) {
      std::vector<std::string> key;
      for (std::size_t i = 0; i < keys; ++i) key.push_back(text(reading, row, columns[i]));
      rows.emplace(key, &row);
    }
    const auto told = psql(database_->url(), sql);
    if (told.size() != rows.size()) {
      return fmt::format("{}: {} rows, psql has {}", collector.name, rows.size(), told.size());
    }
    for (const auto& line : told) {
      const auto found =
          rows.find({line.begin(), line.begin() + static_cast<std::ptrdiff_t>(keys)});
      if (found == rows.end()) return fmt::format("{}: no row {}", collector.name, line[0]);
      for (std::size_t i = keys; i < columns.size(); ++i) {
        const auto& value = cell(reading, *found->second, columns[i]);
        bool same = false;
        if (std::holds_alternative<std::monostate>(value)) {
          same = line[i] == kNull;
        } else if (const auto* words = std::get_if<Text>(&value)) {
          same = line[i] == words->view();
        } else {
          same = line[i] != kNull &&
                 std::abs(number(reading, *found->second, columns[i]) - std::stod(line[i])) < 0.01;
        }
        if (!same) {
          return fmt::format("{}.{} of {}: psql has {}", collector.name, columns[i],
                             fmt::join(found->first, "."), line[i]);
        }
      }
    }
    return "";
  }

  static inline TestDatabase* database_ = nullptr;
};

TEST_F(CollectorsTest, Tables) {
  Asking asking(database_->url());
  std::string differs = "not asked";
  // Statistics arrive a moment after the work.
  const bool same = eventually([&] {
    const auto reading = asking.well("tables");
    differs = difference(
        reading,
        "select schemaname, relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del, n_live_tup, "
        "n_dead_tup, n_mod_since_analyze, n_ins_since_vacuum, extract(epoch from last_vacuum), "
        "extract(epoch from last_analyze), vacuum_count, seq_scan, seq_tup_read, "
        "coalesce(idx_scan, "
        "0), coalesce(idx_tup_fetch, 0), "
        "50 + 0.2 * greatest(reltuples, 0), 1000 + 0.2 * greatest(reltuples, 0), "
        "50 + 0.1 * greatest(reltuples, 0), "
        "case when relname ~ '^T([0-9]*(25|50|75|00))$' then 0 else 1 end, "
        "relpages * 8192, coalesce((select sum(relpages) from pg_index join pg_class i on i.oid = "
        "indexrelid where indrelid = c.oid), 0) * 8192, "
        "case when relfrozenxid <> '0' then greatest(age(relfrozenxid), (select age(relfrozenxid) "
        "from pg_class t where t.oid = c.reltoastrelid)) end "
        "from pg_stat_user_tables s join (select oid, reltuples, relpages, relfrozenxid, "
        "reltoastrelid from pg_class) c on c.oid = relid",
        {"schemaname",
         "relname",
         "inserts",
         "updates",
         "hot_updates",
         "deletes",
         "live_tuples",
         "dead_tuples",
         "modified_since_analyze",
         "inserted_since_vacuum",
         "last_vacuum",
         "last_analyze",
         "vacuums",
         "seq_scans",
         "seq_rows_read",
         "idx_scans",
         "idx_rows_fetched",
         "vacuum_threshold",
         "insert_threshold",
         "analyze_threshold",
         "autovacuum_enabled",
         "size_bytes",
         "indexes_bytes",
         "xid_age"},
        2);
    return differs.empty();
  });
  EXPECT_TRUE(same) << differs;
  const auto reading = asking.well("tables");
  const auto& vacuumed = row_of(reading, "relname", "T20");
  EXPECT_LT(number(reading, vacuumed, "seconds_since_vacuum"), 600);
  EXPECT_TRUE(is_null(reading, row_of(reading, "relname", "T30"), "seconds_since_vacuum"));
}

TEST_F(CollectorsTest, Indexes) {
  Asking asking(database_->url());
  const auto reading = asking.well("indexes");
  EXPECT_EQ(difference(reading,
                       "select schemaname, s.relname, indexrelname, idx_scan, idx_tup_read, "
                       "idx_tup_fetch, relpages * 8192, 1, case when indexrelname ~ 'pkey$' then 1 "
                       "else 0 end, pg_get_indexdef(indexrelid) from pg_stat_user_indexes s join "
                       "pg_class c on c.oid = indexrelid",
                       {"schemaname", "relname", "indexrelname", "idx_scan", "idx_tup_read",
                        "idx_tup_fetch", "size_bytes", "valid", "constrains", "definition"},
                       3),
            "");
  EXPECT_EQ(number(reading, row_of(reading, "indexrelname", "T100_pkey"), "idx_scan"), 1);
  // Definitions are asked for once: the second reading is the figures alone.
  const auto again = asking.well("indexes");
  EXPECT_LT(again.bytes, reading.bytes);
  EXPECT_EQ(again.sample->rows.size(), reading.sample->rows.size());
  EXPECT_EQ(text(again, again.sample->rows[7], "definition"),
            text(reading, reading.sample->rows[7], "definition"));
}

TEST_F(CollectorsTest, Statements) {
  database_->query(
      "select pg_stat_statements_reset(0, (select oid from pg_database where datname = "
      "current_database()), 0)");
  database_->query(
      "select count(*) from \"Odd Schema\".\"T200\" where a > 17;"
      "select count(*) from \"Odd Schema\".\"T200\" where a > 18");
  Asking asking(database_->url());
  const auto reading = asking.well("statements");
  const auto& row =
      row_of(reading, "query", "select count(*) from \"Odd Schema\".\"T200\" where a > $1");
  EXPECT_EQ(number(reading, row, "calls"), 2);
  const auto told = psql(
      database_->url(),
      "select queryid, userid::regrole, calls, total_exec_time, min_exec_time, max_exec_time, "
      "mean_exec_time, stddev_exec_time, rows, 100.0 * shared_blks_hit / nullif(shared_blks_hit + "
      "shared_blks_read, 0), shared_blks_hit from pg_stat_statements where query like "
      "'%T200%' and dbid = (select oid from pg_database where datname = current_database())");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(text(reading, row, "queryid"), told[0][0]);
  EXPECT_EQ(text(reading, row, "user"), told[0][1]);
  const std::vector<std::string> columns = {"calls",         "total_exec_time", "min_exec_time",
                                            "max_exec_time", "mean_exec_time",  "stddev_exec_time",
                                            "rows",          "hit_percent",     "shared_blks_hit"};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    EXPECT_NEAR(number(reading, row, columns[i]), std::stod(told[0][i + 2]), 1e-6) << columns[i];
  }
  EXPECT_EQ(number(reading, row, "toplevel"), 1);
  // No text is read again, and a new statement's is.
  const auto texts_asked = [&] {
    return psql_value(database_->url(),
                      "select coalesce(sum(calls), 0) from pg_stat_statements where query like "
                      "'%watch.statement_texts%' and dbid = (select oid from pg_database where "
                      "datname = current_database())");
  };
  (void)asking.well("statements");
  (void)asking.well("statements");
  const auto before = texts_asked();
  (void)asking.well("statements");
  (void)asking.well("statements");
  const auto after = std::stoi(texts_asked());
  EXPECT_LE(after, std::stoi(before) + 1) << "the oracle itself is the one new statement";
  database_->query("select 1 as quite_new");
  const auto later = asking.well("statements");
  (void)row_of(later, "query", "select $1 as quite_new");
}

TEST_F(CollectorsTest, TheServersOwnFigures) {
  Asking asking(database_->url());
  const auto databases = asking.well("databases");
  for (const auto& told : psql(database_->url(),
                               "select datname, pg_database_size(oid) from pg_database where not "
                               "datallowconn")) {
    EXPECT_EQ(number(databases, row_of(databases, "database", told[0]), "size_bytes"),
              std::stod(told[1]));
  }
  const auto& own = row_of(databases, "database", database_->name());
  EXPECT_GT(number(databases, own, "size_bytes"), 1e6);
  EXPECT_GT(number(databases, own, "commits"), 0);
  const auto wraparound = asking.well("wraparound");
  for (const auto& told : psql(database_->url(),
                               "select datname, age(datfrozenxid), mxid_age(datminmxid), "
                               "current_setting('autovacuum_freeze_max_age') from pg_database")) {
    const auto& row = row_of(wraparound, "database", told[0]);
    EXPECT_NEAR(number(wraparound, row, "xid_age"), std::stod(told[1]), 10);
    EXPECT_NEAR(number(wraparound, row, "multixact_age"), std::stod(told[2]), 10);
    EXPECT_EQ(number(wraparound, row, "xid_freeze_max_age"), std::stod(told[3]));
  }
  const auto connections = asking.well("connections");
  const auto& row = connections.sample->rows.at(0);
  EXPECT_EQ(number(connections, row, "usable"),
            std::stod(psql_value(database_->url(),
                                 "select current_setting('max_connections')::int - "
                                 "current_setting('superuser_reserved_connections')::int")));
  const auto wal = asking.well("wal");
  const auto wal_after =
      std::stod(psql_value(database_->url(), "select pg_current_wal_lsn() - '0/0'"));
  EXPECT_LE(number(wal, wal.sample->rows.at(0), "position_bytes"), wal_after);
  EXPECT_GT(number(wal, wal.sample->rows.at(0), "position_bytes"), wal_after - 1e8);
  const auto checkpoints = asking.well("checkpoints");
  psql(database_->url(), "checkpoint");
  EXPECT_TRUE(eventually([&] {
    const auto later = asking.well("checkpoints");
    return number(later, later.sample->rows.at(0), "requested") >=
           number(checkpoints, checkpoints.sample->rows.at(0), "requested") + 1;
  }));
  const auto settings = asking.well("settings");
  EXPECT_EQ(text(settings, row_of(settings, "name", "shared_preload_libraries"), "value"),
            "pg_stat_statements");
  EXPECT_EQ(text(settings, row_of(settings, "name", "shared_preload_libraries"), "source"),
            "configuration file");
  for (const auto& one : settings.sample->rows) {
    // Nobody but our own session set these.
    EXPECT_NE(text(settings, one, "name"), "search_path");
    EXPECT_NE(text(settings, one, "name"), "application_name");
  }
  const auto server = asking.well("server");
  EXPECT_EQ(text(server, server.sample->rows.at(0), "statements_version"), "1.10");
  EXPECT_EQ(number(server, server.sample->rows.at(0), "version"),
            std::stod(psql_value(database_->url(), "show server_version_num")));
}

TEST_F(CollectorsTest, EpochsRiseWithAReset) {
  Asking asking(database_->url());
  const auto first = asking.well("tables");
  EXPECT_EQ(asking.well("tables").sample->epoch, first.sample->epoch);
  database_->query("select pg_stat_reset()");
  EXPECT_GT(asking.well("tables").sample->epoch, first.sample->epoch);
  const auto statements = asking.well("statements");
  database_->query("select pg_stat_statements_reset()");
  EXPECT_GT(asking.well("statements").sample->epoch, statements.sample->epoch);
}

}  // namespace
}  // namespace lyceum::watch
