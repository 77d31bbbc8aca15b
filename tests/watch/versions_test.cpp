// Holds what is asked against what each version has: the table of PostgreSQL's release notes, 13 to
// 18, and of the update scripts of pg_stat_statements. Only 15 is here to be asked; what the
// others' statements need is put into a schema of a 15, in the shape that the documentation gives.

#include "watch/versions.h"

#include <regex>

#include "watch/watching.h"

namespace lyceum::watch {
namespace {

constexpr int kFrom = 13, kTo = 18;

std::string extension_of(int server) {
  switch (server) {
    case 13:
      return "1.8";
    case 14:
      return "1.9";
    case 15:
    case 16:
      return "1.10";
    case 17:
      return "1.11";
    default:
      return "1.12";
  }
}

// The names that a statement reads: without comments, and without the names that it gives.
std::set<std::string> words_of(const Statement& statement) {
  auto text =
      std::regex_replace(std::string(statement.text), std::regex("--[^\n]*|/\\*.*?\\*/"), " ");
  text = std::regex_replace(text, std::regex("\\bAS\\s+\"?[a-z_0-9]+\"?"), " ");
  std::set<std::string> out;
  const std::regex word("[a-z_][a-z_0-9]*");
  for (auto at = std::sregex_iterator(text.begin(), text.end(), word); at != std::sregex_iterator();
       ++at) {
    out.insert(at->str());
  }
  return out;
}

struct Life {
  const char* word;
  int from;
  int to;  // the last version that has it
  const char* only_in = nullptr;
};

// By the server's version.
constexpr Life kServerWords[] = {
    {"waitstart", 14, 99},
    {"pg_stat_wal", 14, 99},
    {"wal_write", 14, 17},
    {"wal_sync", 14, 17},
    {"wal_write_time", 14, 17},
    {"wal_sync_time", 14, 17},
    {"session_time", 14, 99},
    {"active_time", 14, 99},
    {"query_id", 14, 99},
    {"pg_stat_io", 16, 99},
    {"op_bytes", 16, 17},
    {"read_bytes", 18, 99},
    {"write_bytes", 18, 99},
    {"extend_bytes", 18, 99},
    {"last_idx_scan", 16, 99},
    {"last_seq_scan", 16, 99},
    {"pg_stat_get_lastscan", 16, 99},
    {"conflicting", 16, 99},
    {"pg_stat_checkpointer", 17, 99},
    {"num_timed", 17, 99},
    {"num_requested", 17, 99},
    {"buffers_written", 17, 99},
    {"restartpoints_timed", 17, 99},
    {"num_done", 18, 99},
    {"checkpoints_timed", 10, 16},
    {"checkpoints_req", 10, 16},
    {"checkpoint_write_time", 10, 16},
    {"checkpoint_sync_time", 10, 16},
    {"buffers_checkpoint", 10, 16},
    {"buffers_backend", 10, 16},
    {"buffers_backend_fsync", 10, 16},
    {"num_dead_tuples", 10, 16},
    {"max_dead_tuples", 10, 16},
    {"dead_tuple_bytes", 17, 99},
    {"num_dead_item_ids", 17, 99},
    {"indexes_total", 17, 99},
    {"indexes_processed", 17, 99},
    {"inactive_since", 17, 99},
    {"invalidation_reason", 17, 99},
    {"total_vacuum_time", 18, 99},
    {"total_autovacuum_time", 18, 99},
    {"relallfrozen", 18, 99},
    {"autovacuum_vacuum_max_threshold", 18, 99},
};

// By the extension's.
constexpr Life kExtensionWords[] = {
    {"total_time", 100, 107},
    {"mean_time", 100, 107},
    {"min_time", 100, 107},
    {"max_time", 100, 107},
    {"stddev_time", 100, 107},
    {"total_exec_time", 108, 999},
    {"total_plan_time", 108, 999},
    {"wal_bytes", 108, 999},
    {"toplevel", 109, 999},
    {"pg_stat_statements_info", 109, 999},
    {"temp_blk_read_time", 110, 999},
    {"jit_functions", 110, 999},
    {"blk_read_time", 100, 110},
    {"blk_write_time", 100, 110},
    {"shared_blk_read_time", 111, 999},
    {"shared_blk_write_time", 111, 999},
    {"stats_since", 111, 999},
    {"minmax_stats_since", 111, 999},
};

TEST(Versions, NothingIsAskedForThatAVersionDoesNotHave) {
  for (int server = kFrom; server <= kTo; ++server) {
    for (const auto& collector : asked_of_servers()) {
      const auto question = question_for(collector.name, server * 10'000, extension_of(server));
      if (question.statement == nullptr) continue;
      const auto words = words_of(*question.statement);
      const bool extension = collector.name == "statements";
      const int version = extension ? extension_number(extension_of(server)) : server;
      const auto hold = [&](const Life& life) {
        if (version >= life.from && version <= life.to) return;
        EXPECT_FALSE(words.contains(life.word))
            << collector.name << " asks " << server << " for " << life.word;
      };
      if (extension) {
        for (const auto& life : kExtensionWords) hold(life);
      } else {
        for (const auto& life : kServerWords) hold(life);
      }
    }
  }
}

TEST(Versions, WhatAVersionHasIsAskedFor) {
  struct Use {
    std::string collector;
    int from, to;
    std::vector<std::string> words;
  };
  const std::vector<Use> uses = {
      {"blocking", 14, 18, {"waitstart", "pg_blocking_pids"}},
      {"wal", 14, 18, {"pg_stat_wal", "wal_bytes", "wal_fpi", "wal_records", "wal_buffers_full"}},
      {"checkpoints", 13, 16, {"pg_stat_bgwriter", "checkpoints_timed", "buffers_backend"}},
      {"checkpoints",
       17,
       18,
       {"pg_stat_checkpointer", "num_timed", "num_requested", "write_time", "sync_time",
        "buffers_written", "pg_stat_bgwriter", "buffers_clean"}},
      {"io", 16, 17, {"pg_stat_io", "op_bytes"}},
      {"io", 18, 18, {"pg_stat_io", "read_bytes", "write_bytes", "extend_bytes"}},
      {"slots", 13, 18, {"wal_status", "safe_wal_size"}},
      {"slots", 16, 16, {"conflicting"}},
      {"slots", 17, 18, {"inactive_since", "invalidation_reason"}},
      {"indexes", 16, 18, {"pg_stat_get_lastscan"}},
      {"tables", 13, 18, {"pg_stat_get_ins_since_vacuum", "pg_stat_get_tuples_hot_updated"}},
      {"tables", 18, 18, {"autovacuum_vacuum_max_threshold", "relallfrozen"}},
  };
  for (const auto& use : uses) {
    for (int server = use.from; server <= use.to; ++server) {
      const auto question = question_for(use.collector, server * 10'000, "1.10");
      ASSERT_NE(question.statement, nullptr) << use.collector << " of " << server;
      const auto words = words_of(*question.statement);
      for (const auto& word : use.words) {
        EXPECT_TRUE(words.contains(word)) << use.collector << " of " << server << ": " << word;
      }
    }
  }
  const auto extension = [](const char* version) {
    return words_of(*question_for("statements", 150'000, version).statement);
  };
  for (const auto* version : {"1.8", "1.9", "1.10", "1.11", "1.12"}) {
    const auto words = extension(version);
    for (const auto* word : {"total_exec_time", "min_exec_time", "max_exec_time", "mean_exec_time",
                             "stddev_exec_time", "plans", "total_plan_time", "wal_bytes"}) {
      EXPECT_TRUE(words.contains(word)) << version << ": " << word;
    }
  }
  EXPECT_TRUE(extension("1.8").contains("blk_read_time"));
  EXPECT_TRUE(extension("1.10").contains("blk_read_time"));
  EXPECT_TRUE(extension("1.9").contains("toplevel"));
  EXPECT_TRUE(extension("1.9").contains("pg_stat_statements_info"));
  EXPECT_TRUE(extension("1.11").contains("shared_blk_read_time"));
  EXPECT_TRUE(extension("1.12").contains("shared_blk_read_time"));
}

TEST(Versions, EveryCollectorIsAskedOrSaysWhyNot) {
  for (int server = kFrom; server <= kTo + 1; ++server) {
    for (const auto& collector : asked_of_servers()) {
      if (collector.scope == Scope::client) continue;
      const auto question = question_for(collector.name, server * 10'000, extension_of(server));
      const bool known_to_lack = collector.name == "io" && server < 16;
      EXPECT_EQ(question.statement == nullptr, known_to_lack) << collector.name << " " << server;
      EXPECT_EQ(question.gap.why.empty(), !known_to_lack) << collector.name << " " << server;
    }
  }
  EXPECT_EQ(question_for("io", 150'004, "").gap.why, "PostgreSQL 16 or later is needed");
  EXPECT_EQ(question_for("wal", 120'000, "").gap.why,
            "the server is PostgreSQL 12, 13 or later is needed");
}

TEST(Versions, TheExtensionDecidesByItself) {
  // The server was upgraded, the extension was forgotten.
  EXPECT_EQ(question_for("statements", 170'002, "1.10").statement,
            question_for("statements", 150'000, "1.10").statement);
  EXPECT_NE(question_for("statements", 170'002, "1.11").statement,
            question_for("statements", 170'002, "1.10").statement);
  EXPECT_EQ(question_for("statements", 130'000, "1.7").gap.mend,
            "ALTER EXTENSION pg_stat_statements UPDATE;");
  EXPECT_EQ(question_for("statements", 150'000, "").gap.mend,
            "CREATE EXTENSION pg_stat_statements;");
  EXPECT_EQ(extension_number("1.10"), 110);
  EXPECT_EQ(extension_number("2.0"), 200);
  for (const auto* odd : {"", "1", "1.", "x.y", "1.2.3", "-1.3"}) {
    EXPECT_EQ(extension_number(odd), 0) << odd;
  }
}

TEST(Versions, TheSchemaIsQuoted) {
  EXPECT_EQ(in_schema("select extension_schema.f(), extension_schema.g()", "a\"B"),
            "select \"a\"\"B\".f(), \"a\"\"B\".g()");
}

// What later versions have, on a 15: views and functions of their names in front of the system's.
class LaterVersions : public ::testing::Test {
 protected:
  // Runs the statement and holds its columns against the collector's.
  void hold(std::string_view collector, int server, std::string_view extension = "1.10") {
    const auto question = question_for(collector, server, extension);
    ASSERT_NE(question.statement, nullptr);
    const auto text = in_schema(question.statement->text, "later");
    auto connection = loop_.connect(database_.url());
    ASSERT_TRUE(loop_.script(*connection, "set search_path = later, pg_catalog").has_value());
    const auto rows = loop_.execute(*connection, text);
    ASSERT_TRUE(rows.has_value()) << collector << " " << server << ": " << rows.error().to_string();
    std::set<std::string> got;
    for (int i = 0; i < rows->columns(); ++i) {
      const auto type = rows->column_type(i);
      EXPECT_TRUE(type == pg::oid::kInt8 || type == pg::oid::kFloat8 || type == pg::oid::kText)
          << collector << " " << server << ": " << rows->column_name(i);
      got.insert(std::string(rows->column_name(i)));
    }
    for (const auto& column : find_collector(collector)->columns) {
      if (column.name == question.text_column) continue;
      EXPECT_TRUE(got.contains(std::string(column.name)))
          << collector << " " << server << ": " << column.name;
    }
    rows_ = rows->size();
  }

  TestDatabase database_;
  Loop loop_;
  int rows_ = 0;
};

TEST_F(LaterVersions, InputAndOutputOf16And18) {
  database_.query(
      "create schema later;"
      "create view later.pg_stat_io as select 'client backend'::text as backend_type, "
      "'relation'::text as object, 'normal'::text as context, 1::bigint as reads, "
      "0.5::float8 as read_time, 2::bigint as writes, 0.5::float8 as write_time, "
      "3::bigint as writebacks, 0::float8 as writeback_time, 4::bigint as extends, "
      "0::float8 as extend_time, 8192::bigint as op_bytes, 5::bigint as hits, 6::bigint as "
      "evictions, 7::bigint as reuses, 8::bigint as fsyncs, 0::float8 as fsync_time, "
      "now() as stats_reset");
  hold("io", 160'000);
  hold("io", 170'000);
  EXPECT_EQ(rows_, 1);
  database_.query(
      "drop view later.pg_stat_io;"
      "create view later.pg_stat_io as select 'client backend'::text as backend_type, "
      "'relation'::text as object, 'normal'::text as context, 1::bigint as reads, "
      "8192::numeric as read_bytes, 0.5::float8 as read_time, 2::bigint as writes, "
      "8192::numeric as write_bytes, 0.5::float8 as write_time, 3::bigint as writebacks, "
      "0::float8 as writeback_time, 4::bigint as extends, 8192::numeric as extend_bytes, "
      "0::float8 as extend_time, 5::bigint as hits, 6::bigint as evictions, 7::bigint as reuses, "
      "8::bigint as fsyncs, 0::float8 as fsync_time, now() as stats_reset");
  hold("io", 180'000);
  EXPECT_EQ(rows_, 1);
}

TEST_F(LaterVersions, CheckpointsOf17) {
  database_.query(
      "create schema later;"
      "create view later.pg_stat_checkpointer as select 1::bigint as num_timed, 2::bigint as "
      "num_requested, 3::bigint as restartpoints_timed, 4::bigint as restartpoints_req, 5::bigint "
      "as restartpoints_done, 6::float8 as write_time, 7::float8 as sync_time, 8::bigint as "
      "buffers_written, now() as stats_reset;"
      "create view later.pg_stat_bgwriter as select 1::bigint as buffers_clean, 2::bigint as "
      "maxwritten_clean, 3::bigint as buffers_alloc, now() as stats_reset");
  hold("checkpoints", 170'000);
  hold("checkpoints", 180'000);
  EXPECT_EQ(rows_, 1);
}

TEST_F(LaterVersions, SlotsOf16And17) {
  database_.query(
      "create schema later;"
      "create view later.pg_replication_slots as select *, false as conflicting "
      "from pg_catalog.pg_replication_slots");
  hold("slots", 160'000);
  database_.query(
      "drop view later.pg_replication_slots;"
      "create view later.pg_replication_slots as select *, false as conflicting, "
      "now() as inactive_since, 'wal_removed'::text as invalidation_reason, false as failover, "
      "false as synced from pg_catalog.pg_replication_slots");
  hold("slots", 170'000);
}

TEST_F(LaterVersions, IndexesOf16AndTablesOf18) {
  database_.query(
      "create schema later;"
      "create function later.pg_stat_get_lastscan(oid) returns timestamptz language sql as "
      "'select now()';"
      "create function later.current_setting(text) returns text language sql as $$select case when "
      "$1 = 'autovacuum_vacuum_max_threshold' then '1000' else pg_catalog.current_setting($1) "
      "end$$;"
      "create table public.numbers (id int primary key);"
      "insert into public.numbers select generate_series(1, 10000);"
      "vacuum (freeze, analyze) public.numbers;"
      "create view later.pg_class as select *, (relpages / 2)::int as relallfrozen "
      "from pg_catalog.pg_class");
  hold("indexes", 160'000);
  EXPECT_EQ(rows_, 1);
  hold("tables", 180'000);
  EXPECT_EQ(rows_, 1);
  const auto asked = question_for("tables", 180'000, "");
  const auto row = psql(database_.url(),
                        "set search_path = later, pg_catalog; select vacuum_threshold, "
                        "insert_threshold from (" +
                            std::string(asked.statement->text) + ") t")
                       .at(0);
  // 50 + 0.2 x 10,000 is more than the 1,000 allowed; half of the pages are frozen.
  EXPECT_EQ(row.at(0), "1000");
  const auto pages = std::stoi(
      psql_value(database_.url(), "select relpages from pg_class where relname = 'numbers'"));
  EXPECT_NEAR(std::stod(row.at(1)), 1000 + 0.2 * 10000 * (1 - (pages / 2) / double(pages)), 0.01);
}

TEST_F(LaterVersions, StatementsOf1_11) {
  database_.query(
      "create schema later;"
      "create view later.pg_stat_statements_info as select 0::bigint as dealloc, now() as "
      "stats_reset;"
      "create function later.pg_stat_statements(showtext boolean, out userid oid, out dbid oid, "
      "out "
      "toplevel bool, out queryid bigint, out query text, out plans int8, out total_plan_time "
      "float8, out min_plan_time float8, out max_plan_time float8, out mean_plan_time float8, out "
      "stddev_plan_time float8, out calls int8, out total_exec_time float8, out min_exec_time "
      "float8, out max_exec_time float8, out mean_exec_time float8, out stddev_exec_time float8, "
      "out rows int8, out shared_blks_hit int8, out shared_blks_read int8, out "
      "shared_blks_dirtied int8, out shared_blks_written int8, out local_blks_hit int8, out "
      "local_blks_read int8, out local_blks_dirtied int8, out local_blks_written int8, out "
      "temp_blks_read int8, out temp_blks_written int8, out shared_blk_read_time float8, out "
      "shared_blk_write_time float8, out local_blk_read_time float8, out local_blk_write_time "
      "float8, out temp_blk_read_time float8, out temp_blk_write_time float8, out wal_records "
      "int8, "
      "out wal_fpi int8, out wal_bytes numeric, out stats_since timestamptz, out "
      "minmax_stats_since timestamptz) returns setof record language sql as 'select 10::oid, oid, "
      "true, 1::bigint, null::text, 0::int8, 0::float8, 0::float8, 0::float8, 0::float8, "
      "0::float8, "
      "1::int8, 1::float8, 1::float8, 1::float8, 1::float8, 0::float8, 1::int8, 1::int8, 1::int8, "
      "0::int8, 0::int8, 0::int8, 0::int8, 0::int8, 0::int8, 0::int8, 0::int8, 0::float8, "
      "0::float8, "
      "0::float8, 0::float8, 0::float8, 0::float8, 0::int8, 0::int8, 0::numeric, now(), now() from "
      "pg_catalog.pg_database where datname = current_database()'");
  hold("statements", 170'000, "1.11");
  hold("statements", 180'000, "1.12");
  EXPECT_EQ(rows_, 1);
}

// The older statements still run on 15, whose views have all that they ask for.
TEST_F(LaterVersions, WhatIsAskedOf13And14) {
  database_.query(
      "create schema later; create extension pg_stat_statements schema later "
      "version '1.8'");
  for (const int server : {130'000, 140'000}) {
    for (const auto& collector : asked_of_servers()) {
      if (collector.name == "io" || collector.name == "blocking") continue;
      hold(collector.name, server, "1.8");
    }
  }
  database_.query("alter extension pg_stat_statements update to '1.9'");
  hold("statements", 140'000, "1.9");
  database_.query("alter extension pg_stat_statements update to '1.10'");
  hold("statements", 150'000, "1.10");
}

}  // namespace
}  // namespace lyceum::watch
