#include "pg/transaction.h"

namespace lyceum::pg {
namespace {

using boost::asio::awaitable;
using Isolation = TransactionOptions::Isolation;

std::string begin_text(const TransactionOptions& options) {
  std::string text = "begin";
  switch (options.isolation) {
    case Isolation::read_committed:
      text += " isolation level read committed";
      break;
    case Isolation::repeatable_read:
      text += " isolation level repeatable read";
      break;
    case Isolation::serializable:
      text += " isolation level serializable";
      break;
  }
  return text + (options.access == Access::read ? " read only" : " read write");
}

}  // namespace

awaitable<Result<Transaction>> Transaction::begin(std::shared_ptr<Connection> connection,
                                                  TransactionOptions options) {
  const auto text = begin_text(options);
  connection->set_in_transaction(true);
  // An exchange with a tenant sets it before its statement and for its own transaction only, so
  // the tenant must follow BEGIN: as a statement of its own, sent without waiting for BEGIN's
  // answer. Which may never come: what follows gives up at its deadline.
  struct Sent final : Exchange {
    Sent(std::shared_ptr<Connection> where, const Statement& statement, const Params& params)
        : Exchange(statement, params, nullptr), on(std::move(where)) {}
    ~Sent() override {
      if (!result) on->abandon(*this);
    }
    void finished(Result<Rows> answer) override { result.emplace(std::move(answer)); }
    std::shared_ptr<Connection> on;
    std::optional<Result<Rows>> result;
  };
  const Statement begin_statement{"", text, Access::read};
  const Params none;
  if (options.tenant == nullptr) {
    auto begun = co_await connection->execute(begin_statement, none, options.deadline);
    if (begun.has_error()) {
      connection->set_in_transaction(false);
      co_return begun.error();
    }
    co_return Transaction(std::move(connection), options.deadline);
  }
  Sent begun(connection, begin_statement, none);
  connection->submit(begun);
  static constexpr Statement kSetTenant{"", "select set_config('lyceum.tenant', $1, true)",
                                        Access::read};
  auto set = co_await connection->execute(kSetTenant, Params(to_string(*options.tenant)),
                                          options.deadline);
  // Answers come in order: BEGIN's is there.
  const bool open = begun.result && begun.result->has_value();
  if (!open || set.has_error()) {
    if (open && !connection->closed()) {
      static constexpr Statement kRollback{"", "rollback", Access::read};
      (void)co_await connection->execute(kRollback, none, options.deadline);
    }
    connection->set_in_transaction(false);
    if (!open && begun.result) co_return begun.result->error();
    co_return set.error();
  }
  co_return Transaction(std::move(connection), options.deadline);
}

awaitable<Result<Rows>> Transaction::execute(const Statement& statement, const Params& params) {
  auto done = co_await connection_->execute(statement, params, deadline_);
  if (done.has_error() && connection_->closed()) {
    // COMMIT was never sent.
    auto error = done.error();
    if (error.code == ErrorCode::kInDoubt) error.code = ErrorCode::kConnectionLost;
    error.may_have_taken_effect = false;
    co_return error;
  }
  co_return done;
}

awaitable<Result<void>> Transaction::commit(Position* reached) {
  static constexpr Statement kCommit{"", "commit", Access::write};
  const bool sent = !connection_->closed();
  auto done = co_await connection_->execute(kCommit, kNoParams, deadline_, nullptr, reached);
  connection_->set_in_transaction(false);
  if (done.has_error()) {
    auto error = done.error();
    error.statement = "commit";
    // A server that is told to end says farewell also after it has committed: whatever ended the
    // connection, only an error of COMMIT itself proves that nothing was stored.
    if (sent && connection_->closed() && error.code != ErrorCode::kSql) {
      error.code = ErrorCode::kInDoubt;
      error.may_have_taken_effect = true;
    }
    co_return error;
  }
  // A failed transaction answers COMMIT with ROLLBACK and no error.
  if (done->command() == "ROLLBACK") {
    co_return Error{.code = ErrorCode::kSql,
                    .message = "the transaction was rolled back: a statement in it had failed",
                    .sqlstate = "25P02",
                    .statement = "commit",
                    .node = connection_->node()};
  }
  co_return Result<void>{};
}

awaitable<Result<void>> Transaction::rollback() {
  static constexpr Statement kRollback{"", "rollback", Access::read};
  auto done = co_await connection_->execute(kRollback, kNoParams, deadline_);
  connection_->set_in_transaction(false);
  if (done.has_error()) co_return done.error();
  co_return Result<void>{};
}

}  // namespace lyceum::pg
