#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "cluster/topology.h"
#include "cluster/tracker.h"
#include "pg/target.h"

namespace lyceum::cluster {

struct ProberOptions {
  std::vector<pg::Target> nodes;
  Duration interval = std::chrono::seconds(1);  // between two probes of a node
  Duration timeout = std::chrono::seconds(1);   // for an answer; then the node counts as silent
  TrackerOptions tracker;
  // What changes among the nodes, one line: for a log. On the prober's executor.
  std::function<void(const std::string& node, const std::string& event)> on_event = {};
};

// Asks every node how it is, over a connection of its own, so that no request ever waits for that:
// once in an interval, at once where somebody says that a node has failed him, and ten times as
// often while there is no primary. Makes a topology of the answers and tells whoever listens. The
// connections belong to the executor, which runs on one thread; all members but those that say so
// belong there too.
class Prober {
 public:
  using Listener = std::function<void(std::shared_ptr<const Topology>)>;

  Prober(boost::asio::any_io_executor executor, ProberOptions options);
  ~Prober();  // stops
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  void start();
  // Ends the probes; the executor comes to rest soon after.
  void stop();

  // Each node has been asked once: what there is to know at start is known.
  [[nodiscard]] boost::asio::awaitable<std::shared_ptr<const Topology>> first();

  // ── from any thread ─────────────────────────────────────────────────────────────────────────

  [[nodiscard]] std::shared_ptr<const Topology> topology() const;
  // Tells `listener` of the present topology and of each that follows, on that executor, as long as
  // the subscription lives. The listener may be running while another thread drops it: what it
  // touches belongs to the executor's thread, and the subscription is dropped there.
  class Subscription;
  [[nodiscard]] std::shared_ptr<Subscription> subscribe(boost::asio::any_io_executor executor,
                                                        Listener listener);
  // A request has found this node failing: ask it now.
  void hurry(std::size_t node);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace lyceum::cluster
