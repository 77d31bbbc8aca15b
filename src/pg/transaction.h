#pragma once

#include <boost/asio/awaitable.hpp>

#include "pg/connection.h"

namespace lyceum::pg {

struct TransactionOptions {
  enum class Isolation { read_committed, repeatable_read, serializable };
  Isolation isolation = Isolation::read_committed;
  Access access = Access::write;
  const Uuid* tenant = nullptr;  // set for the transaction, in the same round trip as BEGIN
  SteadyTime deadline = kNoDeadline;
};

// A transaction on a connection that nobody else uses meanwhile. One that is destroyed without
// commit or rollback leaves its transaction open: whoever owns the connection rolls back (a lease
// does when it returns).
class Transaction {
 public:
  [[nodiscard]] static boost::asio::awaitable<Result<Transaction>> begin(
      std::shared_ptr<Connection> connection, TransactionOptions options = {});

  // An error never takes effect: where the connection broke, nothing was committed.
  [[nodiscard]] boost::asio::awaitable<Result<Rows>> execute(const Statement& statement,
                                                             const Params& params = kNoParams);

  // Errors: kInDoubt where the connection broke before the answer: the transaction may or may not
  // have been committed. kSql where the server rolled it back instead.
  // `reached`, where not null, is advanced past the commit, in the same round trip.
  [[nodiscard]] boost::asio::awaitable<Result<void>> commit(Position* reached = nullptr);
  [[nodiscard]] boost::asio::awaitable<Result<void>> rollback();

 private:
  Transaction(std::shared_ptr<Connection> connection, SteadyTime deadline)
      : connection_(std::move(connection)), deadline_(deadline) {}

  std::shared_ptr<Connection> connection_;
  SteadyTime deadline_;
};

}  // namespace lyceum::pg
