#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>

#include "base/config.h"
#include "base/log.h"
#include "base/statement_statistics.h"
#include "cluster/cluster.h"
#include "server/api.h"
#include "server/authenticator.h"
#include "server/listener.h"

namespace lyceum::server {

// What all workers share. Everything in it may be used by several threads at once.
struct Shared {
  const Configuration& configuration;
  const std::vector<pg::Target>& nodes;
  Log& log;
  const Clock& clock;
  std::shared_ptr<KeySource> keys;  // null: tokens are not taken
  RateLimiter& rates;
  const Bookmarks& bookmarks;
  StatementStatistics& statistics;
  cluster::Prober* prober = nullptr;  // of the nodes; null: each worker asks them itself
};

struct WorkerFigures {
  cluster::Figures cluster;
  ListenerFigures connections;
  std::size_t in_flight = 0;  // requests at work
  std::size_t waiting = 0;    // requests that wait for their tenant's turn
};

// One thread with its own listening socket, connections to the database, and requests: what it does
// for one of them it does without a lock.
class Worker {
 public:
  // `share` of `shares`: its part of the connections that the configuration allows. Errors: kIo.
  static Result<std::unique_ptr<Worker>> make(const Shared& shared, const ListenAddress& address,
                                              int shares);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();

  // From any executor. drain() stops taking requests, answers those that are there, closes the
  // pool; true where nothing had to be cut.
  [[nodiscard]] boost::asio::awaitable<bool> drain(SteadyTime deadline);
  [[nodiscard]] boost::asio::awaitable<WorkerFigures> figures();
  [[nodiscard]] const ApiFigures& requests() const { return api_.figures(); }

  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const { return listener_->endpoint(); }

  // After drain(): ends the thread.
  void join();

 private:
  Worker(const Shared& shared, int shares);

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  StatementRecorder& recorder_;
  cluster::Cluster cluster_;
  Authenticator authenticator_;
  Api api_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

// The pool's limits as the configuration has them, for one of so many pools to the same server.
[[nodiscard]] pool::Limits limits_of(const Configuration& configuration, int shares);

// How the cluster is routed over, as the configuration has it: all but the pools' own options.
[[nodiscard]] cluster::ClusterOptions cluster_options(const Configuration& configuration,
                                                      const std::vector<pg::Target>& nodes);

}  // namespace lyceum::server
