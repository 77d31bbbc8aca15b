#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lyceum {

// base64url without padding (RFC 4648, section 5, as RFC 7515 uses it): A-Z a-z 0-9 - _.
[[nodiscard]] std::string to_base64url(std::string_view bytes);

// The bytes of such a text. Strict, so that no two texts mean the same bytes: nothing where there
// is padding, white space or any other character, where the length cannot be (4n + 1), and where
// the last character has bits that belong to no byte.
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

}  // namespace lyceum
