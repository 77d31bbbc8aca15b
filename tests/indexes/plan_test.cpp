#include "indexes/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lyceum::indexes {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr Oid kTable = 100;

Date day(unsigned month, unsigned day_of_month) {
  return Date(std::chrono::year_month_day(std::chrono::year(2026), std::chrono::month(month),
                                          std::chrono::day(day_of_month)));
}

Catalogue catalogue(std::string_view text) {
  const EmbeddedFile file{"c.sql", text};
  return Catalogue::parse(std::span(&file, 1)).value();
}

TableFacts table(std::string name, Oid oid = kTable, char kind = 'r') {
  TableFacts out;
  out.name = std::move(name);
  out.oid = oid;
  out.schema = "public";
  out.kind = kind;
  out.owner = "owner";
  out.may_build = true;
  return out;
}

ExistingIndex index(Oid oid, std::string name, std::string tail, bool unique = false) {
  ExistingIndex out;
  out.oid = oid;
  out.schema = "public";
  out.table_oid = kTable;
  out.table_schema = "public";
  out.table = "t";
  out.method = "btree";
  out.definition =
      std::string("CREATE ") + (unique ? "UNIQUE " : "") + "INDEX " + name + " ON public.t " + tail;
  out.name = std::move(name);
  out.unique = unique;
  return out;
}

Observation observation(std::vector<ExistingIndex> indexes = {}) {
  Observation out;
  out.inventory.indexes = std::move(indexes);
  out.inventory.tables = {table("t")};
  out.inventory.role = "me";
  out.inventory.server_version = 150000;
  return out;
}

constexpr auto kToday = [] { return day(6, 30); };

PlannedIndex only(std::string_view declared, const Observation& seen, Date today = kToday()) {
  const auto wanted = catalogue(declared);
  return make_plan(wanted, seen, today).indexes.at(0);
}

// The server's answers to all questions: a definition with another name on another table.
void answer(Observation& seen, std::string_view name, std::string_view tail) {
  seen.views[std::string(name)].definition =
      "CREATE INDEX lyceum_probe_0 ON pg_temp_3.lyceum_copy_0 " + std::string(tail);
}

// ── one index ────────────────────────────────────────────────────────────────────────────────

TEST(Plan, an_index_that_is_not_there_is_missing) {
  const auto planned = only("CREATE INDEX i ON t (a);", observation());
  EXPECT_EQ(planned.standing, Standing::missing);
  EXPECT_TRUE(planned.to_build());
  EXPECT_EQ(planned.create_sql("n"), "CREATE INDEX CONCURRENTLY \"n\" ON \"public\".\"t\"  (a)");
}

TEST(Plan, equal_trees_are_the_same_without_asking_the_server) {
  const auto seen = observation({index(1, "i", "USING btree (a DESC) WHERE (b > 1)")});
  const auto wanted = catalogue("CREATE INDEX i ON t (a DESC NULLS FIRST) WHERE b>1;");
  EXPECT_THAT(questions(wanted, seen, kToday()), IsEmpty());
  EXPECT_EQ(make_plan(wanted, seen, kToday()).indexes.at(0).standing, Standing::same);
}

TEST(Plan, the_servers_view_decides_where_trees_differ) {
  constexpr auto kDeclared = "CREATE INDEX i ON t USING gin (to_tsvector('english', title));";
  constexpr auto kPrinted = "USING gin (to_tsvector('english'::regconfig, (title)::text))";
  auto seen = observation({index(1, "i", kPrinted)});
  EXPECT_EQ(questions(catalogue(kDeclared), seen, kToday()).size(), 1U);
  answer(seen, "i", kPrinted);
  EXPECT_EQ(only(kDeclared, seen).standing, Standing::same);
  EXPECT_TRUE(only(kDeclared, seen).confirmed);
  answer(seen, "i", "USING gin (to_tsvector('english'::regconfig, title))");
  const auto planned = only(kDeclared, seen);
  EXPECT_EQ(planned.standing, Standing::different);
  EXPECT_THAT(planned.reason, HasSubstr(kPrinted));
  EXPECT_THAT(planned.reason, HasSubstr("wanted is"));
}

TEST(Plan, without_the_servers_view_loose_trees_decide_and_the_plan_says_so) {
  auto seen = observation({index(1, "i", "USING btree (lower((a)::text))"),
                           index(2, "j", "USING btree (lower((a)::text))")});
  seen.why_not_asked = "a replica";
  const auto wanted = catalogue("CREATE INDEX i ON t (lower(a)); CREATE INDEX j ON t (upper(a));");
  const auto made = make_plan(wanted, seen, kToday());
  EXPECT_EQ(made.indexes[0].standing, Standing::same);
  EXPECT_FALSE(made.indexes[0].confirmed);
  EXPECT_EQ(made.indexes[1].standing, Standing::different);
  EXPECT_EQ(made.unconfirmed, "a replica");
}

TEST(Plan, the_journal_settles_what_was_built_from_this_declaration) {
  constexpr auto kPrinted = "USING btree (lower((a)::text))";
  auto seen = observation({index(9, "i", kPrinted)});
  BuildRecord record;
  record.name = record.build_name = "i";
  record.schema = "public";
  record.table_oid = kTable;
  record.state = BuildState::done;
  record.index_oid = 9;
  record.declared = "CREATE INDEX CONCURRENTLY \"i\" ON \"public\".\"t\" (lower(a))";
  record.definition = std::string("CREATE INDEX i ON public.t ") + kPrinted;
  seen.journal = {record};
  EXPECT_THAT(questions(catalogue("CREATE INDEX i ON t (lower(a));"), seen, kToday()), IsEmpty());
  EXPECT_EQ(only("CREATE INDEX i ON t (lower(a));", seen).standing, Standing::same);
  // Another declaration, another index, an index that has changed since: to be asked.
  EXPECT_EQ(questions(catalogue("CREATE INDEX i ON t (upper(a));"), seen, kToday()).size(), 1U);
  seen.inventory.indexes[0].oid = 10;
  EXPECT_EQ(questions(catalogue("CREATE INDEX i ON t (lower(a));"), seen, kToday()).size(), 1U);
  seen.inventory.indexes[0] = index(9, "i", "USING btree (lower((b)::text))");
  EXPECT_EQ(questions(catalogue("CREATE INDEX i ON t (lower(a));"), seen, kToday()).size(), 1U);
}

TEST(Plan, uniqueness_is_part_of_the_definition) {
  auto seen = observation({index(1, "i", "USING btree (a)", true)});
  answer(seen, "i", "USING btree (a)");
  const auto planned = only("CREATE INDEX i ON t (a);", seen);
  EXPECT_EQ(planned.standing, Standing::different);
  EXPECT_THAT(planned.reason, HasSubstr("unique USING btree (a)"));
}

TEST(Plan, a_declaration_that_the_server_refuses_cannot_be_built) {
  auto seen = observation();
  Error refused;
  refused.message = "column \"nope\" does not exist";
  refused.sqlstate = "42703";
  seen.views["i"].error = refused;
  const auto planned = only("\nCREATE INDEX i ON t (nope);", seen);
  EXPECT_EQ(planned.standing, Standing::unbuildable);
  EXPECT_THAT(planned.reason, HasSubstr("c.sql:2"));
  EXPECT_THAT(planned.reason, HasSubstr("nope"));
  EXPECT_THAT(planned.reason, HasSubstr("42703"));
}

TEST(Plan, what_cannot_be_built_says_why) {
  struct Case {
    std::string_view what;
    std::function<void(Observation&)> change;
    std::string_view reason;
  };
  const Case cases[] = {
      {"no table", [](Observation& o) { o.inventory.tables[0].oid = 0; }, "does not exist"},
      {"not looked up", [](Observation& o) { o.inventory.tables.clear(); }, "does not exist"},
      {"partitioned", [](Observation& o) { o.inventory.tables[0].kind = 'p'; },
       "a partitioned table"},
      {"view", [](Observation& o) { o.inventory.tables[0].kind = 'v'; }, "a view"},
      {"name taken by a table",
       [](Observation& o) { o.inventory.other_relations = {{"public", "i", 'r'}}; },
       "the name is taken by a table"},
      {"name taken on another table",
       [](Observation& o) {
         auto other = index(1, "i", "USING btree (a)");
         other.table_oid = 101;
         other.table = "u";
         o.inventory.indexes = {other};
       },
       "an index of the table \"public\".\"u\""},
      {"constraint",
       [](Observation& o) {
         auto other = index(1, "i", "USING btree (b)");
         other.constraint = "t_key";
         o.inventory.indexes = {other};
         answer(o, "i", "USING btree (a)");
       },
       "serves the constraint \"t_key\""},
      {"replica identity",
       [](Observation& o) {
         auto other = index(1, "i", "USING btree (b)");
         other.replica_identity = true;
         o.inventory.indexes = {other};
         answer(o, "i", "USING btree (a)");
       },
       "replication"},
  };
  for (const auto& each : cases) {
    auto seen = observation();
    each.change(seen);
    const auto planned = only("CREATE INDEX i ON t (a);", seen);
    EXPECT_EQ(planned.standing, Standing::unbuildable) << each.what;
    EXPECT_THAT(planned.reason, HasSubstr(std::string(each.reason))) << each.what;
    EXPECT_FALSE(planned.to_build()) << each.what;
  }
}

TEST(Plan, a_name_in_another_schema_is_not_in_the_way) {
  auto seen = observation();
  seen.inventory.other_relations = {{"other", "i", 'r'}};
  auto elsewhere = index(1, "i", "USING btree (b)");
  elsewhere.schema = elsewhere.table_schema = "other";
  elsewhere.table_oid = 200;
  seen.inventory.indexes = {elsewhere};
  EXPECT_EQ(only("CREATE INDEX i ON t (a);", seen).standing, Standing::missing);
}

TEST(Plan, wrecks_are_ours_only_with_a_journal_row) {
  auto wreck = index(5, "i", "USING btree (a)");
  wreck.valid = false;
  auto seen = observation({wreck});
  auto foreign = only("CREATE INDEX i ON t (a);", seen);
  EXPECT_EQ(foreign.standing, Standing::invalid);
  EXPECT_FALSE(foreign.ours);
  EXPECT_FALSE(foreign.to_build());
  EXPECT_THAT(foreign.reason, HasSubstr("DROP INDEX CONCURRENTLY \"public\".\"i\""));

  BuildRecord record;
  record.schema = "public";
  record.name = record.build_name = "i";
  record.table_oid = kTable;
  record.index_oid = 5;
  record.state = BuildState::building;
  seen.journal = {record};
  auto ours = only("CREATE INDEX i ON t (a);", seen);
  EXPECT_TRUE(ours.ours);
  EXPECT_TRUE(ours.to_build());

  // Complete once; made invalid by somebody's interrupted DROP INDEX CONCURRENTLY.
  seen.journal[0].state = BuildState::done;
  EXPECT_FALSE(only("CREATE INDEX i ON t (a);", seen).ours);

  seen.journal[0].state = BuildState::building;
  seen.inventory.indexes[0].building_process = 4711;
  auto building = only("CREATE INDEX i ON t (a);", seen);
  EXPECT_FALSE(building.to_build());
  EXPECT_THAT(building.reason, HasSubstr("4711"));
}

TEST(Plan, says_what_keeps_this_role_or_server_from_building) {
  auto seen = observation();
  EXPECT_EQ(only("CREATE INDEX i ON t (a);", seen).obstacle, "");
  seen.inventory.tables[0].may_build = false;
  EXPECT_THAT(only("CREATE INDEX i ON t (a);", seen).obstacle,
              HasSubstr("GRANT \"owner\" TO \"me\""));
  seen.inventory.server_version = 140003;
  EXPECT_THAT(only("CREATE INDEX i ON t (a);", seen).obstacle, HasSubstr("14.4"));
  seen.inventory.in_recovery = true;
  EXPECT_THAT(only("CREATE INDEX i ON t (a);", seen).obstacle, HasSubstr("replica"));
  // What is there already needs no permission.
  seen.inventory.indexes = {index(1, "i", "USING btree (a)")};
  EXPECT_EQ(only("CREATE INDEX i ON t (a);", seen).obstacle, "");
}

TEST(Plan, refuses_concurrent_builds_on_14_0_to_14_3_alone) {
  for (const int version : {130000, 130020, 140004, 140019, 150000, 180000}) {
    EXPECT_EQ(concurrent_build_obstacle(version), "") << version;
  }
  for (const int version : {140000, 140001, 140002, 140003}) {
    EXPECT_THAT(concurrent_build_obstacle(version), HasSubstr("14.4")) << version;
  }
}

TEST(Plan, points_at_an_index_of_another_name_that_is_defined_alike) {
  auto seen = observation({index(1, "by_a", "USING btree (a)")});
  answer(seen, "i", "USING btree (a)");
  EXPECT_EQ(only("CREATE INDEX i ON t (a);", seen).defined_alike, "by_a");
}

// ── rolling ──────────────────────────────────────────────────────────────────────────────────

constexpr auto kRolling = "CREATE INDEX i ON t (a) WHERE c >= 'rolling: 7 days'::timestamptz;";

std::string printed_since(std::string_view date) {
  return "USING btree (a) WHERE (c >= '" + std::string(date) +
         " 00:00:00+00'::timestamp with time zone)";
}

TEST(Plan, a_rolling_index_begins_its_span_before_today) {
  const auto planned = only(kRolling, observation(), day(6, 30));
  EXPECT_EQ(planned.standing, Standing::missing);
  EXPECT_THAT(planned.tail, HasSubstr("'2026-06-23 00:00:00+00'::timestamptz"));
}

TEST(Plan, a_rolling_index_is_the_same_from_one_span_to_two) {
  const auto seen = observation({index(1, "i", printed_since("2026-06-01"))});
  EXPECT_EQ(only(kRolling, seen, day(6, 7)).standing, Standing::different);  // 6 days: too little
  EXPECT_EQ(only(kRolling, seen, day(6, 8)).standing, Standing::same);
  EXPECT_EQ(only(kRolling, seen, day(6, 15)).standing, Standing::same);
  const auto due = only(kRolling, seen, day(6, 16));  // 15 days
  EXPECT_EQ(due.standing, Standing::different);
  EXPECT_THAT(due.reason, HasSubstr("15 days"));
  EXPECT_THAT(due.tail, HasSubstr("'2026-06-09 00:00:00+00'::timestamptz"));
}

TEST(Plan, a_rolling_index_that_differs_elsewhere_is_different) {
  auto seen = observation({index(1, "i",
                                 "USING btree (b) WHERE (c >= '2026-06-01 "
                                 "00:00:00+00'::timestamp with time zone)")});
  seen.why_not_asked = "x";
  EXPECT_EQ(only(kRolling, seen, day(6, 8)).standing, Standing::different);
  seen.inventory.indexes = {index(1, "i", "USING btree (a)")};
  EXPECT_EQ(only(kRolling, seen, day(6, 8)).standing, Standing::different);
}

// ── the whole ────────────────────────────────────────────────────────────────────────────────

TEST(Plan, extra_are_those_that_serve_speed_alone_on_the_catalogues_tables) {
  auto primary = index(2, "t_pkey", "USING btree (id)", true);
  primary.primary = true;
  auto elsewhere = index(3, "u_a", "USING btree (a)");
  elsewhere.table_oid = 200;
  const auto seen = observation(
      {index(1, "i", "USING btree (a)"), primary, elsewhere, index(4, "t_old", "USING btree (b)")});
  const auto made = make_plan(catalogue("CREATE INDEX i ON t (a);"), seen, kToday());
  ASSERT_EQ(made.extra.size(), 1U);
  EXPECT_EQ(made.extra[0].name, "t_old");
  EXPECT_TRUE(made.all_same());
  EXPECT_TRUE(made.nothing_to_build());
}

ExistingIndex keyed(Oid oid, std::string name, std::vector<std::string> keys) {
  auto out = index(oid, std::move(name), "USING btree (x)");
  for (auto& key : keys) out.keys.push_back({std::move(key), 1978, 0, 0});
  return out;
}

TEST(Redundancy, the_leading_keys_of_a_wider_index) {
  const auto found =
      find_redundant(std::vector{keyed(1, "ab", {"a", "b"}), keyed(2, "a", {"a"}),
                                 keyed(3, "b", {"b"}), keyed(4, "abc", {"a", "b", "c"})});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].index, "ab");
  EXPECT_EQ(found[0].covered_by, "abc");
  EXPECT_EQ(found[1].index, "a");
  EXPECT_EQ(found[1].covered_by, "ab");
  EXPECT_FALSE(found[1].equal);
}

TEST(Redundancy, of_two_equal_ones_the_younger_is_named) {
  const auto found = find_redundant(std::vector{keyed(1, "x", {"a"}), keyed(2, "y", {"a"})});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].index, "y");
  EXPECT_TRUE(found[0].equal);
}

TEST(Redundancy, every_difference_that_matters_keeps_both) {
  const auto narrow = keyed(1, "a", {"a"});
  const auto wide = keyed(2, "ab", {"a", "b"});
  ASSERT_EQ(find_redundant(std::vector{narrow, wide}).size(), 1U);
  const std::function<void(ExistingIndex&, ExistingIndex&)> changes[] = {
      [](auto& n, auto&) { n.predicate = "(c)"; },
      [](auto&, auto& w) { w.predicate = "(c)"; },
      [](auto& n, auto&) { n.keys[0].opclass = 1; },
      [](auto& n, auto&) { n.keys[0].collation = 950; },
      [](auto& n, auto&) { n.keys[0].options = 3; },
      [](auto& n, auto&) { n.method = "hash"; },
      [](auto&, auto& w) { w.method = "gist"; },
      [](auto& n, auto&) { n.unique = true; },
      [](auto& n, auto&) { n.primary = true; },
      [](auto& n, auto&) { n.replica_identity = true; },
      [](auto& n, auto&) { n.constraint = "c"; },
      [](auto&, auto& w) { w.table_oid = 7; },
      [](auto&, auto& w) { w.valid = false; },
      [](auto& n, auto&) { n.included = {"z"}; },
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    auto n = narrow;
    auto w = wide;
    changes[i](n, w);
    EXPECT_THAT(find_redundant(std::vector{n, w}), IsEmpty()) << "change " << i;
  }
  auto included = narrow;
  included.included = {"b"};
  EXPECT_EQ(find_redundant(std::vector{included, wide}).size(), 1U);
}

TEST(Usage, has_the_guides_classes) {
  EXPECT_EQ(usage_of(0), Usage::never);
  EXPECT_EQ(usage_of(1), Usage::rarely);
  EXPECT_EQ(usage_of(99), Usage::rarely);
  EXPECT_EQ(usage_of(100), Usage::moderately);
  EXPECT_EQ(usage_of(999), Usage::moderately);
  EXPECT_EQ(usage_of(1000), Usage::frequently);
}

}  // namespace
}  // namespace lyceum::indexes
