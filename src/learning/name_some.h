#pragma once

#include <string>
#include <vector>

#include "base/uuid.h"

namespace lyceum::learning {

// The first few ids and how many more there are: for a message.
[[nodiscard]] std::string name_some(const std::vector<Uuid>& ids);

}  // namespace lyceum::learning
