// What a connection does one at a time, outside of pipeline mode: scripts and COPY.

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <libpq-fe.h>

#include "pg/connection.h"

namespace lyceum::pg {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using Descriptor = asio::posix::stream_descriptor;

bool commits(const Rows& rows) {
  const auto command = rows.command();
  return command.starts_with("COMMIT") || command.starts_with("PREPARE TRANSACTION");
}

}  // namespace

awaitable<Result<void>> Connection::leave_pipeline() {
  if (closed_) co_return lost_error(nullptr);
  if (!pipeline_ || !slots_.empty() || PQexitPipelineMode(connection_.get()) != 1) {
    co_return Error{.code = ErrorCode::kInternal,
                    .message = pipeline_ ? "a script or COPY began while statements were in flight"
                                         : "a script or COPY began while another was under way",
                    .node = node_};
  }
  pipeline_ = false;
  // The waits below want the descriptor to themselves.
  descriptor_.cancel();
  co_return Result<void>{};
}

void Connection::enter_pipeline() {
  // A broken connection may end an answer without a word; libpq would enter the mode all the same.
  if (PQstatus(connection_.get()) == CONNECTION_BAD ||
      PQenterPipelineMode(connection_.get()) != 1) {
    return lose(lost_error(nullptr));
  }
  pipeline_ = true;
  arm_read();
  take_notifications();
  deliver();
}

// Waits for the socket to be readable, or (also) writable. False where the time has come first.
// Whoever waits looks at closed_ afterwards.
awaitable<bool> Connection::wait_for(bool write, SteadyTime until) {
  using namespace asio::experimental::awaitable_operators;
  if (!write && tls_pending()) co_return true;
  if (!descriptor_.is_open()) co_return true;
  error_code readable, writable, expired;
  const auto read = [&] {
    return descriptor_.async_wait(Descriptor::wait_read,
                                  asio::redirect_error(use_awaitable, readable));
  };
  const auto either = [&] {
    return descriptor_.async_wait(Descriptor::wait_write,
                                  asio::redirect_error(use_awaitable, writable));
  };
  if (until == kNoDeadline) {
    if (write) {
      co_await (either() || read());
    } else {
      co_await read();
    }
    co_return true;
  }
  asio::steady_timer timer(executor_, until);
  const auto late = [&] { return timer.async_wait(asio::redirect_error(use_awaitable, expired)); };
  if (write) {
    co_return (co_await (either() || read() || late())).index() != 2;
  }
  co_return (co_await (read() || late())).index() != 1;
}

// The same within a limit: when that passes the server is asked to cancel, and when the grace after
// it passes the connection is closed. False where it is closed.
awaitable<bool> Connection::wait_within(bool write, Limit& limit) {
  while (!co_await wait_for(write, limit.at) && !closed_) {
    const auto now = std::chrono::steady_clock::now();
    if (!limit.cancelled) {
      limit.cancelled = true;
      limit.give_up = now + kCancelGrace;
    } else if (now >= limit.give_up) {
      why_lost_ = "the deadline passed and the server did not answer";
      close();
      break;
    }
    limit.at = std::min(limit.give_up, now + kCancelAgain);
    cancel();
  }
  co_return !closed_;
}

Error Connection::lost_within(const Limit& limit) const {
  auto error = lost_error(nullptr);
  if (limit.cancelled) {
    error.code = ErrorCode::kTimeout;
    error.message = "the deadline passed and the server did not answer";
  }
  return error;
}

awaitable<Result<void>> Connection::flush_all(Limit& limit) {
  while (true) {
    if (closed_) co_return lost_within(limit);
    const int left = PQflush(connection_.get());
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
      release_socket();
      co_return lost_within(limit);
    }
    if (left == 0) co_return Result<void>{};
    if (left < 0) co_return lost_within(limit);
    if (!co_await wait_within(true, limit)) co_return lost_within(limit);
    // What the server sends must be taken off the socket, or it stops reading what we send.
    if (PQconsumeInput(connection_.get()) != 1) {
      release_socket();
      co_return lost_within(limit);
    }
    deliver();
  }
}

// The next result of what runs; null at its end. When the connection broke, what the server said
// last is given before the error.
awaitable<Result<pg_result*>> Connection::next_result(Limit& limit) {
  (void)co_await flush_all(limit);
  while (!closed_ && PQisBusy(connection_.get()) != 0) {
    if (!co_await wait_within(false, limit)) break;
    const bool ok = PQconsumeInput(connection_.get()) == 1;
    if (!ok) release_socket();
    take_notifications();
    deliver();
    if (!ok) break;
  }
  if (!closed_ && PQisBusy(connection_.get()) != 0) lose(lost_error(nullptr));
  if (closed_) co_return lost_within(limit);
  co_return PQgetResult(connection_.get());
}

// Reads what is left of the answer and goes back to pipeline mode. Gives the first error met.
awaitable<Result<void>> Connection::finish_simple(Limit& limit) {
  std::optional<Error> error;
  while (true) {
    auto next = co_await next_result(limit);
    if (next.has_error()) co_return error ? *error : next.error();
    if (*next == nullptr) break;
    const Rows result(*next);
    const auto status = PQresultStatus(*next);
    if (status == PGRES_FATAL_ERROR && (!error || error->sqlstate.empty())) {
      error = make_error(*next, nullptr);
    }
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
      if (!error) error = lost_error(nullptr);
      error->code = ErrorCode::kConnectionLost;
      lose(*error);
      co_return *error;
    }
    if (status == PGRES_COPY_IN) PQputCopyEnd(connection_.get(), "not wanted");
    if (status == PGRES_COPY_OUT) {
      char* data = nullptr;
      while (co_await next_copy_piece(&data, limit) > 0) PQfreemem(data);
    }
  }
  enter_pipeline();
  if (limit.cancelled) {
    co_await cancel_settled();
    if (error && error->sqlstate == "57014") error->code = ErrorCode::kTimeout;
  }
  if (error) co_return *error;
  co_return Result<void>{};
}

awaitable<Result<std::vector<Rows>>> Connection::script(std::string sql, SteadyTime deadline) {
  const auto self = shared_from_this();
  if (auto left = co_await leave_pipeline(); left.has_error()) co_return left.error();
  Limit limit{.at = deadline};
  std::vector<Rows> out;
  std::optional<Error> error;
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    error = lost_error(nullptr);
    lose(*error);
    co_return *error;
  }
  while (!error) {
    auto next = co_await next_result(limit);
    if (next.has_error()) {
      error = next.error();
      error->may_have_taken_effect = true;
      co_return *error;
    }
    if (*next == nullptr) {
      enter_pipeline();
      if (limit.cancelled) co_await cancel_settled();
      co_return out;
    }
    Rows rows(*next);
    switch (PQresultStatus(*next)) {
      case PGRES_FATAL_ERROR:
        error = make_error(*next, nullptr);
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        error = Error{.code = ErrorCode::kBadInput,
                      .message = "a script cannot hold COPY from or to the client",
                      .hint = "use copy_in_begin or copy_out",
                      .node = node_};
        if (PQresultStatus(*next) == PGRES_COPY_IN) {
          PQputCopyEnd(connection_.get(), "a script cannot hold COPY FROM STDIN");
        } else {
          // It and what follows it would run on.
          cancel();
        }
        break;
      default:
        out.push_back(std::move(rows));
    }
  }
  error->may_have_taken_effect =
      std::any_of(out.begin(), out.end(), [](const Rows& rows) { return commits(rows); });
  (void)co_await finish_simple(limit);
  if (!closed_ && error->code == ErrorCode::kBadInput) co_await cancel_settled();
  if (closed_) {
    error->code = limit.cancelled ? ErrorCode::kTimeout : ErrorCode::kConnectionLost;
    error->may_have_taken_effect = true;
  } else if (limit.cancelled && error->sqlstate == "57014") {
    error->code = ErrorCode::kTimeout;
    error->message = "the deadline passed and the server cancelled the script";
  }
  co_return *error;
}

awaitable<Result<void>> Connection::copy_in_begin(std::string sql, SteadyTime deadline) {
  const auto self = shared_from_this();
  if (auto left = co_await leave_pipeline(); left.has_error()) co_return left.error();
  copy_limit_ = {.at = deadline};
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    auto error = lost_error(nullptr);
    lose(error);
    co_return error;
  }
  auto next = co_await next_result(copy_limit_);
  if (next.has_error()) co_return next.error();
  const Rows rows(*next);
  if (*next != nullptr && PQresultStatus(*next) == PGRES_COPY_IN) co_return Result<void>{};
  Error error = *next != nullptr && PQresultStatus(*next) == PGRES_FATAL_ERROR
                    ? make_error(*next, nullptr)
                    : Error{.code = ErrorCode::kBadInput,
                            .message = "the statement is no COPY FROM STDIN",
                            .node = node_};
  if (*next != nullptr && PQresultStatus(*next) == PGRES_COPY_OUT) {
    char* data = nullptr;
    while (co_await next_copy_piece(&data, copy_limit_) > 0) PQfreemem(data);
  }
  if (*next != nullptr) (void)co_await finish_simple(copy_limit_);
  if (*next == nullptr) enter_pipeline();
  if (closed_) error.code = ErrorCode::kConnectionLost;
  co_return error;
}

awaitable<Result<void>> Connection::copy_in_write(std::string_view bytes) {
  const auto self = shared_from_this();
  if (closed_) co_return lost_error(nullptr);
  if (pipeline_) {
    co_return Error{.code = ErrorCode::kInternal, .message = "no COPY is under way", .node = node_};
  }
  // libpq's buffer grows without limit: after each piece it is emptied.
  constexpr std::size_t kPiece = 256 * 1024;
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, kPiece);
    bytes.remove_prefix(piece.size());
    const int put = PQputCopyData(connection_.get(), piece.data(), static_cast<int>(piece.size()));
    if (put != 1 || (co_await flush_all(copy_limit_)).has_error()) {
      // The server has ended the COPY; its reason is the answer.
      if (closed_) co_return lost_within(copy_limit_);
      auto finished = co_await finish_simple(copy_limit_);
      co_return finished.has_error() ? finished.error() : lost_error(nullptr);
    }
  }
  co_return Result<void>{};
}

awaitable<Result<std::int64_t>> Connection::copy_in_finish() {
  const auto self = shared_from_this();
  if (closed_) co_return lost_error(nullptr);
  if (pipeline_) {
    co_return Error{.code = ErrorCode::kInternal, .message = "no COPY is under way", .node = node_};
  }
  std::int64_t count = 0;
  std::optional<Error> error;
  const bool ended = PQputCopyEnd(connection_.get(), nullptr) == 1;
  auto next = co_await next_result(copy_limit_);
  if (next.has_error()) {
    error = next.error();
  } else if (*next != nullptr) {
    const Rows rows(*next);
    if (PQresultStatus(*next) == PGRES_FATAL_ERROR) {
      error = make_error(*next, nullptr);
    } else {
      count = rows.affected();
    }
  }
  if (!closed_) {
    auto finished = co_await finish_simple(copy_limit_);
    // With its count the server has said that it is committed.
    if (finished.has_error() && !error && !closed_) error = finished.error();
    if (finished.has_error() && error && error->sqlstate.empty()) error = finished.error();
  }
  if (!error) co_return count;
  // A farewell can come after the commit and before the count. An error of COPY itself is certain.
  if (ended && closed_ && error->code != ErrorCode::kSql) {
    error->code = ErrorCode::kInDoubt;
    error->may_have_taken_effect = true;
  }
  co_return *error;
}

awaitable<void> Connection::copy_in_abort(std::string reason) {
  const auto self = shared_from_this();
  if (closed_ || pipeline_) co_return;
  PQputCopyEnd(connection_.get(), reason.c_str());
  (void)co_await finish_simple(copy_limit_);
}

// The next piece of COPY TO STDOUT, to be freed: its length, or what PQgetCopyData says at the end
// (-1) and on errors (-2).
awaitable<int> Connection::next_copy_piece(char** data, Limit& limit) {
  while (true) {
    if (closed_) co_return -2;
    const int length = PQgetCopyData(connection_.get(), data, 1);
    if (length != 0) co_return length;
    if (!co_await wait_within(false, limit)) co_return -2;
    if (PQconsumeInput(connection_.get()) != 1) {
      // What has come before the end is given out first.
      release_socket();
      const int last = PQgetCopyData(connection_.get(), data, 1);
      co_return last == 0 ? -2 : last;
    }
    deliver();
  }
}

awaitable<Result<std::int64_t>> Connection::copy_out(std::string sql,
                                                     std::function<void(std::string_view)> take,
                                                     SteadyTime deadline) {
  const auto self = shared_from_this();
  if (auto left = co_await leave_pipeline(); left.has_error()) co_return left.error();
  Limit limit{.at = deadline};
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    auto error = lost_error(nullptr);
    lose(error);
    co_return error;
  }
  auto next = co_await next_result(limit);
  if (next.has_error()) co_return next.error();
  const Rows rows(*next);
  if (*next == nullptr || PQresultStatus(*next) != PGRES_COPY_OUT) {
    Error error = *next != nullptr && PQresultStatus(*next) == PGRES_FATAL_ERROR
                      ? make_error(*next, nullptr)
                      : Error{.code = ErrorCode::kBadInput,
                              .message = "the statement is no COPY TO STDOUT",
                              .node = node_};
    if (*next != nullptr && PQresultStatus(*next) == PGRES_COPY_IN) {
      PQputCopyEnd(connection_.get(), "the caller wants to read");
    }
    if (*next != nullptr) (void)co_await finish_simple(limit);
    if (*next == nullptr) enter_pipeline();
    if (closed_) error.code = ErrorCode::kConnectionLost;
    co_return error;
  }
  char* data = nullptr;
  for (int length = 0; (length = co_await next_copy_piece(&data, limit)) > 0;) {
    const std::unique_ptr<char, decltype(&PQfreemem)> piece(data, &PQfreemem);
    try {
      take({data, static_cast<std::size_t>(length)});
    } catch (...) {
      close();
      throw;
    }
    if (closed_) break;
  }
  if (closed_) co_return lost_within(limit);
  // The count is the server's: in binary there are pieces that are no rows.
  std::int64_t count = 0;
  auto end = co_await next_result(limit);
  std::optional<Error> error;
  if (end.has_error()) co_return end.error();
  if (*end != nullptr) {
    const Rows last(*end);
    if (PQresultStatus(*end) == PGRES_FATAL_ERROR) error = make_error(*end, nullptr);
    count = last.affected();
    auto finished = co_await finish_simple(limit);
    if (finished.has_error() && (!error || error->sqlstate.empty())) error = finished.error();
  } else {
    enter_pipeline();
  }
  if (!error) co_return count;
  if (closed_) error->code = ErrorCode::kConnectionLost;
  if (!closed_ && limit.cancelled && error->sqlstate == "57014") error->code = ErrorCode::kTimeout;
  co_return *error;
}

}  // namespace lyceum::pg
