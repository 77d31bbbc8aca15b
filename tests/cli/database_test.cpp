// migrate, load, index and health against a real server, as one runs them from a shell.

#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "local/port.h"
#include "support/postgres.h"

namespace lyceum::cli_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TestDatabase;

class Database : public ::testing::Test {
 protected:
  // Runs a command on this test's database.
  [[nodiscard]] testing::ProcessResult run(std::vector<std::string> arguments) const {
    return run_lyceum(std::move(arguments), {"DATABASE_URL=" + database_.url()});
  }
  void migrate() const {
    const auto done = run({"migrate"});
    ASSERT_EQ(done.exit_status, 0) << done.err;
  }
  std::string file(const std::string& name, const std::string& text) {
    auto path = (room_.path() / name).string();
    std::ofstream(path) << text;
    return path;
  }
  // Forty words, enough for the smallest school.
  std::string vocabulary() {
    std::string csv =
        "word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition\n";
    for (int i = 0; i < 40; ++i) {
      csv += fmt::format("word{0},noun,A1,{1:.1f},{0},\"the {0}th, of course\"\n", i, i % 10 * 0.1);
    }
    return file("words.csv", csv);
  }
  std::vector<std::string> load_call(const std::string& seed = "7") {
    return {"load",    "--seed",     seed,           "--scale",   "0.002",
            "--as-of", "2026-01-31", "--vocabulary", vocabulary()};
  }
  // All rows of all tables of the platform, in a form that their order does not change.
  [[nodiscard]] std::string checksum() const {
    std::string out;
    for (const auto* table : kTables) {
      out += fmt::format("{} {}\n", table,
                         database_.value(fmt::format("select count(*) || ' ' || coalesce(md5("
                                                     "string_agg(t::text, ',' order by t::text)), "
                                                     "'') from {} t",
                                                     table)));
    }
    return out;
  }
  [[nodiscard]] std::int64_t rows() const {
    std::int64_t sum = 0;
    for (const auto* table : kTables) {
      sum += std::stoll(database_.value(fmt::format("select count(*) from {}", table)));
    }
    return sum;
  }

  static constexpr std::array kTables{"tenants",    "vocabulary",        "users",
                                      "stories",    "progress",          "user_vocabulary_progress",
                                      "exercises",  "learning_sessions", "exercise_attempts",
                                      "user_events"};
  TestDatabase database_;
  ::lyceum::testing::TemporaryDirectory room_;
};

std::vector<std::string> with(std::vector<std::string> call, std::vector<std::string> more) {
  call.insert(call.end(), more.begin(), more.end());
  return call;
}

// ---- What is not there -------------------------------------------------------------------------

TEST_F(Database, WhatCannotBeReachedIsOneLineWithHostReasonAndRemedy) {
  const auto port = testing::shared_server().port();
  const auto nobody = local::find_free_port().value();
  struct Case {
    std::string url, node, remedy;
  };
  const std::vector<Case> cases = {
      {fmt::format("postgresql://postgres:ge@heim@127.0.0.1:{}/lyceum", port),
       fmt::format("127.0.0.1:{}/lyceum", port), "check the user and the password"},
      {fmt::format("host=127.0.0.1 port={} user=postgres password=geheim dbname=lyceum", port),
       fmt::format("127.0.0.1:{}/lyceum", port), "check the user and the password"},
      {fmt::format("postgresql://u:ge@heim@127.0.0.1:{}/x", nobody),
       fmt::format("127.0.0.1:{}/x", nobody), "check that the server runs"},
      {testing::shared_server().url("nowhere"), "/nowhere", "create it"},
  };
  for (const auto& one : cases) {
    for (const auto& call : std::vector<std::vector<std::string>>{{"migrate"},
                                                                  {"migrate", "--status"},
                                                                  {"index", "plan"},
                                                                  {"index", "apply"},
                                                                  load_call()}) {
      for (const auto& result : {run_lyceum(with(call, {"--database-url", one.url})),
                                 run_lyceum(with(call, {"--json"}), {"DATABASE_URL=" + one.url})}) {
        EXPECT_EQ(result.exit_status, 1) << one.url;
        EXPECT_EQ(lines_of(result.err), 1) << result.err;
        EXPECT_THAT(result.err, AllOf(StartsWith("lyceum: "), HasSubstr(one.node),
                                      HasSubstr("; " + one.remedy)));
        EXPECT_THAT(result.out + result.err, Not(HasSubstr("heim")));
        if (!result.out.empty()) {
          const auto document = json_of(result);
          EXPECT_EQ(keys_of(document), Keys{"error"});
          EXPECT_EQ(document.at("error").at("code").as_string(), "connect");
        }
      }
    }
  }
}

TEST_F(Database, HealthSaysWhetherWritesAreTaken) {
  const auto healthy = run({"health", "--json"});
  EXPECT_EQ(healthy.exit_status, 0) << healthy.err;
  const auto document = json_of(healthy);
  EXPECT_EQ(keys_of(document), (Keys{"healthy", "node", "response_ms", "error", "server"}));
  EXPECT_TRUE(document.at("healthy").as_bool());
  EXPECT_EQ(keys_of(document.at("server")), (Keys{"in_recovery", "timeline", "lsn", "read_only",
                                                  "lag_seconds", "server_version_num"}));
  EXPECT_EQ(std::to_string(document.at("server").at("server_version_num").as_int64()),
            database_.value("show server_version_num"));

  database_.query(
      fmt::format("alter database {} set default_transaction_read_only = on", database_.name()));
  const auto read_only = run({"health"});
  EXPECT_EQ(read_only.exit_status, 3);
  EXPECT_THAT(read_only.out, HasSubstr("takes no writes"));

  const auto refused = run_lyceum({"health", "--json", "--database-url",
                                   fmt::format("postgresql://postgres:ge@heim@127.0.0.1:{}/lyceum",
                                               testing::shared_server().port())});
  EXPECT_EQ(refused.exit_status, 3);
  EXPECT_FALSE(json_of(refused).at("healthy").as_bool());
  EXPECT_THAT(refused.out, AllOf(HasSubstr("28P01"), Not(HasSubstr("heim"))));
}

// ---- migrate -----------------------------------------------------------------------------------

TEST_F(Database, MigrateShowsThenDoesThenHasNothingToDo) {
  const auto tables = [&] {
    return database_.value(
        "select count(*) from pg_class c join pg_namespace n on n.oid = "
        "c.relnamespace where n.nspname not in ('pg_catalog', "
        "'information_schema', 'pg_toast')");
  };
  const auto none = tables();
  const auto pending = run({"migrate", "--status", "--json"});
  EXPECT_EQ(pending.exit_status, 3) << pending.err;
  const auto document = json_of(pending);
  EXPECT_EQ(keys_of(document), Keys{"migrations"});
  ASSERT_FALSE(document.at("migrations").as_array().empty());
  for (const auto& one : document.at("migrations").as_array()) {
    EXPECT_EQ(keys_of(one), (Keys{"number", "name", "state", "applied_at"}));
    EXPECT_EQ(one.at("state").as_string(), "pending");
    EXPECT_TRUE(one.at("applied_at").is_null());
  }
  const auto tried = run({"migrate", "--dry-run"});
  EXPECT_EQ(tried.exit_status, 0) << tried.err;
  EXPECT_THAT(tried.out, AllOf(HasSubstr("0001_roles "), HasSubstr(" pending")));
  EXPECT_EQ(tables(), none);

  const auto done = run({"migrate", "--json"});
  EXPECT_EQ(done.exit_status, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("applying 0001_roles"));
  const auto migrated = json_of(done);
  for (const auto& one : migrated.at("migrations").as_array()) {
    EXPECT_EQ(one.at("state").as_string(), "applied");
    EXPECT_TRUE(one.at("applied_at").is_string());
  }
  EXPECT_EQ(run({"migrate", "--status"}).exit_status, 0);
  const auto again = run({"migrate"});
  EXPECT_EQ(again.exit_status, 0);
  EXPECT_THAT(again.out, HasSubstr("nothing to do"));

  // What was applied and is another file now is refused, and shown.
  database_.query("update lyceum_migrations set checksum = repeat('0', 64) where number = 2");
  EXPECT_EQ(run({"migrate", "--status"}).exit_status, 3);
  const auto refused = run({"migrate"});
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.err, HasSubstr("0002_tables"));
}

// ---- load --------------------------------------------------------------------------------------

TEST_F(Database, LoadOfOneSeedMakesTheSameRowsTwice) {
  migrate();
  const auto tried = run(with(load_call(), {"--dry-run", "--json"}));
  EXPECT_EQ(tried.exit_status, 0) << tried.err;
  EXPECT_EQ(keys_of(json_of(tried)), (Keys{"stories_read", "words_read", "rows_to_load"}));
  EXPECT_EQ(rows(), 0);

  const auto loaded = run(with(load_call(), {"--json"}));
  ASSERT_EQ(loaded.exit_status, 0) << loaded.err;
  const auto document = json_of(loaded);
  EXPECT_EQ(keys_of(document), (Keys{"stories_read", "words_read", "rows", "seconds", "tables"}));
  EXPECT_EQ(document.at("words_read").to_number<int>(), 40);
  EXPECT_EQ(document.at("rows").to_number<std::int64_t>(), rows());
  EXPECT_EQ(json_of(tried).at("rows_to_load"), document.at("rows"));
  for (const auto& table : document.at("tables").as_array()) {
    EXPECT_EQ(keys_of(table), (Keys{"table", "rows", "seconds"}));
    EXPECT_EQ(std::to_string(table.at("rows").to_number<std::int64_t>()),
              database_.value(fmt::format("select count(*) from {}",
                                          std::string(table.at("table").as_string()))));
  }

  const auto first = checksum();
  const auto refused = run(load_call("8"));
  EXPECT_EQ(refused.exit_status, 1);
  EXPECT_THAT(refused.err, HasSubstr("already holds rows"));
  EXPECT_EQ(checksum(), first);

  EXPECT_EQ(run(with(load_call(), {"--replace"})).exit_status, 0);
  EXPECT_EQ(checksum(), first);
  EXPECT_EQ(run(with(load_call("8"), {"--replace"})).exit_status, 0);
  EXPECT_NE(checksum(), first);
}

TEST_F(Database, AMalformedRowIsNamedByFileAndLineAndNothingIsLoaded) {
  migrate();
  const std::string good =
      R"({"source": "a", "title": "A", "pages": ["A cat."], "license": "CC0", "author": "B", "language": "en"})"
      "\n";
  const std::string header =
      "word,part_of_speech,cefr,difficulty_level,frequency_per_million,definition\n";
  const auto stories = file("stories.jsonl", good + "\n" + "{\"source\": \"b\", \n");
  const auto pages = file("pages.jsonl", good + R"({"source": "b", "title": "B", "pages": 3})"
                                                "\n");
  const auto level = file("level.csv", header + "cat,noun,A1,1,2,a pet\ndog,noun,Z9,1,2,a pet\n");
  const auto number =
      file("number.csv", header + "cat,noun,A1,1,2,a pet\n\"do\ng\",noun,A1,1,-2,x\n");
  const auto column = file("column.csv", "word,cefr\ncat,A1\n");
  const std::vector<std::pair<std::vector<std::string>, std::string>> calls = {
      {{"--stories", stories, "--vocabulary", vocabulary()}, stories + ":3: "},
      {{"--stories", pages, "--vocabulary", vocabulary()}, pages + ":2: "},
      {{"--vocabulary", level}, level + ":3: "},
      {{"--vocabulary", number}, number + ":3: "},
      {{"--vocabulary", column}, column + ":1: "},
      {{"--stories", "/nowhere/stories.jsonl", "--vocabulary", vocabulary()},
       "/nowhere/stories.jsonl"},
  };
  for (const auto& [arguments, place] : calls) {
    for (const auto& more : std::vector<std::vector<std::string>>{{}, {"--dry-run"}}) {
      const auto result = run(with(with({"load", "--scale", "0.002"}, arguments), more));
      EXPECT_EQ(result.exit_status, 1) << place;
      EXPECT_EQ(lines_of(result.err), 1) << result.err;
      EXPECT_THAT(result.err, HasSubstr(place));
    }
  }
  EXPECT_EQ(rows(), 0);
}

TEST_F(Database, LoadIntoADatabaseWithoutTheSchemaSaysSo) {
  const auto result = run(load_call());
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_EQ(lines_of(result.err), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("42P01"));
}

// ---- index -------------------------------------------------------------------------------------

std::string indexes_of(const TestDatabase& database) {
  return database.value(
      "select coalesce(string_agg(indexrelid::text || indisvalid::text, ',' order by indexrelid), "
      "'') from pg_index where indexrelid >= 16384");
}

TEST_F(Database, IndexesArePlannedThenAppliedThenThere) {
  migrate();
  const auto before = indexes_of(database_);
  const auto plan = run({"index", "plan", "--json"});
  EXPECT_EQ(plan.exit_status, 3) << plan.err;
  const auto document = json_of(plan);
  EXPECT_EQ(keys_of(document),
            (Keys{"indexes", "extra", "same", "missing", "different", "invalid", "unbuildable"}));
  const auto all = document.at("indexes").as_array().size();
  EXPECT_GE(all, 40U);
  EXPECT_EQ(document.at("missing").to_number<std::size_t>(), all);
  for (const auto& index : document.at("indexes").as_array()) {
    EXPECT_EQ(keys_of(index), (Keys{"name", "standing", "reason", "sql"}));
    EXPECT_THAT(std::string(index.at("sql").as_string()), StartsWith("CREATE INDEX CONCURRENTLY"));
  }
  const auto tried = run({"index", "apply", "--dry-run"});
  EXPECT_EQ(tried.exit_status, 3);
  EXPECT_EQ(indexes_of(database_), before);

  const auto applied = run({"index", "apply", "--json"});
  ASSERT_EQ(applied.exit_status, 0) << applied.err;
  const auto report = json_of(applied);
  EXPECT_EQ(keys_of(report), (Keys{"indexes", "same", "extra", "stopped", "seconds"}));
  EXPECT_EQ(report.at("indexes").as_array().size(), all);
  for (const auto& index : report.at("indexes").as_array()) {
    EXPECT_EQ(keys_of(index), (Keys{"name", "outcome", "seconds", "bytes", "error"}));
    EXPECT_EQ(index.at("outcome").as_string(), "built");
  }
  EXPECT_EQ(run({"index", "plan"}).exit_status, 0);

  // The second time nothing is touched.
  const auto built = indexes_of(database_);
  const auto again = run({"index", "apply", "--json"});
  EXPECT_EQ(again.exit_status, 0) << again.err;
  EXPECT_EQ(json_of(again).at("same").to_number<std::size_t>(), all);
  EXPECT_TRUE(json_of(again).at("indexes").as_array().empty());
  EXPECT_EQ(indexes_of(database_), built);

  // Somebody else's index is shown, and stays.
  database_.query("create index somebodys on stories (title)");
  const auto extra = run({"index", "plan"});
  EXPECT_EQ(extra.exit_status, 0);
  EXPECT_THAT(extra.out, HasSubstr("extra: public.somebodys"));
  EXPECT_EQ(run({"index", "apply"}).exit_status, 0);
  EXPECT_EQ(database_.value("select to_regclass('somebodys') is not null"), "t");
}

TEST_F(Database, ACatalogueOfOnesOwnAndItsMistakes) {
  database_.query("create table things (id int, name text)");
  const auto mine =
      file("mine.sql", "-- finds a thing\nCREATE INDEX things_name ON things (name);\n");
  EXPECT_EQ(run({"index", "plan", "--catalogue", mine}).exit_status, 3);
  EXPECT_EQ(run({"index", "apply", "--catalogue", mine}).exit_status, 0);
  EXPECT_EQ(run({"index", "plan", "--catalogue", mine}).exit_status, 0);
  EXPECT_EQ(database_.value("select to_regclass('things_name') is not null"), "t");

  const auto wrong =
      file("wrong.sql", "CREATE INDEX things_id ON things (id);\nDROP TABLE things;\n");
  const auto refused = run({"index", "apply", "--catalogue", wrong});
  EXPECT_NE(refused.exit_status, 0);
  EXPECT_THAT(refused.err, HasSubstr(wrong + ":2"));
  EXPECT_EQ(database_.value("select to_regclass('things_id') is null"), "t");
}

}  // namespace
}  // namespace lyceum::cli_test
