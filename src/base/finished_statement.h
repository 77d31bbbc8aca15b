#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/statement.h"
#include "base/uuid.h"

namespace lyceum {

// What one call of a statement came to: what statistics record and the slow log judges. It borrows
// all that it points to, for the length of the call it is passed to.
struct FinishedStatement {
  const Statement* statement = nullptr;  // never null when passed on
  Uuid tenant{};                         // nil: none
  std::string_view node = {};            // host:port/database; empty when it reached no server

  // From the caller's request to the caller's answer.
  Duration total{};
  // Of that, the wait for a lane or a lease.
  Duration queue{};
  // Of that, from sending to the last byte of the answer. Nothing when it was never sent.
  std::optional<Duration> server = {};

  std::uint64_t rows = 0;  // returned, or affected where none are returned
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  const Error* error = nullptr;  // null: it succeeded
};

}  // namespace lyceum
