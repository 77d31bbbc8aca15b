#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "local/server.h"

namespace lyceum::local {

// Where clusters live unless told otherwise: /var/lib/lyceum for root, else
// $XDG_STATE_HOME/lyceum, else ~/.local/state/lyceum. Error (kConfiguration): neither is known.
[[nodiscard]] Result<std::filesystem::path> default_state_directory();

struct UpOptions {
  // Lower-case letters, digits, - and _; starts with a letter or digit; at most 24 characters.
  std::string name;
  std::filesystem::path state_directory;          // empty: default_state_directory()
  std::optional<std::filesystem::path> binaries;  // see find_binaries()
  int replicas = 0;                               // of the primary, 0 to 16
  int shards = 0;                                 // further clusters beside it, 0 to 64
  bool durable = true;                            // see ServerContext::durable
  // A commit waits until one of the replicas, of which there must be one, has stored it: nothing
  // that was acknowledged is lost when the primary dies and the replica that is furthest is
  // promoted. A promoted replica itself waits for nobody.
  bool synchronous = false;
  std::map<std::string, std::string> settings;  // added to postgresql.conf
  std::chrono::milliseconds timeout = std::chrono::seconds(60);
};

struct DownOptions {
  bool keep_data = false;  // stop the servers and leave the files for the next up
};

struct ServerStatus {
  std::string name;
  Role role = Role::kPrimary;  // as it was made
  bool running = false;
  bool is_replica = false;  // as it is now
  pid_t pid = 0;            // 0 where it does not run
  int port = 0;
  std::string url;  // without a secret
  std::filesystem::path data_directory;
  std::filesystem::path log;
};

struct ClusterStatus {
  std::string name;
  std::filesystem::path directory;
  ServerStatus primary;
  std::vector<ServerStatus> replicas;
  std::vector<ServerStatus> shards;

  [[nodiscard]] bool all_running() const;
};

// A private cluster: a primary, its streaming replicas, and shards, which are servers of their own.
// Its servers outlive this object and this process; Ephemeral is for those that must not.
//
// Files: <state>/<name>/cluster.json and <state>/<name>/<server>/{data,log,socket}. Where the path
// of a socket would be too long for the kernel, the sockets are in a directory under /tmp instead.
class Cluster {
 public:
  // Makes and starts what is missing of it. What a killed run left (processes, lock files, half
  // made directories, servers without a manifest) is taken over or cleaned up. Never removes a
  // server: with fewer replicas or shards than there are, all stay; durable and settings hold for
  // what is made new, an existing cluster keeps its own; one that is synchronous stays so, and one
  // that is not becomes so when asked. Two calls for one name wait for each other (up to the
  // timeout), also across processes.
  [[nodiscard]] static Result<Cluster> up(const UpOptions& options);

  // The cluster as it is, running or not. Error: kNotFound.
  [[nodiscard]] static Result<Cluster> open(const std::string& name,
                                            std::filesystem::path state_directory = {});

  // Stops all servers (replicas first; fast, and immediately where that takes too long) and, unless
  // told to keep them, removes all files of the name. A name that does not exist: kNotFound.
  [[nodiscard]] static Result<void> down(const std::string& name,
                                         std::filesystem::path state_directory = {},
                                         DownOptions options = {});

  // The names that have a directory there, sorted.
  [[nodiscard]] static Result<std::vector<std::string>> list(
      std::filesystem::path state_directory = {});

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] Server& primary() { return servers_.front(); }
  [[nodiscard]] Server& replica(std::size_t index);  // 0 is replica-1
  [[nodiscard]] Server& shard(std::size_t index);    // 0 is shard-0
  // The primary, then the replicas, then the shards.
  [[nodiscard]] std::vector<Server>& servers() { return servers_; }
  [[nodiscard]] ClusterStatus status() const;

 private:
  friend class ClusterBuilder;
  Cluster() = default;

  std::string name_;
  std::filesystem::path directory_;
  std::vector<Server> servers_;
};

}  // namespace lyceum::local
