// The monitor within `lyceum serve`: what its admin API, its page and its metrics say of a real
// server, held against the server's own answers.

#include <boost/json/parse.hpp>
#include <fstream>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "learning/school.h"
#include "server/api_harness.h"
#include "support/process.h"
#include "watch/receiver.h"

namespace lyceum::server {
namespace {

// One service for all tests here, quick to look.
struct Watched {
  AppDatabase database;
  watch_test::MadeReceiver webhook;
  lyceum::testing::TemporaryDirectory room;
  std::optional<Served> served;
  std::string grant = fmt::format("grant pg_monitor to {}", database.role());

  Watched() {
    database.change("create extension if not exists pg_stat_statements");
    database.change(grant);
    const auto file = [&](const char* name, const std::string& text) {
      auto path = (room.path() / name).string();
      std::ofstream(path) << text;
      return path;
    };
    const auto hook = file("webhook", webhook.url("/hook") + "\nkey\n");
    const auto rules =
        file("rules.toml", "[[rule]]\nname = \"autovacuum_off_for_table\"\nfor = \"0s\"\n");
    served.emplace(database, std::vector<std::string>{"LYCEUM_WATCH_ENABLED=true",
                                                      "LYCEUM_WATCH_FAST_INTERVAL=1s",
                                                      "LYCEUM_WATCH_SLOW_INTERVAL=3s",
                                                      "LYCEUM_WATCH_RULES_FILE=" + rules,
                                                      "LYCEUM_WATCH_WEBHOOK_FILE=" + hook});
  }
};
Watched& watched() {
  static Watched one;
  return one;
}

HttpReply ask(const std::string& target,
              std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpClient admin(watched().served->program().admin_port());
  const auto reply = admin.exchange({.target = target, .headers = std::move(headers)});
  if (!reply) {
    ADD_FAILURE() << "no answer to " << target;
    return {};
  }
  return *reply;
}

json::value document(const std::string& target) {
  const auto reply = ask(target);
  EXPECT_EQ(reply.status, 200) << target << ": " << reply.body;
  return json_of(reply);
}

// The rows of a collector's newest samples of the test's server, once there are any.
json::array rows_of(const std::string& collector, const std::string& more = "") {
  json::array rows;
  const auto there = eventually(
      [&] {
        rows.clear();
        const auto found = document("/v1/admin/latest?collector=" + collector + more);
        for (const auto& sample : found.at("samples").as_array()) {
          for (const auto& row : sample.at("rows").as_array()) rows.push_back(row);
        }
        return !rows.empty();
      },
      60s);
  EXPECT_TRUE(there) << "nothing of " << collector;
  return rows;
}

TEST(Monitor, ReadsTheServerAndTellsItsNewestSamples) {
  const auto connections = rows_of("connections");
  ASSERT_EQ(connections.size(), 1U);
  const auto& row = connections[0].as_object();
  EXPECT_EQ(std::to_string(row.at("max").as_int64()),
            watched().database.value("show max_connections"));
  EXPECT_GT(row.at("used").as_int64(), 0);
  const auto tables =
      rows_of("tables", "&database=" + watched().database.value("select current_database()"));
  bool progress = false;
  for (const auto& table : tables) {
    progress |= table.at("relname").as_string() == "user_vocabulary_progress";
  }
  EXPECT_TRUE(progress);
}

TEST(Monitor, KnowsItsOwnNodesPoolsAndStatements) {
  const auto nodes = rows_of("nodes");
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(nodes[0].at("role").as_string(), "primary");
  EXPECT_EQ(nodes[0].at("up").as_int64(), 1);
  EXPECT_EQ(rows_of("pools").size(), 1U);
  const auto tenant = watched().database.value("select id from tenants limit 1");
  (*watched().served)({.target = "/v1/stories", .token = staff(tenant)});
  EXPECT_TRUE(eventually(
      [&] {
        for (const auto& row : rows_of("client_statements")) {
          if (row.at("name").as_string() == "learning.stories_page") return true;
        }
        return false;
      },
      30s));
}

// What callers measure stands beside what the server counts, by the server's own word.
TEST(Monitor, JoinsAStatementToItsQueryid) {
  const auto tenant = watched().database.value("select id from tenants limit 1");
  (*watched().served)({.target = "/v1/stories", .token = staff(tenant)});
  std::string joined;
  EXPECT_TRUE(eventually(
      [&] {
        for (const auto& row : rows_of("client_statements")) {
          const auto& queryid = row.at("queryid");
          if (row.at("name").as_string() != "learning.stories_page" || !queryid.is_string())
            continue;
          joined = std::string(queryid.as_string());
        }
        return !joined.empty();
      },
      30s));
  EXPECT_EQ(
      watched().database.value(
          "select distinct left(query, 28) from pg_stat_statements where queryid = " + joined),
      "/* learning.stories_page */ ");
}

TEST(Monitor, TellsASeriesByTheColumnsThatAreAskedFor) {
  (void)rows_of("connections");
  EXPECT_TRUE(eventually(
      [&] {
        const auto found =
            document("/v1/admin/series?collector=connections&column=used&hours=1&points=1000");
        const auto& groups = found.at("series").as_array();
        return groups.size() == 1 && groups[0].at("points").as_array().size() >= 2;
      },
      30s));
  const auto by_state =
      document("/v1/admin/series?collector=sessions&column=connection_count&by=state,database");
  for (const auto& group : by_state.at("series").as_array()) {
    EXPECT_TRUE(group.at("labels").as_object().contains("state"));
  }
  // A counter's are rates.
  const auto wal = document("/v1/admin/series?collector=wal&column=position_bytes");
  EXPECT_EQ(wal.at("unit").as_string(), "per second");
  EXPECT_EQ(code_of(ask("/v1/admin/series?collector=none&column=x")), "bad_input");
  EXPECT_EQ(ask("/v1/admin/series?collector=connections&column=nothing").status, 400);
  EXPECT_EQ(ask("/v1/admin/series?collector=settings&column=value").status, 400);
  EXPECT_EQ(ask("/v1/admin/series?collector=wal&column=bytes&hours=-1").status, 400);
  EXPECT_EQ(ask("/v1/admin/nothing").status, 404);
}

TEST(Monitor, SaysWhatIsWrongAndWhatMendsIt) {
  auto& database = watched().database;
  database.change("create table crooked (n int)");
  database.change("alter table crooked set (autovacuum_enabled = off)");
  const auto find = [&]() -> std::optional<json::value> {
    const auto found = document("/v1/admin/verdicts");
    for (const auto& one : found.at("verdicts").as_array()) {
      if (one.at("summary").as_string().find("crooked") != json::string::npos) return one;
    }
    return std::nullopt;
  };
  std::optional<json::value> verdict;
  EXPECT_TRUE(eventually([&] { return (verdict = find()).has_value(); }, 60s));
  ASSERT_TRUE(verdict);
  // Who is to be told is told, once that it fires and once that it does not any more.
  const auto told = [&](const std::string& status) {
    std::size_t count = 0;
    for (const auto& body : watched().webhook.taken()) {
      const auto message = json::parse(body);
      for (const auto& alert : message.at("alerts").as_array()) {
        const auto summary = alert.at("summary").as_string();
        count += message.at("status").as_string() == status &&
                 summary.find("crooked") != json::string::npos;
      }
    }
    return count;
  };
  EXPECT_TRUE(eventually([&] { return told("firing") == 1; }, 60s));
  EXPECT_EQ(verdict->at("database").as_string(), database.value("select current_database()"));
  EXPECT_FALSE(verdict->at("why").as_string().empty());
  // The SQL that mends it does.
  database.change(std::string(verdict->at("mend").as_string()));
  EXPECT_TRUE(eventually([&] { return !find(); }, 60s));
  EXPECT_TRUE(eventually([&] { return told("resolved") == 1; }, 60s));
  EXPECT_EQ(told("firing"), 1U);
  EXPECT_EQ(watched().webhook.requests().at(0).head.find("X-Lyceum-Signature: sha256=") ==
                std::string::npos,
            false);
  const auto alerts = document("/v1/admin/alerts");
  for (const auto& alert : alerts.at("alerts").as_array()) {
    EXPECT_EQ(alert.at("summary").as_string().find("crooked"), json::string::npos);
  }
}

TEST(Monitor, KeepsItsHistoryAsTheGuideHasIt) {
  (void)rows_of("connections");
  const auto history = document("/v1/admin/history?type=connections&hours=1");
  const auto& samples = history.at("connections").as_array();
  ASSERT_FALSE(samples.empty());
  EXPECT_TRUE(samples[0].at("data").as_array()[0].as_object().contains("usable"));
  EXPECT_TRUE(history.as_object().contains("sessions"));
  EXPECT_EQ(ask("/v1/admin/history?type=none").status, 400);
}

TEST(Monitor, ShowsTheGenericPlanOfAStatement) {
  auto& database = watched().database;
  const auto name = database.value("select current_database()");
  database.change("create table planned (n int primary key)");
  std::string id;
  EXPECT_TRUE(eventually(
      [&] {
        (void)database.value("select count(*) from planned where n = 17");
        for (const auto& row : rows_of("statements", "&database=" + name)) {
          const auto& text = row.at("query");
          if (text.is_string() &&
              text.as_string().find("from planned where n") != json::string::npos) {
            id = row.at("queryid").as_string();
            return true;
          }
        }
        return false;
      },
      30s));
  const auto& role = database.role();
  const auto target = "/v1/admin/plan?database=" + name + "&queryid=" + id;
  // Who may not read it does not see its plan either, and is told why.
  EXPECT_NE(document(target).at("why_not").as_string().find("permission denied"),
            json::string::npos);
  database.change("grant select on planned to " + role);
  const auto plan = document(target);
  EXPECT_NE(plan.at("plan").as_string().find("planned_pkey"), json::string::npos);
  EXPECT_TRUE(document("/v1/admin/plan?database=none&queryid=1").at("plan").is_null());
}

TEST(Monitor, ItsSamplesAreMetricsToo) {
  (void)rows_of("connections");
  HttpReply text;
  EXPECT_TRUE(eventually(
      [&] {
        text = ask("/metrics");
        return text.body.find("\nlyceum_collectors_runs_total{node=") != std::string::npos;
      },
      30s));
  EXPECT_EQ(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(text.body.find("\nlyceum_pg_connections_max{node="), std::string::npos);
  const auto open = ask("/metrics", {{"Accept", "application/openmetrics-text; version=1.0.0"}});
  EXPECT_TRUE(open.header("content-type").starts_with("application/openmetrics-text"));
  EXPECT_TRUE(open.body.ends_with("# EOF\n"));
  // Prometheus' own tool takes it, and its names.
  const auto checked =
      lyceum::testing::run_process({"promtool", "check", "metrics"}, {.input = text.body});
  EXPECT_EQ(checked.exit_status, 0) << checked.out << checked.err;
}

// ── silences ────────────────────────────────────────────────────────────────────────────────────

// A service of its own, which may be killed.
class Silences : public ::testing::Test {
 protected:
  void SetUp() override {
    database.change("create extension if not exists pg_stat_statements");
    database.change(fmt::format("grant pg_monitor to {}", database.role()));
    std::ofstream(room.path() / "rules.toml")
        << "[[rule]]\nname = \"autovacuum_off_for_table\"\nfor = \"0s\"\n";
    served.emplace(database, std::vector<std::string>{
                                 "LYCEUM_WATCH_ENABLED=true", "LYCEUM_WATCH_FAST_INTERVAL=1s",
                                 "LYCEUM_WATCH_SLOW_INTERVAL=1s",
                                 "LYCEUM_WATCH_RULES_FILE=" + (room.path() / "rules.toml").string(),
                                 "LYCEUM_WATCH_HISTORY_FILE=" + (room.path() / "h.db").string()});
  }
  HttpReply exchange(ApiRequest request) {
    const auto reply = HttpClient(served->program().admin_port()).exchange(std::move(request));
    EXPECT_TRUE(reply.has_value());
    return reply.value_or(HttpReply{});
  }
  HttpReply post(const std::string& body, const std::string& type = "application/json") {
    return exchange({.method = "POST",
                     .target = "/v1/admin/silences",
                     .body = body,
                     .headers = {{"Content-Type", type}}});
  }
  lyceum::testing::ProcessResult lyceum(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--url", served->program().admin()});
    return cli_test::run_lyceum(std::move(arguments), {});
  }

  AppDatabase database;
  lyceum::testing::TemporaryDirectory room;
  std::optional<Served> served;
};

TEST_F(Silences, HoldBackAnAlertAndSurviveAKill) {
  const auto made = lyceum({"alerts", "silence", "--match", "alertname=autovacuum_off*", "--match",
                            "relname=quiet", "--for", "3h", "--comment", "loads every night",
                            "--author", "op", "--json"});
  ASSERT_EQ(made.exit_status, 0) << made.err;
  const auto id = cli_test::json_of(made).at("id").as_int64();
  served->program().kill_9();
  served->program().start();
  const auto listed = cli_test::json_of(lyceum({"alerts", "silences", "--json"}));
  ASSERT_EQ(listed.at("silences").as_array().size(), 1U);
  const auto& silence = listed.at("silences").at(0);
  EXPECT_EQ(silence.at("id").as_int64(), id);
  EXPECT_EQ(silence.at("comment").as_string(), "loads every night");
  EXPECT_EQ(silence.at("author").as_string(), "op");
  EXPECT_EQ(silence.at("matchers").as_array().size(), 2U);

  database.change("create table quiet (n int) with (autovacuum_enabled = false)");
  database.change("create table loud (n int) with (autovacuum_enabled = false)");
  // By table, whether it is silenced.
  std::map<std::string, bool> silenced;
  EXPECT_TRUE(eventually(
      [&] {
        const auto alerts = json_of(exchange({.target = "/v1/admin/alerts"}));
        for (const auto& alert : alerts.at("alerts").as_array()) {
          if (alert.at("rule").as_string() != "autovacuum_off_for_table") continue;
          silenced[std::string(alert.at("labels").at("relname").as_string())] =
              alert.at("silenced").as_bool();
        }
        return silenced.size() == 2;
      },
      30s));
  EXPECT_EQ(silenced, (std::map<std::string, bool>{{"quiet", true}, {"loud", false}}));

  const auto number = std::to_string(id);
  EXPECT_EQ(lyceum({"alerts", "unsilence", number}).exit_status, 0);
  const auto again = lyceum({"alerts", "unsilence", number});
  EXPECT_EQ(again.exit_status, 2);
  EXPECT_NE(again.err.find("404"), std::string::npos) << again.err;
}

TEST_F(Silences, WhatIsNoSilenceOrComesFromAnotherSiteIsRefused) {
  const std::string good = R"({"matchers":["node=h"],"minutes":5,"comment":"c"})";
  for (const auto* type : {"text/plain", "application/x-www-form-urlencoded", ""}) {
    EXPECT_EQ(post(good, type).status, 415) << type;
  }
  for (const std::string body :
       {"", "[]", "{}", R"({"matchers":[],"minutes":5,"comment":"c"})",
        R"({"matchers":["node"],"minutes":5,"comment":"c"})",
        R"({"matchers":[1],"minutes":5,"comment":"c"})",
        R"({"matchers":["node=h"],"minutes":0,"comment":"c"})",
        R"({"matchers":["node=h"],"minutes":99999999,"comment":"c"})",
        R"({"matchers":["node=h"],"minutes":5})",
        R"({"matchers":["node=h"],"minutes":5,"comment":"c","more":1})",
        R"({"matchers":["node=h"],"minutes":5,"minutes":6,"comment":"c"})"}) {
    const auto reply = post(body);
    EXPECT_EQ(reply.status, 400) << body << ": " << reply.body;
    EXPECT_EQ(code_of(reply), "bad_input");
  }
  for (const auto* path : {"/v1/admin/silences", "/v1/admin/silences/", "/v1/admin/silences/x",
                           "/v1/admin/silences/99", "/v1/admin/silences/1/2"}) {
    EXPECT_EQ(exchange({.method = "DELETE", .target = path}).status, 404) << path;
  }
  EXPECT_EQ(exchange({.method = "PUT", .target = "/v1/admin/silences"}).status, 405);
  EXPECT_EQ(exchange({.method = "POST", .target = "/v1/admin/alerts", .body = good}).status, 405);
  EXPECT_EQ(post(good).status, 201);
  EXPECT_EQ(json_of(exchange({.target = "/v1/admin/silences"})).at("silences").as_array().size(),
            1U);
}

TEST(Monitor, ItsPageIsServed) {
  const auto page = ask("/", {{"Accept-Encoding", "identity"}});
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(page.header("content-type").starts_with("text/html"));
  EXPECT_NE(page.header("content-security-policy").find("default-src"), std::string::npos);
  EXPECT_NE(page.body.find("<html"), std::string::npos);
}

}  // namespace
}  // namespace lyceum::server
