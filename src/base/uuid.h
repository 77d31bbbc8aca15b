#pragma once

#include <boost/uuid/uuid.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lyceum {

using Uuid = boost::uuids::uuid;

// The canonical form of RFC 9562 only, either case: 8-4-4-4-12 hexadecimal digits. Anything else,
// braces included, is refused.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);

// Lower case, 36 characters.
[[nodiscard]] std::string to_string(const Uuid& uuid);

// A random UUID (version 4) from the operating system's generator. Any thread.
[[nodiscard]] Uuid random_uuid();

}  // namespace lyceum
