#include "base/base64.h"

#include <gtest/gtest.h>
#include <random>

namespace lyceum {
namespace {

using namespace std::string_literals;

// RFC 4648, section 10, without the padding; RFC 7515, appendix C.
TEST(Base64url, IsThatOfTheRfcs) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"f", "Zg"},
      {"fo", "Zm8"},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg"},
      {"fooba", "Zm9vYmE"},
      {"foobar", "Zm9vYmFy"},
      {"\x03\xec\xff\xe0\xc1"s, "A-z_4ME"},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(to_base64url(bytes), text);
    EXPECT_EQ(from_base64url(text), bytes);
  }
}

TEST(Base64url, ComesBackAsItWent) {
  std::mt19937_64 random(5);
  for (std::size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
  }
}

TEST(Base64url, RefusesWhatIsNotItsOneForm) {
  for (const auto& text : {"Zg=="s, "Zg="s, "Zm9v="s, "="s, "Z"s, "Zm9vY"s, "Zm9 "s, " Zm9v"s,
                           "Zm9v\n"s, "Zm\n9v"s, "A+z/4ME"s, "Zm9v\0"s, "Zm9\x80"s, "Zm.9"s}) {
    EXPECT_FALSE(from_base64url(text)) << text;
  }
}

// Of the 64 last characters of a text of two or three, 4 or 16 leave no bit over.
TEST(Base64url, HasNoSecondFormOfTheSameBytes) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int of_two = 0, of_three = 0;
  for (const char last : digits) {
    const auto two = "Q"s + last, three = "QU"s + last;
    if (const auto bytes = from_base64url(two)) {
      ++of_two;
      EXPECT_EQ(to_base64url(*bytes), two);
    }
    if (const auto bytes = from_base64url(three)) {
      ++of_three;
      EXPECT_EQ(to_base64url(*bytes), three);
    }
  }
  EXPECT_EQ(of_two, 4);
  EXPECT_EQ(of_three, 16);
}

}  // namespace
}  // namespace lyceum
