#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/finished_statement.h"
#include "pg/connection.h"
#include "pool/core.h"
#include "pool/figures.h"
#include "pool/lease.h"
#include "pool/options.h"

namespace lyceum::pool {

// For whom and until when.
struct Call {
  std::optional<Uuid> tenant = {};  // set for row-level security; queues are fair between tenants
  SteadyTime deadline = pg::kNoDeadline;  // at most Limits::statement_timeout away in any case
};

struct Options {
  pg::Target target;
  std::string application_name = "lyceum";
  Limits limits;
  // Told of every statement as its answer is handed on: statistics and the slow log. The
  // parameters are those of the call.
  std::function<void(const FinishedStatement&, const pg::Params&)> on_finished = {};
  // How long the server takes for a statement lately, or nothing: decides between lane and lease.
  std::function<std::optional<Duration>(const Statement&)> recent_server_time = {};
  // What happens to connections, one line: for a log.
  std::function<void(const std::string& event, const std::string& detail)> on_event = {};
};

// The connections of one worker to one server. All members belong to the thread that runs the
// executor; a program has one pool per worker and server.
//
// A pool keeps a timer running while it has connections: call shutdown() before its io_context is
// to come to rest. The io_context outlives the pool, or owns it through a coroutine that holds it.
class Pool {
 public:
  Pool(boost::asio::any_io_executor executor, Options options);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs one statement, as a transaction of its own, on a lane shared with others (or on a
  // connection of its own where it has been slow). Repeats by itself only what provably had no
  // effect. Past the deadline it fails at once and the statement is cancelled on the server.
  // Errors: kSql, kTimeout, kQueueFull, kConnect, kConnectionLost, kInDoubt, kShuttingDown;
  // may_have_taken_effect is true for a write that was sent and whose answer is not known.
  [[nodiscard]] boost::asio::awaitable<Result<pg::Rows>> execute(const Statement& statement,
                                                                 const pg::Params& params,
                                                                 const Call& call = {});

  // A connection for one caller: transactions, COPY, LISTEN, session state. It comes back to the
  // pool when the lease ends, and is reset there.
  [[nodiscard]] boost::asio::awaitable<Result<Lease>> lease(const Call& call = {});

  // Connects once, so that a wrong address or password shows at start. Errors: kConnect, kTimeout.
  [[nodiscard]] boost::asio::awaitable<Result<void>> warm_up();

  // Takes no new requests, lets those under way end, at most for so long, then closes everything.
  // True where nothing had to be cut off.
  [[nodiscard]] boost::asio::awaitable<bool> shutdown(Duration within);

  [[nodiscard]] Figures figures() const;
  [[nodiscard]] const std::string& node() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace lyceum::pool
