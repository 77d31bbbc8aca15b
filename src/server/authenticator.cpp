#include "server/authenticator.h"

#include <algorithm>
#include <openssl/crypto.h>

#include "learning/api_keys.h"

namespace lyceum::server {
namespace {

using boost::asio::awaitable;

constexpr std::string_view kScheme = "bearer";
constexpr std::string_view kApiKeyMark = "lyk_";

Error refused(std::string message, std::string hint = {}) {
  return {
      .code = ErrorCode::kUnauthenticated, .message = std::move(message), .hint = std::move(hint)};
}

// One answer for every key that is not good: which of them exist is not for strangers.
Error refused_key() {
  return refused("the API key is unknown, expired or revoked");
}

// What stands after "Bearer " (RFC 6750, section 2.1): one word.
Result<std::string_view> bearer_of(std::string_view header) {
  if (header.empty()) {
    return refused("nothing says who asks", "send Authorization: Bearer and a token or an API key");
  }
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  const auto space = header.find(' ');
  if (space == std::string_view::npos ||
      !std::ranges::equal(header.substr(0, space), kScheme, {}, lower)) {
    return refused("the Authorization header does not begin with Bearer");
  }
  const auto start = header.find_first_not_of(' ', space);
  if (start == std::string_view::npos) return refused("there is nothing after Bearer");
  const auto word = header.substr(start);
  const auto is_of_a_word = [](char c) { return c > ' ' && c <= '~' && c != ','; };
  if (!std::ranges::all_of(word, is_of_a_word)) {
    return refused("what stands after Bearer is not one token or API key");
  }
  return word;
}

}  // namespace

Authenticator::Authenticator(std::shared_ptr<KeySource> keys, Options options, const Clock& clock)
    : source_(std::move(keys)),
      options_(std::move(options)),
      clock_(clock),
      tokens_(std::max<std::size_t>(options_.remembered_tokens, 1)),
      api_keys_(std::max<std::size_t>(options_.remembered_keys, 1)) {
  if (source_ != nullptr) keys_ = source_->current();
}

awaitable<Result<Principal>> Authenticator::authenticate(std::string_view authorization_header,
                                                         pool::Database& database,
                                                         SteadyTime deadline) {
  const auto word = bearer_of(authorization_header);
  if (word.has_error()) co_return word.error();
  if (word->starts_with(kApiKeyMark)) {
    co_return co_await by_api_key(std::string(*word), database, deadline);
  }
  co_return by_token(*word);
}

void Authenticator::take_current_keys() {
  if (source_->version() == keys_.version) return;
  keys_ = source_->current();
  tokens_.clear();
}

Result<Principal> Authenticator::by_token(std::string_view token) {
  if (source_ == nullptr) {
    return refused("tokens are not taken here",
                   "auth.keys_file names the keys they are checked with");
  }
  const auto& expected = options_.tokens;
  if (token.size() > expected.max_size) return refused("the token is too large");
  take_current_keys();
  const auto now = clock_.wall_now();
  const auto digest = sha256(token);
  if (const auto* known = tokens_.find(digest)) {
    if (now < known->until) return known->principal;
    tokens_.erase(digest);
  }
  auto claims = verify_jwt(token, *keys_.keys, expected, now);
  if (claims.has_error()) {
    const auto unknown = unknown_key_id(token, *keys_.keys, expected);
    if (!unknown || !source_->refetch(*unknown)) return claims.error();
    take_current_keys();
    claims = verify_jwt(token, *keys_.keys, expected, now);
    if (claims.has_error()) return claims.error();
  }
  Principal principal{.tenant = claims->tenant,
                      .roles = claims->roles,
                      .learner = claims->learner,
                      .name = "jwt:" + claims->subject};
  const auto slack = std::chrono::ceil<std::chrono::microseconds>(expected.leeway);
  tokens_.put(digest, {.principal = principal, .until = claims->expires + slack});
  return principal;
}

awaitable<Result<Principal>> Authenticator::by_api_key(std::string key, pool::Database& database,
                                                       SteadyTime deadline) {
  const auto prefix = learning::prefix_of_api_key(key);
  if (!prefix) co_return refused_key();
  const auto digest = sha256(key);
  const auto asked_at = clock_.now();
  if (const auto* known = api_keys_.find(digest)) {
    if (asked_at < known->until && clock_.wall_now() < known->expires) co_return known->principal;
    api_keys_.erase(digest);
  }

  const auto found = co_await learning::find_api_key(database, *prefix, deadline);
  if (found.has_error()) co_return found.error();
  const learning::FoundApiKey nobody{};
  const auto& stored = *found ? **found : nobody;
  // Compared also where there is none, so that the time tells nothing.
  const bool same = CRYPTO_memcmp(stored.hash.data(), digest.data(), digest.size()) == 0;
  const auto expires = stored.expires_at.value_or(Timestamp::max());
  if (!*found || !same || stored.revoked_at || clock_.wall_now() >= expires) {
    co_return refused_key();
  }

  Principal principal{
      .tenant = stored.tenant_id, .learner = stored.learner_id, .name = "key:" + *prefix};
  for (const auto& name : stored.roles) {
    if (const auto role = role_of(name)) principal.roles.add(*role);
  }
  if (principal.roles.empty()) co_return refused_key();
  // Counted from before the question: a key revoked right after the answer lives no longer than
  // promised.
  if (options_.key_lifetime > Duration::zero()) {
    api_keys_.put(
        digest,
        {.principal = principal, .until = asked_at + options_.key_lifetime, .expires = expires});
  }
  co_return principal;
}

}  // namespace lyceum::server
