#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "server/key_set.h"
#include "server/principal.h"

namespace lyceum::server {

// What a token must say to be taken.
struct TokenExpectations {
  std::string issuer;                           // empty: any
  std::string audience;                         // empty: any
  Duration leeway = std::chrono::seconds(30);   // by how much clocks may differ
  std::size_t max_size = std::size_t{8} << 10;  // bytes
};

// What a token says, once it is verified.
struct Claims {
  Uuid tenant{};                // `tenant`
  Roles roles;                  // `roles`
  std::optional<Uuid> learner;  // `sub`, where the roles have learner
  std::string subject;          // `sub`, or empty
  Timestamp expires{};          // `exp`, without leeway
  bool operator==(const Claims&) const = default;
};

// Verifies a JSON Web Token (RFC 7519) in compact form and reads its claims. No I/O; any thread.
//
// The key is that of the header's `kid` (see KeySet::find), and `alg` must be the one the key is
// for. `typ` is JWT or at+jwt where it is there; `crit` is refused, since nothing it could name is
// known here; keys and addresses of keys in the header (jwk, jku, x5c, x5u) are never looked at.
// Nothing of the payload is read before the signature holds. Then: `exp` is there and not past,
// `nbf` not in the future, `iss` and `aud` as expected. `tenant` is a UUID. `roles` is an array of
// names, or names with spaces between; names that are no role here are passed over, and one must
// remain. `sub` is at most 255 bytes without control characters, and a UUID where the roles have
// learner.
//
// Error: kUnauthenticated. It says what is wrong and never shows the token.
[[nodiscard]] Result<Claims> verify_jwt(std::string_view token, const KeySet& keys,
                                        const TokenExpectations& expectations, Timestamp now);

// The `kid` that a token of due form names and that the set has no key for: the one reason for
// which reading the keys anew may help. Nothing is verified by this.
[[nodiscard]] std::optional<std::string> unknown_key_id(std::string_view token, const KeySet& keys,
                                                        const TokenExpectations& expectations);

}  // namespace lyceum::server
