#pragma once

#include <boost/json/value.hpp>

#include "watch/evaluate.h"

namespace lyceum::watch {

// {"rule", "severity", "node", "database", "labels", "value", "summary", "why", "mend"}
[[nodiscard]] boost::json::object verdict_json(const Verdict& verdict);

}  // namespace lyceum::watch
