#include "learning/cursor.h"

#include <cstring>

#include "base/base64.h"
#include "base/sha256.h"
#include "pg/codec.h"

namespace lyceum::learning {
namespace {

// version, flags, created_at, last_accessed, id, then a check over all of it and the listing.
constexpr std::size_t kBody = 1 + 1 + 8 + 8 + 16;
constexpr std::size_t kCheck = 8;
constexpr char kVersion = 1;
constexpr unsigned char kFeatured = 1, kOpened = 2;

std::string check(std::string_view body, std::string_view listing) {
  const auto digest = sha256(std::string(body) + std::string(listing));
  return {reinterpret_cast<const char*>(digest.data()), kCheck};
}

static_assert((kBody + kCheck) % 3 == 0, "no padding is needed");

}  // namespace

std::string encode_cursor(const StoryPosition& position, std::string_view listing) {
  std::string body(1, kVersion);
  body += static_cast<char>((position.featured ? kFeatured : 0) |
                            (position.last_accessed ? kOpened : 0));
  pg::wire::put(body, std::int64_t{position.created_at.time_since_epoch().count()});
  pg::wire::put(
      body, std::int64_t{position.last_accessed ? position.last_accessed->time_since_epoch().count()
                                                : 0});
  body.append(reinterpret_cast<const char*>(position.id.data), sizeof(position.id.data));
  return to_base64url(body + check(body, listing));
}

std::optional<StoryPosition> decode_cursor(std::string_view text, std::string_view listing) {
  if (text.size() != (kBody + kCheck) / 3 * 4) return std::nullopt;
  const auto bytes = from_base64url(text);
  if (!bytes || (*bytes)[0] != kVersion) return std::nullopt;
  const auto body = std::string_view(*bytes).substr(0, kBody);
  if (bytes->substr(kBody) != check(body, listing)) return std::nullopt;
  const auto flags = static_cast<unsigned char>(body[1]);
  const auto time = [&](std::size_t at) {
    return Timestamp(std::chrono::microseconds(pg::wire::get<std::int64_t>(body.substr(at))));
  };
  StoryPosition position{.featured = (flags & kFeatured) != 0, .created_at = time(2)};
  if ((flags & kOpened) != 0) position.last_accessed = time(10);
  std::memcpy(position.id.data, body.data() + 18, sizeof(position.id.data));
  return position;
}

}  // namespace lyceum::learning
