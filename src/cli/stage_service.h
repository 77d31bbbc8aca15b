#pragma once

#include <functional>

#include "cli/context.h"
#include "cli/stage.h"

namespace lyceum::cli {

// Serves the stage over HTTP until SIGINT or SIGTERM, where the configuration says, or on free
// ports where somebody else listens there. Makes an API key of the first school for it, and prints
// how to ask with it. on_listening is called when the signals are its own. Errors: those of
// Service::start and create_api_key.
[[nodiscard]] Result<void> serve_stage(Context& context, const Stage& stage,
                                       const std::function<void()>& on_listening);

}  // namespace lyceum::cli
