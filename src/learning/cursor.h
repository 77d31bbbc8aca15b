#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/uuid.h"

namespace lyceum::learning {

// The last story of a page: what the next page begins after, in the order of the listing.
struct StoryPosition {
  bool featured = false;
  std::optional<Timestamp> last_accessed;  // where the learner had opened it
  Timestamp created_at{};
  Uuid id{};
  bool operator==(const StoryPosition&) const = default;
};

// A cursor is a position in a form that callers hand back and do not read: 56 characters of
// base64url. `listing` says which listing it belongs to (filters and learner): a cursor of another
// one is refused, for its position means nothing there.
[[nodiscard]] std::string encode_cursor(const StoryPosition& position, std::string_view listing);

// Nothing where the text is no cursor of that listing.
[[nodiscard]] std::optional<StoryPosition> decode_cursor(std::string_view text,
                                                         std::string_view listing);

}  // namespace lyceum::learning
