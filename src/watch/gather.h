#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pg/target.h"
#include "watch/node.h"

namespace lyceum::watch {

struct GatherOptions {
  std::vector<pg::Target> nodes;
  Duration fast = std::chrono::seconds(10);
  Duration slow = std::chrono::minutes(5);
  std::map<std::string, Duration, std::less<>> intervals = {};  // of single collectors, by name
  std::set<std::string, std::less<>> without = {};              // collectors that do not run
  Limits limits = {};
  std::size_t most_databases = 100;  // of one server, by name; what is beyond is told as a gap
  // Between two attempts to reach a node, at most; grows to that from half a second.
  Duration reconnect = std::chrono::seconds(30);
  // What dates the samples; it outlives the collection. When they are due is steady.
  const Clock* clock = &machine_clock();
};

// What a collector has cost on one node since the start, over all databases.
struct CollectorFigures {
  std::string collector;
  std::string node;
  std::uint64_t runs = 0;  // that were asked of the server or tried to
  std::uint64_t failures = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;      // from asking to the last row, summed
  std::string last_error;  // empty once it works again
  std::string gap;         // why it, or a part of it, is switched off; empty: it is not
};

// Runs the collectors on every node, each when it is due, and hands what they read to a listener,
// on the executor, which runs on one thread. A node has one connection, and one more to a further
// database while that is being read; one run at a time. A node that hangs is left at the deadline
// and tried again, at growing distances; it holds up no other. All members but figures() belong to
// the executor's thread.
class Gather {
 public:
  using Listener = std::function<void(Reading)>;

  Gather(boost::asio::any_io_executor executor, GatherOptions options, Listener listener);
  ~Gather();  // stops
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;

  // The last epoch of a source, as a history has it; before start().
  void remember(const Source& source, std::int64_t epoch);
  void start();
  // Ends the collection; the listener is not called any more, and the executor comes to rest soon
  // after.
  void stop();

  // From any thread.
  [[nodiscard]] std::vector<CollectorFigures> figures() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct ReadAllOptions {
  SteadyTime deadline = SteadyTime::max();
  Limits limits = {};
  std::set<std::string, std::less<>> without = {};
  std::size_t most_databases = 100;
};

// Every collector once on every node and database: all nodes at a time, one run after another on
// each. In the order of the targets. A node that cannot be reached gives one reading, without a
// collector, with the error; what the deadline leaves no time for gives errors (kTimeout).
[[nodiscard]] boost::asio::awaitable<std::vector<Reading>> read_all(
    boost::asio::any_io_executor executor, std::vector<pg::Target> targets, ReadAllOptions options);

}  // namespace lyceum::watch
