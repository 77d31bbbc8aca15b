// Parameters, paths and bodies that the data API refuses, and those that it only seems to have to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/api_programs.h"

namespace lyceum::server {
namespace {

TEST(Api, refuses_parameters_that_are_wrong) {
  auto& r = reading();
  const auto story = "/v1/stories/" + r.subject.story;
  const auto words = "/v1/learners/" + r.subject.learner + "/vocabulary/recommendations";
  const std::string span = "/v1/analytics/learning?from=2025-01-01&to=2025-02-01";
  std::vector<std::string> targets;
  for (const auto* bad : {"limit=0",
                          "limit=101",
                          "limit=-1",
                          "limit=",
                          "limit=ten",
                          "limit=1.5",
                          "limit=1e1",
                          "limit=+1",
                          "limit=99999999999999999999",
                          "limit=0x10",
                          "difficulty_min=x",
                          "difficulty_min=nan",
                          "difficulty_max=inf",
                          "difficulty_max=1e999",
                          "difficulty_min=3&difficulty_max=2",
                          "level=Z9",
                          "level=a1",
                          "level=",
                          "level=A1%00",
                          "q=%00",
                          "q=%FF",
                          "q=%ED%A0%80",
                          "include=everything",
                          "include=progress,views",
                          "include=progress",
                          "learner=%s",
                          "include=progress&learner=1",
                          "cursor=x",
                          "cursor=",
                          "cursor=%00",
                          "limit=1&limit=1",
                          "limit=1&limit=2",
                          "unknown=1",
                          "=1",
                          "Limit=1",
                          "offset=1",
                          "tenant=x",
                          "q=%",
                          "q=%4",
                          "q=%GG",
                          "limit=%31%"}) {
    targets.push_back(std::string("/v1/stories?") + bad);
  }
  targets.push_back("/v1/stories?q=" + std::string(201, 'x'));
  targets.push_back("/v1/stories?learner=" + r.subject.learner);
  targets.push_back(story + "?include=content");
  targets.push_back(story + "?limit=1");
  targets.push_back(story + "?include=progress");
  targets.push_back(story + "?include=progress&learner=x");
  for (const auto* bad : {"limit=0", "limit=201", "limit=x", "time_zone=Nowhere/Here", "time_zone=",
                          "time_zone=%00", "time_zone=%FF", "cursor=1", "limit=1&limit=1"}) {
    targets.push_back(words + "?" + bad);
  }
  for (const auto* bad :
       {"", "?from=2025-01-01", "?to=2025-01-01", "?from=&to=", "?from=yesterday&to=today",
        "?from=2025-02-30&to=2025-03-01", "?from=2025-01-02&to=2025-01-01",
        "?from=2000-01-01&to=2025-01-01", "?from=2025-01-01T00:00:00&to=2025-01-02",
        "?from=2025-01-01T24:00:00Z&to=2025-01-03", "?from=0000-01-01&to=0000-01-02",
        "?from=2025-01-01T00:00:00+01:00&to=2025-01-02", "?from=infinity&to=infinity"}) {
    targets.push_back(std::string("/v1/analytics/learning") + bad);
  }
  targets.push_back(span + "&time_zone=Mars/Base");
  targets.push_back(span + "&time_zone=%00");
  targets.push_back(span + "&from=2025-01-01");
  targets.push_back("/v1/learners/" + r.subject.learner + "/summary?x=1");
  targets.push_back("/v1/learners/" + r.subject.learner + "/export?format=csv");
  targets.push_back("/openapi.json?x=1");
  for (const auto& target : targets) {
    const auto reply = get(target);
    EXPECT_EQ(reply.status, 400) << target << ": " << reply.body.substr(0, 300);
    EXPECT_EQ(code_of(reply), "bad_input") << target;
  }
}

TEST(Api, takes_parameters_in_every_spelling) {
  for (const auto* good :
       {"/v1/stories?limit=100", "/v1/stories?limit=%31", "/v1/stories?%6Cimit=1", "/v1/stories?",
        "/v1/stories?&&limit=1&", "/v1/stories?include=", "/v1/stories?include=total",
        "/v1/stories?difficulty_min=-1&difficulty_max=1e3",
        "/v1/stories?q=", "/v1/stories?q=%F0%9F%98%80", "/v1/stories?q=the",
        "/v1/stories?q=a+b%20c", "/v1/stories?q=%27%20%26%20%21%20%28",
        "/v1/analytics/learning?from=2025-01-01t00:00:00z&to=2025-01-02T00:00:00.5-11:00"}) {
    EXPECT_EQ(get(good).status, 200) << good;
  }
  EXPECT_EQ(get("/v1/stories?q=" + std::string(200, 'x')).status, 200);
}

TEST(Api, refuses_paths_that_are_none) {
  auto& r = reading();
  for (const auto& target :
       std::vector<std::string>{"/",
                                "/v1",
                                "/v1/",
                                "/v1/stories/",
                                "/v1/stories/1",
                                "/v2/stories",
                                "/V1/stories",
                                "//v1/stories",
                                "/v1/../v1/stories",
                                "/v1/storie%73",
                                "/v1/stories/" + r.subject.story + "/",
                                "/v1/stories/" + r.subject.story.substr(1),
                                "/v1/stories/%00" + r.subject.story.substr(3),
                                "/v1/stories/{id}",
                                "/v1/stories/" + std::string(36, '-'),
                                "/v1/stories/{" + r.subject.story + "}",
                                "/v1/learners/" + std::string(36, 'x') + "/summary",
                                "/metrics",
                                "/live",
                                "/v1/learners//summary",
                                "/v1/learners/" + r.subject.learner + "/summary/"}) {
    const auto reply = get(target);
    EXPECT_EQ(reply.status, 404) << target;
    EXPECT_EQ(code_of(reply), "no_such_path") << target;
  }
  for (const auto& [method, target, allowed] : std::vector<std::array<std::string, 3>>{
           {"POST", "/v1/stories", "GET, HEAD"},
           {"DELETE", "/v1/stories/" + r.subject.story, "GET, HEAD"},
           {"GET", "/v1/learners/" + r.subject.learner, "DELETE"},
           {"HEAD", "/v1/learners/" + r.subject.learner, "DELETE"},
           {"GET", "/v1/progress/batch", "POST"},
           {"PUT", "/v1/sessions", "POST"},
           {"PATCH", "/openapi.json", "GET, HEAD"},
           {"OPTIONS", "/v1/events", "POST"}}) {
    const auto reply = r.served({method, target, "", r.token});
    EXPECT_EQ(reply.status, 405) << method << ' ' << target;
    EXPECT_EQ(reply.header("allow"), allowed);
  }
}

// Every route with a body is given bodies that are wrong, made from one that is right.
TEST(Api, refuses_bodies_that_are_wrong) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  for (const auto& route : routes()) {
    if (route.most_body == 0) continue;
    auto request = sample_request(route, who);
    request.token = w.token;
    const auto good = json::parse(request.body);
    const auto list = std::string(good.as_object().begin()->key());
    const auto refused = [&](const std::string& body, const std::string& why) {
      auto bad = request;
      bad.body = body;
      const auto reply = w.served(bad);
      EXPECT_EQ(reply.status, 400)
          << name_of(route) << ' ' << why << ": " << body.substr(0, 200) << ": " << reply.body;
      EXPECT_EQ(code_of(reply), "bad_input") << why;
    };
    for (const auto* text :
         {"", " ", "{", "[]", "null", "1", "\"x\"", "{}", "{\"\":[]}", "[{}]", "{}{}", "nul",
          "{\"a\":1,}", "\xFF", "\xEF\xBB\xBF{}", "{'a':1}", "// a comment\n{}"}) {
      refused(text, "is no such object");
    }
    refused(std::string("\0", 1), "is a NUL byte");
    refused(request.body + std::string("\0", 1), "ends in a NUL byte");
    refused(std::string(50'000, '['), "is deep");
    refused("{\"" + list + "\":" + std::string(40, '[') + std::string(40, ']') + "}", "is nested");

    const auto with = [&](const auto& change) {
      auto body = good;
      change(body.as_object());
      return json::serialize(body);
    };
    const json::string_view name(list);
    refused(with([&](json::object& body) { body["more"] = 1; }), "has an unknown member");
    for (const json::value& value : {json::value(nullptr), json::value(1), json::value("x"),
                                     json::value(json::object{}), json::value(true)}) {
      refused(with([&](json::object& body) { body[name] = value; }), "the list is none");
    }
    for (const json::value& row : {json::value(nullptr), json::value(1), json::value("x"),
                                   json::value(json::array{}), json::value(json::object{})}) {
      refused(with([&](json::object& body) { body[name] = json::array{row}; }), "a row is none");
    }
    const auto with_row = [&](const auto& change) {
      return with([&](json::object& body) { change(body[name].as_array()[0].as_object()); });
    };
    refused(with_row([](json::object& row) { row["more"] = 1; }), "a row has an unknown member");
    refused(with_row([](json::object& row) { row["tenant_id"] = a_uuid(); }), "names a tenant");
    // Each member by what the document says of it.
    const auto& document = ApiDocument::project();
    const auto& schema = document.operation(request.method, route.path)
                             ->at("requestBody")
                             .at("content")
                             .at("application/json")
                             .at("schema");
    const auto resolved = [&](const json::value& value) -> const json::object& {
      const auto* reference = value.as_object().if_contains("$ref");
      return (reference == nullptr ? value
                                   : *testing::resolve_reference(
                                         document.root(), std::string(reference->as_string())))
          .as_object();
    };
    const auto& item = resolved(resolved(schema).at("properties").at(name).at("items"));
    std::set<std::string> required;
    for (const auto& member : item.at("required").as_array()) {
      required.emplace(member.as_string());
    }
    for (const auto& member : item.at("properties").as_object()) {
      const auto key = member.key();
      const auto& rules = member.value().as_object();
      const std::string text(key);
      if (required.contains(text)) {
        refused(with_row([&](json::object& row) { row.erase(key); }), text + " is missing");
        refused(with_row([&](json::object& row) { row[key] = nullptr; }), text + " is null");
      }
      if (!rules.contains("type")) continue;  // any
      std::vector<json::value> wrong{json::value(true), json::value(json::array{}),
                                     json::value(json::object{}), json::value(1.5)};
      const auto type = rules.at("type").is_array() ? rules.at("type").at(0) : rules.at("type");
      if (type == "integer") {
        wrong.emplace_back("1");
        wrong.emplace_back(1e300);
        wrong.emplace_back(std::int64_t{2147483648});
        wrong.emplace_back(std::numeric_limits<std::uint64_t>::max());
        wrong.emplace_back(std::int64_t{-2147483649});
        wrong.emplace_back(rules.at("minimum").as_int64() - 1);
        if (rules.contains("maximum")) wrong.emplace_back(rules.at("maximum").as_int64() + 1);
      } else {
        wrong.emplace_back(1);
        // A NUL, and half a pair of surrogates, are no text that can be kept.
        wrong.emplace_back(json::string("a\0b", 3));
      }
      if (const auto* format = rules.if_contains("format")) {
        for (const auto* bad :
             {"", "x", "2025-01-01T00:00:00", "00000000-0000-0000-0000-00000000000",
              "{00000000-0000-0000-0000-000000000000}", "00000000-0000-0000-0000-0000000000000",
              "0000000000000000000000000", "9999-99-99T00:00:00Z", "infinity", "now"}) {
          wrong.emplace_back(bad);
        }
        if (*format == "date-time") wrong.emplace_back("0000-01-01T00:00:00Z");
      }
      if (const auto* most = rules.if_contains("maxLength")) {
        wrong.emplace_back(std::string(most->to_number<std::size_t>() + 1, 'x'));
        wrong.emplace_back("");
      }
      for (const auto& value : wrong) {
        refused(with_row([&](json::object& row) { row[key] = value; }),
                text + " is " + json::serialize(value));
      }
    }
    // What the body says it is.
    auto other = request;
    for (const auto* type : {"text/plain", "application/x-www-form-urlencoded", "application/jsonp",
                             "multipart/form-data", "application"}) {
      other.headers = {{"Content-Type", type}};
      EXPECT_EQ(w.served(other).status, 400) << type;
    }
    // Keys.
    for (const auto& key : {std::string(256, 'k'), std::string("\xFF\xFE")}) {
      if (route.path != "/v1/progress/batch" &&
          route.path != "/v1/learners/{id}/vocabulary/reviews") {
        continue;
      }
      other.headers = {{"Idempotency-Key", key}};
      EXPECT_EQ(w.served(other).status, 400) << key;
    }
    // And the right one is right.
    other.headers = {{"Content-Type", "Application/JSON ; charset=utf-8"}};
    EXPECT_EQ(w.served(other).status, 200);
  }
  EXPECT_EQ(w.value("select count(*) from user_events where user_id = '" + who.learner + "'"), "1");
}

TEST(Api, refuses_text_that_the_database_cannot_hold) {
  auto& w = writing();
  const auto who = add_learner(w.database, w.subject);
  const auto event = [&](const std::string& rest) {
    return w.post("/v1/events", fmt::format(R"({{"events":[{{"id":"{}","user_id":"{}",{}}}]}})",
                                            a_uuid(), who.learner, rest));
  };
  for (const auto* bad :
       {R"("event_type":"a\u0000b")", R"("event_type":"\ud800")", R"("event_type":"\udc00x")",
        R"("event_type":"x","payload":{"a":"\u0000"})",
        R"("event_type":"x","payload":{"\u0000":1})", R"("event_type":"x","payload":"\u0000")",
        "\"event_type\":\"\xFF\"", "\"event_type\":\"\xED\xA0\x80\"",
        "\"event_type\":\"x\",\"payload\":\"\xC0\x80\""}) {
    const auto reply = event(bad);
    EXPECT_EQ(reply.status, 400) << bad << reply.body;
  }
  for (const auto* good :
       {R"("event_type":"😀")", R"("event_type":"\ud83d\ude00")",
        R"("event_type":"x","payload":null)", R"("event_type":"x","payload":"\ud83d\ude00")",
        R"("event_type":"x","payload":[])", R"("event_type":"x","payload":1e-400)",
        R"("event_type":"x","session_id":null)"}) {
    const auto reply = event(good);
    EXPECT_EQ(reply.status, 200) << good << reply.body;
  }
  EXPECT_EQ(w.value("select count(*) from user_events where user_id = '" + who.learner +
                    "' and event_type = '😀'"),
            "2");
}

}  // namespace
}  // namespace lyceum::server
