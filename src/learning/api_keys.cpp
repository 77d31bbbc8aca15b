#include "learning/api_keys.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <openssl/rand.h>

#include "base/base64.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;

constexpr std::string_view kMark = "lyk_";
constexpr std::size_t kPrefixSize = 12;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kSecretSize = 43;
constexpr std::size_t kMostNameBytes = 200;
constexpr std::string_view kPrefixDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::array<std::string_view, 4> kRoles{"learner", "teacher", "admin", "service"};

void fill_random(unsigned char* bytes, std::size_t size) {
  if (RAND_bytes(bytes, static_cast<int>(size)) != 1) {
    throw Exception({.code = ErrorCode::kInternal, .message = "there are no random bytes"});
  }
}

std::string random_prefix() {
  // 248 is the largest multiple of 62 in a byte: what is above would favour the first digits.
  constexpr unsigned kEven = 248;
  std::string out;
  while (out.size() < kPrefixSize) {
    std::array<unsigned char, 2 * kPrefixSize> bytes{};
    fill_random(bytes.data(), bytes.size());
    for (const unsigned byte : bytes) {
      if (byte < kEven && out.size() < kPrefixSize) out += kPrefixDigits[byte % 62];
    }
  }
  return out;
}

std::string random_secret() {
  std::string bytes(kSecretBytes, '\0');
  fill_random(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size());
  return to_base64url(bytes);
}

std::optional<Error> check(const NewApiKey& wanted) {
  if (wanted.name.empty() || wanted.name.size() > kMostNameBytes) {
    return bad_input(fmt::format("a key's name has 1 to {} bytes", kMostNameBytes));
  }
  if (auto error = check_text("the key's name", wanted.name)) return error;
  if (wanted.roles.empty()) return bad_input("a key has at least one role");
  for (const auto& role : wanted.roles) {
    if (std::ranges::find(kRoles, role) == kRoles.end()) {
      return bad_input("there is no such role", "roles are learner, teacher, admin and service");
    }
  }
  const bool is_learner = std::ranges::count(wanted.roles, "learner") > 0;
  if (is_learner && !wanted.learner) {
    return bad_input("a key with the role learner names the learner that it is");
  }
  if (!is_learner && wanted.learner) {
    return bad_input("a key without the role learner names no learner");
  }
  if (wanted.expires_at) return check_time("when the key expires", *wanted.expires_at);
  return std::nullopt;
}

}  // namespace

bool is_api_key_prefix(std::string_view text) {
  return text.size() == kPrefixSize &&
         text.find_first_not_of(kPrefixDigits) == std::string_view::npos;
}

std::optional<std::string> prefix_of_api_key(std::string_view key) {
  if (key.size() != kMark.size() + kPrefixSize + 1 + kSecretSize || !key.starts_with(kMark)) {
    return std::nullopt;
  }
  const auto prefix = key.substr(kMark.size(), kPrefixSize);
  const auto rest = key.substr(kMark.size() + kPrefixSize);
  if (!is_api_key_prefix(prefix) || rest[0] != '_' || !from_base64url(rest.substr(1))) {
    return std::nullopt;
  }
  return std::string(prefix);
}

awaitable<Result<CreatedApiKey>> create_api_key(Scope scope, NewApiKey wanted) {
  if (auto error = check(wanted)) co_return *error;
  const auto prefix = random_prefix();
  const auto key = fmt::format("{}{}_{}", kMark, prefix, random_secret());
  const auto hash = sha256(key);
  std::ranges::sort(wanted.roles);
  wanted.roles.erase(std::ranges::unique(wanted.roles).begin(), wanted.roles.end());
  const pg::Params params(scope.tenant, random_uuid(), prefix, pg::Bytes(hash.begin(), hash.end()),
                          wanted.name, wanted.roles, wanted.learner, wanted.expires_at);
  const auto rows =
      co_await scope.database.execute(sql::learning::api_key_create, params, scope.call());
  if (rows.has_error()) {
    if (rows.error().sqlstate != "23503") co_return rows.error();
    if (auto known = co_await check_tenant(scope); known.has_error()) co_return known.error();
    co_return Error{.code = ErrorCode::kNotFound,
                    .message = fmt::format("tenant {} has no learner {}", to_string(scope.tenant),
                                           wanted.learner ? to_string(*wanted.learner) : ""),
                    .node = scope.database.node()};
  }
  co_return CreatedApiKey{.stored = rows->as<ApiKey>().at(0), .key = Secret(key)};
}

awaitable<Result<std::vector<ApiKey>>> list_api_keys(Scope scope) {
  const pg::Params params(scope.tenant);
  const auto rows =
      co_await scope.database.execute(sql::learning::api_key_list, params, scope.call());
  if (rows.has_error()) co_return rows.error();
  if (rows->empty()) {
    if (auto known = co_await check_tenant(scope); known.has_error()) co_return known.error();
  }
  co_return rows->as<ApiKey>();
}

awaitable<Result<ApiKey>> revoke_api_key(Scope scope, std::string prefix) {
  // Not shown: it may be a whole key.
  if (!is_api_key_prefix(prefix)) {
    co_return bad_input("that is no key's prefix", "it is the 12 characters after lyk_");
  }
  const pg::Params params(scope.tenant, prefix);
  const auto rows =
      co_await scope.database.execute(sql::learning::api_key_revoke, params, scope.call());
  if (rows.has_error()) co_return rows.error();
  if (!rows->empty()) co_return rows->as<ApiKey>().at(0);
  co_return Error{
      .code = ErrorCode::kNotFound,
      .message = fmt::format("tenant {} has no API key {}", to_string(scope.tenant), prefix),
      .node = scope.database.node()};
}

awaitable<Result<std::optional<FoundApiKey>>> find_api_key(pool::Database& database,
                                                           std::string prefix,
                                                           SteadyTime deadline) {
  const pg::Params params(prefix);
  const auto rows =
      co_await database.execute(sql::learning::api_key_find, params, {.deadline = deadline});
  if (rows.has_error()) co_return rows.error();
  if (rows->empty()) co_return std::optional<FoundApiKey>{};
  const auto row = (*rows)[0];
  FoundApiKey out;
  out.tenant_id = row.get<Uuid>(rows->column("tenant_id"));
  const auto hash = row.get<pg::Bytes>(rows->column("hash"));
  if (hash.size() == out.hash.size()) std::ranges::copy(hash, out.hash.begin());
  out.roles = row.get<std::vector<std::string>>(rows->column("roles"));
  out.learner_id = row.get<std::optional<Uuid>>(rows->column("learner_id"));
  out.expires_at = row.get<std::optional<Timestamp>>(rows->column("expires_at"));
  out.revoked_at = row.get<std::optional<Timestamp>>(rows->column("revoked_at"));
  co_return std::optional<FoundApiKey>(std::move(out));
}

}  // namespace lyceum::learning
