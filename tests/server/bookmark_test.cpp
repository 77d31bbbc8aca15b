#include "server/bookmark.h"

#include <gtest/gtest.h>
#include <random>

namespace lyceum::server {
namespace {

const Uuid kTenant = parse_uuid("00112233-4455-6677-8899-aabbccddeeff").value();
const Uuid kOther = parse_uuid("00112233-4455-6677-8899-aabbccddeefe").value();

TEST(Bookmarks, ComeBackAsTheyWere) {
  const Bookmarks bookmarks(Secret("a key of some length"));
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const pg::Position position{.timeline = static_cast<std::int32_t>(random() >> 33),
                                .lsn = random()};
    const auto text = bookmarks.encode(position, kTenant);
    EXPECT_EQ(
        text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        std::string::npos);
    ASSERT_EQ(bookmarks.decode(text, kTenant), position);
  }
}

TEST(Bookmarks, AreOneTenantsAndOneKeys) {
  const Bookmarks ours(Secret("a key of some length"));
  const auto text = ours.encode({.timeline = 1, .lsn = 2}, kTenant);
  EXPECT_TRUE(Bookmarks(Secret("a key of some length")).decode(text, kTenant));
  EXPECT_FALSE(ours.decode(text, kOther));
  EXPECT_FALSE(Bookmarks(Secret("another key of it")).decode(text, kTenant));
  // Made up keys are two.
  const Bookmarks first{Secret()}, second{Secret()};
  EXPECT_FALSE(second.decode(first.encode({}, kTenant), kTenant));
  EXPECT_TRUE(first.decode(first.encode({}, kTenant), kTenant));
}

TEST(Bookmarks, NoChangeIsTaken) {
  const Bookmarks bookmarks(Secret("a key of some length"));
  const auto text = bookmarks.encode({.timeline = 3, .lsn = 0x1234567890}, kTenant);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char other : std::string_view("Ab0-_=. \n\0\xff", 11)) {
      auto changed = text;
      if (changed[i] == other) continue;
      changed[i] = other;
      EXPECT_FALSE(bookmarks.decode(changed, kTenant)) << changed;
    }
    EXPECT_FALSE(bookmarks.decode(text.substr(0, i), kTenant));
  }
  for (const auto* more : {"A", "=", "AAAA", " "})
    EXPECT_FALSE(bookmarks.decode(text + more, kTenant));
}

}  // namespace
}  // namespace lyceum::server
