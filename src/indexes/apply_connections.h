#pragma once

#include <memory>

#include "indexes/apply_context.h"
#include "pg/connection.h"

namespace lyceum::indexes {

// The two connections of an apply: the builder builds, and its session holds the advisory lock that
// keeps two applies to one database apart; the monitor watches it and writes the journal. Either is
// made again where it broke.
class ApplyConnections {
 public:
  explicit ApplyConnections(const ApplyContext& context) : context_(context) {}

  // Errors: kConflict where another apply holds the lock past the deadline, and who.
  boost::asio::awaitable<Result<void>> open_builder(SteadyTime deadline);
  // Where it broke; gives up after ApplyOptions::reconnect_limit.
  boost::asio::awaitable<Result<void>> ensure_builder();
  // Its session's settings.
  boost::asio::awaitable<Result<void>> prepare_builder();
  boost::asio::awaitable<Result<void>> open_monitor();
  // On the monitor; once more on a new connection where that one broke.
  boost::asio::awaitable<Result<pg::Rows>> ask(const Statement& statement,
                                               const pg::Params& params);
  // By its process, over the monitor: that finds the builder also where a proxy stands in between.
  boost::asio::awaitable<void> cancel_builder();
  void close();

  [[nodiscard]] const std::shared_ptr<pg::Connection>& builder() const { return builder_; }
  [[nodiscard]] const std::shared_ptr<pg::Connection>& monitor() const { return monitor_; }

 private:
  boost::asio::awaitable<Result<std::shared_ptr<pg::Connection>>> connect(std::string name);
  boost::asio::awaitable<Result<void>> take_lock(SteadyTime deadline);

  const ApplyContext& context_;
  std::shared_ptr<pg::Connection> builder_;
  std::shared_ptr<pg::Connection> monitor_;
};

}  // namespace lyceum::indexes
