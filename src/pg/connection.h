#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/container/deque.hpp>
#include <boost/container/static_vector.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/statement.h"
#include "pg/cancel.h"
#include "pg/input.h"
#include "pg/output.h"
#include "pg/params.h"
#include "pg/position.h"
#include "pg/protocol.h"
#include "pg/rows.h"
#include "pg/stream.h"
#include "pg/target.h"

struct pg_conn;

namespace lyceum::pg {

inline constexpr SteadyTime kNoDeadline = SteadyTime::max();

// One statement on its way: what is sent before one Sync, and who is told of the answer. The
// statement, the parameters, the tenant and the position are the sender's and live until finished()
// is called or the exchange is abandoned.
class Exchange {
 public:
  // `reached`, where not null, is advanced to where the server stands after the statement, asked in
  // the same round trip: past what a write committed, and past what a read has seen. It stays as it
  // is where the statement fails, and loses track where that alone is answered.
  Exchange(const Statement& statement, const Params& params, const Uuid* tenant,
           Position* reached = nullptr)
      : statement_(&statement), params_(&params), tenant_(tenant), reached_(reached) {}
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Called once, on the connection's thread, when the server has answered the Sync (a write is then
  // committed) or when it is certain that it never will. May destroy the exchange.
  virtual void finished(Result<Rows> result) = 0;

  [[nodiscard]] const Statement& statement() const { return *statement_; }
  [[nodiscard]] const Params& params() const { return *params_; }
  [[nodiscard]] const Uuid* tenant() const { return tenant_; }
  [[nodiscard]] Position* reached() const { return reached_; }

  SteadyTime sent_at{};     // handed to the socket
  SteadyTime started_at{};  // first in line at the server: earliest it can have started
  SteadyTime ended_at{};

 private:
  const Statement* statement_;
  const Params* params_;
  const Uuid* tenant_;
  Position* reached_;
};

// What arrived outside of any answer.
struct Notification {
  std::string channel;
  std::string payload;
  int server_process = 0;
};

// One connection to one server: statements are sent as they come, each followed by its own Sync, so
// each is a transaction of its own and its failure touches no other; answers come back in order.
// What is sent in one turn of the loop leaves in one write. Statements are prepared on first use,
// and prepared anew when the server has forgotten them (26000) or their result has changed shape
// (0A000); a prepared one is not asked for its columns again.
//
// libpq makes the connection: addresses, TLS, authentication. From then on the protocol is spoken
// here (pg/protocol.h).
//
// All members belong to the thread that runs the executor. Whoever holds the last pointer to a
// connection and drops it ends the connection; exchanges still on it are then forgotten, so who
// submits them holds it until they are finished (execute and the like do).
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Options {
    Target target;
    std::string application_name = "lyceum";
    SteadyTime deadline = kNoDeadline;  // for connecting
  };

  // Connects; several hosts are tried in turn, names are resolved without blocking.
  // Errors: kConnect with the server's SQLSTATE where it sent one, kTimeout.
  [[nodiscard]] static boost::asio::awaitable<Result<std::shared_ptr<Connection>>> connect(
      boost::asio::any_io_executor executor, Options options);

  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ── pipelined ────────────────────────────────────────────────────────────────────────────────

  // Sends. Where the connection is closed the exchange is finished at once. Answers come in the
  // order of sending, but for those that had to be prepared anew and were sent once more.
  void submit(Exchange& exchange);

  // Forgets who waits: finished() will not be called. The statement runs on at the server; its
  // answer, when it comes, is told to on_orphan's handler.
  void abandon(Exchange& exchange);
  void on_orphan(std::function<void()> handler) { on_orphan_ = std::move(handler); }

  // Exchanges sent and not yet answered, abandoned ones included.
  [[nodiscard]] std::size_t depth() const { return slots_.size(); }
  // The one the server is at; null where there is none or it was abandoned.
  [[nodiscard]] const Exchange* head() const {
    return slots_.empty() ? nullptr : slots_.front().exchange;
  }
  // Since when the server has been at its current statement.
  [[nodiscard]] SteadyTime head_since() const {
    return slots_.empty() ? SteadyTime::max() : slots_.front().started_at;
  }

  // Sends a statement and waits for its answer. A tenant, where given, is set for the statement
  // alone, in the same round trip. Past the deadline the statement is cancelled on the server; if
  // no answer comes to that either within a second, the connection is closed. One that still stands
  // behind others at its deadline is abandoned instead, and may yet run.
  // Errors: kSql, kTimeout, kConnectionLost, kInDoubt (a write whose answer never came).
  [[nodiscard]] boost::asio::awaitable<Result<Rows>> execute(const Statement& statement,
                                                             const Params& params = kNoParams,
                                                             SteadyTime deadline = kNoDeadline,
                                                             const Uuid* tenant = nullptr,
                                                             Position* reached = nullptr);

  // Asks the server to cancel what it runs for this connection. False where no request was sent.
  bool cancel();
  // A cancel has been sent and may still hit something.
  [[nodiscard]] bool cancel_under_way() const { return canceller_ && canceller_->under_way(); }
  [[nodiscard]] SteadyTime last_cancel() const { return last_cancel_; }

  // ── one at a time: only while nothing is in flight ──────────────────────────────────────────

  // Runs SQL text of any number of statements by the simple protocol; a text of several is one
  // transaction unless it says otherwise. Gives each statement's rows, in text format: any column
  // can be read as a string, and as nothing else. COPY has its own functions and is refused here.
  // may_have_taken_effect of an error: the connection broke, or a COMMIT in the text came before
  // the failure. (A single statement that commits on its own way, as CREATE INDEX CONCURRENTLY
  // does, is not seen as such.)
  [[nodiscard]] boost::asio::awaitable<Result<std::vector<Rows>>> script(
      std::string sql, SteadyTime deadline = kNoDeadline);

  // COPY … FROM STDIN: begin, then write any number of pieces, then finish (rows copied) or abort
  // (the server forgets all of it). After an error nothing of it is stored and the connection is
  // usable again unless closed() says otherwise; only a connection that breaks in copy_in_finish
  // leaves it open (kInDoubt). A row that the server refuses is reported by copy_in_finish at the
  // latest. The deadline is for the whole of it, finish included.
  [[nodiscard]] boost::asio::awaitable<Result<void>> copy_in_begin(
      std::string sql, SteadyTime deadline = kNoDeadline);
  [[nodiscard]] boost::asio::awaitable<Result<void>> copy_in_write(std::string_view bytes);
  [[nodiscard]] boost::asio::awaitable<Result<std::int64_t>> copy_in_finish();
  [[nodiscard]] boost::asio::awaitable<void> copy_in_abort(std::string reason);

  // COPY … TO STDOUT: calls `take` with each piece as the server sends it (in text format a row
  // each; in binary the first holds the header besides, and the last is the trailer); returns the
  // number of rows. What `take` throws ends the connection and is thrown on.
  [[nodiscard]] boost::asio::awaitable<Result<std::int64_t>> copy_out(
      std::string sql, std::function<void(std::string_view)> take,
      SteadyTime deadline = kNoDeadline);

  // ── state ───────────────────────────────────────────────────────────────────────────────────

  // Says that statements now stand inside a transaction block, where a failed one must not be
  // prepared and run again by itself.
  void set_in_transaction(bool value) { in_transaction_ = value; }
  // The server's word: a transaction block is open (also a failed one).
  [[nodiscard]] bool transaction_open() const;

  // Handlers are called from the loop, never from inside another call; they may close().
  void on_notification(std::function<void(Notification)> handler);
  void on_notice(std::function<void(std::string severity, std::string message)> handler);
  // Called once when the connection is lost or closed while it was thought usable.
  void on_closed(std::function<void(const Error&)> handler) { on_closed_ = std::move(handler); }

  // `why` is the reason that errors of what was under way give.
  void close(std::string why = "the connection was closed");
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] const std::string& node() const { return node_; }
  [[nodiscard]] int server_version() const;  // 150004 for 15.4
  [[nodiscard]] int server_process() const;
  [[nodiscard]] std::string_view parameter(const char* name) const;  // as reported by the server
  [[nodiscard]] SteadyTime connected_at() const { return connected_at_; }

 private:
  // How long a cancelled statement may take to come back before the connection is given up.
  static constexpr auto kCancelGrace = std::chrono::seconds(1);
  // A cancel that arrives before the server has begun the statement is lost: it is sent again.
  static constexpr auto kCancelAgain = std::chrono::milliseconds(200);

  // What the server has forgotten is prepared anew. A neighbour may have begun that already and
  // fail in it: the last attempt is sent without preparing, so that its answer is its own.
  static constexpr int kLastAttempt = 2;

  enum class Step : std::uint8_t {
    prepare_tenant,
    set_tenant,
    prepare,
    run,
    // Behind the statement's own Sync: whatever becomes of these, it has ended before.
    prepare_position,
    read_position,
  };
  struct Prepared {
    std::string text;
    std::vector<Oid> types;
    std::uint64_t number;
    std::string server_name;
    // What the server said of its result. Known, it need not be asked for: of a prepared statement
    // that is planned it never changes (the server refuses with 0A000 instead). Others, as FETCH or
    // SHOW, may answer differently every time.
    bool planned = false;
    std::shared_ptr<const protocol::Columns> columns = nullptr;
  };
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>{}(name);
    }
  };
  struct Slot {
    Exchange* exchange;  // null once abandoned
    Access access;
    boost::container::static_vector<Step, 6> steps;
    std::size_t step = 0;
    std::size_t failed_step = 0;         // where there is an error
    std::size_t position_step = 0;       // the first behind the statement's own Sync
    std::shared_ptr<Prepared> prepared;  // what it runs; null where that was not prepared
    std::uint64_t tenant = 0;            // the number of what sets the tenant, where that was
    std::uint64_t begins_at = 0;         // where its bytes begin in all that was ever to go
    int attempt = 0;
    bool asks_position = false;  // a second Sync follows the statement's
    bool synced = false;         // the statement's own Sync has been answered
    bool positioned = false;     // and the position has come
    bool completed = false;      // the statement ran to its end; only the Sync is missing
    std::optional<Error> error;
    Rows rows;
    Rows position;
    SteadyTime started_at{};
  };
  struct Finished {
    Exchange* exchange;  // null: an orphan's answer
    Result<Rows> result;
  };
  struct Finish {
    void operator()(pg_conn* connection) const;
  };

  Connection(boost::asio::any_io_executor executor, std::string node);

  boost::asio::awaitable<Result<void>> open(Options options);
  boost::asio::awaitable<Result<void>> poll_until_connected(SteadyTime deadline, std::string where);
  void assign_socket();
  void release_socket();

  void send(Exchange& exchange, int attempt);
  void put_tenant(Slot& slot, const Uuid& tenant);
  void put_statement(Slot& slot, const Statement& statement, const Params& params);
  void put_position(Slot& slot);
  std::shared_ptr<Prepared> find_prepared(const Statement& statement, const Params& params) const;
  void forget_prepared(std::uint64_t number);
  void forget_tenant(std::uint64_t number);
  void take_position(Slot& slot) const;
  [[nodiscard]] static Finished conclude(Slot& slot);
  bool forget_what_failed(const Slot& slot);
  void arm_read();
  void arm_write();
  void on_readable();
  // Reads what is there, once. False where nothing was; the end and failures are in ended_.
  bool fill();
  // Takes what has come and is complete.
  void take_messages();
  void take(const protocol::Message& message);
  // What may come at any time: notices, notifications, settings, the farewell. True where it was.
  bool take_aside(const protocol::Message& message);
  void take_columns(std::shared_ptr<const protocol::Columns> columns);
  void take_row(std::string_view body);
  void take_completion(std::string_view command);
  void take_error(const protocol::Report& report);
  void take_ready(std::string_view body);
  void finish_head();
  void out_of_step(std::string_view what);
  void deliver();
  void flush_soon();
  void flush();
  void lose(Error error);
  void hang_up();

  boost::asio::awaitable<Result<void>> leave_pipeline();
  void enter_pipeline();
  // A deadline, and whether it has passed: then the server is asked to cancel, at `at` once more,
  // and at `give_up` the connection is closed.
  struct Limit {
    SteadyTime at = kNoDeadline;
    bool cancelled = false;
    SteadyTime give_up = kNoDeadline;
  };
  boost::asio::awaitable<bool> wait_for(bool write, SteadyTime until);
  boost::asio::awaitable<bool> wait_within(bool write, Limit& limit);
  boost::asio::awaitable<Result<void>> flush_all(Limit& limit);
  boost::asio::awaitable<Result<protocol::Message>> next_message(Limit& limit);
  boost::asio::awaitable<Result<void>> finish_simple(Limit& limit, std::optional<Error> error);
  boost::asio::awaitable<Result<void>> begin_simple(std::string_view sql);
  [[nodiscard]] std::optional<Error> copy_ended_early();
  static boost::asio::awaitable<void> cancel_until(std::shared_ptr<Connection> self,
                                                   std::function<bool()> done);
  boost::asio::awaitable<void> cancel_settled();
  Error lost_within(const Limit& limit) const;

  Error make_error(const protocol::Report& report, const Statement* statement) const;
  Error lost_error(const Statement* statement) const;

  boost::asio::any_io_executor executor_;
  boost::asio::posix::stream_descriptor descriptor_;
  std::unique_ptr<pg_conn, Finish> connection_;
  Stream stream_;
  Input input_;
  Output output_;
  std::map<std::string, std::string, std::less<>> settings_;  // that the server reported since
  std::string node_;
  std::optional<Canceller> canceller_;
  SteadyTime last_cancel_ = SteadyTime::min();
  SteadyTime connected_at_{};

  // The standard deque allocates for each one or two of these.
  template <class T>
  using Queue =
      boost::container::deque<T, void,
                              boost::container::deque_options_t<boost::container::block_size<64>>>;
  Queue<Slot> slots_;
  Queue<Finished> finished_;
  std::deque<Notification> notifications_;
  std::deque<std::pair<std::string, std::string>> notices_;
  std::unordered_map<std::string, std::vector<std::shared_ptr<Prepared>>, NameHash, std::equal_to<>>
      prepared_;
  std::uint64_t last_number_ = 0;
  std::uint64_t tenant_prepared_ = 0;  // its number, 0 where it is not
  bool position_prepared_ = false;
  std::shared_ptr<const protocol::Columns> position_columns_;  // once they are known
  Limit copy_limit_;
  bool in_transaction_ = false;
  bool pipeline_ = false;
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool delivering_ = false;
  bool flush_posted_ = false;
  bool reading_ = false;  // what is sent meanwhile is flushed at the end of it
  bool ended_ = false;    // nothing more will come from the socket
  bool write_failed_ = false;
  bool closed_ = false;
  char transaction_status_ = 'I';
  std::optional<Error> fatal_;  // the server's farewell
  std::optional<Error> lost_;   // why it is closed

  std::function<void(Notification)> on_notification_;
  std::function<void(std::string, std::string)> on_notice_;
  std::function<void(const Error&)> on_closed_;
  std::function<void()> on_orphan_;
};

}  // namespace lyceum::pg
