#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "base/error.h"
#include "base/statement.h"
#include "pg/connection.h"
#include "pool/lease.h"

namespace lyceum::pool {

// For whom, until when, and how new what is read must be.
struct Call {
  std::optional<Uuid> tenant = {};  // set for row-level security; queues are fair between tenants
  SteadyTime deadline = pg::kNoDeadline;  // at most Limits::statement_timeout away in any case
  // Where not null: the caller's bookmark. A read is served by a server that has come so far, and
  // in the same round trip it is advanced to where that server then stands. A pool knows one server
  // alone and advances it; a cluster also chooses by it. Lives until the statement has ended.
  pg::Position* seen = nullptr;
  bool primary = false;  // a read, too, goes to the primary: what was seen cannot be placed
};

// Where statements run: a pool, which is one server, or what chooses among several.
class Database {
 public:
  virtual ~Database() = default;

  // Runs one statement as a transaction of its own. Repeats by itself only what provably had no
  // effect. Past the deadline it fails at once and the statement is cancelled on the server. The
  // statement, the parameters and the call live until it is awaited.
  // Errors: kSql, kTimeout, kQueueFull, kConnect, kConnectionLost, kInDoubt, kShuttingDown;
  // may_have_taken_effect is true for a write that was sent and whose answer is not known.
  [[nodiscard]] virtual boost::asio::awaitable<Result<pg::Rows>> execute(const Statement& statement,
                                                                         const pg::Params& params,
                                                                         const Call& call = {}) = 0;

  // A connection for one caller: transactions, COPY, LISTEN, session state. It comes back when the
  // lease ends, and is reset there. Access says what it is for.
  [[nodiscard]] virtual boost::asio::awaitable<Result<Lease>> lease(Access access,
                                                                    const Call& call = {}) = 0;

  // What an error that no server has sent is to name: host:port/database, or the primary's.
  [[nodiscard]] virtual const std::string& node() const = 0;
};

}  // namespace lyceum::pool
