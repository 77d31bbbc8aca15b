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
#include "pool/database.h"
#include "pool/figures.h"
#include "pool/lease.h"
#include "pool/load.h"
#include "pool/options.h"

namespace lyceum::pool {

struct Options {
  pg::Target target;
  std::size_t number = 0;  // which of its owner's servers this is
  std::string application_name = "lyceum";
  Limits limits;
  // Told of every statement as its answer is handed on: statistics and the slow log. The
  // parameters are those of the call.
  std::function<void(const FinishedStatement&, const pg::Params&)> on_finished = {};
  // How long the server takes for a statement lately, or nothing: decides between lane and lease.
  std::function<std::optional<Duration>(const Statement&)> recent_server_time = {};
  // A connection was made or has broken: the server may have been started anew since the one
  // before.
  std::function<void()> on_change = {};
  // What happens to connections, one line: for a log.
  std::function<void(const std::string& event, const std::string& detail)> on_event = {};
};

class Pool;

// Who takes a statement on where a server has failed it.
class Elsewhere {
 public:
  virtual ~Elsewhere() = default;
  // Whether this failure is the server's own, so that another may do better. `server` is
  // Options::number.
  [[nodiscard]] virtual bool moves(std::size_t server, const Statement& statement,
                                   const Error& error) const = 0;
  // Goes on with it. The statement, the parameters and the call are those of Pool::run.
  [[nodiscard]] virtual boost::asio::awaitable<Result<pg::Rows>> resume(std::size_t server,
                                                                        const Statement& statement,
                                                                        const pg::Params& params,
                                                                        const Call& call,
                                                                        Error error) = 0;
};

// The connections of one worker to one server. All members belong to the thread that runs the
// executor; a program has one pool per worker and server.
//
// A pool keeps a timer running while it has connections: call shutdown() before its io_context is
// to come to rest. The io_context outlives the pool, or owns it through a coroutine that holds it.
class Pool final : public Database {
 public:
  Pool(boost::asio::any_io_executor executor, Options options);
  ~Pool() override;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // On a lane shared with others, or on a connection of its own where the statement has been slow.
  [[nodiscard]] boost::asio::awaitable<Result<pg::Rows>> execute(const Statement& statement,
                                                                 const pg::Params& params,
                                                                 const Call& call = {}) override {
    return run(statement, params, call, nullptr);
  }
  // The same, with somebody who takes it on where this server cannot: what moves() accepts is not
  // repeated here, and while the server cannot be reached nothing waits for it.
  [[nodiscard]] boost::asio::awaitable<Result<pg::Rows>> run(const Statement& statement,
                                                             const pg::Params& params,
                                                             const Call& call,
                                                             std::shared_ptr<Elsewhere> elsewhere);

  [[nodiscard]] boost::asio::awaitable<Result<Lease>> lease(Access access,
                                                            const Call& call = {}) override;

  // Connects once, so that a wrong address or password shows at start. Errors: kConnect, kTimeout.
  [[nodiscard]] boost::asio::awaitable<Result<void>> warm_up();

  // Takes no new requests, lets those under way end, at most for so long, then closes everything.
  // True where nothing had to be cut off.
  [[nodiscard]] boost::asio::awaitable<bool> shutdown(Duration within);

  [[nodiscard]] Figures figures() const;
  [[nodiscard]] const std::string& node() const override;
  [[nodiscard]] const Load& load() const;

  // How long the server takes to answer, as somebody else has found out: for where no request does.
  void observed(Duration latency);
  // The server was seen to answer: what waits for the next attempt to connect need not.
  void retry_now();
  // The server is not to be used any more, or does not answer any more: everything that is on its
  // connections ends now, as where they broke, and so does what waits, where limits.impatient.
  void sever(const std::string& why);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace lyceum::pool
