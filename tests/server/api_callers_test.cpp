// Who may ask the data API for what, and what travels in headers.

#include <gtest/gtest.h>

#include "server/api_programs.h"

namespace lyceum::server {
namespace {

enum class Who { self, other, teacher, admin, service, nobody, expired, foreign };

TEST(Api, each_role_may_what_the_table_says) {
  auto& w = writing();
  // 200 for a learner's own, for another learner, for teacher, admin and service, then without
  // credentials, with an expired token, and for another tenant's admin.
  const std::map<std::string, std::array<int, 8>> table{
      {"GET /openapi.json", {200, 200, 200, 200, 200, 200, 200, 200}},
      {"GET /v1/stories", {200, 200, 200, 200, 200, 401, 401, 200}},
      {"GET /v1/stories/{id}", {200, 200, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/learners/{id}/summary", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/learners/{id}/vocabulary/recommendations",
       {200, 403, 200, 200, 200, 401, 401, 404}},
      {"POST /v1/learners/{id}/vocabulary/reviews", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/learners/{id}/export", {200, 403, 403, 200, 200, 401, 401, 404}},
      {"DELETE /v1/learners/{id}", {200, 403, 403, 200, 200, 401, 401, 404}},
      {"POST /v1/progress/batch", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"POST /v1/sessions", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"POST /v1/events", {200, 403, 200, 200, 200, 401, 401, 404}},
      {"GET /v1/analytics/learning", {403, 403, 200, 200, 200, 401, 401, 200}}};
  const auto another = subject_of(w.database, 1);
  EXPECT_EQ(table.size(), routes().size());
  for (const auto& route : routes()) {
    const auto expected = table.find(name_of(route));
    ASSERT_NE(expected, table.end()) << name_of(route);
    for (std::size_t i = 0; i < 8; ++i) {
      SCOPED_TRACE(fmt::format("{} as {}", name_of(route), i));
      const auto who = add_learner(w.database, w.subject);
      auto request = sample_request(route, who);
      switch (static_cast<Who>(i)) {
        case Who::self:
          request.token = learner(who.tenant, who.learner);
          break;
        case Who::other:
          request.token = learner(who.tenant, w.subject.learner);
          break;
        case Who::teacher:
          request.token = staff(who.tenant, "teacher");
          break;
        case Who::admin:
          request.token = staff(who.tenant, "admin");
          break;
        case Who::service:
          request.token = staff(who.tenant, "service");
          break;
        case Who::nobody:
          break;
        case Who::expired:
          request.token =
              issuer().token({.tenant = who.tenant, .roles = {"admin"}, .lifetime = -1h});
          break;
        case Who::foreign:
          request.token = staff(another.tenant, "admin");
          break;
      }
      const auto reply = w.served(request);
      EXPECT_EQ(reply.status, expected->second[i]) << reply.body.substr(0, 300);
      if (reply.status == 401) EXPECT_EQ(reply.header("www-authenticate"), "Bearer");
    }
  }
}

TEST(Api, a_learner_sees_no_other_learners_progress) {
  auto& r = reading();
  const auto people = r.database.query(
      fmt::format("select id from users where tenant_id = '{}' and id <> '{}' limit 1",
                  r.subject.tenant, r.subject.learner));
  const auto own = learner(r.subject.tenant, r.subject.learner);
  for (const auto& base : {std::string("/v1/stories"), "/v1/stories/" + r.subject.story}) {
    const auto target = base + "?include=progress&learner=";
    EXPECT_EQ(r.served({.target = target + people[0][0], .token = own}).status, 403);
    EXPECT_EQ(r.served({.target = target + a_uuid(), .token = own}).status, 403);
    EXPECT_EQ(r.served({.target = target + r.subject.learner, .token = own}).status, 200);
    EXPECT_EQ(get(target + people[0][0]).status, 200);
    EXPECT_EQ(get(target + a_uuid()).status, 404);
  }
  // A batch with one row of somebody else's is refused as a whole.
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto reply = w.served(
      {"POST", "/v1/sessions",
       fmt::format(
           R"({{"sessions":[{{"id":"{}","user_id":"{}","started_at":"2025-01-01T00:00:00Z",)"
           R"("duration_minutes":1}},{{"id":"{}","user_id":"{}",)"
           R"("started_at":"2025-01-01T00:00:00Z","duration_minutes":1}}]}})",
           a_uuid(), who.learner, a_uuid(), w.subject.learner),
       learner(who.tenant, who.learner)});
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(w.value("select count(*) from learning_sessions where user_id = '" + who.learner + "'"),
            "1");
}

TEST(Api, api_keys_are_taken_like_tokens) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto summary = "/v1/learners/" + who.learner + "/summary";
  const auto status = [&](const std::string& token) {
    return w.served({.target = summary, .token = token}).status;
  };
  const auto service = make_api_key(w.database, who.tenant, {"service"});
  const auto self = make_api_key(w.database, who.tenant, {"learner"}, who.learner);
  const auto other = make_api_key(w.database, who.tenant, {"learner"}, w.subject.learner);
  const auto foreign = make_api_key(w.database, subject_of(w.database, 1).tenant, {"admin"});
  EXPECT_EQ(status(service), 200);
  EXPECT_EQ(status(self), 200);
  EXPECT_EQ(status(other), 403);
  EXPECT_EQ(status(foreign), 404);
  auto wrong = service;
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(status(wrong), 401);
  EXPECT_EQ(status("lyk_"), 401);
  EXPECT_EQ(status("lyk_000000000000_0"), 401);
  w.database.change("update api_keys set revoked_at = now() where tenant_id = '" + who.tenant +
                    "'");
  EXPECT_EQ(status(service), 401);
  EXPECT_EQ(status(self), 401);
  w.database.change(
      "update api_keys set revoked_at = null, expires_at = now() where tenant_id = '" + who.tenant +
      "'");
  EXPECT_EQ(status(service), 401);
  w.database.change("delete from api_keys where tenant_id = '" + who.tenant + "'");
}

TEST(Api, a_request_id_is_given_back_or_made_up) {
  auto& r = reading();
  const auto id_of = [&](const std::string& given, const std::string& target) {
    ApiRequest request{.target = target, .token = r.token};
    if (!given.empty()) request.headers.emplace_back("X-Request-Id", given);
    const auto reply = r.served(request);
    if (reply.status >= 400) {
      EXPECT_EQ(std::string(json_of(reply).at("request_id").as_string()),
                reply.header("x-request-id"));
    }
    return reply.header("x-request-id");
  };
  for (const auto* target : {"/v1/stories?limit=1", "/v1/stories?limit=0", "/nowhere"}) {
    EXPECT_EQ(id_of("a.B-9_", target), "a.B-9_");
    EXPECT_EQ(id_of(std::string(128, 'x'), target), std::string(128, 'x'));
    std::set<std::string> made;
    for (const auto& bad : {std::string(), std::string(129, 'x'), std::string("a b"),
                            std::string("é"), std::string("a,b"), std::string("<script>")}) {
      const auto id = id_of(bad, target);
      EXPECT_NE(id, bad);
      EXPECT_GE(id.size(), 16U);
      EXPECT_TRUE(made.insert(id).second);
    }
  }
}

TEST(Api, a_bookmark_is_given_for_writes_and_taken_with_reads) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  std::string bookmark;
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, add_learner(w.database, w.subject));
    request.token = w.token;
    const auto reply = w.served(request);
    EXPECT_EQ(reply.status, 200);
    const auto given = reply.header("lyceum-bookmark");
    EXPECT_EQ(!given.empty(), route.method != Method::get);
    if (!given.empty()) {
      EXPECT_NE(given, bookmark);
      bookmark = given;
    }
  }
  auto forged = bookmark;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  for (const auto& carried : {bookmark, forged, std::string("x"), std::string(4000, 'A'),
                              std::string("%00"), bookmark + bookmark}) {
    const auto reply = w.served({.target = "/v1/learners/" + who.learner + "/summary",
                                 .token = w.token,
                                 .headers = {{"Lyceum-Bookmark", carried}}});
    EXPECT_EQ(reply.status, 200) << carried;
  }
}

}  // namespace
}  // namespace lyceum::server
