#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/uuid.h"
#include "pg/position.h"

namespace lyceum::server {

// A position in the form that travels with responses and requests (Lyceum-Bookmark): opaque, bound
// to a tenant, and signed, so that nobody can claim to have seen what was never written.
//   base64url(version 1, timeline, LSN, first 16 bytes of HMAC-SHA-256 over those and the tenant)
class Bookmarks {
 public:
  // Instances that serve the same database have to have the same key. Any length; empty: one that
  // is made up now, so that bookmarks are good for this process alone.
  explicit Bookmarks(Secret key);

  [[nodiscard]] std::string encode(const pg::Position& position, const Uuid& tenant) const;

  // Nothing where the text is no bookmark of ours for this tenant: who carries such a one has seen
  // something that cannot be placed here, and is to be served from the primary.
  [[nodiscard]] std::optional<pg::Position> decode(std::string_view text, const Uuid& tenant) const;

 private:
  Secret key_;
};

}  // namespace lyceum::server
