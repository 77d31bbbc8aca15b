// Plans and builds on real PostgreSQL. Stop points are made with open transactions: a concurrent
// build waits for all snapshots older than its own, so it stands still in the phase "waiting for
// old snapshots" for as long as the test likes.
#include "indexes/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <memory>
#include <set>

#include "indexes/observe.h"
#include "indexes/used_indexes.h"
#include "schema/migrator.h"
#include "sql/statements.h"
#include "support/postgres.h"
#include "support/run.h"

namespace lyceum::indexes {
namespace {

using lyceum::testing::TestDatabase;
using std::chrono::days;
using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Kind = ApplyEvent::Kind;
using Outcome = IndexReport::Outcome;

constexpr auto kSnapshots = "waiting for old snapshots";

Date today() {
  return utc_day(SystemClock());
}

Catalogue catalogue(std::string_view text) {
  const EmbeddedFile file{"c.sql", text};
  return Catalogue::parse(std::span(&file, 1)).value();
}

// A session of plain libpq that stays open.
class Session {
 public:
  explicit Session(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) {
      throw std::runtime_error(PQerrorMessage(connection_.get()));
    }
  }
  std::string run(const std::string& sql) {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(
        PQexec(connection_.get(), sql.c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      throw std::runtime_error(PQerrorMessage(connection_.get()));
    }
    return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
  }
  // Holds a snapshot until end().
  void hold() { run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class"); }
  void end() { run("ROLLBACK"); }
  [[nodiscard]] int process() const { return PQbackendPID(connection_.get()); }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> connection_;
};

ApplyOptions quick() {
  ApplyOptions out;
  out.poll_interval = milliseconds(20);
  return out;
}

Result<ApplyReport> try_apply(const std::string& url, const Catalogue& wanted,
                              ApplyOptions options = quick(), ApplyEvents events = {},
                              Date day = today()) {
  return lyceum::testing::run([&](boost::asio::any_io_executor executor) {
    return apply(executor, pg::parse_target(url).value(), wanted, day, options, events);
  });
}

ApplyReport applied(const std::string& url, const Catalogue& wanted, ApplyOptions options = quick(),
                    ApplyEvents events = {}, Date day = today()) {
  return try_apply(url, wanted, std::move(options), std::move(events), day).value();
}

Plan planned(const std::string& url, const Catalogue& wanted, Date day = today()) {
  return lyceum::testing::run(
             [&](boost::asio::any_io_executor executor) -> boost::asio::awaitable<Result<Plan>> {
               pg::Connection::Options options;
               options.target = pg::parse_target(url).value();
               auto connection =
                   (co_await pg::Connection::connect(executor, std::move(options))).value();
               auto made = co_await plan(connection, wanted, day);
               connection->close();
               co_return made;
             })
      .value();
}

// The platform's schema, migrated once.
TestDatabase& migrated() {
  static TestDatabase database;
  static const bool done = [] {
    lyceum::testing::run(
        [&](boost::asio::any_io_executor executor) -> boost::asio::awaitable<void> {
          pg::Connection::Options options;
          options.target = pg::parse_target(database.url()).value();
          auto connection =
              (co_await pg::Connection::connect(executor, std::move(options))).value();
          schema::Migrator migrator(connection, schema::find_migrations(sql::files()).value());
          (co_await migrator.apply()).value();
          connection->close();
        });
    return lyceum::testing::eventually([] {
      return database.value(
                 "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                 "current_database() AND pid <> pg_backend_pid()") == "0";
    });
  }();
  EXPECT_TRUE(done);
  return database;
}

class Platform : public ::testing::Test {
 protected:
  TestDatabase database_{migrated().server(), migrated().name()};
  const std::string url_ = database_.url();
};

// A small table of our own.
class Builds : public ::testing::Test {
 protected:
  Builds() {
    database_.query(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text, c timestamptz);"
        "INSERT INTO t SELECT n, n % 10, 'row ' || n, now() FROM generate_series(1, 1000) AS n;"
        "CREATE TABLE u (id int PRIMARY KEY, a int)");
  }

  [[nodiscard]] std::string oid_of(const std::string& name) const {
    return database_.value("SELECT coalesce((SELECT oid FROM pg_class WHERE relname = '" + name +
                           "')::text, 'none')");
  }
  [[nodiscard]] std::string valid(const std::string& name) const {
    return database_.value(
        "SELECT coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = "
        "to_regclass('" +
        name + "'))::text, 'none')");
  }
  [[nodiscard]] std::string invalid_indexes() const {
    return database_.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid");
  }
  [[nodiscard]] std::string journal(const std::string& name) const {
    return database_.value(
        "SELECT string_agg(state, ' ' ORDER BY id) FROM lyceum.index_builds "
        "WHERE name = '" +
        name + "'");
  }
  // Ends the builder's backend, as an operator or a crash would.
  void kill_builder() const {
    database_.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
        "current_database() AND application_name = 'lyceum index build'");
  }

  TestDatabase database_;
  const std::string url_ = database_.url();
};

Standing standing(const Plan& plan, std::string_view name) {
  for (const auto& index : plan.indexes) {
    if (index.name() == name) return index.standing;
  }
  throw std::runtime_error("not in the plan");
}

const IndexReport& report_of(const ApplyReport& report, std::string_view name) {
  for (const auto& index : report.indexes) {
    if (index.name == name) return index;
  }
  throw std::runtime_error("not in the report: " + std::string(name));
}

std::string error_of(const ApplyReport& report, std::string_view name) {
  const auto& index = report_of(report, name);
  return index.error ? index.error->to_string() : "no error";
}

// ── the guide's indexes on the platform's schema ─────────────────────────────────────────────

// What is created without Lyceum, in the words of the catalogue, is what the catalogue declares,
// whatever the server made of the words; and what differs a little is different.
TEST_F(Platform, plan_knows_every_index_of_the_guide_by_its_definition) {
  const auto wanted = embedded_catalogue("guide").value();
  struct Variant {
    std::string_view what;
    std::function<std::string(const DeclaredIndex&)> tail;
    bool unique = false;
  };
  const auto plain = [](const DeclaredIndex& index) { return index.tail_on(today()); };
  const Variant variants[] = {
      {"other storage option",
       [&](const DeclaredIndex& index) {
         auto tail = plain(index);
         const bool is_tree = index.statement.method == "btree";
         const std::string option = is_tree ? "fillfactor = 71" : "gin_pending_list_limit = 128";
         if (const auto with = tail.find("WITH ("); with != std::string::npos) {
           return tail.insert(with + 6, option + ", ");
         }
         const auto where = index.statement.has_predicate ? tail.rfind("WHERE") : tail.size();
         return tail.insert(where, " WITH (" + option + ") ");
       }},
      {"other predicate",
       [&](const DeclaredIndex& index) {
         return plain(index) + (index.statement.has_predicate ? " AND 1 < 2" : " WHERE 1 < 2");
       }},
      {"unique", plain, true},
  };
  const auto create = [&](const Variant& variant) {
    std::string script;
    for (const auto& index : wanted.indexes()) {
      auto statement = index.statement;
      statement.unique = statement.unique != (variant.unique && statement.method == "btree");
      script += "DROP INDEX IF EXISTS " + quoted_name(index.name()) + ";" +
                create_index_sql(statement, index.name(), quoted_name(statement.table),
                                 variant.tail(index), false) +
                ";";
    }
    database_.query(script);
  };
  create({"as declared", plain});
  const auto same = planned(url_, wanted);
  ASSERT_GE(same.indexes.size(), 40U);
  for (const auto& index : same.indexes) {
    EXPECT_EQ(index.standing, Standing::same) << index.name() << ": " << index.reason;
    EXPECT_TRUE(index.confirmed) << index.name();
  }
  EXPECT_TRUE(same.nothing_to_build());
  EXPECT_EQ(same.unconfirmed, "");

  for (const auto& variant : variants) {
    create(variant);
    for (const auto& index : planned(url_, wanted).indexes) {
      if (variant.unique && index.declared.statement.method != "btree") continue;
      EXPECT_EQ(index.standing, Standing::different) << index.name() << ", " << variant.what;
    }
  }
  // Nothing of the looking is left.
  EXPECT_EQ(database_.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'lyceum\\_%' AND "
                            "relnamespace <> 'public'::regnamespace"),
            "0");
}

// The same without the server's help, as on a replica: the trees must bridge all of its rewritings.
TEST_F(Platform, plan_without_temporary_tables_finds_the_same_for_the_guide) {
  const auto wanted = embedded_catalogue("guide").value();
  for (const auto& index : wanted.indexes()) {
    database_.query(create_index_sql(index.statement, index.name(),
                                     quoted_name(index.statement.table), index.tail_on(today()),
                                     false));
  }
  const auto role = "reader_" + database_.name();
  database_.query("REVOKE TEMPORARY ON DATABASE " + quoted_name(database_.name()) +
                  " FROM PUBLIC; CREATE ROLE " + quoted_name(role));
  const auto before = database_.value("SELECT max(oid::bigint) FROM pg_class");
  {
    // As the superuser of the socket, acting as the role: that needs no password.
    const auto url = url_ + (url_.find('?') == std::string::npos ? "?" : "&") +
                     "options=-c%20role%3D" + role + "%20-c%20default_transaction_read_only%3Don";
    const auto seen = planned(url, wanted);
    for (const auto& index : seen.indexes) {
      EXPECT_EQ(index.standing, Standing::same) << index.name() << ": " << index.reason;
    }
    EXPECT_THAT(seen.unconfirmed, HasSubstr("permission denied"));
  }
  EXPECT_EQ(database_.value("SELECT max(oid::bigint) FROM pg_class"), before);
  database_.query("DROP ROLE " + quoted_name(role));
}

TEST_F(Platform, apply_builds_the_guides_indexes_and_then_does_nothing) {
  const auto wanted = embedded_catalogue("guide").value();
  database_.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
  std::set<std::string> began;
  const auto first = applied(url_, wanted, quick(), [&](const ApplyEvent& event) {
    if (event.kind == Kind::began) began.insert(event.index);
  });
  for (const auto& index : first.indexes) {
    EXPECT_EQ(index.outcome, Outcome::built) << index.name << ": " << error_of(first, index.name);
    EXPECT_GT(index.duration.count(), 0);
    EXPECT_GT(index.bytes, 0);
  }
  EXPECT_EQ(first.indexes.size(), wanted.indexes().size());
  EXPECT_EQ(began.size(), wanted.indexes().size());
  EXPECT_TRUE(first.complete());
  EXPECT_TRUE(planned(url_, wanted).all_same());
  EXPECT_EQ(database_.value("SELECT count(*) FROM lyceum.index_builds WHERE state <> 'done'"), "0");
  EXPECT_EQ(database_.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");

  const auto facts =
      "SELECT string_agg(format('%s %s %s %s', c.oid, c.relfilenode, c.xmin, "
      "c.relname), ',' ORDER BY c.oid) FROM pg_class AS c WHERE c.relkind = 'i' AND "
      "c.relnamespace = 'public'::regnamespace";
  const auto before = database_.value(facts);
  const auto journal_before = database_.value("SELECT max(id) FROM lyceum.index_builds");
  database_.query("SELECT pg_stat_statements_reset()");
  const auto second = applied(url_, wanted);
  EXPECT_THAT(second.indexes, IsEmpty());
  EXPECT_EQ(second.same, wanted.indexes().size());
  EXPECT_TRUE(second.complete());
  EXPECT_EQ(database_.value(facts), before);
  EXPECT_EQ(database_.value("SELECT max(id) FROM lyceum.index_builds"), journal_before);
  EXPECT_EQ(database_.value("SELECT count(*) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM "
                            "pg_database WHERE datname = current_database()) AND query ~* "
                            "'^\\s*(create|drop|alter|insert|update|savepoint)'"),
            "0");
  EXPECT_GT(std::stoi(database_.value(
                "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%indexing.inventory%'")),
            0)
      << "the check above looks at nothing";
}

TEST_F(Platform, both_profiles_fit_the_schema) {
  for (const auto& profile : embedded_profiles()) {
    for (const auto& index : planned(url_, embedded_catalogue(profile).value()).indexes) {
      EXPECT_EQ(index.standing, Standing::missing) << profile << ": " << index.reason;
    }
  }
}

TEST_F(Platform, statements_name_indexes_that_are_declared) {
  const auto guide = embedded_catalogue("guide").value();
  const auto lean = embedded_catalogue("lean").value();
  for (const auto* statement : sql::statements()) {
    for (const auto& name : names_in(statement->uses)) {
      const bool is_key = database_.value(
                              "SELECT count(*) FROM pg_class WHERE relkind = 'i' AND "
                              "relname = '" +
                              name + "'") == "1";
      EXPECT_TRUE(is_key || (guide.find(name) != nullptr && lean.find(name) != nullptr))
          << statement->name << " uses " << name;
    }
  }
}

// ── plan ─────────────────────────────────────────────────────────────────────────────────────

TEST_F(Builds, plan_names_unknown_tables_and_columns_before_anything_is_built) {
  const auto seen = planned(url_, catalogue("CREATE INDEX i ON nowhere (a);\n"
                                            "CREATE INDEX j ON t (nothing);\n"
                                            "CREATE INDEX k ON t (a) WHERE c > now();\n"
                                            "CREATE INDEX l ON t (a);"));
  EXPECT_EQ(seen.indexes[0].standing, Standing::unbuildable);
  EXPECT_THAT(seen.indexes[0].reason, HasSubstr("\"nowhere\" (c.sql:1) does not exist"));
  EXPECT_EQ(seen.indexes[1].standing, Standing::unbuildable);
  EXPECT_THAT(seen.indexes[1].reason, HasSubstr("c.sql:2"));
  EXPECT_THAT(seen.indexes[1].reason, HasSubstr("nothing"));
  EXPECT_EQ(seen.indexes[2].standing, Standing::unbuildable);
  EXPECT_THAT(seen.indexes[2].reason, HasSubstr("IMMUTABLE"));
  EXPECT_EQ(seen.indexes[3].standing, Standing::missing);
  EXPECT_EQ(database_.value("SELECT to_regnamespace('lyceum') IS NULL"), "t");
}

TEST_F(Builds, plan_shows_extra_and_redundant_indexes) {
  database_.query(
      "CREATE INDEX t_a ON t (a); CREATE INDEX t_a_b ON t (a, b);"
      "CREATE UNIQUE INDEX t_b ON t (b)");
  const auto seen = planned(url_, catalogue("CREATE INDEX t_a ON t (a);"));
  std::vector<std::string> extra;
  for (const auto& index : seen.extra) extra.push_back(index.name);
  EXPECT_THAT(extra, UnorderedElementsAre("t_a_b", "t_b"));
  ASSERT_EQ(seen.redundant.size(), 1U);
  EXPECT_EQ(seen.redundant[0].index, "t_a");
  EXPECT_EQ(seen.redundant[0].covered_by, "t_a_b");
}

TEST_F(Builds, plan_leaves_alone_what_a_foreign_key_relies_on) {
  database_.query(
      "CREATE UNIQUE INDEX t_b ON t (b);"
      "CREATE TABLE child (b text REFERENCES t (b))");
  const auto seen = planned(url_, catalogue("CREATE UNIQUE INDEX t_b ON t (b DESC);"));
  EXPECT_EQ(seen.indexes[0].standing, Standing::unbuildable);
  EXPECT_THAT(seen.indexes[0].reason, HasSubstr("child_b_fkey"));
}

TEST_F(Builds, finds_tables_by_odd_names_in_odd_schemas) {
  database_.query("CREATE SCHEMA \"Odd s\"; CREATE TABLE \"Odd s\".\"T\"\"x\" (\"A b\" int)");
  const auto wanted = catalogue(
      "CREATE INDEX \"I'\"\"x\" ON \"Odd s\".\"T\"\"x\" (\"A b\" DESC) WHERE \"A b\" <> -1;");
  EXPECT_TRUE(applied(url_, wanted).complete());
  EXPECT_TRUE(planned(url_, wanted).all_same());
  EXPECT_EQ(
      standing(planned(url_, catalogue("CREATE INDEX \"I'\"\"x\" ON \"Odd s\".\"T\"\"x\" (\"A b\" "
                                       "DESC) WHERE \"A b\" <> -2;")),
               "I'\"x"),
      Standing::different);
}

// ── interruption ─────────────────────────────────────────────────────────────────────────────

TEST_F(Builds, a_killed_backends_wreck_is_ours_and_the_next_apply_builds_anew) {
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a); CREATE INDEX u_a ON u (a);");
  Session holder(url_);
  holder.hold();
  bool killed = false;
  const auto first = applied(url_, wanted, quick(), [&](const ApplyEvent& event) {
    if (event.kind != Kind::progress || event.text != kSnapshots) return;
    if (event.index == "u_a") holder.end();
    if (event.index == "t_a" && !killed) {
      killed = true;
      kill_builder();
    }
  });
  EXPECT_TRUE(killed);
  EXPECT_EQ(report_of(first, "t_a").outcome, Outcome::failed);
  EXPECT_THAT(error_of(first, "t_a"), HasSubstr("apply again"));
  EXPECT_EQ(report_of(first, "u_a").outcome, Outcome::built);
  ASSERT_EQ(valid("t_a"), "false");
  EXPECT_EQ(journal("t_a"), "building");
  const auto wreck = oid_of("t_a");

  const auto seen = planned(url_, wanted);
  EXPECT_EQ(standing(seen, "t_a"), Standing::invalid);
  ASSERT_EQ(seen.leftovers.size(), 1U);
  EXPECT_EQ(seen.leftovers[0].kind, RecoveryKind::drop_wreck);
  EXPECT_EQ(oid_of("t_a"), wreck) << "plan changes nothing";

  const auto second = applied(url_, wanted);
  EXPECT_TRUE(second.complete());
  EXPECT_THAT(second.dropped, Contains("public.t_a"));
  EXPECT_EQ(report_of(second, "t_a").outcome, Outcome::built);
  EXPECT_EQ(valid("t_a"), "true");
  EXPECT_NE(oid_of("t_a"), wreck);
  EXPECT_EQ(journal("t_a"), "abandoned done");
  EXPECT_TRUE(planned(url_, wanted).all_same());
}

// As if the backend had been killed before its index's number was seen.
TEST_F(Builds, a_wreck_without_a_number_is_known_by_its_definition) {
  const auto wanted = catalogue("CREATE INDEX t_a ON t (lower(b)) WHERE a > 1;");
  Session holder(url_);
  holder.hold();
  bool killed = false;
  auto options = quick();
  const auto first = applied(url_, wanted, options, [&](const ApplyEvent& event) {
    if (killed || event.kind != Kind::progress || event.text != kSnapshots) return;
    killed = true;
    kill_builder();
  });
  ASSERT_TRUE(killed);
  ASSERT_EQ(valid("t_a"), "false");
  EXPECT_FALSE(first.complete());
  database_.query("UPDATE lyceum.index_builds SET index_oid = 0");
  EXPECT_EQ(planned(url_, wanted).leftovers.at(0).kind, RecoveryKind::drop_wreck);
  holder.end();
  EXPECT_TRUE(applied(url_, wanted).complete());
  EXPECT_EQ(valid("t_a"), "true");
}

TEST_F(Builds, a_server_that_crashed_and_came_back_loses_one_build_not_the_others) {
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a); CREATE INDEX u_a ON u (a);");
  Session holder(url_);
  holder.hold();
  bool crashed = false;
  const auto first = applied(url_, wanted, quick(), [&](const ApplyEvent& event) {
    if (crashed || event.kind != Kind::progress || event.text != kSnapshots) return;
    crashed = true;
    database_.server().kill_9().value();
    database_.server().start().value();
  });
  ASSERT_TRUE(crashed);
  EXPECT_EQ(report_of(first, "t_a").outcome, Outcome::failed);
  EXPECT_EQ(report_of(first, "u_a").outcome, Outcome::built) << error_of(first, "u_a");
  EXPECT_EQ(valid("t_a"), "false");
  const auto second = applied(url_, wanted);
  EXPECT_TRUE(second.complete());
  EXPECT_THAT(second.dropped, Contains("public.t_a"));
  EXPECT_EQ(valid("t_a"), "true");
}

// As if the process had been killed: its connections close without a word.
TEST_F(Builds, an_apply_that_vanished_is_resumed) {
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a);");
  Session holder(url_);
  holder.hold();
  {
    boost::asio::io_context io(1);
    bool reached = false;
    boost::asio::co_spawn(
        io,
        [&]() -> boost::asio::awaitable<void> {
          co_await apply(io.get_executor(), pg::parse_target(url_).value(), wanted, today(),
                         quick(),
                         [&](const ApplyEvent& event) { reached |= event.text == kSnapshots; });
        },
        boost::asio::detached);
    ASSERT_TRUE(lyceum::testing::eventually([&] {
      io.run_for(milliseconds(5));
      return reached;
    }));
  }
  EXPECT_EQ(valid("t_a"), "false");
  EXPECT_EQ(journal("t_a"), "building");
  // The backend that is still at it keeps the next apply away until the server has noticed.
  ASSERT_TRUE(lyceum::testing::eventually([&] {
    return database_.value(
               "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lyceum "
               "index build' AND datname = current_database()") == "0";
  })) << "the server goes on building for a client that is gone";
  holder.end();
  const auto second = applied(url_, wanted);
  EXPECT_TRUE(second.complete());
  EXPECT_THAT(second.dropped, Contains("public.t_a"));
  EXPECT_EQ(valid("t_a"), "true");
  EXPECT_EQ(journal("t_a"), "abandoned done");
}

TEST_F(Builds, a_stop_cancels_the_build_and_leaves_nothing_behind) {
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b);");
  Session holder(url_);
  holder.hold();
  bool stop = false;
  auto options = quick();
  options.stop_requested = [&] { return stop; };
  const auto first = applied(url_, wanted, options,
                             [&](const ApplyEvent& event) { stop |= event.text == kSnapshots; });
  EXPECT_TRUE(first.stopped);
  EXPECT_FALSE(first.complete());
  EXPECT_EQ(report_of(first, "t_a").outcome, Outcome::stopped);
  EXPECT_THAT(error_of(first, "t_a"), HasSubstr("asked to stop"));
  EXPECT_EQ(report_of(first, "t_b").outcome, Outcome::stopped);
  EXPECT_EQ(oid_of("t_b"), "none");
  EXPECT_EQ(invalid_indexes(), "0");
  EXPECT_EQ(journal("t_a"), "failed");
  holder.end();
  EXPECT_TRUE(applied(url_, wanted).complete());
}

TEST_F(Builds, a_foreign_wreck_is_reported_and_stays) {
  EXPECT_ANY_THROW(database_.query("CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)"));
  ASSERT_EQ(valid("t_a"), "false");
  const auto wreck = oid_of("t_a");
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b);");
  const auto report = applied(url_, wanted);
  EXPECT_EQ(report_of(report, "t_a").outcome, Outcome::failed);
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr("not ours"));
  EXPECT_EQ(report_of(report, "t_b").outcome, Outcome::built);
  EXPECT_EQ(oid_of("t_a"), wreck);
  EXPECT_EQ(valid("t_a"), "false");
  EXPECT_THAT(report.dropped, IsEmpty());
}

TEST_F(Builds, traces_of_a_crash_around_the_swap_are_cleared) {
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a);");
  ASSERT_TRUE(applied(url_, wanted).complete());
  const auto other = catalogue("CREATE INDEX t_a ON t (a, b);");
  // A crash between the swap and the drop: the old one waits under its retired name.
  database_.query("CREATE INDEX t_a_lyceum_old ON t (id)");
  database_.query(
      "INSERT INTO lyceum.index_builds (schema, name, build_name, table_oid, declared, "
      "state, builder, index_oid, replaced_oid) SELECT 'public', 't_a', "
      "'t_a_lyceum_new', 't'::regclass, 'CREATE INDEX t_a_lyceum_new ON t (a)', "
      "'swapped', 1, 't_a'::regclass, 't_a_lyceum_old'::regclass");
  const auto cleared = applied(url_, wanted);
  EXPECT_THAT(cleared.dropped, Contains("public.t_a_lyceum_old"));
  EXPECT_EQ(oid_of("t_a_lyceum_old"), "none");
  EXPECT_EQ(database_.value("SELECT count(*) FROM lyceum.index_builds WHERE state = 'swapped'"),
            "0");

  // A crash between the build and the swap: the new one is complete, and is not built again.
  database_.query("CREATE INDEX t_a_lyceum_new ON t (a, b)");
  database_.query(
      "INSERT INTO lyceum.index_builds (schema, name, build_name, table_oid, declared, "
      "state, builder) SELECT 'public', 't_a', 't_a_lyceum_new', 't'::regclass, 'CREATE "
      "INDEX CONCURRENTLY \"t_a_lyceum_new\" ON \"public\".\"t\" (a, b)', 'building', 1");
  const auto ready = oid_of("t_a_lyceum_new");
  const auto swapped = applied(url_, other);
  EXPECT_EQ(report_of(swapped, "t_a").outcome, Outcome::replaced) << error_of(swapped, "t_a");
  EXPECT_EQ(oid_of("t_a"), ready);
  EXPECT_EQ(oid_of("t_a_lyceum_new"), "none");
  EXPECT_EQ(oid_of("t_a_lyceum_old"), "none");
  EXPECT_TRUE(planned(url_, other).all_same());
}

// ── replacing ────────────────────────────────────────────────────────────────────────────────

TEST_F(Builds, a_different_index_is_replaced_under_its_name) {
  database_.query("CREATE INDEX t_a ON t (a); CREATE INDEX t_extra ON t (b)");
  const auto old = oid_of("t_a");
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a DESC, b);");
  EXPECT_EQ(standing(planned(url_, wanted), "t_a"), Standing::different);
  const auto report = applied(url_, wanted);
  EXPECT_EQ(report_of(report, "t_a").outcome, Outcome::replaced) << error_of(report, "t_a");
  EXPECT_THAT(report.dropped, Contains("public.t_a_lyceum_old"));
  EXPECT_NE(oid_of("t_a"), old);
  EXPECT_EQ(database_.value("SELECT count(*) FROM pg_class WHERE oid = " + old), "0");
  EXPECT_EQ(oid_of("t_a_lyceum_new"), "none");
  EXPECT_NE(oid_of("t_extra"), "none") << "extra indexes stay";
  ASSERT_EQ(report.extra.size(), 1U);
  EXPECT_EQ(journal("t_a"), "done");
  const auto second = applied(url_, wanted);
  EXPECT_THAT(second.indexes, IsEmpty());
}

TEST_F(Builds, a_foreign_index_under_the_building_name_is_not_touched) {
  database_.query("CREATE INDEX t_a ON t (a); CREATE INDEX t_a_lyceum_new ON t (b)");
  const auto foreign = oid_of("t_a_lyceum_new");
  const auto report = applied(url_, catalogue("CREATE INDEX t_a ON t (a, b);"));
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr("not ours"));
  EXPECT_EQ(oid_of("t_a_lyceum_new"), foreign);
}

TEST_F(Builds, a_rolling_index_is_renewed_when_due) {
  const auto wanted =
      catalogue("CREATE INDEX t_c ON t (a, c) WHERE c >= 'rolling: 7 days'::timestamptz;");
  ASSERT_TRUE(applied(url_, wanted).complete());
  const auto first = oid_of("t_c");
  EXPECT_THAT(database_.value("SET TimeZone = 'UTC'; SELECT pg_get_indexdef('t_c'::regclass)"),
              HasSubstr(database_.value("SELECT to_char((now() AT TIME ZONE 'UTC')::date - 7, "
                                        "'YYYY-MM-DD')")));
  EXPECT_TRUE(planned(url_, wanted).all_same());
  EXPECT_TRUE(planned(url_, wanted, today() + days(7)).all_same());
  EXPECT_THAT(applied(url_, wanted, quick(), {}, today() + days(7)).indexes, IsEmpty());
  EXPECT_EQ(oid_of("t_c"), first);
  const auto due = applied(url_, wanted, quick(), {}, today() + days(8));
  EXPECT_EQ(report_of(due, "t_c").outcome, Outcome::replaced);
  EXPECT_NE(oid_of("t_c"), first);
  EXPECT_TRUE(planned(url_, wanted, today() + days(8)).all_same());
}

// ── what goes wrong ──────────────────────────────────────────────────────────────────────────

TEST_F(Builds, duplicates_fail_one_index_and_leave_no_wreck) {
  const auto wanted = catalogue("CREATE UNIQUE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b);");
  const auto report = applied(url_, wanted);
  EXPECT_EQ(report_of(report, "t_a").outcome, Outcome::failed);
  EXPECT_EQ(report_of(report, "t_a").error->sqlstate, "23505");
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr("duplicates"));
  EXPECT_EQ(report_of(report, "t_b").outcome, Outcome::built);
  EXPECT_EQ(oid_of("t_a"), "none");
  EXPECT_EQ(invalid_indexes(), "0");
  EXPECT_EQ(journal("t_a"), "failed");
  database_.query("DELETE FROM t WHERE id > 10");
  EXPECT_TRUE(applied(url_, wanted).complete());
}

TEST_F(Builds, a_missing_table_does_not_keep_the_others) {
  const auto report =
      applied(url_, catalogue("CREATE INDEX n_a ON nowhere (a); CREATE INDEX t_b ON t (b);"));
  EXPECT_THAT(error_of(report, "n_a"), HasSubstr("does not exist"));
  EXPECT_EQ(report_of(report, "t_b").outcome, Outcome::built);
  EXPECT_EQ(report.count(Outcome::failed), 1U);
}

TEST_F(Builds, a_role_that_may_not_build_is_told_whom_to_ask) {
  const auto role = "guest_" + database_.name();
  database_.query("CREATE ROLE " + quoted_name(role));
  const auto url =
      url_ + (url_.find('?') == std::string::npos ? "?" : "&") + "options=-c%20role%3D" + role;
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a);");
  EXPECT_EQ(standing(planned(url, wanted), "t_a"), Standing::missing);
  const auto report = applied(url, wanted);
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr("belongs to"));
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr("GRANT"));
  EXPECT_EQ(database_.value("SELECT to_regnamespace('lyceum') IS NULL"), "t");
  database_.query("DROP ROLE " + quoted_name(role));
}

TEST_F(Builds, a_role_that_may_not_make_the_journal_is_told_what_to_grant) {
  const auto role = "owner_" + database_.name();
  database_.query("CREATE ROLE " + quoted_name(role) + "; GRANT CREATE ON SCHEMA public TO " +
                  quoted_name(role) + "; ALTER TABLE t OWNER TO " + quoted_name(role));
  const auto url =
      url_ + (url_.find('?') == std::string::npos ? "?" : "&") + "options=-c%20role%3D" + role;
  const auto wanted = catalogue("CREATE INDEX t_a ON t (a);");
  const auto refused = try_apply(url, wanted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sqlstate, "42501");
  EXPECT_THAT(refused.error().to_string(), HasSubstr("GRANT USAGE, CREATE ON SCHEMA lyceum"));
  EXPECT_EQ(oid_of("t_a"), "none");
  // What the error says to do is enough.
  database_.query("CREATE SCHEMA IF NOT EXISTS lyceum; GRANT USAGE, CREATE ON SCHEMA lyceum TO " +
                  quoted_name(role));
  EXPECT_TRUE(applied(url, wanted).complete());
  database_.query("DROP OWNED BY " + quoted_name(role) + "; DROP ROLE " + quoted_name(role));
}

TEST_F(Builds, the_tables_lock_is_waited_for_within_a_limit_and_its_holder_named) {
  Session holder(url_);
  holder.run("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE");
  auto options = quick();
  options.waits.table_lock = milliseconds(300);
  std::vector<std::string> waits;
  const auto report =
      applied(url_, catalogue("CREATE INDEX t_a ON t (a); CREATE INDEX u_a ON u (a);"), options,
              [&](const ApplyEvent& event) {
                if (event.kind == Kind::waiting) waits.push_back(event.text);
              });
  const auto process = "process " + std::to_string(holder.process());
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr(process));
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr("lock"));
  EXPECT_THAT(waits, Contains(HasSubstr(process)));
  EXPECT_EQ(report_of(report, "u_a").outcome, Outcome::built);
  EXPECT_EQ(oid_of("t_a"), "none");
}

TEST_F(Builds, an_old_transaction_is_named_before_and_outwaited_whatever_lock_timeout_says) {
  database_.query("ALTER DATABASE " + quoted_name(database_.name()) + " SET lock_timeout = '50ms'");
  Session holder(url_);
  holder.hold();
  auto options = quick();
  options.old_transaction = milliseconds(0);
  std::vector<std::string> notes;
  std::vector<std::string> waits;
  std::optional<SteadyTime> since;
  bool ended = false;
  const auto report =
      applied(url_, catalogue("CREATE INDEX t_a ON t (a);"), options, [&](const ApplyEvent& event) {
        if (event.kind == Kind::note) notes.push_back(event.text);
        if (event.kind == Kind::waiting) waits.push_back(event.text);
        if (event.kind != Kind::progress || event.text != kSnapshots || ended) return;
        const auto now = std::chrono::steady_clock::now();
        if (!since) since = now;
        if (now - *since < milliseconds(300)) return;  // far beyond the database's lock_timeout
        holder.end();
        ended = true;
      });
  EXPECT_TRUE(ended);
  EXPECT_EQ(report_of(report, "t_a").outcome, Outcome::built) << error_of(report, "t_a");
  const auto process = "process " + std::to_string(holder.process());
  EXPECT_THAT(notes, Contains(HasSubstr(process)));
  EXPECT_THAT(waits, Contains(HasSubstr(process)));
}

TEST_F(Builds, a_limit_for_old_transactions_ends_the_wait_cleanly) {
  Session holder(url_);
  holder.hold();
  auto options = quick();
  options.waits.old_transactions = milliseconds(200);
  const auto report = applied(url_, catalogue("CREATE INDEX t_a ON t (a);"), options);
  EXPECT_THAT(error_of(report, "t_a"), HasSubstr("process " + std::to_string(holder.process())));
  EXPECT_EQ(invalid_indexes(), "0");
}

TEST_F(Builds, two_applies_do_not_meet) {
  Session other(url_);
  other.run("SELECT pg_advisory_lock(27769, 27000)");  // 0x6c79, 0x6978
  const auto report = try_apply(url_, catalogue("CREATE INDEX t_a ON t (a);"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kConflict);
  EXPECT_THAT(report.error().to_string(), HasSubstr("process " + std::to_string(other.process())));
  EXPECT_EQ(oid_of("t_a"), "none");
}

TEST_F(Builds, an_apply_holds_the_lock_while_it_builds) {
  Session holder(url_);
  holder.hold();
  Session other(url_);
  std::string second;
  const auto report =
      applied(url_, catalogue("CREATE INDEX t_a ON t (a);"), quick(), [&](const ApplyEvent& event) {
        if (event.text != kSnapshots || !second.empty()) return;
        second = other.run("SELECT pg_try_advisory_lock(27769, 27000)");
        holder.end();
      });
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(second, "f");
}

TEST_F(Builds, progress_rises_and_names_the_place_among_all) {
  database_.query(
      "INSERT INTO t SELECT n, n, repeat('x', 200), now() "
      "FROM generate_series(2000, 60000) AS n");
  auto options = quick();
  options.poll_interval = milliseconds(1);
  std::vector<BuildProgress> seen;
  const auto report =
      applied(url_, catalogue("CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b, a, c);"),
              options, [&](const ApplyEvent& event) {
                if (event.kind == Kind::progress) seen.push_back(event.progress);
              });
  EXPECT_TRUE(report.complete());
  ASSERT_FALSE(seen.empty());
  double last = 0;
  std::string index;
  for (const auto& each : seen) {
    if (each.index != index) last = 0;
    index = each.index;
    EXPECT_GE(each.fraction, last);
    EXPECT_LE(each.fraction, 1.0);
    EXPECT_EQ(each.count, 2U);
    EXPECT_EQ(each.position, each.index == "t_a" ? 1U : 2U);
    last = each.fraction;
  }
}

TEST_F(Builds, a_database_that_is_not_there_is_an_error) {
  auto url = database_.server().url("nowhere");
  const auto report = try_apply(url, catalogue("CREATE INDEX t_a ON t (a);"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kConnect);
}

TEST_F(Builds, used_indexes_of_a_real_plan) {
  database_.query("CREATE INDEX t_a ON t (a, id); ANALYZE t");
  Session session(url_);
  session.run("SET enable_seqscan = off");
  const auto explained = session.run(
      "EXPLAIN (FORMAT JSON) SELECT (SELECT max(id) FROM t WHERE a = "
      "outer_t.a) FROM t AS outer_t WHERE id = 7");
  EXPECT_THAT(indexes_used(explained).value(), UnorderedElementsAre("t_a", "t_pkey"));
}

}  // namespace
}  // namespace lyceum::indexes
