#include "indexes/catalogue.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

#include "sql/statements.h"

namespace lyceum::indexes {
namespace {

using std::chrono::days;
using testing::HasSubstr;

Result<Catalogue> parse(std::string_view text, std::string_view path = "a.sql") {
  const EmbeddedFile file{path, text};
  return Catalogue::parse(std::span(&file, 1));
}

std::string error_of(std::string_view text) {
  const auto catalogue = parse(text);
  return catalogue ? "no error" : catalogue.error().to_string();
}

Date date(int year, unsigned month, unsigned day) {
  return Date(std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(month),
                                          std::chrono::day(day)));
}

TEST(IndexStatement, takes_all_parts_apart) {
  const auto statement = parse_index_definition(
      "CREATE UNIQUE INDEX \"Odd \"\"name\" ON \"Some schema\".\"T.x\" USING btree "
      "(a DESC NULLS LAST, lower(b) text_pattern_ops) INCLUDE (c) WHERE a > 0");
  ASSERT_TRUE(statement) << statement.error().to_string();
  EXPECT_EQ(statement->name, "Odd \"name");
  EXPECT_EQ(statement->schema, "Some schema");
  EXPECT_EQ(statement->table, "T.x");
  EXPECT_EQ(statement->method, "btree");
  EXPECT_TRUE(statement->unique);
  EXPECT_TRUE(statement->has_predicate);
  EXPECT_EQ(statement->tail,
            " USING btree (a DESC NULLS LAST, lower(b) text_pattern_ops) INCLUDE (c) WHERE a > 0");
  EXPECT_EQ(
      create_index_sql(*statement, "n", "pg_temp.\"p\"", statement->tail, true),
      "CREATE UNIQUE INDEX CONCURRENTLY \"n\" ON pg_temp.\"p\"  USING btree (a DESC NULLS LAST, "
      "lower(b) text_pattern_ops) INCLUDE (c) WHERE a > 0");
}

TEST(IndexStatement, finds_the_table_where_blanks_and_comments_stand_in_its_name) {
  const auto statement =
      parse_index_definition("create index i on /* here */ public -- there\n . t (a) -- end");
  ASSERT_TRUE(statement) << statement.error().to_string();
  EXPECT_EQ(statement->schema, "public");
  EXPECT_EQ(statement->table, "t");
  EXPECT_EQ(statement->tail, " (a)");
}

TEST(IndexStatement, is_the_same_whatever_the_layout_and_the_names) {
  const auto a = parse_index_definition("CREATE INDEX x ON t(a, (lower(b))) WHERE ((c > 1))");
  const auto b = parse_index_definition(
      "create index concurrently y on s.u using btree (a asc nulls last, lower(b)) where c>1");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->shape, b->shape);
}

// What pg_get_indexdef of PostgreSQL 15 says of a declaration, as far as it can be known without
// the columns' types.
TEST(IndexStatement, loose_shape_bridges_the_usual_rewritings) {
  const std::pair<const char*, const char*> pairs[] = {
      {"CREATE INDEX i ON t USING gin(to_tsvector('english', title))",
       "CREATE INDEX i ON public.t USING gin (to_tsvector('english'::regconfig, (title)::text))"},
      {"CREATE INDEX i ON t (a) WHERE p >= 0.8",
       "CREATE INDEX i ON public.t USING btree (a) WHERE (p >= (0.8)::double precision)"},
      {"CREATE INDEX i ON t (a) WHERE s IN ('x', 'y')",
       "CREATE INDEX i ON public.t USING btree (a) WHERE (s = ANY (ARRAY['x'::text, 'y'::text]))"},
      {"CREATE INDEX i ON t (a) WHERE p > -1 AND (q IS NOT NULL AND r = true)",
       "CREATE INDEX i ON public.t USING btree (a) WHERE ((p > '-1'::integer) AND (q IS NOT NULL) "
       "AND (r = true))"},
      {"CREATE INDEX i ON t (a) WITH (fillfactor = 70)",
       "CREATE INDEX i ON public.t USING btree (a) WITH (fillfactor='70')"},
  };
  for (const auto& [declared, printed] : pairs) {
    const auto a = parse_index_definition(declared);
    const auto b = parse_index_definition(printed);
    ASSERT_TRUE(a && b) << declared;
    EXPECT_EQ(a->loose_shape, b->loose_shape) << declared;
  }
}

TEST(IndexStatement, loose_shape_keeps_what_matters_apart) {
  const char* const different[] = {
      "CREATE INDEX i ON t (a)",
      "CREATE UNIQUE INDEX i ON t (a)",
      "CREATE INDEX i ON t (a DESC)",
      "CREATE INDEX i ON t (a NULLS FIRST)",
      "CREATE INDEX i ON t (a, b)",
      "CREATE INDEX i ON t (b, a)",
      "CREATE INDEX i ON t (a) INCLUDE (b)",
      "CREATE INDEX i ON t USING hash (a)",
      "CREATE INDEX i ON t (a text_pattern_ops)",
      "CREATE INDEX i ON t (a COLLATE \"C\")",
      "CREATE INDEX i ON t (lower(a))",
      "CREATE INDEX i ON t ((a::date))",
      "CREATE INDEX i ON t (a) WHERE b",
      "CREATE INDEX i ON t (a) WHERE NOT b",
      "CREATE INDEX i ON t (a) WHERE b > 1",
      "CREATE INDEX i ON t (a) WHERE b > 2",
      "CREATE INDEX i ON t (a) WHERE b > 0",
      "CREATE INDEX i ON t (a) WHERE b > -1",
      "CREATE INDEX i ON t (a) WHERE b > - (2)",
      "CREATE INDEX i ON t (a) WHERE b >= 1",
      "CREATE INDEX i ON t (a) WHERE b IN (1, 2)",
      "CREATE INDEX i ON t (a) WHERE b NOT IN (1, 2)",
      "CREATE INDEX i ON t (a) WHERE b > 1 AND c",
      "CREATE INDEX i ON t (a) WHERE b > 1 OR c",
      "CREATE INDEX i ON t (a) WITH (fillfactor = 70)",
  };
  std::set<std::string> shapes;
  std::set<std::string> loose_shapes;
  for (const auto* text : different) {
    const auto statement = parse_index_definition(text);
    ASSERT_TRUE(statement) << text;
    EXPECT_TRUE(shapes.insert(statement->shape).second) << text;
    EXPECT_TRUE(loose_shapes.insert(statement->loose_shape).second) << text;
  }
}

TEST(Catalogue, reads_names_purposes_and_lines) {
  const auto catalogue = parse(
      "-- A catalogue.\n"
      "\n"
      "-- Sign in: one user by address,\n"
      "-- whatever its case.\n"
      "CREATE INDEX one ON users (lower(email)); -- behind it\n"
      "CREATE INDEX CONCURRENTLY two\n"
      "  ON users (b);\n"
      "/* The third. */\n"
      "CREATE INDEX three ON users (c)\n");
  ASSERT_TRUE(catalogue) << catalogue.error().to_string();
  const auto indexes = catalogue->indexes();
  ASSERT_EQ(indexes.size(), 3U);
  EXPECT_EQ(indexes[0].statement.comment, "Sign in: one user by address, whatever its case.");
  EXPECT_EQ(indexes[0].place(), "a.sql:5");
  EXPECT_EQ(indexes[1].statement.comment, "");
  EXPECT_EQ(indexes[1].place(), "a.sql:6");
  EXPECT_TRUE(indexes[1].statement.concurrently);
  EXPECT_EQ(indexes[2].statement.comment, "The third.");
  EXPECT_EQ(indexes[2].place(), "a.sql:9");
  EXPECT_EQ(catalogue->find("two"), &indexes[1]);
  EXPECT_EQ(catalogue->find("four"), nullptr);
}

TEST(Catalogue, holds_nothing_where_a_file_holds_only_comments) {
  const auto catalogue = parse("-- nothing\n/* yet */\n");
  ASSERT_TRUE(catalogue) << catalogue.error().to_string();
  EXPECT_TRUE(catalogue->indexes().empty());
}

TEST(Catalogue, names_file_and_line_of_what_is_wrong) {
  EXPECT_THAT(error_of("CREATE INDEX a ON t (a);\n\nDROP INDEX a;"),
              HasSubstr("a.sql:3: this statement is not CREATE INDEX"));
  EXPECT_THAT(error_of("CREATE INDEX a ON t (a);\n-- é è\nCREATE INDE b ON t (b);"),
              HasSubstr("a.sql:3: syntax error at or near \"INDE\""));
  EXPECT_THAT(error_of("CREATE INDEX a ON t (a);\nCREATE INDEX a ON u (a);"),
              HasSubstr("a.sql:2: the name \"a\" is declared twice"));
  EXPECT_THAT(error_of("CREATE INDEX a ON t (a);\nCREATE INDEX a ON u (a);"), HasSubstr("a.sql:1"));
  EXPECT_THAT(error_of("\nCREATE INDEX IF NOT EXISTS a ON t (a);"),
              HasSubstr("a.sql:2: IF NOT EXISTS is not allowed here"));
  EXPECT_THAT(error_of("CREATE INDEX ON t (a);"), HasSubstr("a.sql:1: the index has no name"));
  EXPECT_THAT(error_of("CREATE INDEX a ON ONLY t (a);"), HasSubstr("a.sql:1: ON ONLY"));
  EXPECT_THAT(error_of("\n\nCREATE INDEX a ON t (a) WHERE b > 'rolling: soon'::date;"),
              HasSubstr("a.sql:3: 'rolling: soon' is no rolling date"));
  EXPECT_THAT(error_of("CREATE INDEX a ON t (a) WHERE b > 'rolling: 0 days'::date;"),
              HasSubstr("is no rolling date"));
  EXPECT_THAT(error_of("CREATE INDEX " + std::string(64, 'a') + " ON t (a);"),
              HasSubstr("longer than 63 bytes"));
  EXPECT_THAT(error_of("CREATE INDEX a ON t (a) WHERE b = 'x"), HasSubstr("a.sql:1: unterminated"));
  EXPECT_THAT(error_of(std::string_view("CREATE INDEX a\0 ON t (a)", 25)),
              HasSubstr("a.sql:1: a NUL byte"));
}

TEST(Catalogue, names_the_other_file_of_a_name_declared_twice) {
  const EmbeddedFile files[] = {{"a.sql", "CREATE INDEX i ON t (a);"},
                                {"b.sql", "\nCREATE INDEX i ON t (b);"}};
  const auto catalogue = Catalogue::parse(files);
  ASSERT_FALSE(catalogue);
  EXPECT_THAT(catalogue.error().to_string(), HasSubstr("b.sql:2"));
  EXPECT_THAT(catalogue.error().to_string(), HasSubstr("a.sql:1"));
}

TEST(Catalogue, names_a_file_that_cannot_be_read) {
  const std::string path = "/nonexistent/indexes.sql";
  const auto catalogue = Catalogue::read(std::span(&path, 1));
  ASSERT_FALSE(catalogue);
  EXPECT_EQ(catalogue.error().code, ErrorCode::kIo);
  EXPECT_THAT(catalogue.error().message, HasSubstr(path));
}

TEST(Catalogue, replaces_rolling_dates) {
  const auto catalogue = parse(
      "CREATE INDEX i ON t (a) WHERE note = 'rolling: 1 day' AND b >= 'rolling: 7 "
      "days'::timestamptz "
      "AND c < 'rolling: 2 weeks'::date;");
  ASSERT_TRUE(catalogue) << catalogue.error().to_string();
  const auto& index = catalogue->indexes()[0];
  ASSERT_EQ(index.rolling.size(), 2U);
  EXPECT_EQ(index.rolling[0].span, days(7));
  EXPECT_EQ(index.rolling[1].span, days(14));
  EXPECT_EQ(index.tail_on(date(2026, 3, 5)),
            " (a) WHERE note = 'rolling: 1 day' AND b >= '2026-02-26 00:00:00+00'::timestamptz AND "
            "c < '2026-02-19'::date");
}

TEST(Catalogue, reads_the_day_of_what_the_server_prints) {
  EXPECT_EQ(parse_literal_date("2026-02-26 00:00:00+00"), date(2026, 2, 26));
  EXPECT_EQ(parse_literal_date("2026-02-26"), date(2026, 2, 26));
  EXPECT_EQ(parse_literal_date("2026-02-30"), std::nullopt);
  EXPECT_EQ(parse_literal_date("infinity"), std::nullopt);
  EXPECT_EQ(parse_literal_date("26.02.2026"), std::nullopt);
}

TEST(Catalogue, quotes_what_it_puts_into_statements) {
  EXPECT_EQ(quoted_name("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quoted_name("", "b"), "\"b\"");
  EXPECT_EQ(quoted_name("a", "b"), "\"a\".\"b\"");
  EXPECT_EQ(quoted_literal("it's"), "'it''s'");
  EXPECT_EQ(quoted_literal("a\\'b"), "E'a\\\\''b'");
}

TEST(Catalogue, embedded_profiles_parse_and_unknown_ones_are_named) {
  for (const auto& profile : embedded_profiles()) {
    const auto catalogue = embedded_catalogue(profile);
    EXPECT_TRUE(catalogue) << catalogue.error().to_string();
  }
  const auto unknown = embedded_catalogue("nothing");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(unknown.error().to_string(), HasSubstr("guide"));
}

// The guide's own list, so that none of its names gets lost.
TEST(Catalogue, guide_profile_has_all_names_of_the_guide) {
  const std::set<std::string> wanted{"idx_users_tenant_email",
                                     "idx_users_tenant_active",
                                     "idx_users_last_login",
                                     "idx_users_created_at",
                                     "idx_stories_tenant_published",
                                     "idx_stories_level_difficulty",
                                     "idx_stories_featured_created",
                                     "idx_stories_view_count",
                                     "idx_stories_title_search",
                                     "idx_stories_content_search",
                                     "idx_progress_user_story",
                                     "idx_progress_user_updated",
                                     "idx_progress_completion",
                                     "idx_progress_time_spent",
                                     "idx_progress_last_accessed",
                                     "idx_vocabulary_word_level",
                                     "idx_vocabulary_frequency",
                                     "idx_vocabulary_search",
                                     "idx_vocabulary_pos",
                                     "idx_user_vocab_progress",
                                     "idx_user_vocab_mastery",
                                     "idx_user_vocab_last_reviewed",
                                     "idx_user_vocab_review_due",
                                     "idx_exercises_story_type",
                                     "idx_exercises_difficulty",
                                     "idx_exercise_attempts_user",
                                     "idx_exercise_attempts_success",
                                     "idx_exercise_attempts_exercise",
                                     "idx_learning_sessions_user_date",
                                     "idx_learning_sessions_duration",
                                     "idx_learning_sessions_completed",
                                     "idx_user_events_type_date",
                                     "idx_user_events_session",
                                     "idx_stories_tenant_level_published",
                                     "idx_progress_user_completion_date",
                                     "idx_vocab_progress_user_mastery_reviewed",
                                     "idx_stories_tenant_featured_level",
                                     "idx_stories_incomplete_progress",
                                     "idx_vocabulary_needs_review",
                                     "idx_recent_user_activity"};
  ASSERT_EQ(wanted.size(), 40U);
  const auto catalogue = embedded_catalogue("guide");
  ASSERT_TRUE(catalogue) << catalogue.error().to_string();
  for (const auto& name : wanted) EXPECT_NE(catalogue->find(name), nullptr) << name;
  for (const auto& index : catalogue->indexes()) {
    EXPECT_FALSE(index.statement.comment.empty()) << index.name() << " says not what it is for";
  }
  const auto* rolling = catalogue->find("idx_recent_user_activity");
  ASSERT_NE(rolling, nullptr);
  ASSERT_EQ(rolling->rolling.size(), 1U);
  EXPECT_EQ(rolling->rolling[0].span, days(7));
}

}  // namespace
}  // namespace lyceum::indexes
