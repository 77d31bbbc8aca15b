#pragma once

#include <vector>

#include "base/slow_log.h"
#include "pg/params.h"

namespace lyceum::pg {

// The parameters of a call as the slow log shows them. Values, where asked for, are those of the
// types that a Params holds; an array shows how many elements it has.
[[nodiscard]] std::vector<ParameterDescription> describe(const Params& params, bool with_values);

}  // namespace lyceum::pg
