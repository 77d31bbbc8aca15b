#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "watch/sample.h"

namespace lyceum::watch {

// Since 1970.
[[nodiscard]] std::int64_t milliseconds(Timestamp at);

// The text with U+FFFD for every byte that is no UTF-8: what a server says in an encoding of its
// own may be none, and JSON must be.
[[nodiscard]] std::string valid_utf8(std::string_view text);

// What JSON has no number for is null.
[[nodiscard]] boost::json::value json_of(const Value& value);

}  // namespace lyceum::watch
