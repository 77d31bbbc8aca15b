#include "server/authenticator.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "learning/api_keys.h"
#include "learning/school.h"
#include "pool/pool.h"
#include "server/signing.h"
#include "support/process.h"

namespace lyceum::server {
namespace {

using namespace std::chrono_literals;
using boost::asio::awaitable;
using learning::AppDatabase;
using learning::People;
using learning::uuid;
using learning::with_pool;
using ::testing::HasSubstr;
using ::testing::Not;

// A clock whose wall time is of this century, moved by hand.
class Moving final : public Clock {
 public:
  [[nodiscard]] SteadyTime now() const override { return SteadyTime(1h) + passed_; }
  [[nodiscard]] Timestamp wall_now() const override {
    return start_ + std::chrono::floor<std::chrono::microseconds>(passed_);
  }
  void advance(Duration by) { passed_ += by; }

 private:
  Timestamp start_ = std::chrono::floor<std::chrono::seconds>(SystemClock().wall_now());
  Duration passed_{};
};

const Signer& secret() {
  static const Signer signer = Signer::secret("0123456789abcdef0123456789abcdef");
  return signer;
}

const std::string kTenant = "11111111-2222-3333-4444-555555555555";

std::string token_of(const Clock& clock, const std::string& kid = "h",
                     const std::string& subject = "ada") {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(clock.wall_now().time_since_epoch()).count();
  return signed_token(secret(), header_of(secret(), kid),
                      fmt::format(R"({{"exp":{},"tenant":"{}","roles":["teacher"],"sub":"{}"}})",
                                  seconds + 60, kTenant, subject));
}

// A pool that is never connected: what needs no database must not ask one.
pg::Target nowhere() {
  return pg::parse_target("postgresql://127.0.0.1:1/nowhere").value();
}

pool::Limits impatient() {
  pool::Limits limits;
  limits.connect_timeout = 200ms;
  limits.pool_timeout = 300ms;
  limits.min_idle = 0;
  return limits;
}

class Authentication : public ::testing::Test {
 protected:
  Authentication() { write("h"); }
  void write(const std::string& kids) const {
    std::string keys;
    for (const char kid : kids) {
      keys += (keys.empty() ? "" : ",") + secret().jwk(std::string_view(&kid, 1));
    }
    std::ofstream(path_) << set_of(keys);
  }
  [[nodiscard]] std::shared_ptr<KeySource> source() const {
    return KeySource::open(path_, clock_).value();
  }

  testing::TemporaryDirectory room_;
  std::string path_ = (room_.path() / "keys.json").string();
  Moving clock_;
};

ErrorCode code_of(const Result<Principal>& result) {
  return result.has_error() ? result.error().code : ErrorCode::kInternal;
}

TEST_F(Authentication, ByATokenNeedsNoDatabase) {
  Authenticator authenticator(source(), {}, clock_);
  with_pool(
      nowhere(),
      [&](pool::Pool& pool) -> awaitable<void> {
        for (const auto* scheme : {"Bearer ", "bearer ", "BEARER  "}) {
          const auto header = scheme + token_of(clock_);
          for (int twice = 0; twice < 2; ++twice) {
            const auto who = co_await authenticator.authenticate(header, pool, pg::kNoDeadline);
            if (who.has_error()) {
              ADD_FAILURE() << who.error().to_string();
              continue;
            }
            EXPECT_EQ(to_string(who->tenant), kTenant);
            EXPECT_EQ(who->roles, Roles{Role::teacher});
            EXPECT_EQ(who->name, "jwt:ada");
          }
        }
      },
      impatient());
}

TEST_F(Authentication, TakesNothingElse) {
  Authenticator authenticator(source(), {}, clock_);
  const auto token = token_of(clock_);
  const std::vector<std::string> headers = {"",
                                            "Bearer",
                                            "Bearer ",
                                            "Bearer  ",
                                            token,
                                            "Basic " + token,
                                            "Bearer\t" + token,
                                            " Bearer " + token,
                                            "Bearer " + token + " ",
                                            "Bearer " + token + " " + token,
                                            "Bearer " + token + ", Bearer " + token,
                                            "Bearer " + token + "," + token,
                                            "Bearer " + token + "\n",
                                            "Bearer " + token.substr(1),
                                            "Bearer \"" + token + "\"",
                                            "Bearer " + std::string(100'000, 'a'),
                                            "Bearer lyk_",
                                            "Bearer lyk_aaaaaaaaaaaa",
                                            "Bearer lyk_aaaaaaaaaaaa_" + std::string(42, 'A'),
                                            "Bearer lyk_aaaaaaaaaaaa_" + std::string(44, 'A')};
  with_pool(
      nowhere(),
      [&](pool::Pool& pool) -> awaitable<void> {
        for (const auto& header : headers) {
          const auto who = co_await authenticator.authenticate(header, pool, pg::kNoDeadline);
          EXPECT_EQ(code_of(who), ErrorCode::kUnauthenticated) << header;
          if (who.has_error()) {
            EXPECT_THAT(who.error().to_string(), Not(HasSubstr(token.substr(60, 16))));
          }
        }
      },
      impatient());
}

TEST_F(Authentication, WithoutKeysRefusesTokens) {
  Authenticator authenticator(nullptr, {}, clock_);
  const auto header = "Bearer " + token_of(clock_);
  with_pool(
      nowhere(),
      [&](pool::Pool& pool) -> awaitable<void> {
        const auto who = co_await authenticator.authenticate(header, pool, pg::kNoDeadline);
        EXPECT_EQ(code_of(who), ErrorCode::kUnauthenticated);
      },
      impatient());
}

TEST_F(Authentication, RemembersATokenUntilItExpiresOrTheKeysChange) {
  const auto keys = source();
  Authenticator authenticator(keys, {.remembered_tokens = 2}, clock_);
  const auto header = "Bearer " + token_of(clock_);
  with_pool(
      nowhere(),
      [&](pool::Pool& pool) -> awaitable<void> {
        const auto good = [&](const std::string& shown) -> awaitable<bool> {
          const auto who = co_await authenticator.authenticate(shown, pool, pg::kNoDeadline);
          co_return who.has_value();
        };
        EXPECT_TRUE(co_await good(header));
        // Others push it out; it is then verified again.
        for (const auto* other : {"b", "c", "d"}) {
          const auto shown = "Bearer " + token_of(clock_, "h", other);
          EXPECT_TRUE(co_await good(shown));
        }
        EXPECT_TRUE(co_await good(header));
        clock_.advance(89s);
        EXPECT_TRUE(co_await good(header)) << "within the leeway";
        clock_.advance(1s);
        EXPECT_FALSE(co_await good(header)) << "expired, although it was remembered";

        const auto fresh = "Bearer " + token_of(clock_);
        EXPECT_TRUE(co_await good(fresh));
        write("xy");
        EXPECT_TRUE(co_await good(fresh)) << "nobody said that the file changed";
        EXPECT_TRUE(keys->reload().has_value());
        EXPECT_FALSE(co_await good(fresh)) << "its key is gone";
      },
      impatient());
}

TEST_F(Authentication, ReadsTheKeysAnewForAnUnknownOne) {
  write("ah");
  Authenticator first(source(), {}, clock_);
  const auto shared = source();
  Authenticator second(shared, {}, clock_);
  Authenticator third(shared, {}, clock_);
  write("abh");
  const auto header = "Bearer " + token_of(clock_, "b");
  const auto unknown = "Bearer " + token_of(clock_, "z");
  with_pool(
      nowhere(),
      [&](pool::Pool& pool) -> awaitable<void> {
        for (auto* one : {&first, &second, &third}) {
          const auto who = co_await one->authenticate(header, pool, pg::kNoDeadline);
          EXPECT_TRUE(who.has_value());
          const auto nobody = co_await one->authenticate(unknown, pool, pg::kNoDeadline);
          EXPECT_EQ(code_of(nobody), ErrorCode::kUnauthenticated);
        }
      },
      impatient());
}

TEST_F(Authentication, ByAnApiKeyIsWhatTheKeySays) {
  const AppDatabase database;
  const People people(database);
  const auto tenant = uuid(people.tenants[0]);
  const auto learner = uuid(people.learners.at(people.tenants[0])[0]);
  Authenticator authenticator(nullptr, {}, clock_);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const learning::Scope scope{.database = pool, .tenant = tenant};
    const auto made = co_await learning::create_api_key(
        scope,
        {.name = "a", .roles = {"learner", "teacher", "admin", "service"}, .learner = learner});
    if (made.has_error()) {
      ADD_FAILURE() << made.error().to_string();
      co_return;
    }
    const auto header = "Bearer " + made->key.reveal();
    const auto who = co_await authenticator.authenticate(header, pool, pg::kNoDeadline);
    if (who.has_error()) {
      ADD_FAILURE() << who.error().to_string();
      co_return;
    }
    EXPECT_EQ(who->tenant, tenant);
    EXPECT_EQ(who->learner, learner);
    EXPECT_EQ(who->roles, Roles(kAllRoles)) << "the table's roles are those of the server";
    EXPECT_EQ(who->name, "key:" + made->stored.prefix);

    // A known prefix with another secret, and an unknown one, get the same answer.
    auto guess = header;
    guess.replace(guess.size() - 43, 5, "AAAAA");
    const auto wrong = co_await authenticator.authenticate(guess, pool, pg::kNoDeadline);
    const auto stranger = "Bearer lyk_000000000000_" + header.substr(header.size() - 43);
    const auto unknown = co_await authenticator.authenticate(stranger, pool, pg::kNoDeadline);
    EXPECT_EQ(code_of(wrong), ErrorCode::kUnauthenticated);
    EXPECT_EQ(code_of(unknown), ErrorCode::kUnauthenticated);
    if (wrong.has_error() && unknown.has_error()) {
      EXPECT_EQ(wrong.error().to_string(), unknown.error().to_string());
    }
  });
}

TEST_F(Authentication, ByAnApiKeyEndsWhereItIsRevokedOrExpires) {
  const AppDatabase database;
  const People people(database);
  const auto tenant = uuid(people.tenants[0]);
  Authenticator authenticator(nullptr, {}, clock_), other(nullptr, {.key_lifetime = {}}, clock_);
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const learning::Scope scope{.database = pool, .tenant = tenant};
    const auto revoked =
        co_await learning::create_api_key(scope, {.name = "a", .roles = {"admin"}});
    const auto expiring = co_await learning::create_api_key(
        scope, {.name = "b", .roles = {"admin"}, .expires_at = clock_.wall_now() + 62s});
    if (revoked.has_error() || expiring.has_error()) {
      ADD_FAILURE() << "not made";
      co_return;
    }
    const auto good = [&](Authenticator& by,
                          const learning::CreatedApiKey& key) -> awaitable<bool> {
      const auto header = "Bearer " + key.key.reveal();
      const auto who = co_await by.authenticate(header, pool, pg::kNoDeadline);
      if (who.has_error()) EXPECT_EQ(who.error().code, ErrorCode::kUnauthenticated);
      co_return who.has_value();
    };
    EXPECT_TRUE(co_await good(authenticator, *revoked));
    EXPECT_TRUE(co_await good(other, *revoked));
    const auto done = co_await learning::revoke_api_key(scope, revoked->stored.prefix);
    EXPECT_TRUE(done.has_value());
    EXPECT_FALSE(co_await good(other, *revoked)) << "asks each time";
    clock_.advance(4999ms);
    EXPECT_TRUE(co_await good(authenticator, *revoked)) << "is remembered";
    clock_.advance(1ms);
    EXPECT_FALSE(co_await good(authenticator, *revoked));

    clock_.advance(55s);
    EXPECT_TRUE(co_await good(authenticator, *expiring));
    clock_.advance(2s);
    EXPECT_FALSE(co_await good(authenticator, *expiring)) << "expires while it is remembered";
    EXPECT_FALSE(co_await good(other, *expiring));
  });
}

TEST_F(Authentication, ByARememberedApiKeyAsksNobody) {
  const AppDatabase database;
  const People people(database);
  Authenticator authenticator(nullptr, {}, clock_);
  std::string header;
  with_pool(database, [&](pool::Pool& pool) -> awaitable<void> {
    const auto made = co_await learning::create_api_key(
        {.database = pool, .tenant = uuid(people.tenants[0])}, {.name = "a", .roles = {"service"}});
    if (made.has_error()) co_return;
    header = "Bearer " + made->key.reveal();
    const auto who = co_await authenticator.authenticate(header, pool, pg::kNoDeadline);
    EXPECT_TRUE(who.has_value());
  });
  with_pool(
      nowhere(),
      [&](pool::Pool& pool) -> awaitable<void> {
        const auto known = co_await authenticator.authenticate(header, pool, pg::kNoDeadline);
        EXPECT_TRUE(known.has_value());
        clock_.advance(5s);
        // The pool's own error: nothing is wrong with the key.
        const auto lost = co_await authenticator.authenticate(header, pool, pg::kNoDeadline);
        EXPECT_TRUE(lost.has_error() && lost.error().code != ErrorCode::kUnauthenticated);
      },
      impatient());
}

TEST(LruCache, ForgetsWhatWasUsedLongestAgo) {
  LruCache<int, std::string> cache(2);
  cache.put(1, "one");
  cache.put(2, "two");
  ASSERT_NE(cache.find(1), nullptr);
  cache.put(3, "three");
  EXPECT_EQ(cache.find(2), nullptr);
  EXPECT_EQ(*cache.find(1), "one");
  cache.put(1, "uno");
  EXPECT_EQ(*cache.find(1), "uno");
  EXPECT_EQ(cache.size(), 2U);
  cache.erase(1);
  EXPECT_EQ(cache.find(1), nullptr);
  cache.clear();
  EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace lyceum::server
