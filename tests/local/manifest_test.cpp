#include "local/manifest.h"

#include <gtest/gtest.h>

#include "local/json.h"

namespace lyceum::local {
namespace {

Manifest sample() {
  Manifest out;
  out.name = "demo";
  out.binaries = "/usr/lib/postgresql/15/bin";
  out.password = Secret("s3cr3t-\"quoted\"-\\-\x01-ü");
  out.durable = false;
  out.synchronous = true;
  out.settings = {{"work_mem", "4MB"}, {"log_line_prefix", "%m\t'x'\n"}};
  out.servers = {{"primary", Role::kPrimary, 15'001, "/tmp/a"},
                 {"replica-1", Role::kReplica, 15'002, "/tmp/b c"},
                 {"shard-0", Role::kShard, 65'535, "/tmp/c"}};
  return out;
}

TEST(Manifest, SurvivesBeingWritten) {
  const auto before = sample();
  const auto after = parse_manifest(to_json(before)).value();
  EXPECT_EQ(after.name, before.name);
  EXPECT_EQ(after.binaries, before.binaries);
  EXPECT_EQ(after.password, before.password);
  EXPECT_EQ(after.durable, before.durable);
  EXPECT_EQ(after.synchronous, before.synchronous);
  EXPECT_EQ(after.settings, before.settings);
  ASSERT_EQ(after.servers.size(), before.servers.size());
  for (std::size_t i = 0; i < after.servers.size(); ++i) {
    EXPECT_EQ(after.servers[i].name, before.servers[i].name);
    EXPECT_EQ(after.servers[i].role, before.servers[i].role);
    EXPECT_EQ(after.servers[i].port, before.servers[i].port);
    EXPECT_EQ(after.servers[i].socket_directory, before.servers[i].socket_directory);
  }
}

// Every prefix of a manifest is what a writer that is not atomic could leave; none is accepted and
// none of the text, which holds the password, is repeated.
TEST(Manifest, RefusesEveryCutOne) {
  auto text = to_json(sample());
  while (text.back() == '\n') text.pop_back();
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto parsed = parse_manifest(text.substr(0, length));
    ASSERT_FALSE(parsed) << length;
    EXPECT_EQ(parsed.error().to_string().find("s3cr3t"), std::string::npos);
  }
}

TEST(Manifest, RefusesWrongMembers) {
  const auto text = to_json(sample());
  const auto with = [&](const std::string& from, const std::string& to) {
    auto changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return parse_manifest(changed);
  };
  EXPECT_TRUE(with("15001", "15003"));
  EXPECT_FALSE(with("15001", "0"));
  EXPECT_FALSE(with("15001", "65536"));
  EXPECT_FALSE(with("15001", "\"15001\""));
  EXPECT_FALSE(with("\"version\": 1", "\"version\": 2"));
  EXPECT_FALSE(with("\"replica\"", "\"leader\""));
  EXPECT_FALSE(with("\"durable\": false", "\"durable\": 0"));
  EXPECT_FALSE(with("\"synchronous\": true", "\"synchronous\": 1"));
  EXPECT_FALSE(with("\"password\"", "\"passwort\""));
  const auto older = with("\"synchronous\": true,", "");
  ASSERT_TRUE(older) << "a manifest from before there was synchronous";
  EXPECT_FALSE(older->synchronous);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* bad : {"", "{", "}", "[1,]", "{\"a\" 1}", "{\"a\":1,}", "\"open", "1 2", "tru",
                          "{\"a\":}", "[\"\\q\"]", "[\"\\u00\"]", "nul"}) {
    EXPECT_FALSE(parse_json(bad)) << bad;
  }
  // No stack is exhausted by depth.
  EXPECT_FALSE(parse_json(std::string(100'000, '[')));
}

TEST(Json, AcceptsWhiteSpaceAndEmptyContainers) {
  EXPECT_TRUE(parse_json(" { \"a\" : [ ] , \"b\" : { } , \"c\" : [ -1 , true , \"\" ] } \n"));
}

}  // namespace
}  // namespace lyceum::local
