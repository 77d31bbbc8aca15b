#include "watch/receivers.h"

#include <fstream>
#include <gtest/gtest.h>

#include "support/process.h"

namespace lyceum::watch {
namespace {

TEST(Receivers, TheLogIsAlwaysTold) {
  const auto found = receivers_of({}).value();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, ReceiverKind::log);
}

TEST(Receivers, AreReadFromTheirFiles) {
  const testing::TemporaryDirectory room;
  const auto file = (room.path() / "webhook").string();
  std::ofstream(file) << "https://example.org/secret/path\r\nthe key\n";
  const auto found =
      receivers_of({.alertmanager = "http://127.0.0.1:9093", .webhook_file = file}).value();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1].kind, ReceiverKind::alertmanager);
  EXPECT_EQ(found[2].url.reveal(), "https://example.org/secret/path");
  EXPECT_EQ(found[2].key.reveal(), "the key");
}

TEST(Receivers, WhatIsNoneIsSaidWithoutASecret) {
  const testing::TemporaryDirectory room;
  const auto file = (room.path() / "slack").string();
  std::ofstream(file) << "hooks.example.org/secret\n";
  for (const auto& settings :
       {WatchSettings{.slack_file = file}, WatchSettings{.webhook_file = "/nowhere"},
        WatchSettings{.alertmanager = "http://user:secret@host"},
        WatchSettings{.alertmanager = "host:9093"}}) {
    const auto found = receivers_of(settings);
    ASSERT_TRUE(found.has_error());
    EXPECT_EQ(found.error().code, ErrorCode::kConfiguration);
    EXPECT_EQ(found.error().to_string().find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace lyceum::watch
