#include "local/cluster.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <functional>
#include <sys/stat.h>
#include <sys/un.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

#include "local/files.h"
#include "local/manifest.h"
#include "local/port.h"
#include "local/postmaster_file.h"

namespace lyceum::local {

namespace fs = std::filesystem;

namespace {

constexpr int kMostReplicas = 16;
constexpr int kMostShards = 64;
constexpr std::string_view kManifestFile = "cluster.json";

Error bad_input(std::string message, std::string hint) {
  return Error{
      .code = ErrorCode::kBadInput, .message = std::move(message), .hint = std::move(hint)};
}

Result<void> check_name(std::string_view name) {
  constexpr std::size_t kLongest = 24;
  constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view kAll = "abcdefghijklmnopqrstuvwxyz0123456789-_";
  if (name.empty() || name.size() > kLongest || kFirst.find(name[0]) == std::string_view::npos ||
      name.find_first_not_of(kAll) != std::string_view::npos) {
    return bad_input(fmt::format("'{}' cannot be the name of a local cluster", name),
                     "use 1 to 24 lower-case letters, digits, - and _, not starting with - or _");
  }
  return {};
}

// "replica-2" -> {kReplica}; nothing for what is not a server's directory.
std::optional<Role> role_of(std::string_view server_name) {
  if (server_name == "primary") return Role::kPrimary;
  for (const Role role : {Role::kReplica, Role::kShard}) {
    const auto prefix = fmt::format("{}-", name_of(role));
    if (server_name.substr(0, prefix.size()) != prefix) continue;
    const auto digits = server_name.substr(prefix.size());
    if (!digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos) {
      return role;
    }
  }
  return std::nullopt;
}

// The primary, the replicas, the shards, each by number.
void sort_servers(std::vector<ServerFacts>& servers) {
  std::sort(servers.begin(), servers.end(), [](const ServerFacts& left, const ServerFacts& right) {
    return std::tuple(left.role, left.name.size(), left.name) <
           std::tuple(right.role, right.name.size(), right.name);
  });
}

// Runs `act` on each server, each in a thread of its own; the first error, in their order.
Result<void> for_each_at_once(const std::vector<Server*>& servers,
                              const std::function<Result<void>(Server&)>& act) {
  std::vector<Result<void>> results(servers.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < servers.size(); ++i) {
      threads.emplace_back([&, i] { results[i] = act(*servers[i]); });
    }
  }
  for (const auto& result : results) {
    if (!result) return result.error();
  }
  return {};
}

enum class Missing { kMake, kLeave };

Result<fs::path> prepared_state_directory(const fs::path& given, Missing missing) {
  fs::path path = given;
  if (path.empty()) {
    auto standard = default_state_directory();
    if (!standard) return standard.error();
    path = *standard;
  }
  std::error_code error;
  if (!fs::exists(path, error)) {
    if (missing == Missing::kLeave) return path;
    fs::create_directories(path.parent_path(), error);
    if (error) return system_error("cannot make " + path.parent_path().string(), error.value());
    // The servers' account must get through where root is the owner.
    if (auto made = make_directory(path, ::geteuid() == 0 ? 0755 : 0700); !made) {
      return made.error();
    }
  }
  auto canonical = fs::canonical(path, error);
  if (error) return system_error("cannot use " + path.string(), error.value());
  return canonical;
}

}  // namespace

Result<fs::path> default_state_directory() {
  if (::geteuid() == 0) return fs::path("/var/lib/lyceum");
  for (const auto& [variable, rest] :
       {std::pair{"XDG_STATE_HOME", "lyceum"}, std::pair{"HOME", ".local/state/lyceum"}}) {
    const char* value = std::getenv(variable);
    // The XDG specification: a relative path is invalid and ignored.
    if (value != nullptr && value[0] == '/') return fs::path(value) / rest;
  }
  return Error{.code = ErrorCode::kConfiguration,
               .message =
                   "there is no place for local clusters: neither XDG_STATE_HOME nor HOME "
                   "is set",
               .hint = "name a state directory"};
}

bool ClusterStatus::all_running() const {
  const auto running = [](const ServerStatus& server) { return server.running; };
  return primary.running && std::all_of(replicas.begin(), replicas.end(), running) &&
         std::all_of(shards.begin(), shards.end(), running);
}

// Works on one name, under its lock for all but open().
class ClusterBuilder {
 public:
  ClusterBuilder(std::string name, const fs::path& state)
      : name_(std::move(name)), directory_(state / name_) {}

  [[nodiscard]] bool exists() const {
    std::error_code error;
    return fs::is_directory(directory_, error);
  }

  // Reads the manifest; where there is none, finds what servers the directory holds.
  Result<void> load() {
    if (const auto text = read_file(directory_ / kManifestFile)) {
      auto manifest = parse_manifest(*text);
      if (!manifest) return manifest.error();
      manifest_ = std::move(*manifest);
      return {};
    }
    if (::access((directory_ / kManifestFile).c_str(), F_OK) == 0 || errno == EACCES) {
      return system_error(fmt::format("cannot read {}", (directory_ / kManifestFile).string()),
                          EACCES, "it belongs to another user: act as that user");
    }
    manifest_.name = name_;
    manifest_.password = Secret(random_hex(32));
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory_, error)) {
      const auto server_name = entry.path().filename().string();
      const auto role = role_of(server_name);
      if (!role) continue;
      ServerFacts facts{server_name, *role, 0, {}};
      if (const auto file = read_postmaster_file(entry.path() / "data")) {
        facts.port = file->port;
        if (is_ours(file->socket_directory, entry.path())) {
          facts.socket_directory = file->socket_directory;
        }
      }
      const auto configuration = read_file(entry.path() / "data" / "lyceum.conf").value_or("");
      if (configuration.find("\nfsync = 'off'") != std::string::npos) manifest_.durable = false;
      if (configuration.find("\nsynchronous_standby_names = 'ANY") != std::string::npos) {
        manifest_.synchronous = true;
      }
      if (auto placed = place(facts); !placed) return placed.error();
      manifest_.servers.push_back(std::move(facts));
      // Nobody knows the servers' password any more.
      sets_password_ = true;
    }
    sort_servers(manifest_.servers);
    return {};
  }

  Result<void> up(const UpOptions& options) {
    const mode_t mode = ::geteuid() == 0 ? 0711 : 0700;
    const bool is_new = !exists();
    if (auto loaded = load(); !loaded) return loaded.error();
    const auto is_replica_here = [](const ServerFacts& facts) {
      return facts.role == Role::kReplica;
    };
    if (options.synchronous && options.replicas == 0 &&
        std::none_of(manifest_.servers.begin(), manifest_.servers.end(), is_replica_here)) {
      return bad_input("a synchronous cluster needs a replica", "ask for one replica or more");
    }
    if (auto made = make_directory(directory_, mode); !made) return made.error();
    manifest_.synchronous = manifest_.synchronous || options.synchronous;
    if (is_new || manifest_.servers.empty()) {
      manifest_.durable = options.durable;
      manifest_.settings = options.settings;
    }
    auto binaries = find_binaries(options.binaries);
    if (!binaries) return binaries.error();
    manifest_.binaries = binaries->directory;
    if (auto added = add_missing(options); !added) return added.error();
    if (auto made = make_context(options.timeout); !made) return made.error();
    const auto& account = context_->account;
    if (const auto closed = closed_on_the_way(directory_, account)) {
      return Error{
          .code = ErrorCode::kIo,
          .message = fmt::format("the account {}, which runs the servers, may not enter {}",
                                 account.name, closed->string()),
          .hint = "choose a state directory that it can reach, such as /var/lib/lyceum"};
    }
    if (auto saved = save(); !saved) return saved.error();

    make_servers();
    auto done = for_each_at_once(pick([](const Server& server) { return !follows(server); }),
                                 [this](Server& server) { return bring_up(server); });
    if (!done) return done.error();
    keep_ports();
    for (Server* replica : pick(follows)) {
      // One that runs looks for its upstream at the old port.
      const auto upstream = upstream_of(replica->facts());
      if (!upstream || upstream->port == replica->upstream()->port) continue;
      if (auto stopped = replica->stop(); !stopped) return stopped.error();
    }
    make_servers();
    done = for_each_at_once(pick(follows), [this](Server& server) { return bring_up(server); });
    if (!done) return done.error();
    keep_ports();
    if (auto saved = save(); !saved) return saved.error();
    make_servers();
    return let_commits_wait();
  }

  // What an up() that failed has made and left empty.
  void remove_what_is_empty() const {
    std::error_code ignored;  // not empty: to be found and taken over by the next one
    for (const auto& facts : manifest_.servers) {
      if (facts.socket_directory.parent_path() == "/tmp" &&
          !fs::exists(directory_ / facts.name, ignored)) {
        fs::remove(facts.socket_directory, ignored);
      }
    }
    fs::remove(directory_, ignored);
  }

  Result<void> down(const DownOptions& options) {
    if (auto loaded = load(); !loaded) return loaded.error();
    if (auto made = make_context(std::chrono::seconds(60)); !made) return made.error();
    make_servers();
    const auto act = [&options](Server& server) {
      return options.keep_data ? server.stop() : server.remove();
    };
    const auto followers = pick(follows);
    const auto others = pick([](const Server& server) { return !follows(server); });
    if (auto done = for_each_at_once(followers, act); !done) return done.error();
    auto done = for_each_at_once(others, act);
    if (!done) return done.error();
    if (options.keep_data) return save();
    return remove_tree(directory_);
  }

  Result<Cluster> finish(std::chrono::milliseconds timeout) {
    if (context_ == nullptr) {
      if (auto made = make_context(timeout); !made) return made.error();
    }
    make_servers();
    if (servers_.empty() || servers_.front().role() != Role::kPrimary) return not_found();
    Cluster out;
    out.name_ = name_;
    out.directory_ = directory_;
    out.servers_ = std::move(servers_);
    return out;
  }

  [[nodiscard]] Error not_found() const {
    return Error{.code = ErrorCode::kNotFound,
                 .message = fmt::format("there is no local cluster '{}' in {}", name_,
                                        directory_.parent_path().string()),
                 .hint = fmt::format("make it: lyceum local up --name {}", name_)};
  }

 private:
  // Whether a directory that a server's own file names is one that place() made: root must not give
  // away or remove whatever the servers' account cares to write there.
  static bool is_ours(const fs::path& socket_directory, const fs::path& server_directory) {
    if (socket_directory == server_directory / "socket") return true;
    struct stat socket{};
    struct stat server{};
    return socket_directory.parent_path() == "/tmp" &&
           socket_directory.filename().string().starts_with("lyceum-") &&
           ::lstat(socket_directory.c_str(), &socket) == 0 && S_ISDIR(socket.st_mode) &&
           ::lstat(server_directory.c_str(), &server) == 0 && socket.st_uid == server.st_uid &&
           socket.st_uid != 0;
  }

  // Whether it needs another one to run first: by what it is, after a promotion perhaps, and for
  // one that is not made by what it shall be.
  static bool follows(const Server& server) {
    return server.is_made() ? server.is_replica() : server.upstream().has_value();
  }

  std::vector<Server*> pick(const std::function<bool(const Server&)>& wanted) {
    std::vector<Server*> out;
    for (auto& server : servers_) {
      if (wanted(server)) out.push_back(&server);
    }
    return out;
  }

  // Gives the server a port and a directory for its socket, where it has none.
  Result<void> place(ServerFacts& facts) {
    while (facts.port == 0) {
      const auto port = find_free_port();
      if (!port) return port.error();
      const bool is_given =
          std::any_of(manifest_.servers.begin(), manifest_.servers.end(),
                      [&port](const ServerFacts& other) { return other.port == *port; });
      if (!is_given) facts.port = *port;
    }
    if (!facts.socket_directory.empty()) return {};
    facts.socket_directory = directory_ / facts.name / "socket";
    constexpr std::string_view kLongestSocket = "/.s.PGSQL.65535";
    const auto length = facts.socket_directory.string().size() + kLongestSocket.size();
    if (length < sizeof(sockaddr_un{}.sun_path)) return {};
    auto elsewhere = make_temporary_directory("/tmp", "lyceum-");
    if (!elsewhere) return elsewhere.error();
    facts.socket_directory = *elsewhere;
    return {};
  }

  Result<void> add_missing(const UpOptions& options) {
    const auto add = [this](std::string server_name, Role role) -> Result<void> {
      for (const auto& server : manifest_.servers) {
        if (server.name == server_name) return {};
      }
      ServerFacts facts{std::move(server_name), role, 0, {}};
      if (auto placed = place(facts); !placed) return placed.error();
      manifest_.servers.push_back(std::move(facts));
      return {};
    };
    if (auto added = add("primary", Role::kPrimary); !added) return added.error();
    for (int i = 1; i <= options.replicas; ++i) {
      if (auto added = add(fmt::format("replica-{}", i), Role::kReplica); !added) {
        return added.error();
      }
    }
    for (int i = 0; i < options.shards; ++i) {
      if (auto added = add(fmt::format("shard-{}", i), Role::kShard); !added) return added.error();
    }
    sort_servers(manifest_.servers);
    return {};
  }

  Result<void> make_context(std::chrono::milliseconds timeout) {
    auto account = server_account();
    if (!account) return account.error();
    struct stat info{};
    if (::geteuid() == 0 && ::stat((directory_ / "primary").c_str(), &info) == 0 &&
        info.st_uid != 0 && info.st_uid != account->uid) {
      // Made when another account was the one to run servers: it still owns them.
      account = Account{info.st_uid, info.st_gid, fmt::to_string(info.st_uid)};
    }
    auto context = std::make_shared<ServerContext>();
    context->cluster = name_;
    context->binaries.directory = manifest_.binaries;
    if (manifest_.binaries.empty()) {
      auto binaries = find_binaries();
      if (!binaries) return binaries.error();
      context->binaries = *binaries;
    }
    context->account = *account;
    context->password = manifest_.password;
    context->durable = manifest_.durable;
    context->settings = manifest_.settings;
    context->timeout = timeout;
    context_ = std::move(context);
    return {};
  }

  [[nodiscard]] std::optional<ServerFacts> upstream_of(const ServerFacts& facts) const {
    const auto recorded = recorded_upstream(directory_ / facts.name);
    for (const auto& other : manifest_.servers) {
      if (recorded == other.name && other.name != facts.name) return other;
    }
    if (facts.role == Role::kReplica) return manifest_.servers.front();
    return std::nullopt;
  }

  void make_servers() {
    servers_.clear();
    for (const auto& facts : manifest_.servers) {
      servers_.emplace_back(context_, facts, directory_ / facts.name, upstream_of(facts));
    }
    if (!manifest_.synchronous || servers_.empty() || servers_.front().upstream()) return;
    // Only those that are made: nobody waits for one that is still being made.
    auto& primary = servers_.front();
    std::vector<std::string> standbys;
    for (const auto& server : servers_) {
      if (server.is_replica() && server.upstream() && server.upstream()->name == primary.name()) {
        standbys.push_back(server.name());
      }
    }
    primary = Server(context_, primary.facts(), directory_ / primary.name(), std::nullopt,
                     std::move(standbys));
  }

  // Once a replica streams, so that none waits for long.
  Result<void> let_commits_wait() {
    auto& primary = servers_.front();
    const auto standbys = primary.synchronous_standbys();
    if (standbys.empty()) return {};
    const auto deadline = std::chrono::steady_clock::now() + context_->timeout;
    for (;;) {
      const auto streams = primary.query(
          "select count(*) > 0 from pg_stat_replication where state = 'streaming'"
          " and application_name like 'replica-%'");
      if (!streams) return streams.error();
      if (*streams == "t\n") break;
      if (std::chrono::steady_clock::now() > deadline) {
        return Error{.code = ErrorCode::kTimeout,
                     .message = fmt::format("no replica of local cluster '{}' streams, so that no "
                                            "commit can wait for one",
                                            name_),
                     .hint = fmt::format("see {}", primary.log_path().string())};
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return primary.set_synchronous_standbys(standbys);
  }

  void keep_ports() {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      manifest_.servers[i].port = servers_[i].port();
    }
  }

  Result<void> bring_up(Server& server) const {
    if (auto made = server.make(); !made) return made.error();
    constexpr int kAttempts = 10;
    for (int attempt = 1;; ++attempt) {
      auto started = server.start();
      if (started) break;
      if (!server.port_was_taken() || attempt == kAttempts) return started.error();
      const auto port = find_free_port();
      if (!port) return port.error();
      server.set_port(*port);
    }
    if (server.is_replica()) return {};
    // These wait for no replica: those come up after it.
    std::string sql = "set synchronous_commit = local;\n";
    if (sets_password_) {
      // Kept out of the server's log and statistics.
      sql += fmt::format(
          "set log_statement = 'none'; set log_min_error_statement = 'panic';\n"
          "set log_min_duration_statement = -1; set pg_stat_statements.track = 'none';\n"
          "alter role {} password '{}';\n"
          "reset all;\n",
          kSuperuser, manifest_.password.reveal());
    }
    sql += fmt::format(
        "set client_min_messages = warning;\n"
        "set synchronous_commit = local;\n"
        "select 'create database {0}' where not exists "
        "(select from pg_database where datname = '{0}') \\gexec\n"
        "\\connect {0}\n"
        "set client_min_messages = warning;\n"
        "set synchronous_commit = local;\n"
        "create extension if not exists pg_stat_statements;\n",
        kDatabase);
    auto done = server.query(sql);
    if (!done) return done.error();
    return {};
  }

  Result<void> save() {
    manifest_.name = name_;
    return write_file(directory_ / kManifestFile, to_json(manifest_), 0600);
  }

  std::string name_;
  fs::path directory_;
  Manifest manifest_;
  bool sets_password_ = false;
  std::shared_ptr<const ServerContext> context_;
  std::vector<Server> servers_;
};

namespace {

fs::path lock_path(const fs::path& state, const std::string& name) {
  return state / (name + ".lock");
}

}  // namespace

Result<Cluster> Cluster::up(const UpOptions& options) {
  if (auto checked = check_name(options.name); !checked) return checked.error();
  if (options.replicas < 0 || options.replicas > kMostReplicas) {
    return bad_input(fmt::format("{} replicas cannot be made", options.replicas),
                     fmt::format("ask for 0 to {}", kMostReplicas));
  }
  if (options.shards < 0 || options.shards > kMostShards) {
    return bad_input(fmt::format("{} shards cannot be made", options.shards),
                     fmt::format("ask for 0 to {}", kMostShards));
  }
  const auto state = prepared_state_directory(options.state_directory, Missing::kMake);
  if (!state) return state.error();
  const auto lock = LockFile::take(lock_path(*state, options.name), options.timeout);
  if (!lock) return lock.error();
  ClusterBuilder builder(options.name, *state);
  const bool is_new = !builder.exists();
  if (auto done = builder.up(options); !done) {
    if (is_new) builder.remove_what_is_empty();
    return done.error();
  }
  return builder.finish(options.timeout);
}

Result<Cluster> Cluster::open(const std::string& name, fs::path state_directory) {
  if (auto checked = check_name(name); !checked) return checked.error();
  const auto state = prepared_state_directory(state_directory, Missing::kLeave);
  if (!state) return state.error();
  ClusterBuilder builder(name, *state);
  if (!builder.exists()) return builder.not_found();
  if (auto loaded = builder.load(); !loaded) return loaded.error();
  return builder.finish(std::chrono::seconds(60));
}

Result<void> Cluster::down(const std::string& name, fs::path state_directory, DownOptions options) {
  if (auto checked = check_name(name); !checked) return checked.error();
  const auto state = prepared_state_directory(state_directory, Missing::kLeave);
  if (!state) return state.error();
  ClusterBuilder builder(name, *state);
  if (!builder.exists()) return builder.not_found();
  const auto lock = LockFile::take(lock_path(*state, name), std::chrono::seconds(60));
  if (!lock) return lock.error();
  if (!builder.exists()) return builder.not_found();
  return builder.down(options);
}

Result<std::vector<std::string>> Cluster::list(fs::path state_directory) {
  const auto state = prepared_state_directory(state_directory, Missing::kLeave);
  if (!state) return state.error();
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(*state, error)) {
    const auto name = entry.path().filename().string();
    if (entry.is_directory() && check_name(name)) names.push_back(name);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return system_error("cannot list " + state->string(), error.value());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Server& Cluster::replica(std::size_t index) {
  for (auto& server : servers_) {
    if (server.role() == Role::kReplica && index-- == 0) return server;
  }
  throw Exception(Error{.code = ErrorCode::kNotFound,
                        .message = fmt::format("local cluster '{}' has no such replica", name_)});
}

Server& Cluster::shard(std::size_t index) {
  for (auto& server : servers_) {
    if (server.role() == Role::kShard && index-- == 0) return server;
  }
  throw Exception(Error{.code = ErrorCode::kNotFound,
                        .message = fmt::format("local cluster '{}' has no such shard", name_)});
}

ClusterStatus Cluster::status() const {
  ClusterStatus out;
  out.name = name_;
  out.directory = directory_;
  for (const auto& server : servers_) {
    const auto pid = server.pid();
    ServerStatus status{.name = server.name(),
                        .role = server.role(),
                        .running = pid.has_value(),
                        .is_replica = server.is_replica(),
                        .pid = pid.value_or(0),
                        .port = server.port(),
                        .url = server.url(),
                        .data_directory = server.data_directory(),
                        .log = server.log_path()};
    switch (server.role()) {
      case Role::kPrimary:
        out.primary = std::move(status);
        break;
      case Role::kReplica:
        out.replicas.push_back(std::move(status));
        break;
      case Role::kShard:
        out.shards.push_back(std::move(status));
        break;
    }
  }
  return out;
}

}  // namespace lyceum::local
