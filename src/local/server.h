#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "local/binaries.h"
#include "local/process.h"

namespace lyceum::local {

// What a server was made as. What it is now, after a promotion perhaps, says Server::is_replica().
enum class Role { kPrimary, kReplica, kShard };

[[nodiscard]] std::string_view name_of(Role role);

// How to stop: fast ends the sessions, rolls back what they had open and writes a checkpoint;
// immediate leaves as in a crash, and the next start recovers.
enum class StopMode { kFast, kImmediate };

// Every server of a local cluster has this superuser and this database.
inline constexpr std::string_view kSuperuser = "postgres";
inline constexpr std::string_view kDatabase = "lyceum";

// What the servers of one local cluster share.
struct ServerContext {
  std::string cluster;  // the cluster's name
  Binaries binaries;
  Account account;
  Secret password;  // of the superuser, over TCP
  // False: fsync and full-page writes are off. What was committed survives the death of any process
  // but not of the machine.
  bool durable = true;
  std::map<std::string, std::string> settings;  // added to postgresql.conf, on every server
  std::chrono::milliseconds timeout = std::chrono::seconds(60);  // for each start, stop, promotion
};

// What tells one server from the others; kept in the manifest.
struct ServerFacts {
  std::string name;  // primary, replica-1, shard-0: also its directory's name
  Role role = Role::kPrimary;
  int port = 0;  // on 127.0.0.1 and in the socket's name
  std::filesystem::path socket_directory;
};

// The name of the server that the one in that directory was told to follow by Server::follow() or
// set_upstream(); nothing where it never was. What stands there is the servers' account's word.
[[nodiscard]] std::optional<std::string> recorded_upstream(
    const std::filesystem::path& server_directory);

// One PostgreSQL server: its processes and its files. Control is by signals and files, so it works
// on a server that answers no query. One thread at a time may use an object; objects of different
// servers are independent.
class Server {
 public:
  Server(std::shared_ptr<const ServerContext> context, ServerFacts facts,
         std::filesystem::path directory, std::optional<ServerFacts> upstream = std::nullopt,
         std::vector<std::string> synchronous_standbys = {});

  [[nodiscard]] const std::string& name() const { return facts_.name; }
  [[nodiscard]] Role role() const { return facts_.role; }
  [[nodiscard]] const ServerFacts& facts() const { return facts_; }
  [[nodiscard]] int port() const { return facts_.port; }
  [[nodiscard]] const std::filesystem::path& socket_directory() const {
    return facts_.socket_directory;
  }
  // The server that it follows, or would as a replica; nothing for one that never did.
  [[nodiscard]] const std::optional<ServerFacts>& upstream() const { return upstream_; }
  [[nodiscard]] const std::vector<std::string>& synchronous_standbys() const {
    return synchronous_standbys_;
  }
  [[nodiscard]] std::filesystem::path data_directory() const { return directory_ / "data"; }
  [[nodiscard]] std::filesystem::path log_path() const { return directory_ / "log"; }

  // A libpq URI over the Unix socket. It holds no secret: only the owner of the server (and root)
  // can enter the socket's directory, and that is what admits.
  [[nodiscard]] std::string url(std::string_view database = kDatabase) const;
  // A libpq URI over TCP on 127.0.0.1; it holds the password.
  [[nodiscard]] std::string tcp_url(std::string_view database = kDatabase) const;
  // The same through something that listens on another port of 127.0.0.1.
  [[nodiscard]] std::string tcp_url_through(int other_port,
                                            std::string_view database = kDatabase) const;
  // psql on that database, ready to execute; arguments are appended.
  [[nodiscard]] Command psql(std::string_view database = kDatabase,
                             std::vector<std::string> arguments = {}) const;
  // Runs SQL by psql over the socket, stopping at the first error (kSql), outside a transaction.
  // The answer is psql's unaligned output without headings.
  [[nodiscard]] Result<std::string> query(const std::string& sql,
                                          std::string_view database = "postgres") const;

  // The postmaster's process id, or nothing where it does not run. A process id that another
  // program has got since does not count.
  [[nodiscard]] std::optional<pid_t> pid() const;
  [[nodiscard]] bool is_running() const { return pid().has_value(); }
  // The postmaster and all its processes, also those that outlived a killed postmaster.
  [[nodiscard]] std::vector<pid_t> processes() const;
  // Whether it follows a primary now (or would, when started).
  [[nodiscard]] bool is_replica() const;

  // Whether the data directory is there and complete.
  [[nodiscard]] bool is_made() const;
  // Makes the data directory: initdb, or for a replica pg_basebackup from its running primary over
  // a replication slot of its own. What a killed run left half made is removed first.
  [[nodiscard]] Result<void> make();

  // Each of these is done when it returns: started means that it accepts connections (or, for a
  // paused or broken cluster, an error after the context's timeout); stopped means that no process
  // of it is left. Starting a running server and stopping a stopped one do nothing.
  [[nodiscard]] Result<void> start();
  [[nodiscard]] Result<void> stop(StopMode mode = StopMode::kFast);
  [[nodiscard]] Result<void> restart(StopMode mode = StopMode::kFast);
  // SIGKILL to the postmaster and to all its processes at once, as a crash of the machine would.
  [[nodiscard]] Result<void> kill_9();
  // Ends a replica's recovery; it accepts writes when this returns.
  [[nodiscard]] Result<void> promote();
  // Makes the server, whatever it was and did, a replica of that running server of its cluster:
  // stops it, throws its data away, takes a base backup over a replication slot of its own, and
  // starts it. A later up keeps to it. Error (kBadInput): the other is this one, or of another
  // cluster. Where the base backup fails nothing is left to start; follow() again mends that.
  [[nodiscard]] Result<void> follow(const Server& upstream);
  // Has a replica follow another running server of its cluster from now on (from its next start on
  // where it does not run) and keeps its data. Makes its slot there if that is missing; the slot at
  // the one before stays. Returns before it streams, which it never will where it is ahead of the
  // other, or the other has removed log that it still needs: then follow() is the way. A later up
  // keeps to it. Error (kBadInput): as above, or it is no replica.
  [[nodiscard]] Result<void> set_upstream(const Server& upstream);
  // Has commits wait until any one of these replicas, given by name, has stored them; with no name
  // commits wait for nobody. Until one of them streams every commit hangs. In force when it
  // returns, and at each start of this object; Cluster gives it to the primary of a synchronous
  // cluster, and to no other server.
  [[nodiscard]] Result<void> set_synchronous_standbys(std::vector<std::string> names);
  // SIGSTOP and SIGCONT to all processes: a server that hangs. Connections to a paused server are
  // accepted by the kernel and never answered. It can still be stopped by any of the above.
  [[nodiscard]] Result<void> pause();
  [[nodiscard]] Result<void> resume();

  // For a server that does not run: listen elsewhere from the next start on.
  void set_port(int port) { facts_.port = port; }
  // Whether the last start failed because the port was taken.
  [[nodiscard]] bool port_was_taken() const { return port_was_taken_; }

  // Stops it and removes all its files.
  [[nodiscard]] Result<void> remove();

 private:
  [[nodiscard]] std::string cluster_name() const;
  [[nodiscard]] std::string configuration() const;
  [[nodiscard]] std::string slot_name() const;
  [[nodiscard]] std::string synchronous_standby_names() const;
  [[nodiscard]] Result<void> check_upstream(const Server& upstream) const;
  [[nodiscard]] Result<void> record_upstream(const Server& upstream);
  [[nodiscard]] Result<void> reload() const;
  [[nodiscard]] Result<void> make_directories() const;
  [[nodiscard]] Result<void> write_own_file(const std::filesystem::path& path,
                                            std::string_view text) const;
  [[nodiscard]] Result<void> run_maker(Command command, const std::string& what) const;
  enum class Ending { kInOrder, kAtOnce };
  void end_strays(Ending how = Ending::kInOrder) const;
  [[nodiscard]] Result<void> clear_leftovers() const;
  [[nodiscard]] Result<void> wait_until_ready(pid_t pid, std::uintmax_t log_start);
  [[nodiscard]] Error failure(std::string what, std::uintmax_t log_start) const;

  std::shared_ptr<const ServerContext> context_;
  ServerFacts facts_;
  std::filesystem::path directory_;
  std::optional<ServerFacts> upstream_;
  std::vector<std::string> synchronous_standbys_;
  bool port_was_taken_ = false;
};

}  // namespace lyceum::local
