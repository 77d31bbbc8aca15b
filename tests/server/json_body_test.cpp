#include "server/json_body.h"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace lyceum::server {
namespace {

TEST(JsonBody, TakesJsonAlone) {
  const auto parse = [](std::string_view body, std::string_view type) {
    const auto value = parse_body({.body = body, .content_type = type});
    return value.has_error() ? value.error().message : std::string();
  };
  for (const auto* type :
       {"", "application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"}) {
    EXPECT_EQ(parse("{}", type), "") << type;
  }
  for (const auto* type : {"text/plain", "application/jsonp", "application/problem+json", "json",
                           "application/x-www-form-urlencoded"}) {
    EXPECT_EQ(parse("{}", type), "the body has to be application/json") << type;
  }
  for (const auto* body : {"", "{", "{}x", "{\"a\":1,}", "nul", "{a:1}", "[1 2]", "\"\xff\"",
                           "\xef\xbb\xbf{}", "{\"a\":01}", "'x'", "// x\n{}"}) {
    EXPECT_TRUE(parse(body, "").starts_with("the body is no JSON: ")) << body;
  }
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(parse(nested(32), ""), "");
  EXPECT_TRUE(parse(nested(33), "").starts_with("the body is no JSON"));
  EXPECT_TRUE(parse(std::string(1'000'000, '['), "").starts_with("the body is no JSON"));
}

// Reads one of each kind; the first error, or nothing.
std::string read(std::string_view json) {
  const auto value = boost::json::parse({json.data(), json.size()});
  std::optional<Error> error;
  Fields body(value, error);
  (void)body.uuid("id");
  (void)body.integer("count");
  (void)body.text("name");
  (void)body.timestamp("at");
  (void)body.json("any");
  (void)body.optional_uuid("other");
  (void)body.optional_timestamp("until");
  body.each("rows", 2, [](Fields& row) {
    (void)row.uuid("id");
    (void)row.optional_uuid("maybe");
  });
  body.done();
  EXPECT_EQ(body.failed(), error.has_value());
  if (error) EXPECT_EQ(error->code, ErrorCode::kBadInput);
  return error ? error->message : "";
}

constexpr std::string_view kId = "\"00112233-4455-6677-8899-aabbccddeeff\"";

// A body that is right but for one member.
std::string with(std::string_view name, std::string_view value) {
  const std::vector<std::pair<std::string_view, std::string>> members = {
      {"id", std::string(kId)},
      {"count", "1"},
      {"name", "\"n\""},
      {"at", "\"2026-01-31T12:00:00Z\""},
      {"any", "[]"},
      {"rows", fmt::format("[{{\"id\":{}}}]", kId)}};
  std::string out;
  bool found = false;
  const auto add = [&](std::string_view key, std::string_view text) {
    if (text != "absent") out += fmt::format("{}\"{}\":{}", out.empty() ? "" : ",", key, text);
  };
  for (const auto& [key, text] : members) {
    found = found || key == name;
    add(key, key == name ? value : text);
  }
  if (!found && !name.empty()) add(name, value);
  return "{" + out + "}";
}

TEST(JsonBody, ReadsItsMembers) {
  EXPECT_EQ(read(with("", "")), "");
  EXPECT_EQ(read(with("other", kId)), "");
  EXPECT_EQ(read(with("other", "null")), "");
  EXPECT_EQ(read(with("until", "\"2026-01-31\"")), "");
  EXPECT_EQ(read(with("count", "-2147483648")), "");
  EXPECT_EQ(read(with("count", "2147483647")), "");
  EXPECT_EQ(read(with("any", "{\"a\":{\"b\":1}}")), "");
  EXPECT_EQ(read(with("rows", "[]")), "");
}

TEST(JsonBody, ErrorsNameTheirPlace) {
  for (const auto* name : {"id", "count", "name", "at", "any", "rows"}) {
    EXPECT_EQ(read(with(name, "absent")), fmt::format("'{}' is missing", name));
    EXPECT_EQ(read(with(name, "null")), fmt::format("'{}' is missing", name));
  }
  EXPECT_EQ(read(with("id", "\"x\"")), "'id' is no UUID");
  EXPECT_EQ(read(with("id", "1")), "'id' is no UUID");
  EXPECT_EQ(read(with("other", "\"x\"")), "'other' is no UUID");
  for (const auto* bad :
       {"1.5", "1e3", "\"1\"", "2147483648", "-2147483649", "9223372036854775808", "true", "[]"}) {
    EXPECT_EQ(read(with("count", bad)), "'count' is no integer of 32 bits") << bad;
  }
  EXPECT_EQ(read(with("name", "1")), "'name' is no string");
  EXPECT_EQ(read(with("at", "1")), "'at' is no time such as 2026-01-31T12:00:00Z");
  EXPECT_EQ(read(with("until", "\"soon\"")), "'until' is no time such as 2026-01-31T12:00:00Z");
  for (const auto* big : {"1e999", "[-1e400]", "{\"a\":{\"b\":[1,2.5e001122]}}"}) {
    EXPECT_EQ(read(with("any", big)), "'any' holds a number that is out of range") << big;
  }
  EXPECT_EQ(read(with("rows", "{}")), "'rows' is no array");
  EXPECT_EQ(read(with("rows", "[1,2,3]")), "'rows' has 3 rows, more than 2");
  EXPECT_EQ(read(with("rows", fmt::format("[{{\"id\":{}}},1]", kId))), "'rows[1]' is no object");
  EXPECT_EQ(read(with("rows", "[{\"id\":1}]")), "'rows[0].id' is no UUID");
  EXPECT_EQ(read(with("rows", fmt::format("[{{\"id\":{}}},{{}}]", kId))),
            "'rows[1].id' is missing");
  EXPECT_EQ(read(with("rows", fmt::format("[{{\"id\":{},\"x\":1}}]", kId))),
            "'rows[0].x' is no member that is known here");
  EXPECT_EQ(read(with("more", "1")), "'more' is no member that is known here");
  EXPECT_EQ(read(with(std::string(500, 'y'), "1")).find(std::string(51, 'y')), std::string::npos);
  for (const auto* body : {"[]", "1", "null", "\"x\""})
    EXPECT_EQ(read(body), "the body is no JSON object");
}

TEST(JsonBody, TheFirstErrorStays) {
  EXPECT_EQ(read("{\"id\":1,\"count\":\"x\",\"more\":1}"), "'id' is no UUID");
}

TEST(JsonBody, NamesInErrorsMayHoldAnything) {
  // What a caller wrote comes back in the problem's detail, where it is escaped.
  EXPECT_EQ(read(with("a\\u0000\\n", "1")),
            std::string("'a\0\n' is no member that is known here", 37));
}

}  // namespace
}  // namespace lyceum::server
