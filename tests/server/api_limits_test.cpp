// The limits of the data API, and what it says of failures.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/api_programs.h"

namespace lyceum::server {
namespace {

TEST(Api, a_tenant_that_asks_too_often_is_told_when_to_come_back) {
  auto& w = writing();
  Served served(w.database, {"LYCEUM_SERVER_TENANT_RATE=1", "LYCEUM_SERVER_TENANT_BURST=3"});
  const auto other = staff(subject_of(w.database, 1).tenant);
  const ApiRequest request{.target = "/v1/stories?limit=1", .token = w.token};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(served(request).status, 200);
  const auto refused = served(request);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(code_of(refused), "rate_limited");
  EXPECT_EQ(refused.header("retry-after"), "1");
  // It is the tenant that is limited: not others, and not only that token.
  EXPECT_EQ(served({.target = request.target, .token = other}).status, 200);
  EXPECT_EQ(served({.target = request.target, .token = staff(w.subject.tenant, "teacher")}).status,
            429);
  EXPECT_EQ(served({.target = "/openapi.json"}).status, 200);
  EXPECT_TRUE(eventually([&] { return served(request).status == 200; }, 5s));
}

TEST(Api, of_one_tenant_only_so_many_are_at_work) {
  auto& w = writing();
  Served served(w.database, {"LYCEUM_SERVER_TENANT_IN_FLIGHT=2", "LYCEUM_SERVER_TENANT_WAITING=3"});
  const auto who = add_learner(w.database, w.subject);
  OpenTransaction lock(w.database.url(),
                       "select from users where id = '" + who.learner + "' for update");
  ApiRequest blocked{
      "POST", "/v1/learners/" + who.learner + "/vocabulary/reviews",
      fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", who.word), w.token};
  std::vector<HttpClient> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(served.connect());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(clients[static_cast<std::size_t>(i)].send(blocked));
  const auto waiting_in_database = [&] {
    return w.value("select count(*) from pg_stat_activity where usename = '" + w.database.role() +
                   "' and wait_event_type = 'Lock'");
  };
  ASSERT_TRUE(eventually([&] { return waiting_in_database() == "2"; }));
  ASSERT_TRUE(eventually([&] {
    return served.metrics().find("lyceum_http_requests_waiting 3\n") != std::string::npos;
  }));
  // Two are at work, three wait, the next are refused at once; another tenant is not concerned.
  for (int i = 5; i < 9; ++i) {
    const auto reply = clients[static_cast<std::size_t>(i)].exchange(blocked);
    ASSERT_TRUE(reply);
    Served::check(blocked, *reply);
    EXPECT_EQ(reply->status, 429);
    EXPECT_EQ(reply->header("retry-after"), "1");
  }
  EXPECT_EQ(
      served({.target = "/v1/stories", .token = staff(subject_of(w.database, 1).tenant)}).status,
      200);
  EXPECT_EQ(waiting_in_database(), "2");
  lock.end();
  for (int i = 0; i < 5; ++i) {
    const auto reply = clients[static_cast<std::size_t>(i)].receive();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, 200) << reply->body;
  }
  EXPECT_EQ(w.value("select review_count from user_vocabulary_progress where user_id = '" +
                    who.learner + "'"),
            "5");
}

TEST(Api, what_takes_too_long_is_ended_and_said_so) {
  const AppDatabase database;
  const auto subject = subject_of(database, 0);
  Served served(database, {"LYCEUM_SERVER_REQUEST_TIMEOUT=300ms"});
  for (const auto& route : routes()) {
    if (route.audience == Audience::everyone) continue;
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    OpenTransaction lock(database.url(),
                         "lock table users, stories, progress, user_vocabulary_progress, "
                         "learning_sessions, user_events, vocabulary, idempotency_keys "
                         "in access exclusive mode");
    const auto since = std::chrono::steady_clock::now();
    const auto reply = served(request);
    EXPECT_EQ(reply.status, 504) << reply.body;
    EXPECT_EQ(code_of(reply), "timeout");
    EXPECT_LT(std::chrono::steady_clock::now() - since, 5s);
    // Nobody is left who waits in the server.
    EXPECT_TRUE(eventually([&] {
      return database.value("select count(*) from pg_stat_activity where usename = '" +
                            database.role() + "' and state <> 'idle'") == "0";
    }));
  }
  auto request = sample_request(routes()[1], subject);
  request.token = staff(subject.tenant);
  EXPECT_EQ(served(request).status, 200);
}

// The server's errors, each raised by a trigger with a text that nobody is to see.
TEST(Api, the_servers_errors_become_problems_of_ours) {
  const AppDatabase database;
  const auto subject = add_learner(database, subject_of(database, 0));
  Served served(database, {"LYCEUM_SERVER_REQUEST_TIMEOUT=2s"});
  struct Case {
    std::string sqlstate;
    int status;
    std::string code;
  };
  for (const auto& [sqlstate, status, code] :
       {Case{"53100", 503, "database_full"}, Case{"53200", 503, "database_full"},
        Case{"25006", 503, "read_only"}, Case{"40P01", 503, "retry"}, Case{"40001", 503, "retry"},
        Case{"55P03", 503, "retry"}, Case{"57014", 504, "timeout"}, Case{"22003", 400, "bad_input"},
        Case{"23514", 400, "bad_input"}, Case{"23503", 404, "not_found"},
        Case{"23505", 409, "conflict"}, Case{"42501", 500, "internal"},
        Case{"XX000", 500, "internal"}, Case{"XX001", 500, "internal"},
        Case{"P0001", 500, "internal"}}) {
    database.change(fmt::format(
        R"(create or replace function refuse() returns trigger language plpgsql as $$
           begin raise exception 'relation secret of learning.x at 127.0.0.1' using errcode = '{}',
                 detail = 'column secret', hint = 'SELECT'; end $$;
           do $$ begin
             create trigger refuse before insert or update on user_events execute function refuse();
           exception when duplicate_object then null; end $$)",
        sqlstate));
    for (const auto& route : routes()) {
      if (route.path != "/v1/events") continue;
      auto request = sample_request(route, subject);
      request.token = staff(subject.tenant);
      const auto reply = served(request);
      EXPECT_EQ(reply.status, status) << sqlstate << reply.body;
      EXPECT_EQ(code_of(reply), code) << sqlstate;
      EXPECT_EQ(!reply.header("retry-after").empty(), status == 503) << sqlstate;
      EXPECT_EQ(reply.body.find("secret"), std::string::npos) << reply.body;
    }
  }
}

TEST(Api, a_database_that_takes_no_writes_is_read_from) {
  const AppDatabase database;
  const auto subject = add_learner(database, subject_of(database, 0));
  database.change("alter role " + database.role() + " set default_transaction_read_only = on");
  Served served(database, {"LYCEUM_CLUSTER_PRIMARY_WAIT=50ms"});
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    // These say themselves that they write, against the default: see the tests of a replica.
    if (route.path == "/v1/learners/{id}" || route.path.ends_with("/reviews")) continue;
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    const auto reply = served(request);
    if (route.method == Method::get) {
      EXPECT_EQ(reply.status, 200) << reply.body;
    } else {
      EXPECT_EQ(reply.status, 503) << reply.body;
      EXPECT_EQ(code_of(reply), "read_only");
      EXPECT_EQ(reply.header("retry-after"), "5");
    }
  }
}

TEST(Api, a_failure_of_ours_is_a_problem_without_a_reason) {
  const AppDatabase database;
  const auto subject = subject_of(database, 0);
  Served served(database);
  database.change(
      "revoke all on users, stories, progress, user_vocabulary_progress, tenants, "
      "learning_sessions, user_events, idempotency_keys from lyceum_app");
  for (const auto& route : routes()) {
    if (route.audience == Audience::everyone) continue;
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    const auto reply = served(request);
    EXPECT_EQ(reply.status, 500) << reply.body;
    EXPECT_EQ(code_of(reply), "internal");
    // The reason is in the log, under the request's id.
    EXPECT_NE(served.program().log().find(reply.header("x-request-id")), std::string::npos);
  }
  EXPECT_NE(served.program().log().find("42501"), std::string::npos);
}

TEST(Api, a_database_that_is_away_is_waited_for_and_then_said_to_be) {
  const AppDatabase database;
  const auto subject = subject_of(database, 0);
  Served served(database, {"LYCEUM_SERVER_REQUEST_TIMEOUT=300ms", "DB_POOL_TIMEOUT=200ms"});
  const auto name = database.value("select current_database()");
  psql(lyceum::testing::shared_server().url("postgres"),
       fmt::format("alter database {0} allow_connections false; select pg_terminate_backend(pid) "
                   "from pg_stat_activity where datname = '{0}'",
                   name));
  for (const auto& route : routes()) {
    if (route.audience == Audience::everyone) continue;
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, subject);
    request.token = staff(subject.tenant);
    const auto reply = served(request);
    EXPECT_EQ(reply.status, 503) << reply.body;
    EXPECT_THAT(code_of(reply), ::testing::AnyOf("unavailable", "overloaded", "in_doubt"));
  }
  EXPECT_EQ(served({.target = "/openapi.json"}).status, 200);
  psql(lyceum::testing::shared_server().url("postgres"),
       "alter database " + name + " allow_connections true");
  EXPECT_TRUE(eventually([&] {
    return served({.target = "/v1/stories?limit=1", .token = staff(subject.tenant)}).status == 200;
  }));
}

// Every answer of 2xx and 4xx that the document promises can be had.
TEST(Api, every_documented_status_happens) {
  auto& w = writing();
  Served limited(w.database, {"LYCEUM_SERVER_TENANT_RATE=1", "LYCEUM_SERVER_TENANT_BURST=1"});
  const auto stranger = staff(a_uuid());  // of a tenant that there is not
  std::set<std::string> documented;
  std::set<std::string> seen;
  for (const auto& route : routes()) {
    const auto name = name_of(route);
    for (const auto& response : ApiDocument::project()
                                    .operation(name_of(route.method), route.path)
                                    ->at("responses")
                                    .as_object()) {
      const std::string status(response.key());
      if (status[0] == '2' || status[0] == '4') documented.insert(name + ' ' + status);
    }
    const auto note = [&](const HttpReply& reply) {
      seen.insert(fmt::format("{} {}", name, reply.status));
    };
    const auto who = add_learner(w.database, w.subject);
    const auto ask = [&](const auto& change) {
      auto request = sample_request(route, who);
      request.token = w.token;
      change(request);
      note(w.served(request));
    };
    ask([](ApiRequest& request) { request.target += "?unknown=1"; });
    if (route.audience == Audience::everyone) {
      ask([](ApiRequest&) {});
      continue;
    }
    ask([](ApiRequest& request) { request.token.clear(); });
    // Another learner's.
    ask([&](ApiRequest& request) {
      request.token = learner(who.tenant, w.subject.learner);
      if (route.path.starts_with("/v1/stories")) {
        request.target += "?include=progress&learner=" + who.learner;
      }
    });
    // What there is not: a learner, a story, a tenant.
    ask([&](ApiRequest& request) { request.token = stranger; });
    for (int i = 0; i < 2; ++i) {
      auto request = sample_request(route, who);
      request.token = w.token;
      request.target += "?unknown=1";
      note(limited(request));
      request = sample_request(route, add_learner(w.database, w.subject));
      request.token = w.token;
      note(limited(request));
    }
    if (route.most_body > 0) {
      ask([&](ApiRequest& request) { request.body.append(route.most_body, ' '); });
      // What stands there already contradicts it.
      const auto other = add_learner(w.database, w.subject);
      auto first = sample_request(route, who);
      first.token = w.token;
      first.headers = {{"Idempotency-Key", "of " + std::string(route.path)}};
      note(w.served(first));
      auto second = first;
      auto body = json::parse(second.body);
      auto& row = body.as_object().begin()->value().as_array()[0].as_object();
      if (row.contains("rating")) row["rating"] = 1;
      if (row.contains("time_spent")) row["time_spent"] = 2;
      if (row.contains("started_at")) row["started_at"] = "2025-01-02T00:00:00Z";
      if (row.contains("event_type")) {
        row["user_id"] = other.learner;
        row["session_id"] = other.session;
      }
      second.body = json::serialize(body);
      note(w.served(second));
    }
    ask([](ApiRequest&) {});  // last: it may be a deletion
  }
  for (const auto& status : documented) EXPECT_TRUE(seen.contains(status)) << status;
}

}  // namespace
}  // namespace lyceum::server
