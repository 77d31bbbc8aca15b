#include "learning/load_copy.h"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace lyceum::learning::load {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kPieceBytes = std::size_t{128} << 10;
constexpr auto kReportEvery = std::chrono::milliseconds(100);

class Meter {
 public:
  Meter(std::string_view table, std::uint64_t total, ReportProgress report)
      : progress_{.table = table, .total = total}, report_(std::move(report)) {}

  void rows(std::uint64_t rows) {
    progress_.rows = rows;
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ >= kReportEvery) tell(now);
  }
  void finish() {
    progress_.finished = true;
    tell(std::chrono::steady_clock::now());
  }
  [[nodiscard]] std::uint64_t rows() const { return progress_.rows; }

 private:
  void tell(SteadyTime now) {
    told_ = now;
    const std::chrono::duration<double> passed = now - begun_;
    progress_.rows_per_second =
        static_cast<double>(progress_.rows) / std::max(passed.count(), 1e-6);
    if (report_) report_(progress_);
  }

  Progress progress_;
  ReportProgress report_;
  SteadyTime begun_ = std::chrono::steady_clock::now();
  SteadyTime told_ = begun_;
};

Error explain(Error error, std::string_view table, std::uint64_t rows) {
  error.message = fmt::format("loading {} failed after {} rows, none of which is stored: {}", table,
                              rows, error.message);
  if (error.sqlstate == "42P01") error.hint = "create the tables first: lyceum migrate";
  if (error.sqlstate == "23505") error.hint = "these rows are in the database already";
  if (error.sqlstate == "53100") error.hint = "free space on the server's disk and load again";
  if (error.sqlstate == "42501") error.hint = "connect as a member of lyceum_owner";
  // Before the transaction's COMMIT a lost connection leaves nothing behind.
  if (error.code == ErrorCode::kInDoubt) error.code = ErrorCode::kConnectionLost;
  error.may_have_taken_effect = false;
  return error;
}

asio::awaitable<Result<void>> send(pg::Connection& connection, RowSource& source, Meter& meter) {
  auto begun = co_await connection.copy_in_begin(copy_statement(source, "binary"));
  if (begun.has_error()) co_return begun.error();
  pg::CopyBuffer buffer;
  for (bool more = true; more;) {
    while (more && buffer.size() < kPieceBytes) more = source.append(buffer);
    if (!more) buffer.trailer();
    auto written = co_await connection.copy_in_write(buffer.bytes());
    if (written.has_error()) co_return written.error();
    buffer.clear();
    meter.rows(static_cast<std::uint64_t>(buffer.rows()));
  }
  auto stored = co_await connection.copy_in_finish();
  if (stored.has_error()) co_return stored.error();
  if (*stored != buffer.rows()) {
    co_return Error{.code = ErrorCode::kInternal,
                    .message = fmt::format("the server took {} rows of {}", *stored, buffer.rows()),
                    .node = connection.node()};
  }
  co_return Result<void>{};
}

// What has to be done to a table so that its rows can be copied fast, and what undoes it.
struct Preparation {
  std::string before;
  std::string after;
};

std::string value(const pg::Rows& rows, int row, int column) {
  return std::string(rows[row].bytes(column));
}

asio::awaitable<Result<Preparation>> prepare(pg::Connection& connection, const std::string& table,
                                             ForeignKeys keys) {
  auto asked = co_await connection.script(
      fmt::format("BEGIN; SELECT row_security_active('{0}'); "
                  "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
                  "WHERE conrelid = '{0}'::regclass AND contype = 'f' ORDER BY conname",
                  table));
  if (asked.has_error()) co_return asked.error();
  const auto& answers = *asked;
  Preparation out;
  if (value(answers[1], 0, 0) == "t") {
    out.before += fmt::format("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY;", table);
    out.after += fmt::format("ALTER TABLE {} FORCE ROW LEVEL SECURITY;", table);
  }
  if (keys == ForeignKeys::at_end) {
    for (int i = 0; i < answers[2].size(); ++i) {
      const auto name = value(answers[2], i, 0);
      out.before += fmt::format("ALTER TABLE {} DROP CONSTRAINT {};", table, name);
      out.after +=
          fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {};", table, name, value(answers[2], i, 1));
    }
  }
  if (!out.before.empty()) {
    auto done = co_await connection.script(out.before);
    if (done.has_error()) co_return done.error();
  }
  co_return out;
}

asio::awaitable<Result<void>> send_all(pg::Connection& connection, RowSource& source, Meter& meter,
                                       ForeignKeys keys) {
  auto prepared = co_await prepare(connection, std::string(source.table()), keys);
  if (prepared.has_error()) co_return prepared.error();
  auto sent = co_await send(connection, source, meter);
  if (sent.has_error()) co_return sent.error();
  if (!prepared->after.empty()) {
    auto done = co_await connection.script(prepared->after);
    if (done.has_error()) co_return done.error();
  }
  co_return Result<void>{};
}

}  // namespace

asio::awaitable<Result<std::uint64_t>> copy_table(std::shared_ptr<pg::Connection> connection,
                                                  RowSource& source, ReportProgress report,
                                                  ForeignKeys keys) {
  const std::string table(source.table());
  Meter meter(table, source.total(), std::move(report));
  auto sent = co_await send_all(*connection, source, meter, keys);
  if (sent.has_error()) {
    if (!connection->closed()) (void)co_await connection->script("ROLLBACK");
    co_return explain(sent.error(), table, meter.rows());
  }
  auto committed = co_await connection->script("COMMIT");
  if (committed.has_error()) {
    auto error = committed.error();
    if (error.may_have_taken_effect) {
      error.code = ErrorCode::kInDoubt;
      error.message =
          fmt::format("{} rows of {} were sent, and whether they are stored is not known: {}",
                      meter.rows(), table, error.message);
      error.hint = "count the rows of the table before loading again";
      co_return error;
    }
    co_return explain(error, table, meter.rows());
  }
  meter.finish();
  co_return meter.rows();
}

}  // namespace lyceum::learning::load
