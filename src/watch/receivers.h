#pragma once

#include <vector>

#include "base/config.h"
#include "base/error.h"
#include "watch/message.h"

namespace lyceum::watch {

// Who is told of alerts: the log always, and what the settings name. The file of a webhook or of
// Slack holds its URL, which is a secret, in the first line, and a webhook's may hold the key that
// signs in the second. Errors (kConfiguration): a file that cannot be read or holds no such URL.
[[nodiscard]] Result<std::vector<Receiver>> receivers_of(const WatchSettings& settings);

}  // namespace lyceum::watch
