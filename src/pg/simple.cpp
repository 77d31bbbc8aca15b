// What a connection does one at a time, outside of pipeline mode: scripts and COPY.

#include <fmt/format.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "pg/connection.h"

namespace lyceum::pg {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using Descriptor = asio::posix::stream_descriptor;

constexpr auto kCancelGrace = std::chrono::seconds(1);

}  // namespace

awaitable<Result<void>> Connection::leave_pipeline() {
  if (closed_) co_return lost_error(nullptr);
  if (!slots_.empty() || PQexitPipelineMode(connection_.get()) != 1) {
    co_return Error{.code = ErrorCode::kInternal,
                    .message = "a script or COPY began while statements were in flight",
                    .node = node_};
  }
  pipeline_ = false;
  // The waits below want the descriptor to themselves.
  descriptor_.cancel();
  co_return Result<void>{};
}

void Connection::enter_pipeline() {
  if (PQenterPipelineMode(connection_.get()) != 1) {
    return lose(lost_error(nullptr));
  }
  pipeline_ = true;
  arm_read();
}

awaitable<bool> Connection::wait_readable(SteadyTime deadline) {
  // TLS may hold decrypted bytes that the socket will not announce again.
  if (auto* tls = static_cast<SSL*>(PQsslStruct(connection_.get(), "OpenSSL"));
      tls != nullptr && SSL_pending(tls) > 0) {
    co_return true;
  }
  error_code error;
  if (deadline == kNoDeadline) {
    co_await descriptor_.async_wait(Descriptor::wait_read,
                                    asio::redirect_error(use_awaitable, error));
    co_return !error;
  }
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer(executor_, deadline);
  const auto first =
      co_await (descriptor_.async_wait(Descriptor::wait_read,
                                       asio::redirect_error(use_awaitable, error)) ||
                timer.async_wait(use_awaitable));
  co_return first.index() == 0 && !error;
}

awaitable<Result<void>> Connection::flush_all() {
  using namespace asio::experimental::awaitable_operators;
  while (true) {
    if (closed_) co_return lost_error(nullptr);
    const int left = PQflush(connection_.get());
    if (left == 0) co_return Result<void>{};
    if (left < 0) co_return lost_error(nullptr);
    error_code writable, readable;
    const auto first = co_await (
        descriptor_.async_wait(Descriptor::wait_write,
                               asio::redirect_error(use_awaitable, writable)) ||
        descriptor_.async_wait(Descriptor::wait_read,
                               asio::redirect_error(use_awaitable, readable)));
    // What the server sends must be taken off the socket, or it stops reading what we send.
    if (first.index() == 1 && !closed_ && PQconsumeInput(connection_.get()) != 1) {
      co_return lost_error(nullptr);
    }
  }
}

awaitable<Result<pg_result*>> Connection::next_result(SteadyTime deadline) {
  if (auto flushed = co_await flush_all(); flushed.has_error()) {
    // The server may have said why before it stopped listening.
    if (closed_ || PQconsumeInput(connection_.get()) != 1) {
      if (closed_ || PQisBusy(connection_.get()) != 0) co_return flushed.error();
    }
  }
  bool cancelled = false;
  while (!closed_ && PQisBusy(connection_.get()) != 0) {
    if (!co_await wait_readable(deadline)) {
      if (closed_) break;
      if (cancelled) {
        close();
        break;
      }
      cancelled = true;
      cancel();
      deadline = std::chrono::steady_clock::now() + kCancelGrace;
      continue;
    }
    if (PQconsumeInput(connection_.get()) != 1 && PQisBusy(connection_.get()) != 0) {
      co_return lost_error(nullptr);
    }
  }
  if (closed_) co_return lost_error(nullptr);
  co_return PQgetResult(connection_.get());
}

// Reads what is left of the answer and goes back to pipeline mode. Gives the first error met.
awaitable<Result<void>> Connection::finish_simple(SteadyTime deadline) {
  std::optional<Error> error;
  while (true) {
    auto next = co_await next_result(deadline);
    if (next.has_error()) {
      if (!closed_) lose(next.error());
      co_return error ? *error : next.error();
    }
    if (*next == nullptr) break;
    const Rows result(*next);
    if (PQresultStatus(*next) == PGRES_FATAL_ERROR && !error) error = make_error(*next, nullptr);
    if (PQresultStatus(*next) == PGRES_COPY_IN) PQputCopyEnd(connection_.get(), "not wanted");
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
      if (error) error->code = ErrorCode::kConnectionLost;
      lose(error ? *error : lost_error(nullptr));
      co_return error ? *error : lost_error(nullptr);
    }
  }
  while (PGnotify* notify = PQnotifies(connection_.get())) {
    if (on_notification_) on_notification_({notify->relname, notify->extra, notify->be_pid});
    PQfreemem(notify);
  }
  enter_pipeline();
  if (error) co_return *error;
  co_return Result<void>{};
}

awaitable<Result<std::vector<Rows>>> Connection::script(std::string sql, SteadyTime deadline) {
  const auto self = shared_from_this();
  if (auto left = co_await leave_pipeline(); left.has_error()) co_return left.error();
  std::vector<Rows> out;
  std::optional<Error> error;
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    error = lost_error(nullptr);
    lose(*error);
    co_return *error;
  }
  while (!error) {
    auto next = co_await next_result(deadline);
    if (next.has_error()) {
      if (!closed_) lose(next.error());
      auto lost = next.error();
      lost.may_have_taken_effect = true;
      co_return lost;
    }
    if (*next == nullptr) {
      enter_pipeline();
      co_return out;
    }
    Rows rows(*next);
    if (PQresultStatus(*next) == PGRES_FATAL_ERROR) {
      error = make_error(*next, nullptr);
    } else {
      out.push_back(std::move(rows));
    }
  }
  if (deadline != kNoDeadline && error->sqlstate == "57014" &&
      std::chrono::steady_clock::now() >= deadline) {
    error->code = ErrorCode::kTimeout;
  }
  if (auto rest = co_await finish_simple(kNoDeadline); rest.has_error() && closed_) {
    error->code = ErrorCode::kConnectionLost;
    error->may_have_taken_effect = true;
  }
  co_return *error;
}

awaitable<Result<void>> Connection::copy_in_begin(std::string sql) {
  const auto self = shared_from_this();
  if (auto left = co_await leave_pipeline(); left.has_error()) co_return left.error();
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    auto error = lost_error(nullptr);
    lose(error);
    co_return error;
  }
  auto next = co_await next_result(kNoDeadline);
  if (next.has_error()) {
    if (!closed_) lose(next.error());
    co_return next.error();
  }
  const Rows rows(*next);
  if (*next != nullptr && PQresultStatus(*next) == PGRES_COPY_IN) co_return Result<void>{};
  Error error = *next != nullptr && PQresultStatus(*next) == PGRES_FATAL_ERROR
                    ? make_error(*next, nullptr)
                    : Error{.code = ErrorCode::kInternal,
                            .message = "the statement is no COPY FROM STDIN",
                            .node = node_};
  (void)co_await finish_simple(kNoDeadline);
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
    const int put =
        PQputCopyData(connection_.get(), piece.data(), static_cast<int>(piece.size()));
    if (put != 1 || (co_await flush_all()).has_error()) {
      // The server has ended the COPY; its reason is the answer.
      auto finished = co_await finish_simple(kNoDeadline);
      co_return finished.has_error() ? finished.error() : lost_error(nullptr);
    }
  }
  // An error the server has sent already ends the COPY now rather than at its end.
  if (PQconsumeInput(connection_.get()) == 1 && PQisBusy(connection_.get()) == 0) {
    if (PGresult* result = PQgetResult(connection_.get())) {
      const Rows rows(result);
      if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
        auto error = make_error(result, nullptr);
        (void)co_await finish_simple(kNoDeadline);
        co_return error;
      }
    }
  }
  co_return Result<void>{};
}

awaitable<Result<std::int64_t>> Connection::copy_in_finish() {
  const auto self = shared_from_this();
  if (closed_) co_return lost_error(nullptr);
  std::int64_t count = 0;
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) {
    auto finished = co_await finish_simple(kNoDeadline);
    co_return finished.has_error() ? finished.error() : lost_error(nullptr);
  }
  auto next = co_await next_result(kNoDeadline);
  if (next.has_error()) {
    if (!closed_) lose(next.error());
    auto error = next.error();
    error.code = ErrorCode::kInDoubt;
    error.may_have_taken_effect = true;
    co_return error;
  }
  std::optional<Error> error;
  if (*next != nullptr) {
    const Rows rows(*next);
    if (PQresultStatus(*next) == PGRES_FATAL_ERROR) {
      error = make_error(*next, nullptr);
    } else {
      count = rows.affected();
    }
  }
  auto finished = co_await finish_simple(kNoDeadline);
  if (error) co_return *error;
  if (finished.has_error()) co_return finished.error();
  co_return count;
}

awaitable<void> Connection::copy_in_abort(std::string reason) {
  const auto self = shared_from_this();
  if (closed_ || pipeline_) co_return;
  PQputCopyEnd(connection_.get(), reason.c_str());
  (void)co_await finish_simple(kNoDeadline);
}

awaitable<Result<std::int64_t>> Connection::copy_out(std::string sql,
                                                     std::function<void(std::string_view)> take) {
  const auto self = shared_from_this();
  if (auto left = co_await leave_pipeline(); left.has_error()) co_return left.error();
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    auto error = lost_error(nullptr);
    lose(error);
    co_return error;
  }
  auto next = co_await next_result(kNoDeadline);
  if (next.has_error()) {
    if (!closed_) lose(next.error());
    co_return next.error();
  }
  const Rows rows(*next);
  if (*next == nullptr || PQresultStatus(*next) != PGRES_COPY_OUT) {
    Error error = *next != nullptr && PQresultStatus(*next) == PGRES_FATAL_ERROR
                      ? make_error(*next, nullptr)
                      : Error{.code = ErrorCode::kInternal,
                              .message = "the statement is no COPY TO STDOUT",
                              .node = node_};
    (void)co_await finish_simple(kNoDeadline);
    co_return error;
  }
  std::int64_t count = 0;
  while (true) {
    char* data = nullptr;
    const int length = PQgetCopyData(connection_.get(), &data, 1);
    if (length > 0) {
      take({data, static_cast<std::size_t>(length)});
      PQfreemem(data);
      ++count;
    } else if (length == 0) {
      if (!co_await wait_readable(kNoDeadline) || closed_ ||
          PQconsumeInput(connection_.get()) != 1) {
        auto error = lost_error(nullptr);
        lose(error);
        co_return error;
      }
    } else {
      break;
    }
  }
  auto finished = co_await finish_simple(kNoDeadline);
  if (finished.has_error()) co_return finished.error();
  co_return count;
}

}  // namespace lyceum::pg
