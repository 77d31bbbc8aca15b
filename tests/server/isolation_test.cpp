// That no tenant reads or changes what is another's: through every route with every role, and
// below them in the database itself, table by table.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <regex>
#include <set>

#include "server/api_harness.h"

namespace lyceum::server {
namespace {

// Stands in every text of the other tenant's.
constexpr std::string_view kMark = "zq7other";

// Two tenants with rows in every table; the texts of the second one are marked.
class TwoTenants {
 public:
  TwoTenants()
      : ours_(add_learner(database_, subject_of(database_, 0))),
        theirs_(add_learner(database_, subject_of(database_, 1))) {
    for (const auto& s : {ours_, theirs_}) {
      database_.change(fmt::format(
          R"(insert into progress (tenant_id, user_id, story_id, completion_percentage)
               values ('{0}', '{1}', '{2}', 77);
             insert into user_vocabulary_progress (tenant_id, user_id, vocabulary_id, mastery_level)
               values ('{0}', '{1}', '{3}', 0.5);
             insert into exercises (tenant_id, id, story_id, exercise_type, difficulty_level)
               values ('{0}', gen_random_uuid(), '{2}', 'cloze', 1);
             insert into exercise_attempts (tenant_id, id, user_id, exercise_id, is_correct)
               select '{0}', gen_random_uuid(), '{1}', id, true from exercises where tenant_id = '{0}';
             insert into learning_sessions (tenant_id, id, user_id, started_at)
               values ('{0}', '{0}', '{1}', '2025-02-01');
             insert into user_events (tenant_id, id, user_id, session_id, event_type)
               values ('{0}', gen_random_uuid(), '{1}', '{4}', 'seen');
             insert into idempotency_keys (tenant_id, key, request_hash, response)
               values ('{0}', 'key of {0}', 'x', '{{}}');)",
          s.tenant, s.learner, s.story, s.word, s.session));
      (void)make_api_key(database_, s.tenant, {"service"});
    }
    database_.change(fmt::format(
        R"(update stories set title = '{1} ' || title, content = content || ' {1} boot',
                              author = '{1}' where tenant_id = '{0}';
           update users set email = '{1}' || id where tenant_id = '{0}';
           update tenants set name = '{1}' where id = '{0}';
           update exercises set question = '{1}' where tenant_id = '{0}';
           update user_events set payload = '{{"a": "{1}"}}', event_type = '{1}'
             where tenant_id = '{0}';
           update api_keys set name = '{1}' where tenant_id = '{0}';
           update idempotency_keys set response = '{{"a": "{1}"}}' where tenant_id = '{0}')",
        theirs_.tenant, kMark));
    for (const auto& row : database_.query(
             "select c.oid::regclass::text from pg_catalog.pg_class c "
             "join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' "
             "where c.relkind in ('r', 'p', 'm', 'v', 'f') and c.relnamespace = "
             "'public'::regnamespace and not a.attisdropped order by 1")) {
      tables_.emplace(row[0], "tenant_id");
    }
    tables_.emplace("tenants", "id");
  }

  [[nodiscard]] const AppDatabase& database() const { return database_; }
  [[nodiscard]] const Subject& ours() const { return ours_; }
  [[nodiscard]] const Subject& theirs() const { return theirs_; }
  // Every table that belongs to tenants, with the column that says to which.
  [[nodiscard]] const std::map<std::string, std::string>& tables() const { return tables_; }

  // Of all rows of theirs.
  [[nodiscard]] std::string checksum() const {
    std::string sql;
    for (const auto& [table, column] : tables_) {
      sql += fmt::format(
          "{}select md5(coalesce(string_agg(md5(t::text), '' order by t::text), '')) "
          "from {} t where {} = '{}'",
          sql.empty() ? "" : " union all ", table, column, theirs_.tenant);
    }
    std::string out;
    for (const auto& row : database_.query(sql)) out += row[0] + "\n";
    return out;
  }

  // Every UUID that stands in a row of theirs and in none of ours, nor in what all share.
  [[nodiscard]] std::set<std::string> ids() const {
    std::set<std::string> out;
    std::set<std::string> shared;
    const auto collect = [&](const std::string& text, std::set<std::string>& into) {
      for (const auto& row : database_.query(text)) into.insert(row[0]);
    };
    const std::string find =
        "select distinct lower((regexp_matches(t::text, "
        "'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', "
        "'g'))[1]) from ";
    collect("select id from vocabulary", shared);
    for (const auto& [table, column] : tables_) {
      collect(find + table + " t where " + column + " = '" + theirs_.tenant + "'", out);
      collect(find + table + " t where " + column + " <> '" + theirs_.tenant + "'", shared);
    }
    for (const auto& id : shared) out.erase(id);
    return out;
  }

  testing::Rows as_application(const std::string& tenant, const std::string& sql) const {
    return database_.query(
        fmt::format("set session authorization {}; {}{}", database_.role(),
                    tenant.empty() ? "" : "set lyceum.tenant = '" + tenant + "'; ", sql));
  }

 private:
  AppDatabase database_;
  Subject ours_;
  Subject theirs_;
  std::map<std::string, std::string> tables_;
};

TwoTenants& tenants() {
  static TwoTenants two;
  return two;
}

// The ways to ask a route for what is the other's: with all ids theirs, then with one of them and
// the others ours.
std::vector<ApiRequest> attempts(const Route& route, const Subject& ours, const Subject& theirs) {
  std::vector<ApiRequest> out;
  out.push_back(sample_request(route, theirs));
  for (auto Subject::* const member : {&Subject::learner, &Subject::story, &Subject::session}) {
    auto mixed = ours;
    mixed.*member = theirs.*member;
    out.push_back(sample_request(route, mixed));
  }
  if (route.path.starts_with("/v1/stories")) {
    for (const auto& base : {out[0].target, sample_request(route, ours).target}) {
      for (const auto& query : {"?include=progress&learner=" + theirs.learner,
                                "?include=progress&learner=" + ours.learner}) {
        out.push_back({.target = base + query});
      }
    }
  }
  if (route.path == "/v1/stories") {
    for (const auto* query : {"?q=zq7other&include=total", "?q=boot&limit=100", "?limit=100",
                              "?include=total&limit=100", "?q=boot&level=A1"}) {
      out.push_back({.target = std::string(route.path) + query});
    }
  }
  // The id of a session that is theirs already (see TwoTenants), under a learner of ours.
  if (route.path == "/v1/sessions") {
    out.push_back({.method = "POST",
                   .target = std::string(route.path),
                   .body = fmt::format(R"({{"sessions":[{{"id":"{}","user_id":"{}","started_at":)"
                                       R"("2025-02-01T00:00:00Z","duration_minutes":999}}]}})",
                                       theirs.tenant, ours.learner)});
  }
  return out;
}

TEST(Isolation, no_route_reads_or_changes_what_is_anothers) {
  auto& two = tenants();
  Served served(two.database());
  const auto before = two.checksum();
  const auto ids = two.ids();
  ASSERT_GT(ids.size(), 100U);
  const std::map<std::string, std::string> tokens{
      {"learner", learner(two.ours().tenant, two.ours().learner)},
      // A learner of ours that has, or says that it has, the id of one of theirs.
      {"namesake", learner(two.ours().tenant, two.theirs().learner)},
      {"teacher", staff(two.ours().tenant, "teacher")},
      {"admin", staff(two.ours().tenant, "admin")},
      {"service", staff(two.ours().tenant, "service")},
      {"api key", make_api_key(two.database(), two.ours().tenant, {"admin", "service"})}};
  const std::regex form("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  std::set<std::string> tried;
  for (const auto& route : routes()) {
    for (const auto& [role, token] : tokens) {
      for (auto request : attempts(route, two.ours(), two.theirs())) {
        // What is ours may go on the way; it is made again, so that every attempt finds it.
        if (route.method == Method::delete_ &&
            request.target.find(two.ours().learner) != std::string::npos) {
          continue;
        }
        SCOPED_TRACE(fmt::format("{} {} {} as {}", request.method, request.target,
                                 request.body.substr(0, 200), role));
        request.token = token;
        const auto reply = served(request);
        tried.insert(name_of(route));
        EXPECT_LT(reply.status, 500);
        // Where the id of something of theirs is what is asked for, there is no such thing.
        const auto asked = request.target + request.body;
        bool names_theirs = false;
        for (const auto& id : {two.theirs().learner, two.theirs().story, two.theirs().session}) {
          names_theirs = names_theirs || asked.find(id) != std::string::npos;
        }
        // An id of a session is the caller's: the same one in two tenants is two sessions.
        const bool makes_its_own =
            route.path == "/v1/sessions" && asked.find(two.theirs().learner) == std::string::npos;
        if (names_theirs && !makes_its_own) {
          EXPECT_THAT(reply.status, ::testing::AnyOf(403, 404)) << reply.body.substr(0, 300);
        }
        EXPECT_EQ(reply.body.find(kMark), std::string::npos) << reply.body.substr(0, 500);
        for (std::sregex_iterator at(reply.body.begin(), reply.body.end(), form), end; at != end;
             ++at) {
          const auto id = at->str();
          if (asked.find(id) != std::string::npos) continue;  // the caller's own words
          EXPECT_FALSE(ids.contains(id)) << id << " in " << reply.body.substr(0, 500);
        }
      }
    }
    EXPECT_EQ(two.checksum(), before) << name_of(route);
  }
  EXPECT_EQ(tried.size(), routes().size());
  // The other tenant itself finds its marks: they could have been seen.
  const auto own =
      served({.target = "/v1/stories?q=zq7other", .token = staff(two.theirs().tenant, "teacher")});
  EXPECT_NE(own.body.find(kMark), std::string::npos);
}

TEST(Isolation, every_table_of_tenants_has_rows_of_both_and_policies) {
  const auto& two = tenants();
  EXPECT_GE(two.tables().size(), 11U);
  for (const auto& [table, column] : two.tables()) {
    SCOPED_TRACE(table);
    // A table that is empty here would prove nothing below: give it rows in TwoTenants.
    for (const auto& who : {two.ours(), two.theirs()}) {
      EXPECT_NE(two.database().value(fmt::format("select count(*) from {} where {} = '{}'", table,
                                                 column, who.tenant)),
                "0");
    }
    EXPECT_EQ(two.database().value("select relkind::text || relrowsecurity || relforcerowsecurity "
                                   "from pg_catalog.pg_class where oid = '" +
                                   table + "'::regclass"),
              "rtruetrue");
    // The tenant leads the key, so that no key of one tenant's can meet another's.
    EXPECT_EQ(two.database().value(
                  "select a.attname from pg_catalog.pg_index i join pg_catalog.pg_attribute a on "
                  "a.attrelid = i.indrelid and a.attnum = i.indkey[0] where i.indisprimary and "
                  "i.indrelid = '" +
                  table + "'::regclass"),
              column);
  }
}

// What the application's role is told where it may not.
bool is_refusal(const std::exception& error) {
  const std::string text = error.what();
  return text.find("row-level security") != std::string::npos ||
         text.find("permission denied") != std::string::npos;
}

void expect_refused(const std::string& tenant, const std::string& sql) {
  try {
    // Where it is not refused nothing may have been done.
    for (const auto& row : tenants().as_application(tenant, "begin; " + sql + "; rollback")) {
      EXPECT_TRUE(row.empty() || row[0] == "0") << sql << ": " << row[0];
    }
  } catch (const std::exception& error) {
    EXPECT_TRUE(is_refusal(error)) << sql << ": " << error.what();
  }
}

// A statement that puts a row of theirs into the table again, as it is or with another key.
std::string insert_of_theirs(const std::string& table, const std::string& column) {
  const auto& two = tenants();
  const auto columns = two.database().value(
      "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_catalog.pg_attribute "
      "where attrelid = '" +
      table +
      "'::regclass and attnum > 0 and not attisdropped and "
      "attgenerated = ''");
  const auto row = two.database().value(fmt::format(
      "select replace(quote_literal(to_jsonb(t)), E'\\n', ' ') from {} t where {} = '{}' limit 1",
      table, column, two.theirs().tenant));
  return fmt::format("insert into {0} ({1}) select {1} from jsonb_populate_record(null::{0}, {2})",
                     table, columns, row);
}

TEST(Isolation, without_a_tenant_the_application_sees_and_writes_nothing) {
  const auto& two = tenants();
  const auto before = two.checksum();
  for (const auto& [table, column] : two.tables()) {
    SCOPED_TRACE(table);
    for (const auto* setting : {"", "set lyceum.tenant = ''; "}) {
      expect_refused("", setting + ("select count(*) from " + table));
      expect_refused("", setting + insert_of_theirs(table, column));
      expect_refused("", fmt::format("{}with gone as (delete from {} returning 1) select count(*) "
                                     "from gone",
                                     setting, table));
      expect_refused("", fmt::format("{0}with made as (update {1} set {2} = {2} returning 1) "
                                     "select count(*) from made",
                                     setting, table, column));
    }
  }
  EXPECT_EQ(two.checksum(), before);
}

TEST(Isolation, with_a_tenant_the_application_has_that_ones_rows_alone) {
  const auto& two = tenants();
  const auto before = two.checksum();
  const auto& ours = two.ours().tenant;
  const auto& theirs = two.theirs().tenant;
  for (const auto& [table, column] : two.tables()) {
    SCOPED_TRACE(table);
    const auto of_theirs = fmt::format("where {} = '{}'", column, theirs);
    const auto counted = two.as_application(
        ours, fmt::format("select count(*) filter ({0}), count(*) > 0 from {1}", of_theirs, table));
    EXPECT_EQ(counted.back(), (testing::Row{"0", "t"}));
    expect_refused(ours, insert_of_theirs(table, column));
    expect_refused(ours, fmt::format("with gone as (delete from {} {} returning 1) select count(*) "
                                     "from gone",
                                     table, of_theirs));
    expect_refused(ours, fmt::format("with made as (update {0} set {1} = {1} {2} returning 1) "
                                     "select count(*) from made",
                                     table, column, of_theirs));
    // Nor may a row of ours become theirs.
    expect_refused(ours, fmt::format("update {} set {} = '{}'", table, column, theirs));
    expect_refused(ours, fmt::format("truncate {}", table));
    expect_refused(ours, fmt::format("select count(*) from (table {}) t {}", table, of_theirs));
  }
  // What is shared is read, and not written.
  EXPECT_EQ(two.as_application(ours, "select count(*) > 0 from vocabulary").back()[0], "t");
  expect_refused(ours, "delete from vocabulary");
  expect_refused(ours, "update vocabulary set word = word");
  EXPECT_EQ(two.checksum(), before);
}

TEST(Isolation, the_application_cannot_step_out_of_its_role) {
  const auto& two = tenants();
  for (const auto* sql :
       {"set role lyceum_owner", "set role postgres",
        "alter table users disable row level security", "drop policy tenant_rows on users",
        "grant lyceum_owner to current_user", "create table public.mine (a int)",
        "alter table users owner to current_user",
        "create or replace function public.lyceum_api_key(wanted text) returns int language sql as "
        "'select 1'",
        "select hash from api_keys", "create policy mine on users using (true)"}) {
    try {
      two.as_application(two.ours().tenant, sql);
      ADD_FAILURE() << sql;
    } catch (const std::exception& error) {
      const std::string text = error.what();
      EXPECT_TRUE(text.find("permission denied") != std::string::npos ||
                  text.find("must be owner") != std::string::npos ||
                  text.find("must have admin option") != std::string::npos)
          << sql << ": " << text;
    }
  }
  // What row-level security hides stays hidden with it switched off: that is an error instead.
  EXPECT_THROW(two.as_application(two.ours().tenant, "set row_security = off; table users"),
               std::exception);
  EXPECT_EQ(two.database().value("select rolsuper or rolbypassrls or rolcreaterole from pg_roles "
                                 "where rolname = '" +
                                 two.database().role() + "'"),
            "f");
}

// Functions that run as their owner are the way around the policies: each looks at the tenant.
TEST(Isolation, functions_of_the_owner_keep_to_the_tenant) {
  const auto& two = tenants();
  std::set<std::string> known;
  for (const auto& row :
       two.database().query("select p.proname from pg_catalog.pg_proc p where p.prosecdef and "
                            "p.pronamespace = 'public'::regnamespace")) {
    known.insert(row[0]);
  }
  // Who adds one shows here that it keeps to the tenant. lyceum_api_key is what tells the tenant.
  // Triggers cannot be called, and count what their statement has changed.
  std::set<std::string> tried{"lyceum_api_key", "lyceum_count_changed_stories",
                              "lyceum_find_vocabulary_heads"};
  const auto expect_empty = [&](const std::string& name, const std::string& call) {
    tried.insert(name);
    for (const auto& tenant : {std::string(), two.ours().tenant}) {
      const auto is =
          two.as_application(tenant, "select coalesce((" + call + ")::text, '')").back()[0];
      EXPECT_TRUE(is == "0" || is == "(,)" || is.empty()) << name << ": " << is;
    }
  };
  expect_empty(
      "lyceum_find_stories",
      "select (f.page, nullif(f.total, 0)) from lyceum_find_stories('zq7other', null, null, null, "
      "null, null, null, null, null, 10, true) f");
  expect_empty("lyceum_count_stories", "lyceum_count_stories('zq7other', null, null, null)");
  for (const auto& name : known) EXPECT_TRUE(tried.contains(name)) << name;
}

// The plans of a statement and of all that the functions in it run, as the server makes them for
// the application's role with this tenant.
std::string nested_plans(const std::string& tenant, const std::string& sql) {
  const auto& two = tenants();
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
      PQconnectdb(two.database().url().c_str()), PQfinish);
  std::string plans;
  PQsetNoticeProcessor(
      connection.get(), [](void* to, const char* text) { *static_cast<std::string*>(to) += text; },
      &plans);
  for (const auto& step :
       {std::string("load 'auto_explain'"), std::string("set auto_explain.log_min_duration = 0"),
        std::string("set auto_explain.log_nested_statements = on"),
        // The functions keep what is less from their callers.
        std::string("set auto_explain.log_level = warning"),
        "set session authorization " + two.database().role(),
        "set lyceum.tenant = '" + tenant + "'", sql}) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection.get(), step.c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        << step << ": " << PQerrorMessage(connection.get());
  }
  return plans;
}

TEST(Isolation, search_keeps_its_index_under_the_policies) {
  const auto& ours = tenants().ours().tenant;
  for (const auto* sql :
       {"select lyceum_find_stories('boot', null, null, null, null, null, null, null, null, 10, "
        "false)",
        "select lyceum_find_stories('boot', 'A1', 0, 5, null, null, null, null, null, 10, false)",
        "select lyceum_find_stories('boot', 'A1', 0, 5, null, null, null, null, null, 10, true)",
        "select lyceum_count_stories('boot', null, null, null)"}) {
    const auto plans = nested_plans(ours, sql);
    EXPECT_NE(plans.find("idx_stories_search"), std::string::npos) << plans;
    EXPECT_EQ(plans.find("Seq Scan on stories"), std::string::npos) << plans;
  }
  // What the functions are for: under the policies themselves the index would be of no use, since
  // a search might leak what a policy hides.
  const auto plain = nested_plans(
      ours, "select count(*) from stories where search @@ plainto_tsquery('english', 'boot')");
  EXPECT_EQ(plain.find("idx_stories_search"), std::string::npos) << plain;
}

}  // namespace
}  // namespace lyceum::server
