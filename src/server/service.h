#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/admin_api.h"
#include "server/own_samples.h"
#include "server/worker.h"
#include "watch/monitor.h"

namespace lyceum::server {

struct ServiceOptions {
  Configuration configuration;
  std::vector<pg::Target> nodes;  // of the cluster, in any order
  // Reads the configuration again, upon SIGHUP: what can change while running is taken from it.
  std::function<Result<Configuration>()> reload;
  std::string version;
  std::string notify_socket;  // of the service manager; empty: none
  // Of the monitor's history; empty: no monitor.
  std::filesystem::path history_file = {};
  // What the monitor connects to; empty: the nodes, as the service does.
  std::vector<pg::Target> watched = {};
};

// `lyceum serve`: workers for the data API, and on the caller's thread the admin API, signals, and
// the probes of the servers, by which /ready answers and the workers route. The monitor has a
// thread of its own.
//
// SIGTERM or SIGINT: not ready any more; takes no new connections, answers what has been sent,
// closes everything, at most for server.drain_timeout. A second one ends it at once. SIGHUP: reads
// keys, tenants' rate and configuration again; what is wrong is logged and changes nothing.
class Service {
 public:
  Service(ServiceOptions options, Log& log);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Listens and looks at the database. Errors: kIo (an address), kConfiguration (keys; a role that
  // row-level security does not bind; a password or database that the server refuses). A server
  // that does not answer is none: the service is not ready until it does.
  [[nodiscard]] Result<void> start();

  // Until a signal ends it. True where every request that was taken got its answer.
  [[nodiscard]] bool run();

  [[nodiscard]] boost::asio::ip::tcp::endpoint data_endpoint() const;
  [[nodiscard]] boost::asio::ip::tcp::endpoint admin_endpoint() const;

 private:
  boost::asio::awaitable<Result<void>> check_database();
  [[nodiscard]] bool ready() const;
  boost::asio::awaitable<void> watch_signals();
  boost::asio::awaitable<bool> drain(SteadyTime deadline);
  boost::asio::awaitable<Response> serve_admin(const Request& request);
  boost::asio::awaitable<std::string> metrics(bool openmetrics);
  boost::asio::awaitable<std::vector<watch::Sample>> own_samples();
  boost::asio::awaitable<std::vector<WorkerFigures>> figures();
  Result<void> open_monitor();
  Result<void> listen();
  void reload();

  ServiceOptions options_;
  Log& log_;
  SystemClock clock_;
  boost::asio::io_context io_{1};
  StatementStatistics statistics_;
  RateLimiter rates_;
  std::unique_ptr<Bookmarks> bookmarks_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<cluster::Prober> prober_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Listener> admin_;
  OwnSamples own_samples_;  // belongs to the monitor's thread
  std::unique_ptr<watch::Monitor> monitor_;
  std::unique_ptr<AdminApi> admin_api_;
  boost::asio::signal_set signals_{io_};
  bool draining_ = false;
};

}  // namespace lyceum::server
