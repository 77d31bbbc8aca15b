#include "watch/texts.h"

#include <gtest/gtest.h>

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using Keys = std::vector<std::int64_t>;

TEST(Texts, AreAskedForOnce) {
  Texts texts(1h);
  const SteadyTime now{100h};
  EXPECT_EQ(texts.wanted({1, 2, 1}, now), (Keys{1, 2}));
  texts.put(1, "one", now);
  texts.put(2, std::nullopt, now);
  EXPECT_EQ(texts.wanted({1, 2}, now), Keys{});
  EXPECT_EQ(*texts.find(1), "one");
  EXPECT_EQ(texts.find(2), nullptr);
  EXPECT_EQ(texts.find(3), nullptr);
  // Once more after a time, and what is known stands until then; the new ones come first.
  EXPECT_EQ(texts.wanted({1, 2, 3}, now + 1h), (Keys{3, 1, 2}));
  EXPECT_EQ(*texts.find(1), "one");
}

TEST(Texts, AreForgottenWithTheirKeys) {
  Texts texts;
  const SteadyTime now{100h};
  for (int i = 0; i < 10; ++i) texts.put(i, "text", now);
  texts.keep_only({3, 4, 99});
  EXPECT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts.wanted({2, 3}, now), Keys{2});
}

}  // namespace
}  // namespace lyceum::watch
