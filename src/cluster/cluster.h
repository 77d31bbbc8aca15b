#pragma once

#include <memory>
#include <vector>

#include "cluster/figures.h"
#include "cluster/prober.h"
#include "cluster/router.h"
#include "pool/pool.h"

namespace lyceum::cluster {

struct ClusterOptions {
  std::vector<pg::Target> nodes;
  pool::Options pool;  // of each node; target and number are set here
  RouterOptions router;
  Duration bookmark_wait = std::chrono::milliseconds(100);  // for a replica to come far enough
  Duration primary_wait = std::chrono::seconds(5);          // for a primary, where there is none
  double primary_read_share = 0.5;  // 0..1, of the primary's lanes, for reads while no replica can
                                    // be read
  double retry_budget = 0.2;        // 0..1, see RetryBudget
  Duration probe_interval = std::chrono::seconds(1);
  Duration probe_timeout = std::chrono::seconds(1);
  TrackerOptions tracker;
};

// A primary and its replicas, for one worker: a pool to each, and each request to the one that is
// right for it. Writes go to the primary. Reads go to the least busy replica that is not too far
// behind and has come as far as the caller's bookmark; where none has, one is waited for, and then
// the primary serves.
//
// A request that a node could not serve, and that certainly had no effect, goes on to another
// within its deadline: where connections break or cannot be made, where a server shuts down, where
// a replica's recovery ends a read, where a primary has become a replica. Where there is no primary
// requests wait for one (Options::primary_wait): a failover is a pause, not an error. Errors of the
// statement itself never move, nor does a write whose outcome is not known (kInDoubt).
//
// All members belong to the thread that runs the executor. Call shutdown() before its io_context is
// to come to rest.
class Cluster final : public pool::Database {
 public:
  // With a prober of its own, on the same executor.
  Cluster(boost::asio::any_io_executor executor, ClusterOptions options);
  // With one that others listen to as well, over the same nodes; it outlives the cluster.
  Cluster(boost::asio::any_io_executor executor, ClusterOptions options, Prober& prober);
  ~Cluster() override;
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] boost::asio::awaitable<Result<pg::Rows>> execute(
      const Statement& statement, const pg::Params& params, const pool::Call& call = {}) override;
  [[nodiscard]] boost::asio::awaitable<Result<pool::Lease>> lease(
      Access access, const pool::Call& call = {}) override;
  [[nodiscard]] const std::string& node() const override;

  // Waits until each node has been asked once.
  [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const Topology>> ready();

  // Takes no new requests, lets those under way end, at most for so long, then closes everything.
  // True where nothing had to be cut off.
  [[nodiscard]] boost::asio::awaitable<bool> shutdown(Duration within);

  [[nodiscard]] Figures figures() const;
  [[nodiscard]] const Topology& topology() const;

 private:
  struct State;
  std::unique_ptr<Prober> own_prober_;
  std::shared_ptr<State> state_;
};

[[nodiscard]] ProberOptions prober_options(const ClusterOptions& options);

}  // namespace lyceum::cluster
