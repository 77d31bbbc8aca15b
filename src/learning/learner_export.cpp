#include "learning/learner_export.h"

#include <fmt/format.h>

#include "pg/transaction.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;

constexpr std::int32_t kBatch = 200;  // rows of one piece
constexpr Uuid kFirst{};

// The id after one; none after the last.
std::optional<Uuid> following(Uuid id) {
  for (auto at = id.size(); at-- > 0;) {
    if (++id.data[at] != 0) return id;
  }
  return std::nullopt;
}

// One list of the document: its statement, and where its next batch begins.
class List {
 public:
  enum class Order { by_id, by_time, by_key };

  List(std::string_view name, const Statement& statement, Order order)
      : name_(name), statement_(&statement), order_(order) {}

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] const Statement& statement() const { return *statement_; }
  [[nodiscard]] bool ended() const { return ended_; }

  [[nodiscard]] pg::Params params(const Uuid& learner) const {
    pg::Params out(learner);
    if (order_ == Order::by_time) out.add(time_);
    if (order_ == Order::by_key) {
      out.add(key_);
    } else {
      out.add(id_);
    }
    out.add(kBatch);
    return out;
  }

  void advance(const pg::Rows& rows) {
    ended_ = rows.size() < kBatch;
    if (ended_) return;
    const auto last = rows[rows.size() - 1];
    if (order_ == Order::by_key) {
      key_ = last.get<std::string>(rows.column("key"));
      return;
    }
    if (order_ == Order::by_time) time_ = last.get<Timestamp>(rows.column("at"));
    if (const auto next = following(last.get<Uuid>(rows.column("id")))) {
      id_ = *next;
    } else if (order_ == Order::by_time && time_ < Timestamp::max()) {
      id_ = kFirst;
      time_ += std::chrono::microseconds(1);
    } else {
      ended_ = true;
    }
  }

 private:
  std::string_view name_;
  const Statement* statement_;
  Order order_;
  Uuid id_ = kFirst;
  Timestamp time_ = Timestamp::min();  // -infinity
  std::string key_;
  bool ended_ = false;
};

std::vector<List> all_lists() {
  using Order = List::Order;
  namespace statements = sql::learning;
  return {{"progress", statements::export_progress, Order::by_id},
          {"vocabulary_progress", statements::export_vocabulary, Order::by_id},
          {"sessions", statements::export_sessions, Order::by_time},
          {"events", statements::export_events, Order::by_time},
          {"exercise_attempts", statements::export_attempts, Order::by_time},
          {"idempotency_keys", statements::export_answers, Order::by_key}};
}

// Gives pieces to the sink, and counts.
class Writer {
 public:
  explicit Writer(const ExportSink& sink) : sink_(sink) {}

  awaitable<Result<void>> write(std::string_view piece) {
    outcome_.bytes += static_cast<std::int64_t>(piece.size());
    return sink_(piece);
  }
  void count(std::int64_t rows) { outcome_.rows += rows; }
  [[nodiscard]] ExportOutcome outcome() const { return outcome_; }

 private:
  const ExportSink& sink_;
  ExportOutcome outcome_;
};

awaitable<Result<void>> write_list(pg::Transaction& transaction, const Uuid& learner, List& list,
                                   Writer& writer) {
  std::string piece = fmt::format(",\n\"{}\": [", list.name());
  bool is_first = true;
  while (!list.ended()) {
    const auto params = list.params(learner);
    const auto rows = co_await transaction.execute(list.statement(), params);
    if (rows.has_error()) co_return rows.error();
    const int document = rows->column("document");
    for (const auto row : *rows) {
      piece += is_first ? "\n" : ",\n";
      piece += row.get<std::string_view>(document);
      is_first = false;
    }
    writer.count(rows->size());
    list.advance(*rows);
    if (list.ended()) piece += "]";
    const auto taken = co_await writer.write(piece);
    if (taken.has_error()) co_return taken.error();
    piece.clear();
  }
  co_return Result<void>{};
}

awaitable<Result<void>> write_all(const Scope& scope, pg::Transaction& transaction,
                                  const Uuid& learner, Writer& writer) {
  const pg::Params params(learner);
  const auto rows = co_await transaction.execute(sql::learning::export_learner, params);
  if (rows.has_error()) co_return rows.error();
  if (rows->empty()) {
    co_return Error{.code = ErrorCode::kNotFound,
                    .message = fmt::format("tenant {} has no learner {}", to_string(scope.tenant),
                                           to_string(learner)),
                    .node = scope.database.node()};
  }
  writer.count(1);
  const auto start = fmt::format("{{\"learner\": {}", rows->value<std::string_view>());
  const auto begun = co_await writer.write(start);
  if (begun.has_error()) co_return begun.error();
  auto lists = all_lists();
  for (auto& list : lists) {
    const auto written = co_await write_list(transaction, learner, list, writer);
    if (written.has_error()) co_return written.error();
  }
  co_return co_await writer.write("}\n");
}

}  // namespace

awaitable<Result<ExportOutcome>> export_learner(Scope scope, Uuid learner, ExportSink sink) {
  const auto call = scope.call();
  auto lease = co_await scope.database.lease(Access::read, call);
  if (lease.has_error()) co_return lease.error();
  const pg::TransactionOptions options{
      .isolation = pg::TransactionOptions::Isolation::repeatable_read,
      .access = Access::read,
      .tenant = &scope.tenant,
      .deadline = scope.deadline};
  auto transaction = co_await pg::Transaction::begin(lease->connection(), options);
  if (transaction.has_error()) co_return transaction.error();
  Writer writer(sink);
  const auto written = co_await write_all(scope, *transaction, learner, writer);
  if (written.has_error()) co_return written.error();
  // It has read only: how it ends changes nothing.
  (void)co_await transaction->rollback();
  co_return writer.outcome();
}

}  // namespace lyceum::learning
