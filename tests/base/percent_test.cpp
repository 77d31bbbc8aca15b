#include "base/percent.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace lyceum {
namespace {

TEST(Percent, EveryByteComesBackInEitherCase) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string ought(1, static_cast<char>(byte));
    EXPECT_EQ(percent_decode(fmt::format("%{:02x}", byte)), ought);
    EXPECT_EQ(percent_decode(fmt::format("a%{:02X}b", byte)), "a" + ought + "b");
    if (byte != '%') EXPECT_EQ(percent_decode(ought), ought);
  }
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("%252B+"), "%2B+") << "once, and a plus is a plus";
}

TEST(Percent, WhatIsNotTwoDigitsIsNothing) {
  for (const auto* text :
       {"%", "%4", "a%", "a%4", "%4g", "%g4", "%%41", "%+4", "%-1", "% 4", "%0x1"}) {
    EXPECT_EQ(percent_decode(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace lyceum
