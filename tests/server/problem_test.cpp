#include "server/problem.h"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "server/api.h"
#include "server/trace_context.h"

namespace lyceum::server {
namespace {

constexpr std::string_view kServersText = "relation of_the_server does not exist";

Error error_of(ErrorCode code, std::string sqlstate = {}) {
  return {.code = code,
          .message = std::string(kServersText),
          .hint = "hint_of_the_server",
          .sqlstate = std::move(sqlstate),
          .statement = "learning.some_statement",
          .node = "db.example:5432/lyceum"};
}

struct Expected {
  ErrorCode code;
  int status;
  std::string_view name;
  bool retry;
  bool shows_message;  // it is about what the caller sent, in our own words
};

TEST(Problem, EveryCodeHasOne) {
  using enum ErrorCode;
  const std::vector<Expected> table = {{kConnect, 503, "unavailable", true, false},
                                       {kConnectionLost, 503, "unavailable", true, false},
                                       {kTimeout, 504, "timeout", false, false},
                                       {kQueueFull, 503, "overloaded", true, false},
                                       {kShuttingDown, 503, "shutting_down", true, false},
                                       {kInDoubt, 503, "in_doubt", true, false},
                                       {kBadInput, 400, "bad_input", false, true},
                                       {kNotFound, 404, "not_found", false, true},
                                       {kConflict, 409, "conflict", false, true},
                                       {kUnauthenticated, 401, "unauthenticated", false, true},
                                       {kForbidden, 403, "forbidden", false, true},
                                       {kConfiguration, 500, "internal", false, false},
                                       {kIo, 500, "internal", false, false},
                                       {kInternal, 500, "internal", false, false}};
  EXPECT_EQ(table.size(), static_cast<std::size_t>(kInternal));  // and kSql, below
  for (const auto& expected : table) {
    const auto problem = problem_of(error_of(expected.code));
    EXPECT_EQ(problem.status, expected.status) << name_of(expected.code);
    EXPECT_EQ(problem.code, expected.name);
    EXPECT_EQ(problem.retry_after.has_value(), expected.retry) << expected.name;
    EXPECT_EQ(problem.detail.find(kServersText) != std::string::npos, expected.shows_message);
    for (const auto* secret : {"some_statement", "db.example", "hint_of"}) {
      EXPECT_EQ(problem.detail.find(secret), std::string::npos);
    }
    EXPECT_FALSE(problem.detail.empty());
    EXPECT_FALSE(reason_phrase(problem.status).empty());
  }
}

TEST(Problem, SqlstatesHaveTheirs) {
  const std::vector<std::tuple<std::string, int, std::string_view>> table = {
      {"22P02", 400, "bad_input"},     {"22003", 400, "bad_input"},
      {"22021", 400, "bad_input"},     {"23503", 404, "not_found"},
      {"23505", 409, "conflict"},      {"23P01", 409, "conflict"},
      {"23502", 400, "bad_input"},     {"23514", 400, "bad_input"},
      {"40001", 503, "retry"},         {"40P01", 503, "retry"},
      {"55P03", 503, "retry"},         {"53100", 503, "database_full"},
      {"53200", 503, "database_full"}, {"53300", 503, "database_full"},
      {"25006", 503, "read_only"},     {"57014", 504, "timeout"},
      {"57P01", 503, "unavailable"},   {"57P03", 503, "unavailable"},
      {"08006", 503, "unavailable"},   {"42P01", 500, "internal"},
      {"42501", 500, "internal"},      {"XX000", 500, "internal"},
      {"28P01", 500, "internal"},      {"P0001", 500, "internal"},
      {"", 500, "internal"},           {"0A000", 500, "internal"},
      {"25P02", 500, "internal"},      {"55000", 500, "internal"},
      {"58030", 500, "internal"}};
  for (const auto& [sqlstate, status, name] : table) {
    for (const bool unsure : {false, true}) {
      auto error = error_of(ErrorCode::kSql, sqlstate);
      error.may_have_taken_effect = unsure;
      const auto problem = problem_of(error);
      EXPECT_EQ(problem.status, status) << sqlstate;
      EXPECT_EQ(problem.code, name) << sqlstate;
      for (const auto secret : {kServersText, std::string_view("some_statement"),
                                std::string_view("db.example"), std::string_view("hint_of")}) {
        EXPECT_EQ(problem.detail.find(secret), std::string::npos) << sqlstate;
      }
      EXPECT_EQ(problem.detail.find("may have taken effect") != std::string::npos, unsure)
          << sqlstate;
      // One answer does not say both.
      if (unsure)
        EXPECT_EQ(problem.detail.find("nothing was written"), std::string::npos) << sqlstate;
    }
  }
}

TEST(Problem, ATimeoutSaysWhetherItMayHaveHappened) {
  auto error = error_of(ErrorCode::kTimeout);
  EXPECT_NE(problem_of(error).detail.find("nothing was written"), std::string::npos);
  error.may_have_taken_effect = true;
  EXPECT_NE(problem_of(error).detail.find("may have taken effect"), std::string::npos);
}

TEST(Problem, BecomesAResponse) {
  const auto response = to_response({503, "retry", "a \"b\"\n\x01", 7}, "id-1");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.content_type, "application/problem+json");
  const auto body = boost::json::parse(response.body).as_object();
  EXPECT_EQ(body.at("type").as_string(), "about:blank");
  EXPECT_EQ(body.at("title").as_string(), "Service Unavailable");
  EXPECT_EQ(body.at("status").as_int64(), 503);
  EXPECT_EQ(body.at("code").as_string(), "retry");
  EXPECT_EQ(body.at("detail").as_string(), "a \"b\"\n\x01");
  EXPECT_EQ(body.at("request_id").as_string(), "id-1");
  EXPECT_EQ(body.size(), 6);
  ASSERT_EQ(response.headers.size(), 1);
  EXPECT_EQ(response.headers[0].first, "Retry-After");
  EXPECT_EQ(response.headers[0].second, "7");
  const auto unknown = to_response({401, "unauthenticated", ""}, "");
  ASSERT_EQ(unknown.headers.size(), 1);
  EXPECT_EQ(unknown.headers[0].first, "WWW-Authenticate");
}

TEST(TraceContext, TakesTheTraceId) {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c", parent = "b7ad6b7169203331";
  const auto good = "00-" + trace + "-" + parent + "-01";
  EXPECT_EQ(trace_id_of(good), trace);
  EXPECT_EQ(trace_id_of("01-" + trace + "-" + parent + "-00-what.ever"), trace);
  EXPECT_EQ(trace_id_of("cc-" + trace + "-" + parent + "-ff"), trace);
  for (const auto& bad :
       {std::string(), good.substr(1), good.substr(0, good.size() - 1), good + "-", good + "0",
        "ff" + good.substr(2), "0x" + good.substr(2), "cc-" + trace + "-" + parent + "-01x",
        "00-" + std::string(32, '0') + "-" + parent + "-01",
        "00-" + trace + "-" + std::string(16, '0') + "-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" + parent + "-01", "00_" + good.substr(3),
        "00-" + trace + "_" + parent + "-01", "00-" + trace + "-" + parent + "-0g"}) {
    EXPECT_EQ(trace_id_of(bad), "") << bad;
  }
}

TEST(TraceContext, KeepsAFittingRequestId) {
  for (const auto& good : {std::string("a"), std::string("Az09.-_"), std::string(128, 'x')}) {
    EXPECT_EQ(request_id_from(good), good);
  }
  for (const auto& bad :
       {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a\n"),
        std::string("\xc3\xa9"), std::string("a/b"), std::string("a\0", 2)}) {
    const auto made = request_id_from(bad);
    EXPECT_TRUE(parse_uuid(made)) << made;
    EXPECT_NE(made, request_id_from(bad));
  }
}

// Every audience, every set of roles, the principal's own learner and another one.
TEST(Audience, IsItsTable) {
  const Uuid own = parse_uuid("00112233-4455-6677-8899-aabbccddeeff").value();
  const Uuid other = parse_uuid("00112233-4455-6677-8899-aabbccddeefe").value();
  struct Line {
    Audience audience;
    // Who alone is enough: learner itself, learner for another, teacher, admin, service.
    bool own, another, teacher, admin, service;
  };
  const std::vector<Line> table = {{Audience::members, true, true, true, true, true},
                                   {Audience::own_learner, true, false, true, true, true},
                                   {Audience::learner_data, true, false, false, true, true},
                                   {Audience::staff, false, false, true, true, true}};
  for (int bits = 0; bits < 16; ++bits) {
    Roles roles;
    for (const auto role : kAllRoles) {
      if ((bits & static_cast<int>(role)) != 0) roles.add(role);
    }
    for (const auto& learner : {own, other}) {
      Principal principal{.roles = roles};
      if (roles.has(Role::learner)) principal.learner = own;
      EXPECT_FALSE(check_audience(Audience::everyone, principal, learner));
      for (const auto& line : table) {
        const bool may = (roles.has(Role::learner) && (learner == own ? line.own : line.another)) ||
                         (roles.has(Role::teacher) && line.teacher) ||
                         (roles.has(Role::admin) && line.admin) ||
                         (roles.has(Role::service) && line.service);
        const auto error = check_audience(line.audience, principal, learner);
        EXPECT_EQ(!error, may) << static_cast<int>(line.audience) << " with roles " << bits;
        if (error) EXPECT_EQ(error->code, ErrorCode::kForbidden);
      }
    }
  }
  // No learner of its own: nobody's, not even the nil one's.
  EXPECT_TRUE(check_audience(Audience::own_learner, {.roles = {Role::learner}}, Uuid{}));
}

}  // namespace
}  // namespace lyceum::server
