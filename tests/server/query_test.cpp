#include "server/query.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

#include "support/postgres.h"

namespace lyceum::server {
namespace {

constexpr std::array<std::string_view, 4> kKnown{"a", "b", "with space", "é"};

std::string value_of(std::string_view query, std::string_view name = "a") {
  const auto parsed = Query::parse(query, kKnown);
  if (parsed.has_error()) return "error: " + parsed.error().message;
  return parsed->text(name).value_or("nothing");
}

TEST(Query, Decodes) {
  EXPECT_EQ(value_of(""), "nothing");
  EXPECT_EQ(value_of("&&a=1&&"), "1");
  EXPECT_EQ(value_of("a"), "");
  EXPECT_EQ(value_of("a="), "");
  EXPECT_EQ(value_of("a=b=c"), "b=c");
  EXPECT_EQ(value_of("a=x%2By+z%20%C3%A9%00."), std::string("x+y z \xc3\xa9\0.", 10));
  EXPECT_EQ(value_of("b=1,2&a=3"), "3");
  EXPECT_EQ(value_of("%61=1%262"), "1&2");
  EXPECT_EQ(value_of("with+space=1", "with space"), "1");
  EXPECT_EQ(value_of("%c3%A9=1", "é"), "1");
}

// Any bytes, encoded in any of the ways that are allowed, come back as they were.
TEST(Query, DecodesWhatWasEncoded) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string plain, encoded;
    for (auto left = random() % 40; left > 0; --left) {
      const auto byte = static_cast<char>(random());
      plain += byte;
      const bool safe = std::isalnum(static_cast<unsigned char>(byte)) != 0;
      if (safe && random() % 2 == 0) {
        encoded += byte;
      } else if (byte == ' ' && random() % 2 == 0) {
        encoded += '+';
      } else {
        encoded += random() % 2 == 0 ? fmt::format("%{:02x}", static_cast<unsigned char>(byte))
                                     : fmt::format("%{:02X}", static_cast<unsigned char>(byte));
      }
    }
    ASSERT_EQ(value_of("b=1&a=" + encoded), plain) << encoded;
  }
}

TEST(Query, RefusesWhatIsMalformedUnknownOrTwice) {
  for (const auto* query : {"a=%", "a=%4", "a=%4x", "a=%x4", "a=%%41", "%=1", "a%2=1", "a=% 1"}) {
    EXPECT_EQ(value_of(query), "error: the query of the URL is malformed") << query;
  }
  EXPECT_EQ(value_of("c=1"), "error: there is no parameter 'c' here");
  EXPECT_EQ(value_of("=1"), "error: there is no parameter '' here");
  EXPECT_EQ(value_of("A=1"), "error: there is no parameter 'A' here");
  EXPECT_EQ(value_of("a=1&a=1"), "error: the parameter 'a' comes twice");
  EXPECT_EQ(value_of("a=1&%61=2"), "error: the parameter 'a' comes twice");
  EXPECT_EQ(Query::parse("c=1", kKnown).error().code, ErrorCode::kBadInput);
  EXPECT_LT(value_of(std::string(5000, 'x')).size(), 200);
}

template <class T>
std::string outcome(const Result<std::optional<T>>& result) {
  if (result.has_error()) {
    EXPECT_EQ(result.error().code, ErrorCode::kBadInput);
    EXPECT_NE(result.error().message.find("'a'"), std::string::npos);
    return "bad";
  }
  if (!result->has_value()) return "nothing";
  if constexpr (std::same_as<T, Uuid>) {
    return to_string(**result);
  } else {
    return fmt::format("{}", **result);
  }
}

TEST(Query, ReadsIntegers) {
  const auto read = [](std::string_view query) {
    return outcome(Query::parse(query, kKnown)->integer("a"));
  };
  EXPECT_EQ(read(""), "nothing");
  EXPECT_EQ(read("a=0"), "0");
  EXPECT_EQ(read("a=-7"), "-7");
  EXPECT_EQ(read("a=9223372036854775807"), "9223372036854775807");
  for (const auto* bad : {"a=", "a=%2B7", "a=+7", "a=7+", "a=7.0", "a=0x7", "a=9223372036854775808",
                          "a=--7", "a=seven", "a=1e3", "a=7%00"}) {
    EXPECT_EQ(read(bad), "bad") << bad;
  }
}

TEST(Query, ReadsNumbers) {
  const auto read = [](std::string_view query) {
    return outcome(Query::parse(query, kKnown)->number("a"));
  };
  EXPECT_EQ(read("b=1"), "nothing");
  EXPECT_EQ(read("a=0.5"), "0.5");
  EXPECT_EQ(read("a=-1e3"), "-1000");
  EXPECT_EQ(read("a=5"), "5");
  for (const auto* bad :
       {"a=", "a=nan", "a=inf", "a=-infinity", "a=1e999", "a=0x1p3", "a=1,5", "a=1.5x", "a=+1"}) {
    EXPECT_EQ(read(bad), "bad") << bad;
  }
}

TEST(Query, ReadsUuids) {
  const auto read = [](std::string_view query) {
    return outcome(Query::parse(query, kKnown)->uuid("a"));
  };
  EXPECT_EQ(read(""), "nothing");
  EXPECT_EQ(read("a=00112233-4455-6677-8899-AABBCCDDEEFF"), "00112233-4455-6677-8899-aabbccddeeff");
  for (const auto* bad :
       {"a=", "a={00112233-4455-6677-8899-aabbccddeeff}", "a=00112233445566778899aabbccddeeff",
        "a=00112233-4455-6677-8899-aabbccddeefg"}) {
    EXPECT_EQ(read(bad), "bad") << bad;
  }
}

TEST(Query, ReadsTimestamps) {
  const auto parsed = Query::parse("a=2026-01-31T12:00:00%2B01:00&b=2026-02-30", kKnown);
  EXPECT_EQ(parsed->timestamp("a")->value(),
            std::chrono::sys_days(std::chrono::year(2026) / 1 / 31) + std::chrono::hours(11));
  EXPECT_TRUE(parsed->timestamp("b").has_error());
  EXPECT_FALSE(parsed->timestamp("é")->has_value());
}

TEST(Timestamps, HaveOneForm) {
  for (const auto* bad : {"",
                          "2026",
                          "2026-1-31",
                          "2026-01-32",
                          "2026-13-01",
                          "2026-00-10",
                          "2026-01-00",
                          "2025-02-29",
                          "1900-02-29",
                          "2026-01-31T",
                          "2026-01-31 12:00:00Z",
                          "2026-01-31T12:00Z",
                          "2026-01-31T12:00:00",
                          "2026-01-31T24:00:00Z",
                          "2026-01-31T12:60:00Z",
                          "2026-01-31T12:00:60Z",
                          "2026-01-31T12:00:00.Z",
                          "2026-01-31T12:00:00,5Z",
                          "2026-01-31T12:00:00+1:00",
                          "2026-01-31T12:00:00+01",
                          "2026-01-31T12:00:00+0100",
                          "2026-01-31T12:00:00+24:00",
                          "2026-01-31T12:00:00Zx",
                          "2026-01-31T12:00:00Z ",
                          " 2026-01-31",
                          "-2026-01-31",
                          "20260131",
                          "2026-01-31T-1:00:00Z",
                          "2026-01-31T12:00:00.1234567890123Z",
                          "now",
                          "infinity",
                          "9999-12-31T23:59:59-00:01",
                          "0000-01-01T00:00:00+00:01"}) {
    EXPECT_FALSE(parse_timestamp(bad)) << bad;
  }
}

// PostgreSQL's own reading is the oracle.
TEST(Timestamps, AreWhatPostgresReads) {
  std::mt19937 random(11);
  const auto roll = [&](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  std::vector<std::string> texts = {"2026-01-31", "2024-02-29T00:00:00Z",
                                    "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z",
                                    "9999-12-31T23:59:59.999999Z"};
  while (texts.size() < 1000) {
    auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", 2 + roll(9900), 1 + roll(12),
                            1 + roll(28), roll(24), roll(60), roll(60));
    // PostgreSQL rounds what is behind six digits, and here it is cut off: no more than six.
    if (const int digits = roll(7); digits > 0) {
      text += '.';
      for (int i = 0; i < digits; ++i) text += static_cast<char>('0' + roll(10));
    }
    text += roll(3) == 0
                ? "Z"
                : fmt::format("{}{:02}:{:02}", roll(2) == 0 ? '+' : '-', roll(15), roll(60));
    texts.push_back(std::move(text));
  }
  std::string values;
  for (const auto& text : texts) values += (values.empty() ? "('" : ", ('") + text + "')";
  const testing::TestDatabase database;
  const auto rows = database.query(
      "set timezone = 'UTC'; select (extract(epoch from t::timestamptz) * 1000000)::bigint from "
      "(values " +
      values + ") v(t)");
  ASSERT_GE(rows.size(), texts.size());
  const auto offset = rows.size() - texts.size();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto time = parse_timestamp(texts[i]);
    ASSERT_TRUE(time) << texts[i];
    EXPECT_EQ(std::to_string(time->time_since_epoch().count()), rows[i + offset][0]) << texts[i];
  }
}

TEST(Timestamps, CountSixDigitsOfASecond) {
  EXPECT_EQ(parse_timestamp("2026-01-31T12:00:00.123456999Z"),
            parse_timestamp("2026-01-31T12:00:00.123456Z"));
}

}  // namespace
}  // namespace lyceum::server
