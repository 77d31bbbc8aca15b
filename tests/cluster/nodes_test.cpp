#include "cluster/nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lyceum::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ConnectionString url_of(std::string_view text) {
  return parse_connection_string(text).value();
}

DatabaseSettings settings_of(std::string_view primary, std::vector<std::string> replicas = {}) {
  DatabaseSettings settings;
  settings.url = url_of(primary);
  for (const auto& one : replicas) settings.replica_urls.push_back(url_of(one));
  return settings;
}

std::vector<std::string> names_of(const std::vector<pg::Target>& targets) {
  std::vector<std::string> names;
  for (const auto& target : targets) names.push_back(target.node);
  return names;
}

std::vector<std::string> all(const std::vector<pg::Target>& targets, std::string_view keyword) {
  std::vector<std::string> values;
  for (const auto& target : targets) values.emplace_back(target.get(keyword));
  return values;
}

TEST(Nodes, OneUrlIsOneNode) {
  const auto nodes = nodes_of(settings_of("postgresql://app@db:5433/school")).value();
  EXPECT_THAT(names_of(nodes), ElementsAre("db:5433/school"));
}

TEST(Nodes, EachHostOfAUrlIsANodeInItsOrder) {
  const auto nodes =
      nodes_of(settings_of("postgresql://app@c:1,a,[::1]:3/school?sslmode=disable")).value();
  EXPECT_THAT(names_of(nodes), ElementsAre("c:1/school", "a:5432/school", "[::1]:3/school"));
  EXPECT_THAT(all(nodes, "host"), ElementsAre("c", "a", "::1"));
  EXPECT_THAT(all(nodes, "user"), ElementsAre("app", "app", "app"));
  EXPECT_THAT(all(nodes, "sslmode"), ElementsAre("disable", "disable", "disable"));
}

TEST(Nodes, ReplicasFollowThePrimary) {
  const auto nodes =
      nodes_of(settings_of("postgresql://app@p,q/school",
                           {"postgresql://app@r/school", "host=s,t port=1,2 dbname=school"}))
          .value();
  EXPECT_THAT(names_of(nodes), ElementsAre("p:5432/school", "q:5432/school", "r:5432/school",
                                           "s:1/school", "t:2/school"));
}

TEST(Nodes, ThePrimarysOwnUrlGoesBeforeTheCommonOne) {
  auto settings = settings_of("postgresql://app@common/school");
  settings.primary_url = url_of("postgresql://app@own/school");
  EXPECT_THAT(names_of(nodes_of(settings).value()), ElementsAre("own:5432/school"));
}

// A session attribute asks one connection to find the primary; here each server is asked.
TEST(Nodes, SessionAttributesAreDropped) {
  const auto nodes = nodes_of(settings_of("postgresql://a@x,y/s?target_session_attrs=read-write",
                                          {"postgresql://a@z/s?target_session_attrs=standby"}))
                         .value();
  EXPECT_THAT(all(nodes, "target_session_attrs"), ElementsAre("", "", ""));
}

TEST(Nodes, PasswordsComeThroughWhole) {
  for (const std::string_view text : {"postgresql://app:p%40ss%2Fw%3Ard%25@x,y/school",
                                      "postgresql://app:p@ss%2Fw:rd%25@x,y/school",
                                      "host=x,y user=app password='p@ss/w:rd%' dbname=school"}) {
    const auto nodes = nodes_of(url_of(text)).value();
    EXPECT_THAT(all(nodes, "password"), ElementsAre("p@ss/w:rd%", "p@ss/w:rd%")) << text;
    EXPECT_THAT(names_of(nodes), ElementsAre("x:5432/school", "y:5432/school")) << text;
  }
}

TEST(Nodes, AddressesGoWithTheirHosts) {
  const auto nodes =
      nodes_of(url_of("host=x,y hostaddr=10.0.0.1,10.0.0.2 dbname=school user=u")).value();
  EXPECT_THAT(names_of(nodes), ElementsAre("x:5432/school", "y:5432/school"));
  EXPECT_THAT(all(nodes, "hostaddr"), ElementsAre("10.0.0.1", "10.0.0.2"));
  const auto nameless = nodes_of(url_of("hostaddr=10.0.0.1,10.0.0.2 dbname=school user=u")).value();
  EXPECT_THAT(names_of(nameless), ElementsAre("10.0.0.1:5432/school", "10.0.0.2:5432/school"));
}

TEST(Nodes, NoUrlIsAnError) {
  const auto nodes = nodes_of(DatabaseSettings{});
  ASSERT_TRUE(nodes.has_error());
  EXPECT_EQ(nodes.error().code, ErrorCode::kConfiguration);
  EXPECT_THAT(nodes.error().message, HasSubstr("no database"));
}

// Twice in the list it would be two servers that take writes on one timeline.
TEST(Nodes, OneNamedTwiceIsAnErrorThatNamesItAndNoSecret) {
  const auto primary = "postgresql://app:s3cret@x/school";
  for (const auto& settings :
       {settings_of(primary, {primary}),
        settings_of(primary, {"postgresql://app:s3cret@y/school", "host=y dbname=school"}),
        settings_of(primary, {"postgresql://app@z,x:5432/school"}),
        settings_of("postgresql://app:s3cret@y,x,y/school")}) {
    const auto nodes = nodes_of(settings);
    ASSERT_TRUE(nodes.has_error());
    EXPECT_EQ(nodes.error().code, ErrorCode::kConfiguration);
    EXPECT_THAT(nodes.error().message, HasSubstr(":5432/school is configured twice"));
    EXPECT_THAT(nodes.error().to_string(), Not(HasSubstr("s3cret")));
  }
}

TEST(Nodes, AnotherPortOrDatabaseIsAnotherNode) {
  const auto nodes =
      nodes_of(settings_of("postgresql://app@x/school", {"postgresql://app@x:5433/school"}))
          .value();
  EXPECT_THAT(names_of(nodes), ElementsAre("x:5432/school", "x:5433/school"));
}

}  // namespace
}  // namespace lyceum::cluster
