#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/sha256.h"
#include "pool/pool.h"
#include "server/jwt.h"
#include "server/key_source.h"
#include "server/lru_cache.h"
#include "server/principal.h"

namespace lyceum::server {

// Says who asks, from the Authorization header: `Bearer` and a JSON Web Token, or `Bearer` and an
// API key. One a worker, used by its thread alone; they share a KeySource.
//
// What was verified is remembered for a while, by the SHA-256 of what was shown, in caches of
// bounded size. A token, until it expires or the keys change: that spares up to 115 us of
// cryptography a request. An API key, for key_lifetime from when the database was asked, and never
// past its own end: that spares the round trip which would halve what a worker serves. So a revoked
// key is refused after key_lifetime at the latest, on every worker. What was refused is not
// remembered.
class Authenticator {
 public:
  struct Options {
    TokenExpectations tokens = {};
    Duration key_lifetime = std::chrono::seconds(5);  // zero: the database is asked each time
    std::size_t remembered_tokens = 4096;
    std::size_t remembered_keys = 1024;
  };

  // Without a source, API keys are all that is taken. The clock outlives it.
  Authenticator(std::shared_ptr<KeySource> keys, Options options, const Clock& clock);
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // The header's value, empty where there is none; the database is entered as a member of
  // lyceum_app. Errors: kUnauthenticated for whatever is wrong with what was shown, which it never
  // shows; of an API key it does not tell whether there is one of that prefix. Those of
  // Pool::execute. The header and the database live until it is awaited, and the authenticator too.
  [[nodiscard]] boost::asio::awaitable<Result<Principal>> authenticate(
      std::string_view authorization_header, pool::Database& database, SteadyTime deadline);

 private:
  struct Remembered {
    Principal principal;
    Timestamp until{};
  };
  struct RememberedKey {
    Principal principal;
    SteadyTime until{};
    Timestamp expires{};  // the far future where it does not
  };
  struct HashOfHash {
    std::size_t operator()(const Sha256& digest) const {
      std::size_t out = 0;
      std::memcpy(&out, digest.data(), sizeof(out));
      return out;
    }
  };

  [[nodiscard]] Result<Principal> by_token(std::string_view token);
  [[nodiscard]] boost::asio::awaitable<Result<Principal>> by_api_key(std::string key,
                                                                     pool::Database& database,
                                                                     SteadyTime deadline);
  void take_current_keys();

  std::shared_ptr<KeySource> source_;
  Options options_;
  const Clock& clock_;
  KeySource::Snapshot keys_;
  LruCache<Sha256, Remembered, HashOfHash> tokens_;
  LruCache<Sha256, RememberedKey, HashOfHash> api_keys_;
};

}  // namespace lyceum::server
