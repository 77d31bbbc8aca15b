#include "learning/load_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "load_files.h"

namespace lyceum::learning::load {
namespace {

using testing::HasSubstr;

std::vector<std::string> all_of(const std::string& file) {
  auto reader = LineReader::open(file).value();
  std::vector<std::string> out;
  while (auto line = reader.next().value()) out.emplace_back(*line);
  return out;
}

TEST(LoadLines, GivesEveryLineOnce) {
  Files files;
  using Lines = std::vector<std::string>;
  EXPECT_EQ(all_of(files.write("a", "")), Lines{});
  EXPECT_EQ(all_of(files.write("b", "\n")), Lines{""});
  EXPECT_EQ(all_of(files.write("c", "x")), Lines{"x"});
  EXPECT_EQ(all_of(files.write("d", "x\ny\n")), (Lines{"x", "y"}));
  EXPECT_EQ(all_of(files.write("e", "x\r\n\ny")), (Lines{"x\r", "", "y"}));
  EXPECT_EQ(all_of(files.write("f", "\xEF\xBB\xBFx\n")), Lines{"x"});
}

TEST(LoadLines, CountsLinesAndBytesAcrossBlocks) {
  Files files;
  std::mt19937_64 random(7);
  std::vector<std::string> lines;
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    lines.emplace_back(random() % 700, static_cast<char>('a' + i % 26));
    text += lines.back() + '\n';
  }
  auto reader = LineReader::open(files.write("big", text)).value();
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto line = reader.next().value();
    ASSERT_TRUE(line);
    ASSERT_EQ(*line, lines[i]);
    ASSERT_EQ(reader.line(), i + 1);
    ASSERT_EQ(reader.offset(), offset);
    offset += lines[i].size() + 1;
  }
  EXPECT_FALSE(reader.next().value());
}

TEST(LoadLines, NamesWhatIsNoText) {
  Files files;
  const auto second = [&](std::string_view text) {
    auto reader = LineReader::open(files.write("bad", text), 100).value();
    EXPECT_TRUE(reader.next());
    const auto line = reader.next();
    EXPECT_FALSE(line) << text;
    return line ? std::string() : line.error().message;
  };
  using namespace std::string_view_literals;
  EXPECT_THAT(second("ok\na\0b\n"sv), HasSubstr("bad:2: a NUL byte stands at column 2"));
  EXPECT_THAT(second("ok\nab\xFFz\n"), HasSubstr("bad:2: invalid UTF-8 at byte 3"));
  EXPECT_THAT(second("ok\n\xC3"), HasSubstr("bad:2: invalid UTF-8 at byte 1"));
  EXPECT_THAT(second("ok\n" + std::string(101, 'x') + "\nok"),
              HasSubstr("bad:2: the line is longer than 100 bytes"));
  EXPECT_THAT(second("ok\n" + std::string(5'000'000, 'x')), HasSubstr("bad:2: the line is longer"));
}

TEST(LoadLines, SaysWhichFileCannotBeRead) {
  Files files;
  const auto missing = LineReader::open(files.path("absent"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  EXPECT_THAT(missing.error().message, HasSubstr("absent: No such file"));
  EXPECT_EQ(LineReader::open(files.directory()).error().code, ErrorCode::kIo);
}

// The oracle decodes the slow way and looks at the value.
bool valid_utf8(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    int length = 0;
    while (length < 8 && (lead & (0x80U >> length)) != 0) ++length;
    if (length == 0) {
      ++at;
      continue;
    }
    if (length == 1 || length > 4 || at + static_cast<std::size_t>(length) > text.size()) {
      return false;
    }
    std::uint32_t value = lead & (0x7FU >> length);
    for (int i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
      if (next >> 6U != 2) return false;
      value = value << 6U | (next & 0x3FU);
    }
    constexpr std::uint32_t kLeast[]{0, 0, 0x80, 0x800, 0x10000};
    if (value < kLeast[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      return false;
    }
    at += static_cast<std::size_t>(length);
  }
  return true;
}

TEST(LoadLines, KnowsUtf8AsTheDefinitionDoes) {
  // Bytes at the edges of the ranges, so that random strings are valid often enough.
  constexpr unsigned char kBytes[]{'a',  0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                   0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
                                   0xEE, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5};
  std::mt19937_64 random(11);
  int valid = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::string text;
    for (auto n = random() % 5; n > 0; --n) {
      text += static_cast<char>(kBytes[random() % std::size(kBytes)]);
    }
    const bool expected = valid_utf8(text);
    valid += expected ? 1 : 0;
    ASSERT_EQ(!find_invalid_utf8(text), expected) << testing::PrintToString(text);
  }
  EXPECT_GT(valid, 1000);
}

}  // namespace
}  // namespace lyceum::learning::load
