#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/sha256.h"
#include "learning/scope.h"

namespace lyceum::learning {

// An API key is lyk_<prefix>_<secret>: 12 characters of A-Z a-z 0-9 that name it, and 32 random
// bytes in base64url. The whole text is shown once, when the key is made; what is stored is the
// prefix and the SHA-256 of the whole. A fast hash is right here: 256 random bits cannot be tried.

// What is stored of one.
struct ApiKey {
  Uuid id{};
  std::string prefix;
  std::string name;
  std::vector<std::string> roles;  // learner, teacher, admin, service
  std::optional<Uuid> learner_id;  // who it is, where the roles have learner
  Timestamp created_at{};
  std::optional<Timestamp> expires_at;
  std::optional<Timestamp> revoked_at;
};
BOOST_DESCRIBE_STRUCT(ApiKey, (),
                      (id, prefix, name, roles, learner_id, created_at, expires_at, revoked_at))

// The prefix of a text that has the form of an API key; nothing for any other text.
[[nodiscard]] std::optional<std::string> prefix_of_api_key(std::string_view key);

// Whether a text can be a prefix.
[[nodiscard]] bool is_api_key_prefix(std::string_view text);

struct NewApiKey {
  std::string name;                // 1 to 200 characters
  std::vector<std::string> roles;  // at least one
  std::optional<Uuid> learner = {};
  std::optional<Timestamp> expires_at = {};
};

struct CreatedApiKey {
  ApiKey stored;
  Secret key;  // the whole text, which is nowhere else
};

// These three are for a member of lyceum_app, and as well for one of lyceum_owner: they see the
// scope's tenant alone in either case.

// Errors: kBadInput (name, roles, a learner where the roles have no learner or none where they
// have), kNotFound (tenant, learner), those of Pool::execute. In doubt, the key may be there and
// nobody knows it: list, and revoke it.
[[nodiscard]] boost::asio::awaitable<Result<CreatedApiKey>> create_api_key(Scope scope,
                                                                           NewApiKey wanted);

// All of the tenant's keys, the newest first. Errors: kNotFound (tenant), those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<std::vector<ApiKey>>> list_api_keys(Scope scope);

// From now on it is refused; where it is remembered as good, some seconds later. Again does no
// harm. Errors: kBadInput, kNotFound (the tenant has no such key), those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<ApiKey>> revoke_api_key(Scope scope,
                                                                    std::string prefix);

// What decides whether a key that somebody shows is good.
struct FoundApiKey {
  Uuid tenant_id{};
  Sha256 hash{};
  std::vector<std::string> roles;
  std::optional<Uuid> learner_id;
  std::optional<Timestamp> expires_at;
  std::optional<Timestamp> revoked_at;
};

// The key with that prefix, of whatever tenant and in whatever state; nothing where there is none.
// Needs no tenant: it is what tells the tenant. Errors: those of Pool::execute.
[[nodiscard]] boost::asio::awaitable<Result<std::optional<FoundApiKey>>> find_api_key(
    pool::Database& database, std::string prefix, SteadyTime deadline);

}  // namespace lyceum::learning
