#include "base/log.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <random>
#include <thread>

#include "base/escape.h"
#include "base/slow_log.h"

namespace lyceum {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

struct Captured {
  explicit Captured(LogFormat format, LogLevel least = LogLevel::debug)
      : log(least, format, clock,
            [this](LogLevel, std::string_view line) { lines.emplace_back(line); }) {}
  FakeClock clock;
  Lines lines;
  Log log;
};

TEST(Log, WritesOneLineOfText) {
  Captured captured(LogFormat::text);
  captured.clock.advance(1500us);
  captured.log.info("listening", {{"port", 8080}, {"address", "127.0.0.1"}, {"took", 2500us}});
  EXPECT_EQ(captured.lines, Lines{"1970-01-01T01:00:00.001500Z info listening port=8080 "
                                  "address=127.0.0.1 took_ms=2.5"});
}

TEST(Log, WritesOneLineOfJson) {
  Captured captured(LogFormat::json);
  captured.log.warning("slow statement", {{"rows", std::uint64_t{3}},
                                          {"ratio", 0.5},
                                          {"nan", std::numeric_limits<double>::quiet_NaN()},
                                          {"retried", true},
                                          {"negative", -7},
                                          {"password", Secret("hunter2")},
                                          {"text", std::string("a\nb")}});
  EXPECT_EQ(captured.lines,
            Lines{R"({"time":"1970-01-01T01:00:00.000000Z","level":"warning",)"
                  R"("event":"slow statement","rows":3,"ratio":0.5,"nan":null,"retried":true,)"
                  R"("negative":-7,"password":"***","text":"a\nb"})"});
}

TEST(Log, LevelsBelowTheLeastAreNotWritten) {
  Captured captured(LogFormat::text, LogLevel::warning);
  captured.log.debug("a");
  captured.log.info("b");
  captured.log.warning("c");
  captured.log.error("d");
  ASSERT_EQ(captured.lines.size(), 2U);
  EXPECT_TRUE(captured.log.writes(LogLevel::error));
  EXPECT_FALSE(captured.log.writes(LogLevel::info));
  Captured silent(LogFormat::text, LogLevel::off);
  silent.log.error("e");
  silent.log.write(LogLevel::off, "f", {});
  EXPECT_TRUE(silent.lines.empty());
}

TEST(Log, AnErrorBecomesItsParts) {
  Captured captured(LogFormat::text);
  Error error;
  error.code = ErrorCode::kSql;
  error.message = "duplicate key";
  error.sqlstate = "23505";
  error.node = "h:5432/db";
  captured.log.error("write failed", error, {{"tenant", "t1"}});
  EXPECT_EQ(captured.lines,
            Lines{"1970-01-01T01:00:00.000000Z error write failed tenant=t1 code=sql "
                  "message=\"duplicate key\" sqlstate=23505 node=h:5432/db"});
}

TEST(Log, BracesAreData) {
  Captured captured(LogFormat::text);
  captured.log.info("{} %v %s", {{"value", "{0}"}});
  EXPECT_EQ(captured.lines, Lines{"1970-01-01T01:00:00.000000Z info {} %v %s value={0}"});
}

// Random bytes: each event is one line of valid UTF-8 without control characters, and what Boost's
// parser reads back is what went in, wherever that was valid.
TEST(Log, WhateverAValueHoldsItIsOneLine) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string value;
    const auto size = random() % 12;
    const bool ascii = random() % 2 == 0;
    while (value.size() < size) value += static_cast<char>(random() % (ascii ? 128 : 256));
    Captured json(LogFormat::json);
    json.log.info(value, {{value, value}});
    Captured text(LogFormat::text);
    text.log.info(value, {{value, value}});
    for (const auto& line : {json.lines.at(0), text.lines.at(0)}) {
      for (const char c : line) {
        EXPECT_GE(static_cast<unsigned char>(c), 0x20);
        EXPECT_NE(c, 0x7F);
      }
    }
    boost::json::error_code failed;
    const auto parsed = boost::json::parse(json.lines.at(0), failed);
    ASSERT_FALSE(failed) << json.lines.at(0);
    if (ascii && value != "time" && value != "level" && value != "event") {
      EXPECT_EQ(parsed.at("event").as_string(), value);
      EXPECT_EQ(parsed.at(value).as_string(), value);
    }
  }
}

TEST(Escape, ReplacesWhatIsNotUtf8AndKeepsWhatIs) {
  const auto json = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  EXPECT_EQ(json("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80"), "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\"");
  EXPECT_EQ(json("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"") << "overlong";
  EXPECT_EQ(json("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"") << "a surrogate";
  EXPECT_EQ(json("\xF4\x90\x80\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(json("\xE2\x82"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"") << "cut short";
  EXPECT_EQ(json("\xE2\x80\xAE\xC2\x9B\x1B[2J"), R"("\u202e\u009b\u001b[2J")");
  EXPECT_EQ(json(std::string_view("a\0b", 3)), R"("a\u0000b")");
  std::string plain;
  append_quoted_if_needed(plain, "");
  append_quoted_if_needed(plain, "a b");
  append_quoted_if_needed(plain, "a=b");
  append_quoted_if_needed(plain, "ab");
  EXPECT_EQ(plain, R"("""a b""a=b"ab)");
}

TEST(Log, ThreadsDoNotMixTheirLines) {
  Captured captured(LogFormat::text);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&captured, t] {
      for (int i = 0; i < 500; ++i) captured.log.info("tick", {{"thread", t}});
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_EQ(captured.lines.size(), 2000U);
  std::map<std::string, int> seen;
  for (const auto& line : captured.lines) ++seen[line];
  EXPECT_EQ(seen.size(), 4U);
  for (const auto& [line, count] : seen) EXPECT_EQ(count, 500) << line;
}

// ---- The slow log ------------------------------------------------------------------------------

constexpr Statement kSlow = {"learning.stories_page", "select 1"};

FinishedStatement slow_call() {
  FinishedStatement call;
  call.statement = &kSlow;
  call.total = 1200ms;
  call.queue = 100ms;
  call.server = 1000ms;
  call.node = "h:5432/db";
  call.rows = 20;
  return call;
}

TEST(SlowLog, LogsWhatTookLongerThanTheThreshold) {
  auto call = slow_call();
  const auto slow = judge_slow(call, {});
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->name, "learning.stories_page");
  EXPECT_EQ(slow->total, 1200ms);
  EXPECT_EQ(slow->queue, 100ms);
  EXPECT_EQ(slow->server, Duration(1000ms));
  EXPECT_EQ(slow->node, "h:5432/db");
  EXPECT_EQ(slow->rows, 20U);
  EXPECT_TRUE(slow->tenant.empty());
  call.total = 1000ms;
  EXPECT_FALSE(judge_slow(call, {})) << "not longer than the threshold";
  EXPECT_TRUE(judge_slow(call, {.threshold = 999ms}));
  call.total = 1h;
  EXPECT_FALSE(judge_slow(call, {.threshold = 0s})) << "off";
}

TEST(SlowLog, DescribesParametersOnlyWhenNeededAndWithoutValuesUnlessAsked) {
  int described = 0;
  bool with_values = false;
  const DescribeParameters describe = [&](bool values) {
    ++described;
    with_values = values;
    return std::vector<ParameterDescription>{
        {"uuid", 16, false, "0190c0de"}, {"text", 7, false, "hunter2"}, {"date", 0, true, {}}};
  };
  auto call = slow_call();
  call.total = 1ms;
  EXPECT_FALSE(judge_slow(call, {}, describe));
  EXPECT_EQ(described, 0);
  call.total = 2s;
  EXPECT_EQ(judge_slow(call, {}, describe)->parameters,
            "$1 uuid 16 bytes, $2 text 7 bytes, $3 date null")
      << "although this describer brings values unasked";
  EXPECT_FALSE(with_values);
  EXPECT_EQ(judge_slow(call, {.log_parameters = true}, describe)->parameters,
            "$1 uuid '0190c0de', $2 text 'hunter2', $3 date null");
  EXPECT_TRUE(with_values);
  EXPECT_EQ(judge_slow(call, {.log_parameters = true, .longest_value = 3}, describe)->parameters,
            "$1 uuid '019'... (8 bytes), $2 text 'hun'... (7 bytes), $3 date null");
}

TEST(SlowLog, CutsALongValueBetweenCharacters) {
  const auto slow = judge_slow(slow_call(), {.log_parameters = true, .longest_value = 4}, [](bool) {
    return std::vector<ParameterDescription>{
        {"text", 9, false, "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC"}};
  });
  EXPECT_EQ(slow->parameters, "$1 text '\xE2\x82\xAC'... (9 bytes)");
}

TEST(SlowLog, IsALineOfTheLog) {
  Captured captured(LogFormat::text);
  auto call = slow_call();
  Error error;
  error.code = ErrorCode::kTimeout;
  call.error = &error;
  call.tenant = *parse_uuid("0190c0de-1234-4abc-8def-00112233aaff");
  write_slow_statement(captured.log, *judge_slow(call, {}));
  EXPECT_EQ(captured.lines,
            Lines{"1970-01-01T01:00:00.000000Z warning slow statement "
                  "statement=learning.stories_page duration_ms=1200 queue_ms=100 rows=20 "
                  "server_ms=1000 node=h:5432/db tenant=0190c0de-1234-4abc-8def-00112233aaff "
                  "error=timeout"});
}

}  // namespace
}  // namespace lyceum
