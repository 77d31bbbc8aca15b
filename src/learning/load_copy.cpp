#include "learning/load_copy.h"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>

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

}  // namespace

asio::awaitable<Result<std::uint64_t>> copy_table(std::shared_ptr<pg::Connection> connection,
                                                  RowSource& source, ReportProgress report) {
  const std::string table(source.table());
  Meter meter(table, source.total(), std::move(report));

  auto begun = co_await connection->script(
      fmt::format("BEGIN; SELECT row_security_active('{}')", table));
  if (begun.has_error()) {
    (void)co_await connection->script("ROLLBACK");
    co_return explain(begun.error(), table, 0);
  }
  const auto& answer = begun->back();
  const bool forced = answer.size() == 1 && answer[0].bytes(0) == "t";
  std::optional<Error> failed;
  if (forced) {
    auto lifted = co_await connection->script(
        fmt::format("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", table));
    if (lifted.has_error()) failed = lifted.error();
  }
  if (!failed) {
    auto sent = co_await send(*connection, source, meter);
    if (sent.has_error()) failed = sent.error();
  }
  if (!failed && forced) {
    auto restored = co_await connection->script(
        fmt::format("ALTER TABLE {} FORCE ROW LEVEL SECURITY", table));
    if (restored.has_error()) failed = restored.error();
  }
  if (failed) {
    if (!connection->closed()) (void)co_await connection->script("ROLLBACK");
    co_return explain(*failed, table, meter.rows());
  }
  auto committed = co_await connection->script("COMMIT");
  if (committed.has_error()) {
    auto error = committed.error();
    if (error.may_have_taken_effect) {
      error.code = ErrorCode::kInDoubt;
      error.message = fmt::format("{} rows of {} were sent, and whether they are stored is not known: {}",
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
