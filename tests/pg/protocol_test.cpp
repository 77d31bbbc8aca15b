#include "pg/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pg/input.h"
#include "pg/output.h"
#include "pg/rows.h"

namespace lyceum::pg::protocol {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string int16(int value) {
  std::string out;
  wire::put(out, static_cast<std::int16_t>(value));
  return out;
}
std::string int32(std::int64_t value) {
  std::string out;
  wire::put(out, static_cast<std::int32_t>(value));
  return out;
}
std::string text(std::string_view value) {
  return std::string(value) + '\0';
}
std::string message(char tag, const std::string& body) {
  return tag + int32(static_cast<std::int64_t>(body.size()) + 4) + body;
}
// Two columns, the second in text.
std::string two_columns() {
  return int16(2) + text("id") + int32(16384) + int16(1) + int32(oid::kInt4) + int16(4) +
         int32(-1) + int16(1) + text("name") + int32(0) + int16(0) + int32(oid::kText) + int16(-1) +
         int32(-1) + int16(0);
}

TEST(Protocol, WeSayWhatTheDocumentationSays) {
  std::string out;
  const Params params(std::int32_t{7}, std::optional<bool>(), std::string(""));
  put_parse(out, "s1", "select $1", params.items());
  put_bind(out, "s1", params);
  put_bind(out, "t1", "abc");
  put_describe_portal(out);
  put_execute(out);
  put_sync(out);
  put_query(out, "select 1");
  put_copy_data(out, std::string_view("a\0b", 3));
  put_copy_done(out);
  put_copy_fail(out, "no");
  EXPECT_EQ(
      out, message('P', text("s1") + text("select $1") + int16(3) + int32(oid::kInt4) +
                            int32(oid::kBool) + int32(oid::kText)) +
               message('B', text("") + text("s1") + int16(1) + int16(1) + int16(3) + int32(4) +
                                int32(7) + int32(-1) + int32(0) + int16(1) + int16(1)) +
               message('B', text("") + text("t1") + int16(0) + int16(1) + int32(3) + "abc" +
                                int16(1) + int16(1)) +
               message('D', "P" + text("")) + message('E', text("") + int32(0)) + message('S', "") +
               message('Q', text("select 1")) + message('d', std::string("a\0b", 3)) +
               message('c', "") + message('f', text("no")));
}

TEST(Protocol, WhatCannotBeSaidIsRefused) {
  EXPECT_EQ(refusal("select 1", Params(1)), std::nullopt);
  EXPECT_THAT(refusal(std::string_view("select 'a\0b'", 12), Params()).value(), HasSubstr("NUL"));
  Params many;
  for (int i = 0; i < 65535; ++i) many.add(i);
  EXPECT_EQ(refusal("select 1", many), std::nullopt);
  many.add(1);
  EXPECT_THAT(refusal("select 1", many).value(), HasSubstr("65,535"));
}

TEST(Protocol, AMessageIsCompleteWithItsLastByte) {
  const auto bytes = message('C', text("SELECT 3")) + message('Z', "I");
  const auto first = bytes.size() - 6;
  Message out{};
  std::size_t needed = 0;
  for (std::size_t size = 0; size < first; ++size) {
    EXPECT_EQ(read_message(std::string_view(bytes).substr(0, size), out, needed),
              Framing::incomplete);
    EXPECT_EQ(needed, size < 5 ? 0 : first);
  }
  ASSERT_EQ(read_message(bytes, out, needed), Framing::complete);
  EXPECT_EQ(out.tag, Tag::command_complete);
  EXPECT_EQ(out.size, first);
  EXPECT_EQ(read_command(out.body), "SELECT 3");
  ASSERT_EQ(read_message(std::string_view(bytes).substr(first), out, needed), Framing::complete);
  EXPECT_EQ(read_transaction_status(out.body), 'I');
}

TEST(Protocol, WhatNoServerSendsIsBroken) {
  Message out{};
  std::size_t needed = 0;
  const auto framing = [&](const std::string& bytes) { return read_message(bytes, out, needed); };
  EXPECT_EQ(framing("HTTP/1.1 400"), Framing::broken) << "far too long for its kind";
  EXPECT_EQ(framing("x"), Framing::broken);
  EXPECT_EQ(framing("Z" + int32(3)), Framing::broken);
  EXPECT_EQ(framing("D" + int32(-1)), Framing::broken);
  EXPECT_EQ(framing("Z" + int32(30'001)), Framing::broken);
  EXPECT_EQ(framing("D" + int32(30'001)), Framing::incomplete);
  for (const char* status : {"", "X", "II"}) EXPECT_EQ(read_transaction_status(status), '\0');
}

TEST(Protocol, ColumnsAreReadWholeOrNotAtAll) {
  const auto body = two_columns();
  const auto columns = read_columns(body);
  ASSERT_TRUE(columns);
  ASSERT_EQ(columns->size(), 2U);
  EXPECT_EQ((*columns)[0].name, "id");
  EXPECT_EQ((*columns)[0].type, oid::kInt4);
  EXPECT_FALSE((*columns)[0].text);
  EXPECT_EQ((*columns)[1].name, "name");
  EXPECT_TRUE((*columns)[1].text);
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(read_columns(std::string_view(body).substr(0, size))) << size;
  }
  EXPECT_FALSE(read_columns(body + "x"));
  EXPECT_FALSE(read_columns(int16(-1)));
}

TEST(Protocol, RowsAreAddedWholeOrNotAtAll) {
  const auto columns = read_columns(two_columns());
  const auto row = int16(2) + int32(4) + int32(7) + int32(3) + "Ada";
  const auto null = int16(2) + int32(-1) + int32(0);
  Rows rows(columns);
  ASSERT_TRUE(rows.add(row));
  ASSERT_TRUE(rows.add(null));
  rows.complete("SELECT 2");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].get<std::int32_t>(0), 7);
  EXPECT_EQ(rows[0].get<std::string>(1), "Ada");
  EXPECT_TRUE(rows[1].is_null(0));
  EXPECT_FALSE(rows[1].is_null(1));
  EXPECT_EQ(rows[1].bytes(1), "");
  EXPECT_EQ(rows.affected(), 2);
  // Moved, its rows stay where they are.
  const auto name = rows[0].bytes(1);
  const auto moved = std::move(rows);
  EXPECT_EQ(moved[0].bytes(1).data(), name.data());

  for (std::size_t size = 0; size < row.size(); ++size) {
    EXPECT_FALSE(Rows(columns).add(std::string_view(row).substr(0, size))) << size;
  }
  EXPECT_FALSE(Rows(columns).add(row + "x"));
  EXPECT_FALSE(Rows(columns).add(int16(1) + int32(-1)));
  EXPECT_FALSE(Rows(columns).add(int16(2) + int32(-2) + int32(0)));
  EXPECT_FALSE(Rows(nullptr).add(int16(0)));
}

TEST(Protocol, AReportTellsWhatMatters) {
  const auto body = "S" + text("FATAL") + "V" + text("ERROR") + "C" + text("23505") + "M" +
                    text("no") + "H" + text("try") + "?" + text("new") + std::string(1, '\0');
  const auto report = read_report(body);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->severity, "ERROR");
  EXPECT_EQ(report->sqlstate, "23505");
  EXPECT_EQ(report->message, "no");
  EXPECT_EQ(report->hint, "try");
  EXPECT_FALSE(report->farewell());
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(read_report(std::string_view(body).substr(0, size))) << size;
  }
  EXPECT_TRUE(read_report("V" + text("FATAL") + std::string(1, '\0'))->farewell());
}

TEST(Protocol, ASideWordIsReadWholeOrNotAtAll) {
  const auto notification = int32(42) + text("news") + text("payload");
  EXPECT_EQ(read_notification(notification)->payload, "payload");
  const auto setting = text("TimeZone") + text("UTC");
  EXPECT_EQ(read_parameter_status(setting)->value, "UTC");
  for (std::size_t size = 0; size < notification.size(); ++size) {
    EXPECT_FALSE(read_notification(std::string_view(notification).substr(0, size)));
  }
  for (std::size_t size = 0; size < setting.size(); ++size) {
    EXPECT_FALSE(read_parameter_status(std::string_view(setting).substr(0, size)));
  }
}

// What goes in comes out, in pieces of any size, and memory follows the largest message.
TEST(Input, GivesWhatCameInAndGrowsAndShrinks) {
  Input input;
  std::string all, seen;
  for (std::size_t i = 0; i < 3'000'000; ++i) all.push_back(static_cast<char>(i * 7919 >> 3));
  std::size_t put = 0, piece = 1;
  while (seen.size() < all.size()) {
    input.room(seen.size() < 2'000'000 ? 1'500'000 : 0);
    ASSERT_GT(input.free_size(), 0U);
    const auto count = std::min({input.free_size(), piece, all.size() - put});
    all.copy(input.free_begin(), count, put);
    input.commit(count);
    put += count;
    piece = piece % 50'021 + 977;
    const auto view = input.view();
    const auto take = put == all.size() ? view.size() : view.size() / 3;
    seen += view.substr(0, take);
    input.consume(take);
  }
  EXPECT_EQ(seen, all);
  // A length alone is not believed.
  Input cautious;
  cautious.room(1'000'000'000);
  EXPECT_LE(cautious.free_size(), Input::kUsual);
}

TEST(Output, KnowsWhatHasLeft) {
  Output output;
  EXPECT_EQ(output.end(), 0U);
  output.bytes() += "abc";
  EXPECT_EQ(output.end(), 3U);
  output.sent(2);
  EXPECT_EQ(output.left(), "c");
  EXPECT_EQ(output.sent(), 2U);
  output.bytes() += "de";
  EXPECT_EQ(output.end(), 5U);
  EXPECT_EQ(output.left(), "cde");
  output.sent(3);
  EXPECT_TRUE(output.empty());
  EXPECT_EQ(output.end(), 5U);
  EXPECT_EQ(output.sent(), 5U);
}

}  // namespace
}  // namespace lyceum::pg::protocol
