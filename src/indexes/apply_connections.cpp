#include "indexes/apply_connections.h"

#include <boost/describe.hpp>
#include <fmt/format.h>

#include "indexes/index_statement.h"
#include "sql/statements.h"

namespace lyceum::indexes {
namespace {

using boost::asio::awaitable;
using pg::Connection;
using pg::Params;

// The advisory lock that keeps two applies to one database apart: "ly", "ix" in ASCII.
constexpr std::int32_t kLockClass = 0x6c79;
constexpr std::int32_t kLockObject = 0x6978;
constexpr auto kConnectLimit = std::chrono::seconds(10);

struct HolderRow {
  int process;
  std::string user, application, client, since;
};
BOOST_DESCRIBE_STRUCT(HolderRow, (), (process, user, application, client, since))

}  // namespace

awaitable<Result<std::shared_ptr<Connection>>> ApplyConnections::connect(std::string name) {
  Connection::Options options;
  options.target = context_.target;
  options.application_name = std::move(name);
  options.deadline = std::chrono::steady_clock::now() + kConnectLimit;
  co_return co_await Connection::connect(context_.executor, std::move(options));
}

awaitable<Result<void>> ApplyConnections::open_builder(SteadyTime deadline) {
  auto connected = co_await connect("lyceum index build");
  if (!connected) co_return connected.error();
  builder_ = *connected;
  co_return co_await take_lock(deadline);
}

// The lock belongs to the builder's session: it is held exactly as long as something may still be
// building, also where this process is gone and the server has not noticed yet.
awaitable<Result<void>> ApplyConnections::take_lock(SteadyTime deadline) {
  const Params key(kLockClass, kLockObject);
  while (true) {
    auto taken = co_await builder_->execute(sql::indexing::try_lock, key);
    if (!taken) co_return taken.error();
    if (taken->value<bool>()) co_return Result<void>{};
    if (std::chrono::steady_clock::now() >= deadline) break;
    co_await context_.pause(std::chrono::milliseconds(200));
  }
  auto holders = co_await builder_->execute(sql::indexing::lock_holder, key);
  if (!holders) co_return holders.error();
  if (holders->empty()) {
    co_return make_error(ErrorCode::kConflict, "another apply has only just ended on this database",
                         "try again");
  }
  const auto holder = holders->as<HolderRow>().at(0);
  auto error = make_error(
      ErrorCode::kConflict,
      fmt::format("another apply is at work on this database: process {} of {} ({}) from {}, "
                  "connected since {}",
                  holder.process, holder.user, holder.application, holder.client, holder.since),
      fmt::format("wait until it is done; if its client is gone, SELECT pg_terminate_backend({}) "
                  "and apply again",
                  holder.process));
  error.node = builder_->node();
  co_return error;
}

awaitable<Result<void>> ApplyConnections::ensure_builder() {
  if (builder_ && !builder_->closed()) co_return Result<void>{};
  const auto deadline = std::chrono::steady_clock::now() + context_.options.reconnect_limit;
  while (true) {
    auto opened = co_await open_builder(deadline);
    if (opened) co_return co_await prepare_builder();
    if (!lost_connection(opened.error()) || context_.stopping() ||
        std::chrono::steady_clock::now() >= deadline) {
      co_return opened.error();
    }
    co_await context_.pause(std::chrono::milliseconds(200));
  }
}

// No timeouts: see WaitLimits. A server that looks for its client now and then does not go on
// building for one that was killed.
awaitable<Result<void>> ApplyConnections::prepare_builder() {
  std::string text =
      "SET lock_timeout = 0; SET statement_timeout = 0; "
      "SET idle_in_transaction_session_timeout = 0";
  if (builder_->server_version() >= 140000) {
    text += "; SET idle_session_timeout = 0; SET client_connection_check_interval = '2s'";
  }
  if (!context_.options.maintenance_work_mem.empty()) {
    text += fmt::format("; SET maintenance_work_mem = {}",
                        quoted_literal(context_.options.maintenance_work_mem));
  }
  auto set = co_await builder_->script(std::move(text));
  if (!set) co_return set.error();
  co_return Result<void>{};
}

awaitable<Result<void>> ApplyConnections::open_monitor() {
  auto connected = co_await connect("lyceum index monitor");
  if (!connected) co_return connected.error();
  monitor_ = *connected;
  auto set = co_await monitor_->script(
      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET lock_timeout = '5s'; "
      "SET statement_timeout = '10s'");
  if (!set) co_return set.error();
  co_return Result<void>{};
}

awaitable<Result<pg::Rows>> ApplyConnections::ask(const Statement& statement,
                                                  const Params& params) {
  for (int attempt = 0;; ++attempt) {
    if (!monitor_ || monitor_->closed()) {
      if (auto opened = co_await open_monitor(); !opened) co_return opened.error();
    }
    auto rows = co_await monitor_->execute(statement, params);
    if (rows || attempt > 0 || !lost_connection(rows.error())) co_return rows;
  }
}

awaitable<void> ApplyConnections::cancel_builder() {
  const Params params(std::int32_t{builder_->server_process()});
  auto asked = co_await ask(sql::indexing::cancel, params);
  if (!asked) builder_->cancel();
}

void ApplyConnections::close() {
  if (builder_) builder_->close();
  if (monitor_) monitor_->close();
}

}  // namespace lyceum::indexes
