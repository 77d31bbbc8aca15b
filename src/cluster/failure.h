#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/statement.h"

namespace lyceum::cluster {

// What an error says of the node that it came from, and so what becomes of the request.
enum class Failure : std::uint8_t {
  own,          // the statement's own, or its time is up: it would be met anywhere
  unreachable,  // no connection can be made: nothing was sent
  broken,       // a connection broke, or the server is shutting down, and nothing has taken effect
  conflict,     // a replica had to end a read, to go on with its recovery
  not_primary,  // it takes no writes (25006)
};

// Of a node in recovery: `on_replica`. Only what certainly had no effect is ever anything but own.
[[nodiscard]] Failure judge(const Error& error, Access access, bool on_replica);

}  // namespace lyceum::cluster
