// keys create, list and revoke, as one runs them from a shell.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "support/postgres.h"

namespace lyceum::cli_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using testing::TestDatabase;

const std::string kTenant = "11111111-2222-3333-4444-555555555555";
const std::string kOther = "22222222-2222-3333-4444-555555555555";
const std::string kAda = "33333333-2222-3333-4444-555555555555";
const Keys kKeyKeys{"id",    "prefix",     "name",       "roles",     "learner",
                    "state", "created_at", "expires_at", "revoked_at"};

class ApiKeys : public ::testing::Test {
 protected:
  [[nodiscard]] testing::ProcessResult run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "keys");
    return run_lyceum(std::move(arguments), {"DATABASE_URL=" + database_.url()});
  }
  void migrate() const {
    const auto done = run_lyceum({"migrate"}, {"DATABASE_URL=" + database_.url()});
    ASSERT_EQ(done.exit_status, 0) << done.err;
    database_.query(fmt::format(
        "insert into tenants (id, name) values ('{0}', 'a'), ('{1}', 'b'); insert into users "
        "(tenant_id, id, email) values ('{0}', '{2}', 'ada@example.org')",
        kTenant, kOther, kAda));
  }

  TestDatabase database_;
};

TEST_F(ApiKeys, AreShownOnceThenListedThenRevoked) {
  migrate();
  const auto made = run({"create", "--tenant", kTenant, "--name", "importer", "--role",
                         "service,teacher", "--expires", "90d"});
  ASSERT_EQ(made.exit_status, 0) << made.err;
  EXPECT_THAT(made.out, MatchesRegex("lyk_[0-9A-Za-z]{12}_[0-9A-Za-z_-]{43}\n"));
  const auto prefix = made.out.substr(4, 12);
  const auto secret = made.out.substr(17, 43);
  EXPECT_THAT(made.err, AllOf(HasSubstr(prefix), Not(HasSubstr(secret))));
  EXPECT_EQ(
      database_.value("select round(extract(epoch from expires_at - created_at) / 86400) from "
                      "api_keys"),
      "90");

  const auto learner = run({"create", "--tenant", kTenant, "--name", "ada", "--role", "learner",
                            "--learner", kAda, "--json"});
  ASSERT_EQ(learner.exit_status, 0) << learner.err;
  auto expected = kKeyKeys;
  expected.insert("key");
  const auto document = json_of(learner);
  EXPECT_EQ(keys_of(document), expected);
  EXPECT_EQ(document.at("learner").as_string(), kAda);
  EXPECT_TRUE(document.at("expires_at").is_null());

  const auto shown = run({"list", "--tenant", kTenant});
  EXPECT_EQ(shown.exit_status, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr(prefix), HasSubstr("importer"), HasSubstr("active"),
                               Not(HasSubstr(secret))));
  const auto others = run({"list", "--tenant", kOther, "--json"});
  EXPECT_TRUE(json_of(others).at("keys").as_array().empty());

  EXPECT_EQ(run({"revoke", "--tenant", kOther, prefix}).exit_status, 1) << "another tenant's";
  const auto revoked = run({"revoke", "--tenant", kTenant, prefix, "--json"});
  EXPECT_EQ(revoked.exit_status, 0) << revoked.err;
  EXPECT_EQ(keys_of(json_of(revoked)), kKeyKeys);
  EXPECT_EQ(json_of(revoked).at("state").as_string(), "revoked");
  // A whole key does as well, and is not shown.
  const auto whole =
      run({"revoke", "--tenant", kTenant, std::string(document.at("key").as_string())});
  EXPECT_EQ(whole.exit_status, 0) << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("is revoked since"));
  const auto all = run({"list", "--tenant", kTenant, "--json"});
  const auto listed = json_of(all);
  ASSERT_EQ(listed.at("keys").as_array().size(), 2U);
  for (const auto& key : listed.at("keys").as_array()) {
    EXPECT_EQ(keys_of(key), kKeyKeys);
    EXPECT_EQ(key.at("state").as_string(), "revoked");
  }
}

TEST_F(ApiKeys, ThatCannotBeAreOneLineWithTheReason) {
  const auto missing = run({"list", "--tenant", kTenant});
  EXPECT_EQ(missing.exit_status, 1);
  EXPECT_THAT(missing.err, HasSubstr("lyceum migrate"));
  migrate();
  struct Case {
    std::vector<std::string> call;
    int status;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"list", "--tenant", "school"}, 2, "--tenant 'school' is no UUID"},
      {{"list", "--tenant", kAda}, 1, "there is no tenant"},
      {{"create", "--tenant", kTenant, "--name", "a", "--role", "owner"}, 2, "owner"},
      {{"create", "--tenant", kTenant, "--name", "a"}, 2, "--role"},
      {{"create", "--tenant", kTenant, "--name", "a", "--role", "learner"}, 2, "names the learner"},
      {{"create", "--tenant", kTenant, "--name", "a", "--role", "admin", "--learner", kAda},
       2,
       "names no learner"},
      {{"create", "--tenant", kOther, "--name", "a", "--role", "learner", "--learner", kAda},
       1,
       "has no learner " + kAda},
      {{"create", "--tenant", kAda, "--name", "a", "--role", "admin"}, 1, "there is no tenant"},
      {{"create", "--tenant", kTenant, "--name", "a", "--role", "admin", "--expires", "soon"},
       2,
       "--expires 'soon'"},
      {{"revoke", "--tenant", kTenant, "aaaaaaaaaaaa"}, 1, "no API key aaaaaaaaaaaa"},
      {{"revoke", "--tenant", kTenant, "lyk_aaaaaaaaaaaa_hunter2"}, 2, "no key's prefix"},
  };
  for (const auto& [call, status, says] : cases) {
    const auto result = run(call);
    EXPECT_EQ(result.exit_status, status) << fmt::format("{}", fmt::join(call, " "));
    EXPECT_THAT(result.err, AllOf(HasSubstr(says), Not(HasSubstr("hunter2"))));
    EXPECT_THAT(result.out, IsEmpty());
  }
  EXPECT_EQ(database_.value("select count(*) from api_keys"), "0");
}

}  // namespace
}  // namespace lyceum::cli_test
