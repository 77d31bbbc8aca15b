#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pg/copy.h"
#include "run.h"

namespace lyceum::pg {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class ScriptTest : public DatabaseTest {
 protected:
  void SetUp() override { connection = loop.connect(database().url()); }
  void TearDown() override {
    // Whatever a test did, the connection works on in pipeline mode.
    if (!connection->closed()) {
      auto answer = loop.execute(*connection, Statement{"still", "select 5::int4", Access::read});
      EXPECT_TRUE(answer.has_value() && answer->value<std::int32_t>() == 5);
    }
    connection->close();
  }
  std::string value(const std::string& sql) { return database().value(sql); }
  std::shared_ptr<Connection> connection;
};

TEST_F(ScriptTest, SeveralStatementsGiveTheirRowsAsText) {
  auto done =
      loop.script(*connection,
                  "create table s_one (id int4); insert into s_one values (1), (2); select id, "
                  "id = 1 as first from s_one order by id; select");
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  ASSERT_EQ(done->size(), 4U);
  EXPECT_EQ((*done)[1].affected(), 2);
  EXPECT_EQ((*done)[2][1].get<std::string>(0), "2");
  EXPECT_EQ((*done)[2][0].get<std::string_view>(1), "t");
  // Four bytes of text are not an int4.
  auto digits = loop.script(*connection, "select 1234::int4");
  EXPECT_THROW((void)digits.value()[0].value<std::int32_t>(), Exception);
}

TEST_F(ScriptTest, AFailureRollsBackTheWholeText) {
  auto done = loop.script(*connection, "create table s_two (id int4); select 1/0; select 2");
  ASSERT_TRUE(done.has_error());
  EXPECT_EQ(done.error().sqlstate, "22012");
  EXPECT_FALSE(done.error().may_have_taken_effect);
  EXPECT_EQ(value("select to_regclass('s_two') is null"), "t");
  EXPECT_EQ(loop.script(*connection, "selekt").error().sqlstate, "42601");
}

TEST_F(ScriptTest, WhatATextCommittedBeforeItFailedIsSaid) {
  auto done = loop.script(*connection, "begin; create table s_three (id int4); commit; select 1/0");
  ASSERT_TRUE(done.has_error());
  EXPECT_TRUE(done.error().may_have_taken_effect);
  EXPECT_EQ(value("select to_regclass('s_three') is null"), "f");
}

TEST_F(ScriptTest, ATransactionMayStayOpenAcrossScripts) {
  ASSERT_TRUE(loop.script(*connection, "begin; create table s_four (id int4)").has_value());
  EXPECT_TRUE(connection->transaction_open());
  ASSERT_TRUE(loop.script(*connection, "rollback").has_value());
  EXPECT_FALSE(connection->transaction_open());
}

TEST_F(ScriptTest, EmptyAndManyAndLargeTexts) {
  EXPECT_TRUE(loop.script(*connection, "").has_value());
  EXPECT_TRUE(loop.script(*connection, " ; ; -- nothing").has_value());
  std::string many;
  for (int i = 0; i < 500; ++i) many += "select 1;";
  EXPECT_EQ(loop.script(*connection, many).value().size(), 500U);
  const std::string large = "select length('" + std::string(10'000'000, 'x') + "')";
  EXPECT_EQ(loop.script(*connection, large).value()[0].value<std::string>(), "10000000");
  auto wide = loop.script(*connection, "select repeat('y', 10000000)");
  EXPECT_EQ(wide.value()[0].value<std::string_view>().size(), 10'000'000U);
}

TEST_F(ScriptTest, PastItsDeadlineItIsCancelledAndTheConnectionStays) {
  const auto begun = Clock::now();
  auto done = loop.script(*connection, "create table s_five (a int); select pg_sleep(30)",
                          begun + milliseconds(100));
  ASSERT_TRUE(done.has_error());
  EXPECT_EQ(done.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(done.error().sqlstate, "57014");
  EXPECT_LT(Clock::now() - begun, seconds(10));
  EXPECT_FALSE(connection->closed());
  EXPECT_EQ(value("select to_regclass('s_five') is null"), "t");
}

TEST_F(ScriptTest, CopyInAScriptIsRefusedNotWaitedFor) {
  database().query(
      "create table s_six (a int); insert into s_six select generate_series(1, 100000)");
  for (const char* text : {"copy s_six from stdin", "copy s_six to stdout",
                           "copy s_six to stdout; copy s_six from stdin"}) {
    auto done = loop.script(*connection, text);
    ASSERT_TRUE(done.has_error()) << text;
    EXPECT_EQ(done.error().code, ErrorCode::kBadInput) << done.error().to_string();
    EXPECT_FALSE(connection->closed()) << text;
  }
  EXPECT_EQ(value("select count(*) from s_six"), "100000");
}

TEST_F(ScriptTest, NothingElseMayBeUnderWay) {
  const Params none;
  const Statement slow{"", "select pg_sleep(0.1)", Access::read};
  Recorded running(slow, none);
  connection->submit(running);
  EXPECT_EQ(loop.script(*connection, "select 1").error().code, ErrorCode::kInternal);
  loop.until([&] { return running.times > 0; });
  EXPECT_TRUE(running.result->has_value());

  database().query("create table s_seven (a int)");
  ASSERT_TRUE(loop.run(connection->copy_in_begin("copy s_seven from stdin")).has_value());
  EXPECT_EQ(loop.script(*connection, "select 1").error().code, ErrorCode::kInternal);
  EXPECT_EQ(loop.execute(*connection, slow).error().code, ErrorCode::kInternal);
  EXPECT_EQ(loop.run(connection->copy_in_finish()).value(), 0);
  EXPECT_EQ(loop.run(connection->copy_in_write("1\n")).error().code, ErrorCode::kInternal);
  EXPECT_EQ(loop.run(connection->copy_in_finish()).error().code, ErrorCode::kInternal);
}

// ── COPY in ──────────────────────────────────────────────────────────────────────────────────────

TEST_F(ScriptTest, CopyStoresWhatTheBufferHolds) {
  database().query(
      "create table c_all (a bool, b int2, c int4, d int8, e float8, f numeric, g text, h "
      "bytea, i uuid, j date, k timestamptz, l jsonb, m int4[], n text)");
  CopyBuffer buffer;
  const auto id = parse_uuid("0190c0de-1234-4abc-8def-00112233aaff").value();
  const auto moment = Timestamp(std::chrono::sys_days(std::chrono::year(2024) / 2 / 29)) +
                      std::chrono::microseconds(1);
  buffer.row(true, std::int16_t{-2}, std::int32_t{3}, std::int64_t{-4}, 0.5, Numeric{"-12.340"},
             std::string("é,\"\n\\N😀"), Bytes{std::byte{0}, std::byte{255}}, id,
             Date(std::chrono::year(1999) / 12 / 31), moment, Json{"{\"a\": 1}"},
             std::vector<std::optional<std::int32_t>>{1, std::nullopt}, "literal");
  const std::optional<std::string> null;
  buffer.row(std::optional<bool>(), std::optional<std::int16_t>(), std::optional<std::int32_t>(),
             std::optional<std::int64_t>(), std::optional<double>(), std::optional<Numeric>(), null,
             std::optional<Bytes>(), std::optional<Uuid>(), std::optional<Date>(),
             std::optional<Timestamp>(), std::optional<Json>(),
             std::optional<std::vector<std::int32_t>>(), std::string_view(""));
  buffer.trailer();
  ASSERT_TRUE(
      loop.run(connection->copy_in_begin("copy c_all from stdin (format binary)")).has_value());
  ASSERT_TRUE(loop.run(connection->copy_in_write(buffer.bytes())).has_value());
  EXPECT_EQ(loop.run(connection->copy_in_finish()).value(), 2);
  const auto rows = database().query("set timezone to 'UTC'; select * from c_all");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0], (lyceum::testing::Row{"t", "-2", "3", "-4", "0.5", "-12.340", "é,\"\n\\N😀",
                                           "\\x00ff", "0190c0de-1234-4abc-8def-00112233aaff",
                                           "1999-12-31", "2024-02-29 00:00:00.000001+00",
                                           "{\"a\": 1}", "{1,NULL}", "literal"}));
  EXPECT_EQ(rows[1][0], lyceum::testing::kNull);
  EXPECT_EQ(rows[1][12], lyceum::testing::kNull);
  EXPECT_EQ(rows[1][13], "");
}

TEST_F(ScriptTest, ABadRowOrAnAbortStoresNothing) {
  database().query("create table c_bad (id int4 primary key, check (id < 1000000))");
  struct Case {
    std::string data, sqlstate;
  };
  std::string long_tail = "1\n1000000\n";
  for (int i = 2; i < 300'000; ++i) long_tail += std::to_string(i) + '\n';
  for (const auto& [data, sqlstate] :
       {Case{"1\nx\n2\n", "22P02"}, Case{"1\n1\n", "23505"}, Case{long_tail, "23514"}}) {
    ASSERT_TRUE(loop.run(connection->copy_in_begin("copy c_bad from stdin")).has_value());
    auto wrote = loop.run(connection->copy_in_write(data));
    const auto error =
        wrote.has_error() ? wrote.error() : loop.run(connection->copy_in_finish()).error();
    EXPECT_EQ(error.sqlstate, sqlstate);
    EXPECT_FALSE(error.may_have_taken_effect);
    EXPECT_FALSE(connection->closed());
    EXPECT_EQ(value("select count(*) from c_bad"), "0");
  }
  ASSERT_TRUE(loop.run(connection->copy_in_begin("copy c_bad from stdin")).has_value());
  ASSERT_TRUE(loop.run(connection->copy_in_write("1\n2\n")).has_value());
  loop.run(connection->copy_in_abort("the caller changed its mind"));
  EXPECT_FALSE(connection->closed());
  EXPECT_EQ(value("select count(*) from c_bad"), "0");
}

TEST_F(ScriptTest, WhatIsNoCopyIsRefused) {
  database().query("create table c_not (id int4)");
  for (const char* text : {"select 1", "copy c_not to stdout", ""}) {
    auto begun = loop.run(connection->copy_in_begin(text));
    ASSERT_TRUE(begun.has_error()) << text;
    EXPECT_EQ(begun.error().code, ErrorCode::kBadInput) << text;
    EXPECT_FALSE(connection->closed());
  }
  EXPECT_EQ(loop.run(connection->copy_in_begin("copy nowhere from stdin")).error().sqlstate,
            "42P01");
  const auto ignore = [](std::string_view) {};
  for (const char* text : {"select 1", "copy c_not from stdin", ""}) {
    auto out = loop.run(connection->copy_out(text, ignore));
    ASSERT_TRUE(out.has_error()) << text;
    EXPECT_EQ(out.error().code, ErrorCode::kBadInput) << text;
    EXPECT_FALSE(connection->closed());
  }
  EXPECT_EQ(loop.run(connection->copy_out("copy nowhere to stdout", ignore)).error().sqlstate,
            "42P01");
}

// A sanitizer keeps freed memory for a while, so that its size says nothing.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kMemoryIsHeldBack = true;
#else
constexpr bool kMemoryIsHeldBack = false;
#endif
#else
constexpr bool kMemoryIsHeldBack = false;
#endif

long resident_kilobytes() {
  std::ifstream file("/proc/self/statm");
  long total = 0, resident = 0;
  file >> total >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

TEST_F(ScriptTest, ALargeCopyTakesBoundedMemory) {
  database().query("create unlogged table c_large (line text)");
  ASSERT_TRUE(loop.run(connection->copy_in_begin("copy c_large from stdin")).has_value());
  const std::string piece = std::string(999'999, 'x') + "\n";
  const auto before = resident_kilobytes();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(loop.run(connection->copy_in_write(piece)).has_value());
  }
  EXPECT_EQ(loop.run(connection->copy_in_finish()).value(), 100);
  if (!kMemoryIsHeldBack) EXPECT_LT(resident_kilobytes() - before, 40'000);
  EXPECT_EQ(value("select sum(length(line)) from c_large"), "99999900");

  std::size_t bytes = 0;
  const auto again = resident_kilobytes();
  EXPECT_EQ(loop.run(connection->copy_out("copy c_large to stdout",
                                          [&](std::string_view row) { bytes += row.size(); }))
                .value(),
            100);
  EXPECT_EQ(bytes, 100'000'000U);
  if (!kMemoryIsHeldBack) EXPECT_LT(resident_kilobytes() - again, 40'000);
}

// ── COPY out ─────────────────────────────────────────────────────────────────────────────────────

TEST_F(ScriptTest, CopyOutGivesEachRow) {
  std::string text;
  EXPECT_EQ(loop.run(connection->copy_out(
                         "copy (select i, null::int from generate_series(1, 3) i) to stdout",
                         [&](std::string_view row) { text += row; }))
                .value(),
            3);
  EXPECT_EQ(text, "1\t\\N\n2\t\\N\n3\t\\N\n");
  EXPECT_EQ(loop.run(connection->copy_out("copy (select 1 where false) to stdout (format binary)",
                                          [](std::string_view) {}))
                .value(),
            0);
  auto failing = loop.run(
      connection->copy_out("copy (select 10 / (3 - i) from generate_series(1, 5) i) to stdout",
                           [](std::string_view) {}));
  EXPECT_EQ(failing.error().sqlstate, "22012");
}

TEST_F(ScriptTest, BinaryGoesOutAndInAgain) {
  database().query(
      "create table c_from as select i, md5(i::text) as text from generate_series(1, 5000) i; "
      "create table c_to (like c_from)");
  std::string all;
  EXPECT_EQ(loop.run(connection->copy_out("copy c_from to stdout (format binary)",
                                          [&](std::string_view piece) { all += piece; }))
                .value(),
            5000);
  ASSERT_TRUE(
      loop.run(connection->copy_in_begin("copy c_to from stdin (format binary)")).has_value());
  // In pieces that end anywhere.
  for (std::size_t at = 0; at < all.size(); at += 777) {
    ASSERT_TRUE(
        loop.run(connection->copy_in_write(std::string_view(all).substr(at, 777))).has_value());
  }
  EXPECT_EQ(loop.run(connection->copy_in_finish()).value(), 5000);
  EXPECT_EQ(value("select count(*) from (table c_from except table c_to) x"), "0");
}

TEST_F(ScriptTest, WhatTheReaderThrowsEndsTheConnection) {
  EXPECT_THROW((void)loop.run(connection->copy_out(
                   "copy (select generate_series(1, 100000)) to stdout",
                   [](std::string_view) { throw std::runtime_error("enough"); })),
               std::runtime_error);
  EXPECT_TRUE(connection->closed());
}

TEST_F(ScriptTest, ACopyPastItsDeadlineEnds) {
  auto out = loop.run(connection->copy_out(
      "copy (select pg_sleep(30)) to stdout", [](std::string_view) {},
      Clock::now() + milliseconds(50)));
  EXPECT_EQ(out.error().code, ErrorCode::kTimeout);
  EXPECT_FALSE(connection->closed());
}

}  // namespace
}  // namespace lyceum::pg
