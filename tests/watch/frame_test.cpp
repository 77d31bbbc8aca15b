#include "watch/frame.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace lyceum::watch {
namespace {

using Rows = std::vector<Row>;

const std::vector<Heading> kTable = {{"schema", Kind::key},    {"table", Kind::key},
                                     {"size", Kind::gauge},    {"age", Kind::gauge},
                                     {"scans", Kind::counter}, {"note", Kind::text}};

// Everything of a value, bits of doubles too, as a text that sorts.
std::string text_of(const Value& value) {
  switch (value.index()) {
    case 1:
      return "i" + std::to_string(std::get<std::int64_t>(value));
    case 2:
      return "d" + std::to_string(std::bit_cast<std::uint64_t>(std::get<double>(value)));
    case 3:
      return "s" + std::get<Text>(value).string();
    default:
      return "-";
  }
}

// A picture is its rows, whatever their order.
std::vector<std::vector<std::string>> sorted(const Rows& rows) {
  std::vector<std::vector<std::string>> out;
  for (const auto& row : rows) {
    auto& texts = out.emplace_back();
    for (const auto& value : row) texts.push_back(text_of(value));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Encodes each sample against the one before it, and reads all back.
void expect_round_trip(const std::vector<Heading>& headings, const std::vector<Rows>& samples) {
  std::optional<Picture> written, read;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto frame = written ? encode(*written, samples[i]) : encode(headings, samples[i]);
    ASSERT_TRUE(frame) << frame.error().to_string();
    const auto back = read ? decode(*read, frame->bytes) : decode(frame->bytes);
    ASSERT_TRUE(back) << i << ": " << back.error().to_string();
    EXPECT_EQ(back->headings, headings);
    EXPECT_EQ(sorted(back->rows), sorted(samples[i])) << i;
    EXPECT_EQ(sorted(frame->picture.rows), sorted(samples[i])) << i;
    // What the writer goes on with is what the reader goes on with, order and all.
    ASSERT_EQ(back->rows.size(), frame->picture.rows.size());
    for (std::size_t k = 0; k < back->rows.size(); ++k) {
      for (std::size_t c = 0; c < headings.size(); ++c) {
        EXPECT_TRUE(same(back->rows[k][c], frame->picture.rows[k][c]));
      }
    }
    written = frame->picture;
    read = *back;
  }
}

std::size_t size_of(const Rows& before, const Rows& after,
                    const std::vector<Heading>& headings = kTable) {
  const auto key = encode(headings, before);
  return encode(key->picture, after)->bytes.size();
}

const double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<Value> awkward() {
  using Real = std::numeric_limits<double>;
  using Whole = std::numeric_limits<std::int64_t>;
  std::vector<Value> out = {Value{},
                            std::string(),
                            std::string("a"),
                            std::string("a\0b", 3),
                            std::string("\xff\xfe"),
                            std::string(5000, 'x'),
                            kNaN,
                            -kNaN,
                            std::bit_cast<double>(0x7ff0000000000001ULL),  // a NaN with a message
                            Real::infinity(),
                            -Real::infinity(),
                            Real::max(),
                            Real::lowest(),
                            Real::min(),
                            Real::denorm_min(),
                            0.0,
                            -0.0,
                            0.1,
                            0.1 + 0.2,
                            -0.001,
                            1e-6,
                            1e15,
                            9007199254740993.0,
                            9007199254740992.0,
                            9223372036854775807.0,
                            1767225600.123456,
                            123.457,
                            1.0 / 3};
  for (const auto whole : {Whole::min(), Whole::min() + 1, std::int64_t{-1}, std::int64_t{0},
                           std::int64_t{1}, std::int64_t{63}, std::int64_t{64}, Whole::max() - 1,
                           Whole::max(), std::int64_t{9007199254740993}}) {
    out.emplace_back(whole);
  }
  return out;
}

TEST(Frame, EveryValueAfterEveryOtherComesBackBitByBit) {
  const auto values = awkward();
  const std::vector<Heading> headings = {{"k", Kind::key}, {"v", Kind::gauge}};
  for (const auto& from : values) {
    for (const auto& to : values) {
      expect_round_trip(headings, {{{std::int64_t{1}, from}}, {{std::int64_t{1}, to}}});
    }
  }
}

TEST(Frame, EveryValueIsAKey) {
  const std::vector<Heading> headings = {{"k", Kind::key}, {"v", Kind::counter}};
  Rows rows, later;
  std::int64_t i = 0;
  for (const auto& value : awkward()) {
    rows.push_back({value, i});
    later.push_back({value, 2 * i++});
  }
  std::reverse(later.begin(), later.end());
  expect_round_trip(headings, {rows, later, rows});
}

TEST(Frame, RowsComeGoAndChange) {
  const auto row = [](std::string table, std::int64_t size) -> Row {
    return {std::string("public"), std::move(table), size, 1.5, std::int64_t{0}, Value{}};
  };
  expect_round_trip(kTable, {{},
                             {row("a", 1), row("b", 2), row("c", 3)},
                             {row("c", 3), row("a", 5)},
                             {row("d", 4), row("c", 4), row("b", 2)},
                             {},
                             {row("a", 1)}});
}

TEST(Frame, RowsWithTheSameKeysAndRowsWithoutKeysAreToldApartByTheirOrder) {
  expect_round_trip({{"k", Kind::key}, {"v", Kind::gauge}},
                    {{{std::string("a"), 1.0}, {std::string("a"), 2.0}, {std::string("b"), 3.0}},
                     {{std::string("a"), 1.0}, {std::string("b"), 3.0}},
                     {{std::string("a"), 1.0}, {std::string("a"), 7.0}, {std::string("a"), 1.0}}});
  expect_round_trip({{"v", Kind::gauge}}, {{{1.0}}, {{2.0}}, {{2.0}, {3.0}}, {}, {{1.0}}});
}

class RandomRows {
 public:
  explicit RandomRows(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t end) { return random_() % end; }

  Value value() {
    static const auto values = awkward();
    switch (below(6)) {
      case 0:
        return values[below(values.size())];
      case 1:
        return static_cast<std::int64_t>(random_());
      case 2:
        return static_cast<double>(random_()) / 1000;
      case 3:
        return std::bit_cast<double>(random_());
      case 4:
        return std::string(below(20), static_cast<char>('a' + below(3)));
      default:
        return Value{};
    }
  }

  std::vector<Heading> headings() {
    std::vector<Heading> out;
    const auto count = 1 + below(12);
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back({"c" + std::to_string(i), static_cast<Kind>(below(4))});
    }
    return out;
  }

  void change(const std::vector<Heading>& headings, Rows& rows) {
    std::shuffle(rows.begin(), rows.end(), random_);
    while (!rows.empty() && below(3) == 0) rows.pop_back();
    const auto column = below(headings.size());
    for (auto& row : rows) {
      if (below(3) == 0) row[below(row.size())] = value();
      // What drifts.
      if (auto* number = std::get_if<std::int64_t>(&row[column])) {
        *number = static_cast<std::int64_t>(static_cast<std::uint64_t>(*number) + 10);
      }
      if (auto* number = std::get_if<double>(&row[column])) *number += 10;
    }
    for (auto come = below(4); come > 0; --come) {
      Row row;
      for (std::size_t i = 0; i < headings.size(); ++i) row.push_back(value());
      rows.push_back(std::move(row));
    }
  }

 private:
  std::mt19937_64 random_;
};

TEST(Frame, RandomFilmsComeBack) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    RandomRows random(seed);
    const auto headings = random.headings();
    Rows rows;
    std::vector<Rows> samples;
    for (int i = 0; i < 20; ++i) {
      random.change(headings, rows);
      samples.push_back(rows);
    }
    expect_round_trip(headings, samples);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

Rows many_tables(std::int64_t age, std::int64_t since_micros) {
  Rows rows;
  for (int i = 0; i < 3000; ++i) {
    rows.push_back({std::string("public"), "table_" + std::to_string(i), std::int64_t{i} * 8192,
                    age + i, static_cast<std::int64_t>(i % 7),
                    static_cast<double>(since_micros + i) / 1e6});
  }
  return rows;
}

TEST(Frame, WhatDoesNotChangeCostsNothingAndNorDoesWhatAgesAlike) {
  const std::vector<Heading> headings = {{"schema", Kind::key},    {"table", Kind::key},
                                         {"size", Kind::gauge},    {"age", Kind::gauge},
                                         {"scans", Kind::counter}, {"since", Kind::gauge}};
  const auto rows = many_tables(1000, 3'600'250'000);
  EXPECT_LE(size_of(rows, rows, headings), 5U);
  EXPECT_LE(size_of(rows, many_tables(1250, 3'900'250'125), headings), 40U);
  auto one_more = rows;
  std::get<std::int64_t>(one_more[1234][4]) += 3;
  EXPECT_LE(size_of(rows, one_more, headings), 10U);
  // A new row with the text of its neighbour costs what is new in it.
  one_more.push_back(one_more.back());
  one_more.back()[1] = std::get<Text>(one_more.back()[1]).string() + "_index";
  EXPECT_LE(size_of(rows, one_more, headings), 64U);
}

TEST(Frame, MillisecondsAndTimesCostWhatTheyDifferBy) {
  const std::vector<Heading> headings = {{"ms", Kind::counter}, {"at", Kind::gauge}};
  EXPECT_LE(size_of({{81236.457, 1767225600.123456}}, {{81237.001, 1767225610.1235}}, headings),
            14U);
}

TEST(Frame, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(encode(std::vector<Heading>{}, {}).error().code, ErrorCode::kBadInput);
  EXPECT_EQ(encode(kTable, {{Value{}}}).error().code, ErrorCode::kBadInput);
  const auto key = encode(kTable, {});
  EXPECT_EQ(encode(key->picture, {Row(kTable.size() + 1)}).error().code, ErrorCode::kBadInput);
  const std::vector<Heading> one = {{"v", Kind::gauge}};
  EXPECT_EQ(encode(one, Rows(kMostCells + 1, Row(1))).error().code, ErrorCode::kBadInput);
  EXPECT_EQ(encode(one, {{std::string(kMostText + 1, 'x')}}).error().code, ErrorCode::kBadInput);
}

// A row of two bytes that repeats a megabyte: a few kilobytes would be gigabytes.
TEST(Frame, BytesThatWouldGrowBeyondAllMeasureAreRefused) {
  const std::vector<Heading> headings = {{"k", Kind::key}, {"t", Kind::text}};
  const std::string text(1U << 20U, 'x');
  const auto frame = encode(headings, {{std::int64_t{0}, text}});
  std::string bytes = frame->bytes;
  // Key frame, two headings; no drifts, none gone, none changed; then how many rows come.
  const std::size_t count_at = 2 + 3 + 3 + 3;
  ASSERT_EQ(bytes[count_at], 1);
  bytes.replace(count_at, 1, "\x81\x01");  // 129
  bytes.append(128, '\0');
  const auto refused = decode(bytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
}

TEST(Frame, NoDamageDoesMoreThanAnErrorOrAnotherPicture) {
  RandomRows random(1);
  const auto headings = random.headings();
  Rows rows;
  for (int i = 0; i < 10; ++i) random.change(headings, rows);
  const auto key = encode(headings, rows);
  random.change(headings, rows);
  const auto difference = encode(key->picture, rows);
  for (std::size_t i = 0; i < key->bytes.size(); ++i) {
    EXPECT_FALSE(decode(std::string_view(key->bytes).substr(0, i)));
  }
  for (std::size_t i = 0; i < difference->bytes.size(); ++i) {
    EXPECT_FALSE(decode(key->picture, std::string_view(difference->bytes).substr(0, i)));
  }
  EXPECT_FALSE(decode(key->bytes + '\0'));
  EXPECT_FALSE(decode(difference->bytes));
  EXPECT_FALSE(decode(key->picture, key->bytes));
  EXPECT_FALSE(decode(Picture{}, difference->bytes));
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = key->bytes;
    bytes[random.below(bytes.size())] ^= static_cast<char>(1U << random.below(8));
    (void)decode(bytes);
    auto change = difference->bytes;
    change[random.below(change.size())] = static_cast<char>(random.below(256));
    (void)decode(key->picture, change);
  }
}

}  // namespace
}  // namespace lyceum::watch
