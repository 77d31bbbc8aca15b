// The OpenAPI document against the routes: each says all that the other does.

#include "server/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "server/api_harness.h"

namespace lyceum::server {
namespace {

using Parameters = std::set<std::string>;

const json::value& root() {
  return ApiDocument::project().root();
}

const json::value& followed(const json::value& value) {
  const auto* reference = value.as_object().if_contains("$ref");
  if (reference == nullptr) return value;
  const auto* to = testing::resolve_reference(root(), std::string(reference->as_string()));
  if (to == nullptr) throw std::runtime_error("a reference leads nowhere");
  return *to;
}

// "GET /v1/stories" and its operation.
std::map<std::string, const json::object*> operations() {
  std::map<std::string, const json::object*> out;
  for (const auto& path : root().at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      std::string name(operation.key());
      for (auto& letter : name) letter = static_cast<char>(std::toupper(letter));
      out.emplace(name + ' ' + std::string(path.key()), &operation.value().as_object());
    }
  }
  return out;
}

Parameters parameters(const json::object& operation, std::string_view in) {
  Parameters out;
  for (const auto& entry : operation.at("parameters").as_array()) {
    const auto& parameter = followed(entry).as_object();
    if (std::string(parameter.at("in").as_string()) != in) continue;
    out.emplace(parameter.at("name").as_string());
    if (in == "path") EXPECT_TRUE(parameter.at("required").as_bool());
    EXPECT_TRUE(parameter.at("schema").is_object());
  }
  return out;
}

void each_reference(const json::value& value, const std::function<void(const std::string&)>& call) {
  if (const auto* array = value.if_array()) {
    for (const auto& item : *array) each_reference(item, call);
  }
  if (const auto* object = value.if_object()) {
    for (const auto& member : *object) {
      if (member.key() == "$ref" && member.value().is_string()) {
        call(std::string(member.value().as_string()));
      } else {
        each_reference(member.value(), call);
      }
    }
  }
}

TEST(OpenApi, is_the_document_of_the_source) {
  std::ifstream file(source_path("api/openapi.json"), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(openapi_document(), text);
  EXPECT_EQ(root().at("openapi").as_string(), "3.1.0");
  for (const auto* member : {"title", "version"}) {
    EXPECT_TRUE(root().at("info").at(member).is_string()) << member;
  }
}

TEST(OpenApi, has_every_route_and_no_other) {
  std::set<std::string> served;
  for (const auto& route : routes()) served.insert(name_of(route));
  std::set<std::string> documented;
  for (const auto& [name, operation] : operations()) documented.insert(name);
  EXPECT_EQ(served, documented);
}

TEST(OpenApi, has_the_parameters_of_each_route) {
  const auto documented = operations();
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    const auto& operation = *documented.at(name_of(route));
    EXPECT_EQ(parameters(operation, "query"),
              Parameters(route.parameters.begin(), route.parameters.end()));
    EXPECT_EQ(parameters(operation, "path"),
              route.path.find("{id}") == std::string_view::npos ? Parameters{} : Parameters{"id"});
    EXPECT_EQ(operation.contains("requestBody"), route.most_body > 0);
    if (const auto* body = operation.if_contains("requestBody")) {
      EXPECT_TRUE(body->at("required").as_bool());
      EXPECT_TRUE(body->at("content").at("application/json").at("schema").is_object());
    }
  }
}

TEST(OpenApi, asks_for_credentials_where_the_route_does) {
  const json::array bearer{json::object{{"bearer", json::array{}}}};
  EXPECT_EQ(root().at("security").as_array(), bearer);
  const auto& scheme = root().at("components").at("securitySchemes").at("bearer");
  EXPECT_EQ(scheme.at("type").as_string(), "http");
  EXPECT_EQ(scheme.at("scheme").as_string(), "bearer");
  const auto documented = operations();
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    const auto* own = documented.at(name_of(route))->if_contains("security");
    if (route.audience == Audience::everyone) {
      ASSERT_NE(own, nullptr);
      EXPECT_TRUE(own->as_array().empty());
    } else {
      EXPECT_TRUE(own == nullptr || own->as_array() == bearer);
    }
  }
}

TEST(OpenApi, leads_nowhere_with_no_reference) {
  int references = 0;
  std::set<std::string> used;
  each_reference(root(), [&](const std::string& reference) {
    ++references;
    used.insert(reference);
    EXPECT_NE(testing::resolve_reference(root(), reference), nullptr) << reference;
  });
  EXPECT_GT(references, 100);
  // And nothing lies there that nobody refers to.
  for (const auto& kind : root().at("components").as_object()) {
    if (kind.key() == "securitySchemes") continue;
    for (const auto& component : kind.value().as_object()) {
      const auto name =
          fmt::format("#/components/{}/{}", std::string(kind.key()), std::string(component.key()));
      EXPECT_TRUE(used.contains(name)) << name;
    }
  }
}

TEST(OpenApi, names_each_operation_once) {
  std::set<std::string> names;
  for (const auto& [name, operation] : operations()) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(names.emplace(operation->at("operationId").as_string()).second);
    EXPECT_FALSE(operation->at("summary").as_string().empty());
  }
}

TEST(OpenApi, documents_the_answers_that_a_route_can_give) {
  const auto documented = operations();
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    const auto& responses = documented.at(name_of(route))->at("responses").as_object();
    std::set<std::string> wanted{"200", "400", "500", "default"};
    if (route.audience != Audience::everyone) {
      wanted.insert({"401", "403", "404", "429", "503", "504"});
    }
    if (route.most_body > 0) wanted.insert({"409", "413"});
    std::set<std::string> there;
    for (const auto& response : responses) {
      there.emplace(response.key());
      EXPECT_FALSE(followed(response.value()).at("description").as_string().empty());
    }
    EXPECT_EQ(there, wanted);
  }
}

// What the checker of every other test is worth: it sees what is wrong.
TEST(OpenApi, checker_finds_what_is_wrong) {
  const ApiRequest request{.target = "/v1/stories"};
  const std::vector<std::pair<std::string, std::string>> headers{
      {"content-type", "application/json"},
      {"cache-control", "no-store"},
      {"x-content-type-options", "nosniff"},
      {"x-request-id", "1"}};
  const auto problems = [&](HttpReply reply) {
    return ApiDocument::project().problems(request, reply).size();
  };
  const std::string good = R"({"stories":[],"has_more":false,"next_cursor":null})";
  EXPECT_EQ(problems({200, headers, good}), 0U);
  EXPECT_EQ(problems({201, headers, good}), 1U);
  EXPECT_EQ(problems({200, {}, good}), 4U);
  EXPECT_EQ(problems({200, headers, R"({"stories":[],"has_more":false})"}), 1U);
  EXPECT_EQ(problems({200, headers, R"({"stories":{},"has_more":0,"next_cursor":1})"}), 3U);
  EXPECT_EQ(problems({200, headers, R"({"stories":[],"has_more":false,"next_cursor":"","a":1})"}),
            1U);
  EXPECT_GT(problems({200, headers, R"({"stories":[{}],"has_more":false,"next_cursor":""})"}), 5U);
  EXPECT_EQ(problems({200, headers, "{"}), 1U);
  EXPECT_EQ(problems({400, headers, "{}"}), 1U);  // no problem+json
  auto of_problem = headers;
  of_problem[0].second = "application/problem+json";
  const auto problem = [](const std::string& detail) {
    return R"({"type":"about:blank","title":"t","status":400,"code":"c","detail":")" + detail +
           R"(","request_id":"1"})";
  };
  EXPECT_EQ(problems({400, of_problem, problem("no")}), 0U);
  EXPECT_EQ(problems({401, of_problem, problem("no")}), 1U);
  EXPECT_EQ(problems({429, of_problem, problem("no")}), 2U);  // no Retry-After
  EXPECT_EQ(problems({400, of_problem, problem("in learning.story")}), 1U);
}

}  // namespace
}  // namespace lyceum::server
