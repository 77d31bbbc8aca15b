#include "pg/codec.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

#include "run.h"

// Values travel to the server and back. The oracle is the server: its own text form of what we sent
// must mean the value, and what we read from its binary form must mean its text form.

namespace lyceum::pg {
namespace {

using namespace testing;

std::mt19937_64& random_bits() {
  static std::mt19937_64 bits(20260101);
  return bits;
}

std::int64_t between(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random_bits());
}

// Most random integers are huge: every length of number must come up, and the ends.
template <class T>
T random_integer() {
  switch (between(0, 9)) {
    case 0:
      return std::numeric_limits<T>::max();
    case 1:
      return std::numeric_limits<T>::min();
    case 2:
      return 0;
    default: {
      const auto shift = between(0, static_cast<std::int64_t>(sizeof(T)) * 8 - 1);
      return static_cast<T>(static_cast<T>(random_bits()()) >> shift);
    }
  }
}

std::string random_text() {
  static const std::vector<std::string> letters = {
      "a",  "Z", " ", "'",  "\"", "\\", ",",    "{",    "}",           "\n",
      "\t", "é", "ß", "日", "𝄞",  "😀", "NULL", "\x01", "\xEF\xBB\xBF"};
  std::string out;
  for (auto count = between(0, 12); count > 0; --count) {
    out += letters[static_cast<std::size_t>(between(0, std::ssize(letters) - 1))];
  }
  return out;
}

Bytes random_bytes() {
  Bytes out(static_cast<std::size_t>(between(0, 20)));
  for (auto& byte : out) byte = static_cast<std::byte>(between(0, 255) % (between(0, 1) * 255 + 1));
  return out;
}

std::string random_digits(std::int64_t count) {
  std::string out;
  for (; count > 0; --count) {
    out += static_cast<char>('0' + (between(0, 2) == 0 ? 0 : between(0, 9)));
  }
  return out;
}

Numeric random_numeric() {
  switch (between(0, 19)) {
    case 0:
      return {"NaN"};
    case 1:
      return {"Infinity"};
    case 2:
      return {"-Infinity"};
    case 3:
      return {"0"};
    case 4:
      return {"0." + std::string(static_cast<std::size_t>(between(1, 30)), '0')};
    case 5:
      return {"-0.00"};
    case 6:
      return {"1" + random_digits(between(100, 2000))};
    case 7:
      return {"0." + random_digits(between(100, 2000)) + "1"};
    default: {
      std::string out = between(0, 1) == 0 ? "-" : "";
      out += random_digits(between(1, 14));
      if (between(0, 1) == 0) out += '.' + random_digits(between(1, 14));
      return {out};
    }
  }
}

Timestamp random_timestamp() {
  switch (between(0, 9)) {
    case 0:
      return Timestamp::max();
    case 1:
      return Timestamp::min();
    default:  // 4700 BC to 200,000 AD, short and long ones
      return Timestamp(std::chrono::microseconds(
          between(-210'000'000'000'000'000, 6'000'000'000'000'000'000) >> between(0, 60)));
  }
}

Date random_date() {
  return Date(std::chrono::days(between(-2'440'588, 2'145'031'948) >> between(0, 30)));
}

Json random_json() {
  static const std::vector<std::string> documents = {
      "null",   "{}",  "[]", "\"é😀\"", R"({"a": [1, 2.50, null], "b": {"c": "\"q\" \\ \n"}})",
      "12.340", "true"};
  return {documents[static_cast<std::size_t>(between(0, std::ssize(documents) - 1))]};
}

Uuid random_id() {
  Uuid out;
  for (auto& byte : out.data) byte = static_cast<std::uint8_t>(between(0, 255));
  return out;
}

double random_double() {
  switch (between(0, 9)) {
    case 0:
      return std::numeric_limits<double>::infinity();
    case 1:
      return -std::numeric_limits<double>::infinity();
    case 2:
      return std::numeric_limits<double>::quiet_NaN();
    case 3:
      return -0.0;
    case 4:
      return std::numeric_limits<double>::denorm_min();
    case 5:
      return std::numeric_limits<double>::max();
    case 6:
      return 0.1;
    default: {
      const auto value = std::bit_cast<double>(random_bits()());
      return std::isfinite(value) ? value : 1.5;
    }
  }
}

template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}
template <>
bool same(const double& a, const double& b) {
  return std::isnan(a) ? std::isnan(b)
                       : std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
// The server's own form of a number is without leading zeros and negative zero.
std::string plain(std::string text) {
  const bool negative = text.starts_with('-');
  if (negative) text.erase(0, 1);
  if (!text.empty() && std::isalpha(static_cast<unsigned char>(text[0]))) {
    return (negative ? "-" : "") + text;
  }
  text.erase(0, std::min(text.find_first_not_of('0'), text.size()));
  if (text.empty() || text[0] == '.') text.insert(0, "0");
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return (negative && !zero ? "-" : "") + text;
}
template <>
bool same(const Numeric& a, const Numeric& b) {
  return plain(a.text) == plain(b.text);
}
template <class T>
bool same(const std::optional<T>& a, const std::optional<T>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return same(x, y); });
}

class CodecTest : public DatabaseTest {
 protected:
  void SetUp() override { connection = loop.connect(database().url()); }
  void TearDown() override { connection->close(); }

  // For each value: binary → server → binary gives it back; and the server, which writes it as
  // text and reads that text again, says that both are the same.
  template <class T>
  void round_trip(const std::string& type, const std::function<T()>& make, int count = 150) {
    const std::string text = "select $1::" + type + ", ($1::text)::" + type + ", $1::" + type +
                             " is not distinct from ($1::text)::" + type;
    const Statement statement{type, text, Access::read};
    for (int i = 0; i < count; ++i) {
      const T value = make();
      auto answer = loop.execute(*connection, statement, Params(value));
      ASSERT_TRUE(answer.has_value()) << type << " " << answer.error().to_string();
      const auto row = (*answer)[0];
      EXPECT_TRUE(same(row.template get<T>(0), value)) << type << " number " << i;
      EXPECT_TRUE(same(row.template get<T>(1), value)) << type << " number " << i;
      EXPECT_TRUE(row.template get<bool>(2)) << type << " number " << i;
    }
  }

  // The value alone, as std::optional with NULL, and as arrays with and without NULL.
  template <class T>
  void all_forms(const std::string& type, const std::function<T()>& make) {
    round_trip<T>(type, make);
    round_trip<std::optional<T>>(
        type, [&] { return between(0, 1) == 0 ? std::nullopt : std::optional<T>(make()); }, 10);
    round_trip<std::vector<T>>(
        type + "[]",
        [&] {
          std::vector<T> out;
          for (auto count = between(0, 5); count > 0; --count) out.push_back(make());
          return out;
        },
        40);
    round_trip<std::vector<std::optional<T>>>(
        type + "[]",
        [&] {
          std::vector<std::optional<T>> out;
          for (auto count = between(0, 5); count > 0; --count) {
            if (between(0, 2) == 0) {
              out.emplace_back();
            } else {
              out.emplace_back(make());
            }
          }
          return out;
        },
        40);
  }

  // What the server makes of a literal, in its own words and read by us.
  template <class T>
  T read(const std::string& expression) {
    auto answer = loop.execute(*connection, "select " + expression);
    return answer.value().value<T>();
  }

  std::shared_ptr<Connection> connection;
};

TEST_F(CodecTest, EveryTypeGoesToTheServerAndBackUnchanged) {
  all_forms<bool>("bool", [] { return between(0, 1) == 1; });
  all_forms<std::int16_t>("int2", random_integer<std::int16_t>);
  all_forms<std::int32_t>("int4", random_integer<std::int32_t>);
  all_forms<std::int64_t>("int8", random_integer<std::int64_t>);
  all_forms<double>("float8", random_double);
  all_forms<Numeric>("numeric", random_numeric);
  all_forms<std::string>("text", random_text);
  all_forms<Bytes>("bytea", random_bytes);
  all_forms<Uuid>("uuid", random_id);
  all_forms<Date>("date", random_date);
  all_forms<Timestamp>("timestamptz", random_timestamp);
  all_forms<Json>("jsonb", random_json);
}

// The oracle here is the value written out by other means than our codecs.
TEST_F(CodecTest, TheServerReadsWhatWasMeant) {
  const auto text = [&](const std::string& type, const Params& params) {
    auto answer = loop.execute(*connection, "select ($1::" + type + ")::text", params);
    return answer.value().value<std::string>();
  };
  for (int i = 0; i < 100; ++i) {
    const auto number = random_integer<std::int64_t>();
    EXPECT_EQ(text("int8", Params(number)), std::to_string(number));
    const auto small = random_integer<std::int16_t>();
    EXPECT_EQ(text("int2", Params(small)), std::to_string(small));
    const auto middle = random_integer<std::int32_t>();
    EXPECT_EQ(text("int4", Params(middle)), std::to_string(middle));
    const auto exact = random_numeric();
    EXPECT_EQ(text("numeric", Params(exact)), plain(exact.text));
    const auto id = random_id();
    EXPECT_EQ(text("uuid", Params(id)), to_string(id));
    const auto words = random_text();
    EXPECT_EQ(text("text", Params(words)), words);
    std::string hex = "\\x";
    const auto raw = random_bytes();
    for (const auto byte : raw) hex += fmt::format("{:02x}", std::to_integer<int>(byte));
    EXPECT_EQ(text("bytea", Params(raw)), hex);
  }
  EXPECT_EQ(text("bool", Params(true)), "true");
  EXPECT_EQ(text("float8", Params(0.1)), "0.1");
  EXPECT_EQ(text("date", Params(Date(std::chrono::year(1999) / 12 / 31))), "1999-12-31");
  EXPECT_EQ(text("date", Params(Date(std::chrono::year(2024) / 2 / 29))), "2024-02-29");
  ASSERT_TRUE(loop.execute(*connection, "set timezone to 'UTC'").has_value());
  const Timestamp moment = std::chrono::sys_days(std::chrono::year(1969) / 7 / 20) +
                           std::chrono::hours(20) + std::chrono::minutes(17) +
                           std::chrono::microseconds(40'000'001);
  EXPECT_EQ(text("timestamptz", Params(moment)), "1969-07-20 20:17:40.000001+00");
  EXPECT_EQ(text("timestamptz", Params(Timestamp::max())), "infinity");
  EXPECT_EQ(text("timestamptz", Params(Timestamp::min())), "-infinity");
  EXPECT_EQ(text("text[]", Params(std::vector<std::string>{"a,b", "", "NULL", "q\""})),
            R"({"a,b","","NULL","q\""})");
  EXPECT_EQ(text("int4[]", Params(std::vector<std::optional<std::int32_t>>{1, std::nullopt, -3})),
            "{1,NULL,-3}");
  EXPECT_EQ(text("bool[]", Params(std::vector<bool>{true, false})), "{t,f}");
}

TEST_F(CodecTest, TheEndsOfTheServersRangesAreRead) {
  EXPECT_EQ(read<Date>("date '2000-01-01'"), Date(std::chrono::year(2000) / 1 / 1));
  // 4714-11-24 BC is day 0 of the Julian count; 1970-01-01 is its day 2440588.
  EXPECT_EQ(read<Date>("date '4714-11-24 BC'"), Date(std::chrono::days(-2'440'588)));
  EXPECT_EQ(
      read<Date>("date '5874897-12-31'"),
      Date(std::chrono::days(read<std::int32_t>("date '5874897-12-31' - date '1970-01-01'"))));
  EXPECT_THROW((void)read<Date>("date 'infinity'"), Exception);
  EXPECT_THROW((void)read<Date>("date '-infinity'"), Exception);
  EXPECT_EQ(read<Timestamp>("timestamptz 'epoch'"), Timestamp());
  EXPECT_EQ(read<Timestamp>("timestamptz '4714-11-24 00:00:00+00 BC'"),
            Timestamp(std::chrono::days(-2'440'588)));
  EXPECT_EQ(read<Timestamp>("timestamptz 'infinity'"), Timestamp::max());
  // The server's largest lies beyond what microseconds since 1970 can hold: an error, not a wrong
  // moment.
  EXPECT_THROW((void)read<Timestamp>("timestamptz '294276-12-31 23:59:59.999999+00'"), Exception);
  EXPECT_EQ(read<Timestamp>("timestamptz '290000-01-01 00:00:00+00'"),
            Timestamp(std::chrono::seconds(read<std::int64_t>(
                "extract(epoch from timestamptz '290000-01-01 00:00:00+00')::int8"))));
}

TEST_F(CodecTest, ValuesBeyondTheServersTypesAreRefusedBeforeTheyTurnIntoOthers) {
  EXPECT_THROW(Params(Date(std::chrono::days(5'000'000'000))), Exception);
  EXPECT_THROW(Params(Date(std::chrono::days(-5'000'000'000))), Exception);
  // Exactly what the server writes for 'infinity'.
  EXPECT_THROW(Params(Date(std::chrono::days(std::numeric_limits<std::int32_t>::max()) +
                           std::chrono::days(10957))),
               Exception);
  EXPECT_THROW(Params(Timestamp(Timestamp::duration::min() + Timestamp::duration(1))), Exception);
  for (const char* bad :
       {"", "-", ".", "1e5", "+1", "1,5", "0x10", " 1", "1 ", "--1", "1.2.3", "nan", "infinity"}) {
    EXPECT_THROW(Params(Numeric{bad}), Exception) << bad;
  }
  EXPECT_THROW(Params(Numeric{"0." + std::string(16384, '1')}), Exception);
}

TEST_F(CodecTest, TheLargestNumericsSurvive) {
  const Numeric wide{std::string(131072, '9')};
  const Numeric both{std::string(131072, '7') + '.' + std::string(16383, '3')};
  for (const auto& value : {wide, both}) {
    auto answer = loop.execute(*connection, "select $1::numeric, $1::numeric::text", Params(value));
    ASSERT_TRUE(answer.has_value()) << answer.error().to_string();
    EXPECT_TRUE((*answer)[0].get<Numeric>(0).text == value.text);
    EXPECT_TRUE((*answer)[0].get<std::string>(1) == value.text);
  }
}

TEST_F(CodecTest, NarrowerNumbersAreReadIntoWiderOnes) {
  EXPECT_EQ(read<std::int32_t>("-7::int2"), -7);
  EXPECT_EQ(read<std::int64_t>("-7::int2"), -7);
  EXPECT_EQ(read<std::int64_t>("-7::int4"), -7);
  EXPECT_EQ(read<std::int64_t>("4294967295::oid"), 4294967295);
  EXPECT_EQ(read<double>("0.5::float4"), 0.5);
  EXPECT_EQ(read<double>("'-Infinity'::float4"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(read<double>("12.34::numeric"), 12.34);
  EXPECT_EQ(read<double>("-1e-300::numeric"), -1e-300);
  EXPECT_TRUE(std::isnan(read<double>("'NaN'::numeric")));
  EXPECT_THROW((void)read<std::int32_t>("7::int8"), Exception);
  EXPECT_THROW((void)read<std::int16_t>("7::int4"), Exception);
  for (const auto& [type, wanted] :
       std::map<std::string, std::vector<std::int64_t>>{{"int2[]", {1, -2}}, {"int4[]", {3, -4}}}) {
    EXPECT_EQ(read<std::vector<std::int64_t>>(
                  fmt::format("array[{}, {}]::{}", wanted[0], wanted[1], type)),
              wanted);
  }
  EXPECT_EQ(read<std::vector<double>>("'{0.5,1}'::float4[]"), (std::vector<double>{0.5, 1}));
  EXPECT_EQ(read<std::vector<double>>("'{0.5,1}'::numeric[]"), (std::vector<double>{0.5, 1}));
  EXPECT_EQ(read<std::vector<std::string>>("'{a,b}'::varchar[]"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read<std::vector<std::string>>("'{a,b}'::name[]"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read<std::string>("'abc'::char(5)"), "abc  ");
  EXPECT_EQ(read<Json>("'{\"b\":1}'::json").text, "{\"b\":1}");
}

TEST_F(CodecTest, ArraysOfSeveralDimensionsAreReadInStorageOrder) {
  EXPECT_EQ(read<std::vector<std::int32_t>>("'{{1,2},{3,4}}'::int4[]"),
            (std::vector<std::int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(read<std::vector<std::int32_t>>("'[5:6]={1,2}'::int4[]"),
            (std::vector<std::int32_t>{1, 2}));
}

TEST_F(CodecTest, TextThatTheServerCannotStoreIsItsError) {
  auto nul = loop.execute(*connection, "select $1::text", Params(std::string("a\0b", 3)));
  ASSERT_TRUE(nul.has_error());
  EXPECT_EQ(nul.error().sqlstate, "22021");
  auto broken = loop.execute(*connection, "select $1::text", Params(std::string("\xff\xfe")));
  ASSERT_TRUE(broken.has_error());
  EXPECT_EQ(broken.error().sqlstate, "22021");
  auto json = loop.execute(*connection, "select $1::jsonb", Params(Json{"{"}));
  ASSERT_TRUE(json.has_error());
  EXPECT_EQ(json.error().sqlstate, "22P02");
}

TEST_F(CodecTest, WordsAreReadInPlace) {
  auto answer = loop.execute(*connection, "select 'é'::text, ''::text, null::text");
  const auto row = answer.value()[0];
  EXPECT_EQ(row.get<std::string_view>(0), "é");
  EXPECT_EQ(row.get<std::string_view>(1), "");
  EXPECT_EQ(row.get<std::optional<std::string_view>>(2), std::nullopt);
}

// ── malformed bytes ──────────────────────────────────────────────────────────────────────────────

// Random bytes, and real values with one byte changed or cut short: each gives a value or an
// Exception, and the sanitizers see the rest.
template <class T>
void feed(Oid type, const std::vector<T>& samples, int* values, int* refusals) {
  const auto decode = [&](std::string bytes) {
    // A heap block of exactly that size, so that a read past its end is seen.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    try {
      (void)Codec<T>::decode({exact.data(), exact.size()}, type);
      ++*values;
    } catch (const Exception&) {
      ++*refusals;
    }
  };
  for (int i = 0; i < 2000; ++i) {
    std::string bytes;
    for (auto count = between(0, 40); count > 0; --count) {
      bytes += static_cast<char>(between(0, 3) == 0 ? between(0, 255) : between(0, 2));
    }
    decode(bytes);
  }
  for (const auto& sample : samples) {
    std::string bytes;
    Codec<T>::encode(bytes, sample);
    for (std::size_t at = 0; at <= bytes.size(); ++at) decode(bytes.substr(0, at));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
        auto changed = bytes;
        changed[at] = static_cast<char>(value);
        decode(changed);
      }
    }
    decode(bytes + "x");
  }
}

TEST(Decoder, MalformedBytesGiveAValueOrAnException) {
  int values = 0, refusals = 0;
  const auto go = [&]<class T>(Oid type, const std::vector<T>& samples) {
    feed<T>(type, samples, &values, &refusals);
  };
  go(oid::kBool, std::vector<bool>{true, false});
  go(oid::kInt2, std::vector<std::int16_t>{1});
  go(oid::kInt4, std::vector<std::int32_t>{1});
  go(oid::kInt2, std::vector<std::int32_t>{1});
  go(oid::kInt8, std::vector<std::int64_t>{1});
  go(oid::kOid, std::vector<std::int64_t>{1});
  go(oid::kFloat8, std::vector<double>{1});
  go(oid::kFloat4, std::vector<double>{});
  go(oid::kNumeric, std::vector<double>{});
  go(oid::kNumeric, std::vector<Numeric>{{"12345678.000100"}, {"NaN"}, {"-0.00000001"}});
  go(oid::kText, std::vector<std::string>{"x"});
  go(oid::kBytea, std::vector<Bytes>{{std::byte{0}}});
  go(oid::kUuid, std::vector<Uuid>{Uuid{}});
  go(oid::kDate, std::vector<Date>{Date()});
  go(oid::kTimestamptz, std::vector<Timestamp>{Timestamp()});
  go(oid::kJsonb, std::vector<Json>{{"{}"}});
  go(oid::kInt4Array, std::vector<std::vector<std::int32_t>>{{}, {1, 2}});
  go(oid::kTextArray, std::vector<std::vector<std::optional<std::string>>>{{"a", std::nullopt}});
  go(oid::kNumericArray, std::vector<std::vector<Numeric>>{{{"1.5"}, {"-2"}}});
  go(oid::kUuidArray, std::vector<std::vector<Uuid>>{{Uuid{}}});
  EXPECT_GT(values, 1000);
  EXPECT_GT(refusals, 1000);
}

TEST(Decoder, AnArrayThatClaimsMoreThanItHoldsIsRefusedWithoutMakingRoomForIt) {
  std::string bytes;
  wire::put(bytes, std::int32_t{6});  // dimensions
  wire::put(bytes, std::int32_t{0});
  wire::put(bytes, std::int32_t{23});
  for (int i = 0; i < 6; ++i) {
    // The product overflows 64 bits to 0.
    wire::put(bytes, std::int32_t{1} << 22);
    wire::put(bytes, std::int32_t{1});
  }
  EXPECT_THROW((void)Codec<std::vector<std::int32_t>>::decode(bytes, oid::kInt4Array), Exception);
}

}  // namespace
}  // namespace lyceum::pg
