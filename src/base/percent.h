#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lyceum {

// Undoes percent-encoding (RFC 3986, 2.1). The bytes may be any, NUL too. Nothing where a '%' is
// not followed by two hexadecimal digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

}  // namespace lyceum
