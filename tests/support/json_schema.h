#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lyceum::testing {

// What is wrong with a value by a schema of JSON Schema 2020-12, as far as our OpenAPI document
// uses it: $ref, type, properties, required, additionalProperties (false), items, enum, minimum,
// maximum, minLength, maxLength, maxItems, format (uuid, date, date-time). Empty where nothing is.
// Any other keyword is a problem too, so that no schema asks for what nobody checks.
// `root` is the document that $ref points into.
[[nodiscard]] std::vector<std::string> schema_problems(const boost::json::value& root,
                                                       const boost::json::value& schema,
                                                       const boost::json::value& value);

// What "#/components/…" points at; null where there is nothing.
[[nodiscard]] const boost::json::value* resolve_reference(const boost::json::value& root,
                                                          std::string_view reference);

// Microseconds since 1970 of a time as RFC 3339 has it; nothing where it is none.
[[nodiscard]] bool is_date_time(std::string_view text, std::int64_t* micros = nullptr);

}  // namespace lyceum::testing
