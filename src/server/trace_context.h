#pragma once

#include <string>
#include <string_view>

namespace lyceum::server {

// The trace id of a W3C traceparent header, 32 hexadecimal digits; empty where the header is none.
[[nodiscard]] std::string_view trace_id_of(std::string_view traceparent);

// The caller's request id where it is one that a log can hold (1 to 128 of A-Z a-z 0-9 . _ -), else
// a new one.
[[nodiscard]] std::string request_id_from(std::string_view given);

}  // namespace lyceum::server
