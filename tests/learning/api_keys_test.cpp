#include "learning/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "school.h"

namespace lyceum::learning {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Two {
  Uuid tenant, other, learner, others_learner;

  explicit Two(const AppDatabase& database) {
    const People people(database);
    tenant = uuid(people.tenants[0]);
    other = uuid(people.tenants[1]);
    learner = uuid(people.learners.at(people.tenants[0])[0]);
    others_learner = uuid(people.learners.at(people.tenants[1])[0]);
  }
};

template <class T>
ErrorCode code_of(const Result<T>& result) {
  return result.has_error() ? result.error().code : ErrorCode::kInternal;
}

TEST(ApiKeys, HaveOneForm) {
  const std::string good = "lyk_0Az9aB3dE5gH_" + std::string(43, 'A');
  EXPECT_EQ(prefix_of_api_key(good), "0Az9aB3dE5gH");
  for (const auto& bad :
       {std::string(), good + "A", good.substr(1), good.substr(0, good.size() - 1), " " + good,
        "LYK_" + good.substr(4), "lyk_0Az9aB3dE5g-_" + std::string(43, 'A'),
        "lyk_0Az9aB3dE5gHA" + std::string(43, 'A'), "lyk_0Az9aB3dE5gH_" + std::string(43, '='),
        "lyk_0Az9aB3dE5gH_" + std::string(42, 'A') + "B"}) {
    EXPECT_FALSE(prefix_of_api_key(bad)) << bad;
  }
}

TEST(ApiKeys, AreMadeFoundListedAndRevoked) {
  const AppDatabase database;
  const Two two(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = two.tenant};
    const auto teacher = co_await create_api_key(
        scope, {.name = "a", .roles = {"teacher", "admin", "teacher"}, .expires_at = kPresent});
    const auto learner =
        co_await create_api_key(scope, {.name = "b", .roles = {"learner"}, .learner = two.learner});
    if (teacher.has_error() || learner.has_error()) {
      ADD_FAILURE() << (teacher.has_error() ? teacher.error() : learner.error()).to_string();
      co_return;
    }
    EXPECT_THAT(teacher->stored.roles, ElementsAre("admin", "teacher"));
    EXPECT_EQ(teacher->stored.expires_at, kPresent);
    EXPECT_EQ(learner->stored.learner_id, two.learner);

    // What is stored is the prefix and the hash, by the server's own account.
    const auto key = teacher->key.reveal();
    const auto prefix = prefix_of_api_key(key).value_or("");
    EXPECT_EQ(prefix, teacher->stored.prefix);
    EXPECT_EQ(database.value(fmt::format("select hash = sha256('{}') from api_keys where prefix = "
                                         "'{}'",
                                         key, prefix)),
              "t");
    EXPECT_THAT(database.value("select string_agg(k::text, '') from api_keys k"),
                Not(HasSubstr(key.substr(key.size() - 43, 10))));

    const auto found = co_await find_api_key(pool, prefix, pg::kNoDeadline);
    if (found.has_error() || !*found) {
      ADD_FAILURE() << "not found";
      co_return;
    }
    EXPECT_EQ((*found)->tenant_id, two.tenant);
    EXPECT_EQ((*found)->hash, sha256(key));
    EXPECT_THAT((*found)->roles, ElementsAre("admin", "teacher"));
    EXPECT_EQ((*found)->expires_at, kPresent);
    EXPECT_FALSE((*found)->revoked_at);
    const auto none = co_await find_api_key(pool, "000000000000", pg::kNoDeadline);
    EXPECT_TRUE(none.has_value() && !none->has_value());

    const auto revoked = co_await revoke_api_key(scope, prefix);
    EXPECT_TRUE(revoked.has_value() && revoked->revoked_at);
    const auto again = co_await revoke_api_key(scope, prefix);
    EXPECT_TRUE(again.has_value() && again->revoked_at == revoked->revoked_at);
    const auto gone = co_await find_api_key(pool, prefix, pg::kNoDeadline);
    EXPECT_TRUE(gone.has_value() && *gone && (*gone)->revoked_at);
    const auto all = co_await list_api_keys(scope);
    EXPECT_TRUE(all.has_value() && all->size() == 2);
    if (all.has_error()) co_return;
    EXPECT_EQ(all->at(0).name, "b");
    EXPECT_FALSE(all->at(0).revoked_at);
    EXPECT_EQ(all->at(1).revoked_at, revoked->revoked_at);
  });
}

TEST(ApiKeys, AreNoTwoTheSame) {
  const AppDatabase database;
  const Two two(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    std::set<std::string> keys, prefixes;
    for (int i = 0; i < 20; ++i) {
      const auto made = co_await create_api_key({.database = pool, .tenant = two.tenant},
                                                {.name = "x", .roles = {"service"}});
      if (made.has_error()) continue;
      keys.insert(made->key.reveal().substr(17));
      prefixes.insert(made->stored.prefix);
    }
    EXPECT_EQ(keys.size(), 20U);
    EXPECT_EQ(prefixes.size(), 20U);
  });
}

TEST(ApiKeys, OfAnotherTenantAreNeitherSeenNorRevokedNorMade) {
  const AppDatabase database;
  const Two two(database);
  std::string prefix;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = two.tenant},
        other{.database = pool, .tenant = two.other};
    const auto made = co_await create_api_key(scope, {.name = "a", .roles = {"admin"}});
    if (made.has_error()) {
      ADD_FAILURE() << made.error().to_string();
      co_return;
    }
    prefix = made->stored.prefix;
    const auto seen = co_await list_api_keys(other);
    EXPECT_TRUE(seen.has_value() && seen->empty());
    const auto revoked = co_await revoke_api_key(other, prefix);
    EXPECT_EQ(code_of(revoked), ErrorCode::kNotFound);
    const auto learner = co_await create_api_key(
        scope, {.name = "b", .roles = {"learner"}, .learner = two.others_learner});
    EXPECT_EQ(code_of(learner), ErrorCode::kNotFound);
    const Scope nobody{.database = pool, .tenant = random_uuid()};
    const auto listed = co_await list_api_keys(nobody);
    EXPECT_EQ(code_of(listed), ErrorCode::kNotFound);
    const auto founded = co_await create_api_key(nobody, {.name = "b", .roles = {"admin"}});
    EXPECT_EQ(code_of(founded), ErrorCode::kNotFound);
  });
  // The same for an owner, whom no policy holds: the statements name the tenant.
  auto owner = pg::parse_target(database.url()).value();
  with_pool(owner, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope other{.database = pool, .tenant = two.other};
    const auto seen = co_await list_api_keys(other);
    EXPECT_TRUE(seen.has_value() && seen->empty());
    const auto revoked = co_await revoke_api_key(other, prefix);
    EXPECT_EQ(code_of(revoked), ErrorCode::kNotFound);
    const auto learner =
        co_await create_api_key(other, {.name = "b", .roles = {"learner"}, .learner = two.learner});
    EXPECT_EQ(code_of(learner), ErrorCode::kNotFound);
  });
  EXPECT_EQ(database.value("select count(*) from api_keys where revoked_at is null"), "1");
}

// By SQL, as the application's role, without Lyceum in between.
TEST(ApiKeys, AreHiddenFromTheApplicationButForWhatItNeeds) {
  const AppDatabase database;
  const Two two(database);
  const auto tenant = to_string(two.tenant);
  database.change(
      fmt::format("insert into api_keys (tenant_id, id, prefix, hash, name, roles) values ('{}', "
                  "gen_random_uuid(), 'aaaaaaaaaaaa', sha256('x'), 'a', array['admin'])",
                  tenant));
  const auto as_app = [&](const std::string& sql) {
    return database
        .query(fmt::format("set role {}; select set_config('lyceum.tenant', '{}', false)"
                           " is null; {}",
                           database.role(), tenant, sql))
        .back()[0];
  };
  const auto without_tenant = [&](const std::string& sql) {
    return database.query(fmt::format("set role {}; {}", database.role(), sql)).back()[0];
  };
  EXPECT_EQ(without_tenant("select count(*) from api_keys"), "0");
  EXPECT_EQ(without_tenant("with gone as (update api_keys set revoked_at = now() returning 1) "
                           "select count(*) from gone"),
            "0");
  EXPECT_EQ(without_tenant("select count(*) from lyceum_api_key('aaaaaaaaaaaa')"), "1");
  EXPECT_EQ(as_app("select count(*) from api_keys"), "1");
  for (const auto* refused :
       {"select hash from api_keys", "select * from api_keys", "delete from api_keys",
        "update api_keys set roles = array['service']", "update api_keys set tenant_id = tenant_id",
        "insert into api_keys (tenant_id, id, prefix, hash, name, roles) values "
        "(gen_random_uuid(), "
        "gen_random_uuid(), 'bbbbbbbbbbbb', sha256('x'), 'b', array['admin'])"}) {
    EXPECT_ANY_THROW((void)as_app(refused)) << refused;
  }
  // Nobody else may call the function.
  EXPECT_EQ(database.value("select has_function_privilege('lyceum_reader', 'lyceum_api_key(text)', "
                           "'execute')"),
            "f");
}

TEST(ApiKeys, AreCheckedBeforeTheyAreSentAndAgainByTheTable) {
  const auto& database = reading();
  const Two two(database);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const Scope scope{.database = pool, .tenant = two.tenant};
    const std::vector<NewApiKey> bad = {
        {.name = "", .roles = {"admin"}},
        {.name = std::string(201, 'a'), .roles = {"admin"}},
        {.name = "a\xff", .roles = {"admin"}},
        {.name = "a", .roles = {}},
        {.name = "a", .roles = {"owner"}},
        {.name = "a", .roles = {"learner"}},
        {.name = "a", .roles = {"admin"}, .learner = two.learner},
        {.name = "a", .roles = {"admin"}, .expires_at = Timestamp::max()}};
    for (const auto& one : bad) {
      const auto made = co_await create_api_key(scope, one);
      EXPECT_EQ(code_of(made), ErrorCode::kBadInput) << one.name;
    }
    const std::string secret = "lyk_aaaaaaaaaaaa_hunter2";
    const auto revoked = co_await revoke_api_key(scope, secret);
    EXPECT_EQ(code_of(revoked), ErrorCode::kBadInput);
    if (revoked.has_error()) {
      EXPECT_THAT(revoked.error().to_string(), Not(HasSubstr("hunter2")));
    }
  });
  for (const auto* roles :
       {"array['owner']", "array[]::text[]", "array['admin', null]", "array['learner']", "null"}) {
    EXPECT_ANY_THROW(database.change(
        fmt::format("insert into api_keys (tenant_id, id, prefix, hash, name, roles) values ('{}', "
                    "gen_random_uuid(), 'cccccccccccc', sha256('x'), 'a', {})",
                    to_string(two.tenant), roles)))
        << roles;
  }
}

}  // namespace
}  // namespace lyceum::learning
