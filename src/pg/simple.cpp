// What a connection does one at a time, outside of pipeline mode: scripts and COPY.

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "pg/connection.h"

namespace lyceum::pg {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using Descriptor = asio::posix::stream_descriptor;

using protocol::Tag;

bool commits(const Rows& rows) {
  const auto command = rows.command();
  return command.starts_with("COMMIT") || command.starts_with("PREPARE TRANSACTION");
}

}  // namespace

awaitable<Result<void>> Connection::leave_pipeline() {
  if (closed_) co_return lost_error(nullptr);
  if (!pipeline_ || !slots_.empty()) {
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
  if (closed_) return;
  pipeline_ = true;
  // What came behind the answer.
  take_messages();
  arm_read();
  deliver();
}

// Leaves the pipeline and sends the text.
awaitable<Result<void>> Connection::begin_simple(std::string_view sql) {
  if (const auto refusal = protocol::refusal(sql, kNoParams)) {
    co_return Error{.code = ErrorCode::kBadInput,
                    .message = fmt::format("the SQL cannot be sent: {}", *refusal),
                    .node = node_};
  }
  if (auto left = co_await leave_pipeline(); left.has_error()) co_return left.error();
  protocol::put_query(output_.bytes(), sql);
  co_return Result<void>{};
}

// Waits for the socket to be readable, or (also) writable. False where the time has come first.
// Whoever waits looks at closed_ afterwards.
awaitable<bool> Connection::wait_for(bool write, SteadyTime until) {
  using namespace asio::experimental::awaitable_operators;
  if (!write && stream_.pending()) co_return true;
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
      close("the deadline passed and the server did not answer");
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
    std::size_t moved = 0;
    if (output_.empty() || write_failed_) co_return Result<void>{};
    switch (stream_.write(output_.left(), moved)) {
      case Stream::Outcome::moved:
        output_.sent(moved);
        continue;
      case Stream::Outcome::blocked:
        break;
      default:
        // The reader finds out, with whatever the server said last.
        write_failed_ = true;
        co_return Result<void>{};
    }
    if (!co_await wait_within(true, limit)) co_return lost_within(limit);
    // What the server sends must be taken off the socket, or it stops reading what we send.
    (void)fill();
  }
}

// The next message of the answer to what runs. Its views hold until the next one is asked for.
awaitable<Result<protocol::Message>> Connection::next_message(Limit& limit) {
  (void)co_await flush_all(limit);
  protocol::Message message{};
  std::size_t needed = 0;
  while (!closed_) {
    const auto framing = protocol::read_message(input_.view(), message, needed);
    if (framing == protocol::Framing::broken) {
      out_of_step("a message that cannot be one");
    } else if (framing == protocol::Framing::complete) {
      input_.consume(message.size);
      if (!take_aside(message)) co_return message;
      deliver();
    } else if (fill()) {
      continue;
    } else if (ended_) {
      lose(lost_error(nullptr));
    } else {
      (void)co_await wait_within(false, limit);
    }
  }
  co_return lost_within(limit);
}

// Reads what is left of the answer and goes back to the pipeline. Gives the first error met, which
// may be one from before.
awaitable<Result<void>> Connection::finish_simple(Limit& limit, std::optional<Error> error) {
  while (true) {
    auto next = co_await next_message(limit);
    if (next.has_error()) {
      if (!error || error->code != ErrorCode::kSql) error = next.error();
      co_return *error;
    }
    if (next->tag == Tag::ready_for_query) {
      transaction_status_ = protocol::read_transaction_status(next->body);
      break;
    }
    if (next->tag == Tag::error_response && !error) {
      error = make_error(protocol::read_report(next->body).value_or(protocol::Report{}), nullptr);
    }
    if (next->tag == Tag::copy_in_response) {
      protocol::put_copy_fail(output_.bytes(), "not wanted");
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
  if (auto begun = co_await begin_simple(sql); begun.has_error()) co_return begun.error();
  Limit limit{.at = deadline};
  std::vector<Rows> out;
  Rows rows;
  std::optional<Error> error;
  const auto refuse_copy = [&] {
    error = Error{.code = ErrorCode::kBadInput,
                  .message = "a script cannot hold COPY from or to the client",
                  .hint = "use copy_in_begin or copy_out",
                  .node = node_};
  };
  while (!error) {
    auto next = co_await next_message(limit);
    if (next.has_error()) {
      error = next.error();
      error->may_have_taken_effect = true;
      co_return *error;
    }
    bool understood = true;
    switch (next->tag) {
      case Tag::row_description: {
        auto columns = protocol::read_columns(next->body);
        understood = columns != nullptr;
        rows = Rows(std::move(columns));
        break;
      }
      case Tag::data_row:
        understood = rows.add(next->body);
        break;
      case Tag::command_complete:
      case Tag::empty_query_response:
        rows.complete(protocol::read_command(next->body).value_or(""));
        out.push_back(std::exchange(rows, Rows()));
        break;
      case Tag::error_response:
        error = make_error(protocol::read_report(next->body).value_or(protocol::Report{}), nullptr);
        break;
      case Tag::copy_in_response:
        refuse_copy();
        protocol::put_copy_fail(output_.bytes(), "a script cannot hold COPY FROM STDIN");
        break;
      case Tag::copy_out_response:
      case Tag::copy_both_response:
        refuse_copy();
        // It and what follows it would run on.
        cancel();
        break;
      case Tag::ready_for_query:
        transaction_status_ = protocol::read_transaction_status(next->body);
        enter_pipeline();
        if (limit.cancelled) co_await cancel_settled();
        co_return out;
      default:
        understood = false;
    }
    if (!understood) {
      out_of_step("an answer that cannot be read");
      error = lost_error(nullptr);
      error->may_have_taken_effect = true;
      co_return *error;
    }
  }
  error->may_have_taken_effect =
      std::any_of(out.begin(), out.end(), [](const Rows& each) { return commits(each); });
  (void)co_await finish_simple(limit, error);
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
  if (auto begun = co_await begin_simple(sql); begun.has_error()) co_return begun.error();
  copy_limit_ = {.at = deadline};
  auto next = co_await next_message(copy_limit_);
  if (next.has_error()) co_return next.error();
  if (next->tag == Tag::copy_in_response) co_return Result<void>{};
  const bool refused = next->tag == Tag::error_response;
  const Error error =
      refused ? make_error(protocol::read_report(next->body).value_or(protocol::Report{}), nullptr)
              : Error{.code = ErrorCode::kBadInput,
                      .message = "the statement is no COPY FROM STDIN",
                      .node = node_};
  auto problem = (co_await finish_simple(copy_limit_, error)).error();
  if (closed_) problem.code = ErrorCode::kConnectionLost;
  co_return problem;
}

// What the server has said against the data while more of it was sent.
std::optional<Error> Connection::copy_ended_early() {
  protocol::Message message{};
  std::size_t needed = 0;
  (void)fill();
  while (protocol::read_message(input_.view(), message, needed) == protocol::Framing::complete) {
    input_.consume(message.size);
    if (take_aside(message)) continue;
    if (message.tag != Tag::error_response) break;
    return make_error(protocol::read_report(message.body).value_or(protocol::Report{}), nullptr);
  }
  return std::nullopt;
}

awaitable<Result<void>> Connection::copy_in_write(std::string_view bytes) {
  const auto self = shared_from_this();
  if (closed_) co_return lost_error(nullptr);
  if (pipeline_) {
    co_return Error{.code = ErrorCode::kInternal, .message = "no COPY is under way", .node = node_};
  }
  // What waits to be sent stays as small as a piece.
  constexpr std::size_t kPiece = 256 * 1024;
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, kPiece);
    bytes.remove_prefix(piece.size());
    protocol::put_copy_data(output_.bytes(), piece);
    auto flushed = co_await flush_all(copy_limit_);
    if (flushed.has_error()) co_return flushed.error();
    auto refused = copy_ended_early();
    deliver();
    if (refused || ended_ || write_failed_) {
      // The server has ended the COPY; its reason is the answer.
      auto finished = co_await finish_simple(copy_limit_, std::move(refused));
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
  const auto begins_at = output_.end();
  protocol::put_copy_done(output_.bytes());
  std::optional<std::int64_t> count;
  std::optional<Error> error;
  auto next = co_await next_message(copy_limit_);
  if (next.has_value() && next->tag == Tag::command_complete) {
    Rows rows;
    rows.complete(protocol::read_command(next->body).value_or(""));
    count = rows.affected();
  } else if (next.has_value() && next->tag == Tag::error_response) {
    error = make_error(protocol::read_report(next->body).value_or(protocol::Report{}), nullptr);
  }
  auto finished = next.has_value() ? co_await finish_simple(copy_limit_, std::move(error))
                                   : Result<void>(next.error());
  // With its count the server has said that it is committed.
  if (count && (finished.has_value() || closed_)) co_return *count;
  if (finished.has_value()) co_return std::int64_t{0};
  auto problem = finished.error();
  // A farewell can come after the commit and before the count. An error of COPY itself is certain,
  // and so is what never left.
  if (closed_ && problem.code != ErrorCode::kSql && output_.sent() > begins_at) {
    problem.code = ErrorCode::kInDoubt;
    problem.may_have_taken_effect = true;
  }
  co_return problem;
}

awaitable<void> Connection::copy_in_abort(std::string reason) {
  const auto self = shared_from_this();
  if (closed_ || pipeline_) co_return;
  protocol::put_copy_fail(output_.bytes(), reason);
  (void)co_await finish_simple(copy_limit_, std::nullopt);
}

awaitable<Result<std::int64_t>> Connection::copy_out(std::string sql,
                                                     std::function<void(std::string_view)> take,
                                                     SteadyTime deadline) {
  const auto self = shared_from_this();
  if (auto begun = co_await begin_simple(sql); begun.has_error()) co_return begun.error();
  Limit limit{.at = deadline};
  std::int64_t count = 0;
  bool begun = false;
  std::optional<Error> error;
  while (true) {
    auto next = co_await next_message(limit);
    if (next.has_error()) co_return next.error();
    if (next->tag == Tag::ready_for_query) break;
    if (next->tag == Tag::copy_out_response) {
      begun = true;
    } else if (next->tag == Tag::copy_data) {
      try {
        take(next->body);
      } catch (...) {
        close();
        throw;
      }
    } else if (next->tag == Tag::command_complete && begun) {
      // The count is the server's: in binary there are pieces that are no rows.
      Rows rows;
      rows.complete(protocol::read_command(next->body).value_or(""));
      count = rows.affected();
    } else if (next->tag == Tag::error_response && !error) {
      error = make_error(protocol::read_report(next->body).value_or(protocol::Report{}), nullptr);
    } else if (next->tag == Tag::copy_in_response) {
      protocol::put_copy_fail(output_.bytes(), "the caller wants to read");
    }
    if (!begun && !error && next->tag != Tag::error_response) {
      error = Error{.code = ErrorCode::kBadInput,
                    .message = "the statement is no COPY TO STDOUT",
                    .node = node_};
    }
  }
  enter_pipeline();
  if (limit.cancelled) {
    co_await cancel_settled();
    if (error && error->sqlstate == "57014") error->code = ErrorCode::kTimeout;
  }
  if (error) co_return *error;
  co_return count;
}

}  // namespace lyceum::pg
