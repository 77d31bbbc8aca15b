#include "learning/cursor.h"

#include <gtest/gtest.h>
#include <set>

#include "school.h"

namespace lyceum::learning {
namespace {

StoryPosition any_position(Dice& dice) {
  StoryPosition out{
      .featured = dice.chance(50),
      .created_at = at_micros(static_cast<std::int64_t>(dice.roll(1'000'000'000)) * 4'000'000 -
                              1'000'000'000'000'000)};
  if (dice.chance(50)) {
    out.last_accessed = at_micros(static_cast<std::int64_t>(dice.roll(1'000'000'000)) * 3'000'001);
  }
  for (auto& byte : out.id.data) byte = static_cast<std::uint8_t>(dice.roll(256));
  return out;
}

TEST(Cursor, comes_back_as_it_went) {
  Dice dice(1);
  for (int i = 0; i < 2000; ++i) {
    const auto position = any_position(dice);
    const auto text = encode_cursor(position, "listing");
    EXPECT_EQ(text.size(), 56U);
    EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
              std::string::npos);
    EXPECT_EQ(decode_cursor(text, "listing"), position);
  }
}

TEST(Cursor, belongs_to_one_listing) {
  Dice dice(2);
  const auto text = encode_cursor(any_position(dice), "tenant|A1");
  for (const auto* other : {"", "tenant|A2", "tenant|A", "tenant|A1 ", "tenant"}) {
    EXPECT_FALSE(decode_cursor(text, other)) << other;
  }
}

TEST(Cursor, is_refused_where_a_character_differs) {
  Dice dice(3);
  for (int i = 0; i < 20; ++i) {
    const auto text = encode_cursor(any_position(dice), "listing");
    for (std::size_t at = 0; at < text.size(); ++at) {
      for (const char other : std::string("Az09-_+/= \0\x80", 12)) {
        auto changed = text;
        changed[at] = other;
        if (changed == text) continue;
        EXPECT_FALSE(decode_cursor(changed, "listing")) << changed;
      }
    }
    EXPECT_FALSE(decode_cursor(text + "A", "listing"));
    EXPECT_FALSE(decode_cursor(text + "AAAA", "listing"));
    EXPECT_FALSE(decode_cursor(text.substr(4), "listing"));
  }
}

TEST(Cursor, survives_any_text) {
  Dice dice(4);
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (int i = 0; i < 10'000; ++i) {
    std::string text(dice.chance(50) ? 56 : dice.roll(120), ' ');
    for (auto& character : text) {
      character = i % 2 == 0 ? dice.pick(digits) : static_cast<char>(dice.roll(256));
    }
    EXPECT_FALSE(decode_cursor(text, "listing"));
  }
}

}  // namespace
}  // namespace lyceum::learning
