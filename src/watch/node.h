#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pg/connection.h"
#include "pg/target.h"
#include "watch/reader.h"

namespace lyceum::watch {

// How long things may take; each holds for one run.
struct Limits {
  Duration connect = std::chrono::seconds(5);
  Duration fast = std::chrono::seconds(3);
  Duration slow = std::chrono::seconds(20);
  // For any lock. No statement here should ever wait for one; this holds where one does.
  Duration lock = std::chrono::milliseconds(200);
  // How old what is known of roles and extensions may be.
  Duration facts = std::chrono::seconds(60);
};

// A database of a server, and whether it may be connected to.
struct Database {
  std::string name;
  bool allowed = true;
};

// The connections to one server: one to the target's own database, which answers for the server,
// and one to each further database while it is being read. Runs one collector at a time. All on the
// executor's one thread; who calls keeps it alive until the call has ended.
class Node {
 public:
  // The clock dates the samples; it outlives the node.
  Node(boost::asio::any_io_executor executor, pg::Target target, Limits limits,
       const Clock& clock = machine_clock());
  ~Node() { close("the collection was stopped"); }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] const std::string& name() const { return target_.node; }
  // Of the target's own database, once connected.
  [[nodiscard]] const std::string& own_database() const { return own_database_; }
  [[nodiscard]] const std::string& role() const { return own_->facts.role; }
  [[nodiscard]] bool connected() const;

  // Connects to the target's own database where that is not so.
  // Errors: as Connection::connect and Connection::execute.
  [[nodiscard]] boost::asio::awaitable<Result<void>> connect(SteadyTime deadline);
  // All that may be connected to and are no templates, the own one included.
  [[nodiscard]] boost::asio::awaitable<Result<std::vector<Database>>> databases(
      SteadyTime deadline);
  // Runs a collector; connects where needed. The database is empty for what looks at the server.
  [[nodiscard]] boost::asio::awaitable<Reading> read(const Collector* collector,
                                                     std::string database, SteadyTime deadline);

  // Ends connections to further databases that were not used since.
  void close_unused(SteadyTime since);
  void forget(const std::string& database);
  void close(std::string why);
  void remember(const Source& source, std::int64_t epoch) { epochs_.remember(source, epoch); }

 private:
  struct Link {
    std::shared_ptr<pg::Connection> connection;
    Facts facts;
    SteadyTime facts_at{};
    SteadyTime used{};
    std::map<std::string, Texts, std::less<>> texts;  // by collector; they outlive a connection
  };
  [[nodiscard]] boost::asio::awaitable<Result<void>> open(std::shared_ptr<Link> link,
                                                          pg::Target target, SteadyTime deadline);
  std::shared_ptr<Link> link_to(const std::string& database);

  boost::asio::any_io_executor executor_;
  pg::Target target_;
  Limits limits_;
  const Clock* clock_;
  std::string own_database_;
  std::shared_ptr<Link> own_;
  std::map<std::string, std::shared_ptr<Link>> others_;
  Epochs epochs_;
};

}  // namespace lyceum::watch
