#include "server/bookmark.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/base64.h"
#include "base/error.h"
#include "pg/codec.h"

namespace lyceum::server {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kBody = 1 + 4 + 8;
constexpr std::size_t kSignature = 16;

std::string random_key() {
  std::string key(32, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1) {
    throw Exception({.code = ErrorCode::kInternal, .message = "no random bytes are to be had"});
  }
  return key;
}

std::string sign(const Secret& key, std::string_view body, const Uuid& tenant) {
  std::string message(body);
  message.append(reinterpret_cast<const char*>(tenant.data), 16);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.reveal().data(), static_cast<int>(key.reveal().size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), kSignature};
}

}  // namespace

Bookmarks::Bookmarks(Secret key) : key_(key.empty() ? Secret(random_key()) : std::move(key)) {}

std::string Bookmarks::encode(const pg::Position& position, const Uuid& tenant) const {
  std::string body(1, kVersion);
  pg::wire::put(body, position.timeline);
  pg::wire::put(body, position.lsn);
  return to_base64url(body + sign(key_, body, tenant));
}

std::optional<pg::Position> Bookmarks::decode(std::string_view text, const Uuid& tenant) const {
  const auto bytes = from_base64url(text);
  if (!bytes || bytes->size() != kBody + kSignature || bytes->front() != kVersion) {
    return std::nullopt;
  }
  const auto body = std::string_view(*bytes).substr(0, kBody);
  const auto wanted = sign(key_, body, tenant);
  if (CRYPTO_memcmp(bytes->data() + kBody, wanted.data(), kSignature) != 0) return std::nullopt;
  return pg::Position{.timeline = pg::wire::get<std::int32_t>(body.substr(1)),
                      .lsn = pg::wire::get<std::uint64_t>(body.substr(5))};
}

}  // namespace lyceum::server
