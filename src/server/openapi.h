#pragma once

#include <string_view>

namespace lyceum::server {

// The OpenAPI 3.1 document of the data API, as it stands in api/openapi.json.
[[nodiscard]] std::string_view openapi_document();

}  // namespace lyceum::server
