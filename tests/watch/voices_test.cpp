#include "watch/voices.h"

#include <gtest/gtest.h>

#include "watch/history_run.h"

namespace lyceum::watch {
namespace {

Sample role(const std::string& node, bool recovering) {
  return {.source = {"server", node, ""},
          .at = at_second(0),
          .rows = {row_of("server", {{"in_recovery", std::int64_t{recovering ? 1 : 0}}})}};
}

TEST(Voices, WhoHasNotSaidWhatItIsSpeaksForItself) {
  Voices voices;
  EXPECT_EQ(voices.speaks_for({"tables", "one", "d"}), "one");
  EXPECT_EQ(voices.speaks_for({"tables", "two", "d"}), "two");
}

TEST(Voices, AReplicaSpeaksOnlyWhereItsPrimaryDoesNot) {
  Voices voices;
  for (const auto* replica : {"one", "two"}) voices.note(role(replica, true));
  voices.note(role("first", false));
  const Source first{"tables", "first", "d"}, one{"tables", "one", "d"}, two{"tables", "two", "d"};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(voices.speaks_for(first), "first");
    EXPECT_EQ(voices.speaks_for(one), std::nullopt);
    EXPECT_EQ(voices.speaks_for(two), std::nullopt);
  }
  // It is away: one of them speaks, and only one.
  EXPECT_EQ(voices.speaks_for(one), "first");
  EXPECT_EQ(voices.speaks_for(two), std::nullopt);
  EXPECT_EQ(voices.speaks_for(one), "first");
  // And when that one is away too, the other.
  EXPECT_EQ(voices.speaks_for(two), std::nullopt);
  EXPECT_EQ(voices.speaks_for(two), "first");
  // Other databases and collectors are read at other times.
  EXPECT_EQ(voices.speaks_for({"tables", "two", "e"}), std::nullopt);
  EXPECT_EQ(voices.speaks_for(first), "first");
  EXPECT_EQ(voices.speaks_for(two), std::nullopt);
}

TEST(Voices, ReplicasOfNobodySpeakForThemselves) {
  Voices voices;
  voices.note(role("one", true));
  EXPECT_EQ(voices.speaks_for({"tables", "one", "d"}), std::nullopt) << "its primary may come";
  EXPECT_EQ(voices.speaks_for({"tables", "one", "d"}), "one");
}

TEST(Voices, WhoIsPromotedSpeaksAtOnce) {
  Voices voices;
  voices.note(role("old", false));
  voices.note(role("new", true));
  const Source was{"tables", "old", "d"}, is{"tables", "new", "d"};
  EXPECT_EQ(voices.speaks_for(was), "old");
  voices.note(role("new", false));
  EXPECT_EQ(voices.speaks_for(is), "new");
  voices.note(role("old", true));
  EXPECT_EQ(voices.speaks_for(was), std::nullopt);
}

}  // namespace
}  // namespace lyceum::watch
