#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "base/error.h"

namespace lyceum::server {

// Reads one JSON object from a place where two readers must not understand it differently: a token,
// a set of keys. Refused (kBadInput) are a member that stands twice in its object, objects and
// arrays nested deeper than max_depth, text that is no UTF-8, and anything after the object. The
// error says what is wrong and never quotes the text, which may hold secrets.
[[nodiscard]] Result<boost::json::object> parse_strict_object(std::string_view text,
                                                              std::size_t max_depth);

}  // namespace lyceum::server
