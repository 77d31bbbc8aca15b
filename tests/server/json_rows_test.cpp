#include "server/json_rows.h"

#include <boost/describe.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <random>

#include "pg/run.h"
#include "server/json_struct.h"

namespace lyceum::server {

struct Inner {
  std::string text;
  std::vector<std::int64_t> numbers;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (text, numbers))

struct Outer {
  bool yes = false;
  std::int32_t count = 0;
  double share = 0;
  Uuid id{};
  Timestamp at{};
  pg::Date day{};
  std::optional<double> nothing;
  std::optional<Inner> inner;
  std::vector<Inner> inners;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (yes, count, share, id, at, day, nothing, inner, inners))

namespace {

using pg::testing::DatabaseTest;
using pg::testing::Loop;

class JsonRows : public DatabaseTest {
 protected:
  // The rows of a query as RowWriter has them.
  std::string written(const std::string& sql) {
    const auto connection = loop.connect(database().url());
    const auto rows = loop.execute(*connection, sql).value();
    std::string out;
    RowWriter(rows).append_array(out);
    return out;
  }
};

std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char character : text) out += std::string(character == '\'' ? 2 : 1, character);
  return out + "'";
}

// PostgreSQL reads what we wrote and compares it with its own to_jsonb of the same rows.
TEST_F(JsonRows, SayWhatPostgresSays) {
  const std::vector<std::string> queries = {
      "select b from unnest(array[true, false, null]) b",
      "select i::int2 a, i::int4 b, i::int8 c from unnest(array[0, 1, -1, 32767, -32768]) i",
      "select i from unnest(array[-9223372036854775808, 9223372036854775807]) i",
      "select f from unnest(array[0, -0.0, 0.1, 1e300, 5e-324, 1.7976931348623157e308, 1e15, 1e16,"
      " 123456.789, -1e-7, 1/3.0]::float8[]) f",
      "select f from unnest(array[0, 0.1, 3.2, 1e30, 16777217, -1e-7]::float4[]) f",
      "select n from unnest(array[0, 0.10, -1.50, 12345678901234567890.123456789, 1e-20, 1e40]) n",
      "select md5(i::text)::uuid u from generate_series(1, 50) i",
      "select t from unnest(array['', 'a', 'Zoë 日本 😀', E'\\\\ \" / "
      "\\b\\f\\n\\r\\t\\x01\\x1f\\x7f',"
      " E'\\u2028\\u200f\\u0085\\ufeff', repeat('x', 100000)]) t",
      "select chr(i) c from generate_series(1, 3000) i",
      "select 'a'::varchar v, 'b'::char(3) c, 'd'::name n, null::text z",
      "select d from unnest(array['2026-01-31', '0001-01-01', '9999-12-31', '2024-02-29',"
      " '1969-12-31', '1970-01-01']::date[]) d",
      "select (date '2000-01-01' + i * 37) d from generate_series(-3000, 3000) i",
      "select j from unnest(array['{\"a\": [1, null, \"x\"]}', '[]', '\"\"', '0.10', "
      "'null']::jsonb[]) j",
      "select '{\"b\" : 1,  \"a\":[]}'::json j",
      "select 1 a where false",
      "select 1 \"a b\", 2 \"é\"",
  };
  for (const auto& query : queries) {
    const auto same = database().value(
        "select coalesce(" + literal(written(query)) +
        "::jsonb = (select coalesce(jsonb_agg(to_jsonb(q)), '[]') from (" + query + ") q), false)");
    EXPECT_EQ(same, "t") << query;
  }
}

// Its own timestamps carry an offset, so the moments are compared.
TEST_F(JsonRows, TimestampsAreTheSameMoments) {
  const std::string query =
      "select timestamptz '2000-01-01 UTC' + i * interval '977 days 12:34:56.789012' t "
      "from generate_series(-700, 2800) i "
      "union all select t::timestamptz from unnest(array['1970-01-01 UTC', "
      "'1969-12-31 23:59:59.999999 UTC', '9999-12-31 23:59:59.999999 UTC', '0001-01-01 UTC']) t";
  const auto json = written(query);
  EXPECT_EQ(
      database().value("select count(*) filter (where a.v ->> 't' !~ "
                       "'^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{6})?Z$' or "
                       "(a.v ->> 't')::timestamptz is distinct from b.t) || '/' || count(*) "
                       "from jsonb_array_elements(" +
                       literal(json) +
                       ") with ordinality a(v, n) full join (select t, row_number() over () n "
                       "from (" +
                       query + ") q) b using (n)"),
      "0/3505");
}

TEST_F(JsonRows, WhatJsonCannotHoldIsNull) {
  EXPECT_EQ(written("select 'nan'::float8 a, '-inf'::float8 b, 'nan'::float4 c, 'nan'::numeric d, "
                    "'infinity'::numeric e, 'infinity'::timestamptz f, '-infinity'::timestamptz g, "
                    "timestamptz '10000-01-01 UTC' h, timestamptz '0100-01-01 UTC BC' i, "
                    "date '10000-01-01' j, date '4000-01-01 BC' k"),
            "[{\"a\":null,\"b\":null,\"c\":null,\"d\":null,\"e\":null,\"f\":null,\"g\":null,"
            "\"h\":null,\"i\":null,\"j\":null,\"k\":null}]");
}

TEST_F(JsonRows, UnknownTypesAreAnError) {
  try {
    (void)written("select point(1, 2) as place");
    ADD_FAILURE() << "nothing thrown";
  } catch (const Exception& failure) {
    EXPECT_EQ(failure.error().code, ErrorCode::kInternal);
    EXPECT_NE(failure.error().message.find("place"), std::string::npos);
  }
}

TEST_F(JsonRows, WritesPartsOfTheRows) {
  const auto connection = loop.connect(database().url());
  const auto rows =
      loop.execute(*connection, "select i a, 'x' b from generate_series(1, 3) i").value();
  const RowWriter writer(rows);
  std::string members, array, none;
  writer.append_members(members, 2);
  writer.append_array(array, 2);
  writer.append_array(none, 0);
  EXPECT_EQ(members, R"("a":3,"b":"x")");
  EXPECT_EQ(array, R"([{"a":1,"b":"x"},{"a":2,"b":"x"}])");
  EXPECT_EQ(none, "[]");
}

TEST(JsonStruct, WritesMembersInTheirOrder) {
  const Outer value{
      .yes = true,
      .count = -3,
      .share = 0.25,
      .id = parse_uuid("00112233-4455-6677-8899-aabbccddeeff").value(),
      .at = std::chrono::sys_days(std::chrono::year(2026) / 1 / 31) + std::chrono::microseconds(1),
      .day = std::chrono::sys_days(std::chrono::year(2024) / 2 / 29),
      .inner = Inner{"a\"b\n", {}},
      .inners = {{"", {1, -2}}, {"x", {3}}}};
  std::string out, members, empty;
  append_json(out, value);
  EXPECT_EQ(out,
            R"({"yes":true,"count":-3,"share":0.25,"id":"00112233-4455-6677-8899-aabbccddeeff",)"
            R"("at":"2026-01-31T00:00:00.000001Z","day":"2024-02-29","nothing":null,)"
            R"("inner":{"text":"a\"b\n","numbers":[]},)"
            R"("inners":[{"text":"","numbers":[1,-2]},{"text":"x","numbers":[3]}]})");
  EXPECT_NO_THROW((void)boost::json::parse(out));
  append_json_members(members, value);
  EXPECT_EQ("{" + members + "}", out);
  append_json(empty, std::vector<Inner>{});
  EXPECT_EQ(empty, "[]");
}

TEST(JsonStruct, NumbersReadBackAsTheSame) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = std::bit_cast<double>(random());
    std::string out;
    append_json(out, number);
    if (std::isfinite(number)) {
      EXPECT_NO_THROW((void)boost::json::parse(out));
      EXPECT_EQ(std::strtod(out.c_str(), nullptr), number) << out;
    } else {
      EXPECT_EQ(out, "null");
    }
  }
}

}  // namespace
}  // namespace lyceum::server
