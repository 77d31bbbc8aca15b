#pragma once

#include <memory>

struct pg_conn;

namespace lyceum::pg {

// Asks the server to cancel what one connection runs. PQcancel blocks, on a silent network for
// minutes, so a request travels on a thread of its own; how many may be under way at once in the
// whole process is limited, because cancels that wait on each other only make a bad server worse.
// A cancel hits whatever runs when it arrives: whoever sends one keeps the connection out of use
// until the answer to what it ran has come.
class Canceller {
 public:
  explicit Canceller(pg_conn* connection);

  // False where none was sent: one is under way for this connection, or too many in the process.
  [[nodiscard]] bool send();
  // Until the server has signalled the process that runs the statement, or the attempt has failed.
  [[nodiscard]] bool under_way() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace lyceum::pg
