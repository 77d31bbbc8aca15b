#include "local/server.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <sys/shm.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "local/files.h"
#include "local/port.h"
#include "local/postmaster_file.h"

namespace lyceum::local {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// RFC 3986: what may stand in a query as it is, and the rest as %XX.
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) != 0 || std::strchr("-._~/", character) != nullptr) {
      out += character;
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

// A value in postgresql.conf.
std::string quoted(std::string_view value) {
  std::string out = "'";
  for (const char character : value) {
    if (character == '\'' || character == '\\') out += character;
    out += character;
  }
  return out + "'";
}

// A value in a libpq key=value string.
std::string conninfo_value(std::string_view value) {
  std::string out = "'";
  for (const char character : value) {
    if (character == '\'' || character == '\\') out += '\\';
    out += character;
  }
  return out + "'";
}

constexpr std::string_view kUpstreamFile = "upstream";

long physical_memory_mb() {
  return ::sysconf(_SC_PHYS_PAGES) / 1024 * ::sysconf(_SC_PAGE_SIZE) / 1024;
}

bool has_prefix(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

std::string program_of(const std::vector<std::string>& words) {
  return words.empty() ? std::string() : fs::path(words[0]).filename().string();
}

// A postmaster that was killed leaves its System V segment, and in that the name of its POSIX
// segment (PostgreSQL's PGShmemHeader: magic, creator, size, free offset, handle).
void release_shared_memory(const fs::path& data_directory) {
  const auto file = read_postmaster_file(data_directory);
  if (!file || file->shared_memory_id < 0 || is_alive(file->pid)) return;
  struct shmid_ds info{};
  if (::shmctl(file->shared_memory_id, IPC_STAT, &info) != 0 || info.shm_nattch != 0) return;
  const void* memory = ::shmat(file->shared_memory_id, nullptr, SHM_RDONLY);
  if (reinterpret_cast<std::intptr_t>(memory) == -1) return;
  struct Header {
    std::int32_t magic;
    std::int32_t creator;
    std::size_t total;
    std::size_t free;
    std::uint32_t handle;
  } header{};
  if (info.shm_segsz >= sizeof header) std::memcpy(&header, memory, sizeof header);
  ::shmdt(memory);
  constexpr std::int32_t kMagic = 679834894;
  if (header.magic != kMagic || header.creator != file->pid) return;
  if (header.handle != 0) {
    std::error_code error;
    fs::remove(fmt::format("/dev/shm/PostgreSQL.{}", header.handle), error);
  }
  ::shmctl(file->shared_memory_id, IPC_RMID, nullptr);
}

}  // namespace

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kPrimary:
      return "primary";
    case Role::kReplica:
      return "replica";
    case Role::kShard:
      return "shard";
  }
  return "primary";
}

std::optional<std::string> recorded_upstream(const fs::path& server_directory) {
  return read_file(server_directory / kUpstreamFile);
}

Server::Server(std::shared_ptr<const ServerContext> context, ServerFacts facts, fs::path directory,
               std::optional<ServerFacts> upstream, std::vector<std::string> synchronous_standbys)
    : context_(std::move(context)),
      facts_(std::move(facts)),
      directory_(std::move(directory)),
      upstream_(std::move(upstream)),
      synchronous_standbys_(std::move(synchronous_standbys)) {}

std::string Server::url(std::string_view database) const {
  return fmt::format("postgresql://{}@/{}?host={}&port={}", kSuperuser, percent_encoded(database),
                     percent_encoded(facts_.socket_directory.string()), facts_.port);
}

std::string Server::tcp_url(std::string_view database) const {
  return tcp_url_through(facts_.port, database);
}

std::string Server::tcp_url_through(int other_port, std::string_view database) const {
  return fmt::format("postgresql://{}:{}@127.0.0.1:{}/{}", kSuperuser,
                     percent_encoded(context_->password.reveal()), other_port,
                     percent_encoded(database));
}

Command Server::psql(std::string_view database, std::vector<std::string> arguments) const {
  Command command;
  command.argv = {context_->binaries.program("psql").string(), url(database)};
  for (auto& argument : arguments) command.argv.push_back(std::move(argument));
  command.environment = clean_environment();
  return command;
}

Result<std::string> Server::query(const std::string& sql, std::string_view database) const {
  auto command = psql(database, {"-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-"});
  command.input = sql + "\n";
  auto outcome = run(command);
  if (!outcome) return outcome.error();
  if (outcome->exit_status != 0) {
    return Error{.code = ErrorCode::kSql,
                 .message = fmt::format("psql failed: {}", outcome->err),
                 .node = fmt::format("{}/{}", context_->cluster, facts_.name)};
  }
  return std::move(outcome->out);
}

std::string Server::cluster_name() const {
  // Processes are recognized by it, so its place tells it from a cluster of the same name in
  // another state directory. PostgreSQL allows 63 characters.
  const auto place = fs::hash_value(directory_);
  return fmt::format("{}-{}-{:08x}", context_->cluster, facts_.name, place & 0xffffffffU);
}

std::string Server::slot_name() const {
  std::string slot = facts_.name;
  std::replace(slot.begin(), slot.end(), '-', '_');
  return slot;
}

std::string Server::synchronous_standby_names() const {
  if (synchronous_standbys_.empty()) return {};
  std::string names;
  for (const auto& name : synchronous_standbys_) {
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name);
  }
  return fmt::format("ANY 1 ({})", names);
}

std::optional<pid_t> Server::pid() const {
  const auto file = read_postmaster_file(data_directory());
  if (!file || !is_alive(file->pid)) return std::nullopt;
  const auto words = command_line(file->pid);
  if (program_of(words) != "postgres") return std::nullopt;
  const auto is_ours = [data = data_directory()](const std::string& word) {
    std::error_code error;
    return word == data.string() || (has_prefix(word, "/") && fs::equivalent(word, data, error));
  };
  if (std::none_of(words.begin(), words.end(), is_ours)) return std::nullopt;
  return file->pid;
}

std::vector<pid_t> Server::processes() const {
  std::vector<pid_t> out;
  const auto postmaster = pid();
  if (postmaster) out.push_back(*postmaster);
  const auto title = fmt::format("postgres: {}: ", cluster_name());
  for (const pid_t candidate : all_processes()) {
    if (candidate == postmaster) continue;
    const auto words = command_line(candidate);
    if (words.empty() || !is_alive(candidate)) continue;
    if (has_prefix(words[0], title) || (postmaster && parent_of(candidate) == *postmaster)) {
      out.push_back(candidate);
    }
  }
  return out;
}

bool Server::is_replica() const {
  std::error_code error;
  return fs::exists(data_directory() / "standby.signal", error);
}

bool Server::is_made() const {
  std::error_code error;
  return fs::exists(data_directory() / "PG_VERSION", error);
}

std::string Server::configuration() const {
  const long memory = physical_memory_mb();
  const bool durable = context_->durable;
  std::string out = "# Written anew at every start; ALTER SYSTEM wins over it.\n";
  const auto set = [&out](std::string_view key, std::string_view value) {
    out += fmt::format("{} = {}\n", key, quoted(value));
  };
  set("cluster_name", cluster_name());
  set("listen_addresses", "127.0.0.1");
  set("port", fmt::to_string(facts_.port));
  set("unix_socket_directories", facts_.socket_directory.string());
  set("unix_socket_permissions", "0700");
  set("password_encryption", "scram-sha-256");
  set("ssl", "off");

  set("shared_preload_libraries", "pg_stat_statements");
  set("pg_stat_statements.track", "all");
  set("track_io_timing", "on");

  set("wal_level", "logical");
  set("max_wal_senders", "20");
  set("max_replication_slots", "20");
  set("max_logical_replication_workers", "8");
  set("max_worker_processes", "16");
  set("hot_standby", "on");
  set("wal_receiver_status_interval", "1s");
  set("wal_retrieve_retry_interval", "200ms");
  if (upstream_) {
    set("primary_conninfo", fmt::format("user={} host={} port={} application_name={}", kSuperuser,
                                        conninfo_value(upstream_->socket_directory.string()),
                                        upstream_->port, conninfo_value(facts_.name)));
    set("primary_slot_name", slot_name());
    set("recovery_target_timeline", "latest");
  }

  set("synchronous_standby_names", synchronous_standby_names());

  set("max_connections", "200");
  set("shared_buffers", fmt::format("{}MB", durable ? std::clamp(memory / 8, 128L, 2'048L) : 128L));
  set("effective_cache_size", fmt::format("{}MB", std::max(memory / 2, 512L)));
  set("work_mem", "16MB");
  set("maintenance_work_mem", fmt::format("{}MB", std::clamp(memory / 32, 64L, 512L)));
  // Not durable: often kept in memory.
  set("max_wal_size", durable ? "4GB" : "512MB");
  set("checkpoint_timeout", "15min");
  set("random_page_cost", "1.1");
  set("effective_io_concurrency", "64");

  if (!durable) {
    set("fsync", "off");
    set("full_page_writes", "off");
    // Parallel queries share memory in files of the data directory: nothing is left in /dev/shm
    // when the server is killed.
    set("dynamic_shared_memory_type", "mmap");
  }

  set("lc_messages", "C");
  set("timezone", "UTC");
  set("log_timezone", "UTC");
  set("log_line_prefix", "%m [%p] %q%u@%d ");
  set("log_checkpoints", "off");
  for (const auto& [key, value] : context_->settings) set(key, value);
  return out;
}

Result<void> Server::make_directories() const {
  if (auto made = make_directory(directory_, 0700, context_->account); !made) return made.error();
  return make_directory(facts_.socket_directory, 0700, context_->account);
}

// In the servers' own directories root writes as their account: a link put there leads no further
// than that account could go itself.
Result<void> Server::write_own_file(const fs::path& path, std::string_view text) const {
  if (context_->account.uid == ::geteuid()) return write_file(path, text, 0600);
  Command command;
  command.argv = {"/bin/sh", "-c", "cat >\"$1.new\" && mv -f \"$1.new\" \"$1\"", "sh",
                  path.string()};
  command.input = text;
  return run_maker(std::move(command), "writing " + path.filename().string());
}

Result<void> Server::run_maker(Command command, const std::string& what) const {
  command.environment = clean_environment();
  command.account = context_->account;
  command.directory = directory_;
  command.timeout = std::max<milliseconds>(context_->timeout, std::chrono::minutes(10));
  auto outcome = run(command);
  if (!outcome) return outcome.error();
  if (outcome->exit_status == 0) return {};
  auto reason = outcome->err;
  while (!reason.empty() && reason.back() == '\n') reason.pop_back();
  return Error{.code = ErrorCode::kIo,
               .message = fmt::format("{} of {} failed with status {}: {}", what,
                                      directory_.string(), outcome->exit_status, reason),
               .hint = "check the free space and the permissions there",
               .node = fmt::format("{}/{}", context_->cluster, facts_.name)};
}

Result<void> Server::make() {
  if (is_made()) return {};
  if (auto made = make_directories(); !made) return made.error();
  const auto draft = directory_ / "data.making";
  end_strays();
  release_shared_memory(draft);
  if (auto removed = remove_tree(draft); !removed) return removed.error();

  const auto& binaries = context_->binaries;
  Command command;
  if (upstream_) {
    const auto slot = slot_name();
    Server primary(context_, *upstream_, directory_.parent_path() / upstream_->name);
    // A slot of that name is a leftover of a run that was killed here: the directory was half made,
    // so nothing follows it.
    auto ready = primary.query(
        fmt::format("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                    "where slot_name = '{0}' and not active;\n"
                    "select pg_create_physical_replication_slot('{0}', true) "
                    "where not exists (select from pg_replication_slots where slot_name = '{0}')",
                    slot));
    if (!ready) return ready.error();
    command.argv = {binaries.program("pg_basebackup").string(),
                    "--pgdata=" + draft.string(),
                    "--host=" + upstream_->socket_directory.string(),
                    fmt::format("--port={}", upstream_->port),
                    fmt::format("--username={}", kSuperuser),
                    "--no-password",
                    "--wal-method=stream",
                    "--slot=" + slot,
                    "--checkpoint=fast",
                    "--no-sync"};
    if (auto done = run_maker(command, "the base backup"); !done) return done.error();
    if (auto done = write_own_file(draft / "standby.signal", ""); !done) return done.error();
  } else {
    command.argv = {binaries.program("initdb").string(), "--pgdata=" + draft.string(),
                    fmt::format("--username={}", kSuperuser), "--pwfile=/dev/stdin",
                    "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8",
                    "--locale=C.UTF-8", "--no-instructions",
                    // A new directory reaches the disk with the system's own write-back, within
                    // half a minute; to wait for that would be most of the time that up takes.
                    "--no-sync"};
    command.input = context_->password.reveal() + "\n";
    if (auto done = run_maker(command, "initdb"); !done) return done.error();
    auto settings = read_file(draft / "postgresql.conf").value_or("");
    settings += "\ninclude = 'lyceum.conf'\n";
    if (auto done = write_own_file(draft / "postgresql.conf", settings); !done) {
      return done.error();
    }
    constexpr std::string_view kAccess =
        "# The socket's directory admits its owner and nobody else; TCP asks for a password.\n"
        "local  all          all                trust\n"
        "local  replication  all                trust\n"
        "host   all          all  127.0.0.1/32  scram-sha-256\n"
        "host   replication  all  127.0.0.1/32  scram-sha-256\n";
    if (auto done = write_own_file(draft / "pg_hba.conf", kAccess); !done) {
      return done.error();
    }
  }
  // From here on the directory is complete: a run that is killed before leaves only the draft.
  std::error_code error;
  fs::rename(draft, data_directory(), error);
  if (error) return system_error("cannot rename " + draft.string(), error.value());
  return {};
}

// Ends what a killed run or a killed postmaster left working in this server's directory: the
// makers, which name it in their command line, and server processes without a postmaster.
void Server::end_strays(Ending how) const {
  static const std::set<std::string> kMakers{"initdb", "pg_basebackup", "postgres", "pg_ctl"};
  const auto inside = directory_.string() + "/";
  std::set<pid_t> strays;
  for (const pid_t candidate : all_processes()) {
    const auto words = command_line(candidate);
    if (!kMakers.contains(program_of(words))) continue;
    if (std::any_of(words.begin(), words.end(), [&](const std::string& word) {
          return word.find(inside) != std::string::npos;
        })) {
      strays.insert(candidate);
    }
  }
  // initdb's own server names its directory only in its lock file.
  if (const auto file = read_postmaster_file(directory_ / "data.making")) {
    if (program_of(command_line(file->pid)) == "postgres") strays.insert(file->pid);
  }
  for (const pid_t stray : processes()) strays.insert(stray);
  for (const pid_t stray : strays) {
    // A server that is asked to end releases its shared memory, which SIGKILL would leave behind;
    // the makers would dump core on SIGQUIT.
    const auto program = program_of(command_line(stray));
    ::kill(stray, how == Ending::kAtOnce                              ? SIGKILL
                  : program == "initdb" || program == "pg_basebackup" ? SIGTERM
                                                                      : SIGQUIT);
    ::kill(stray, SIGCONT);
  }
  const auto deadline = steady_clock::now() + std::chrono::seconds(3);
  for (const pid_t stray : strays) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (wait_until_gone(stray, std::max(left, milliseconds(0)))) continue;
    ::kill(stray, SIGKILL);
    (void)wait_until_gone(stray, std::chrono::seconds(5));
  }
}

Result<void> Server::clear_leftovers() const {
  end_strays();
  // PostgreSQL clears these away itself, except where something has their process id: another
  // program, or the dead server's own entry where nobody collects it. Then it takes that for a
  // running server and refuses to start. We know better.
  std::error_code error;
  const auto socket = facts_.socket_directory / fmt::format(".s.PGSQL.{}", facts_.port);
  fs::remove(socket, error);
  fs::remove(socket.string() + ".lock", error);
  const auto file = read_postmaster_file(data_directory());
  if (file && (::kill(file->pid, 0) == 0 || errno == EPERM)) {
    const auto path = data_directory() / "postmaster.pid";
    if (!fs::remove(path, error))
      return system_error("cannot remove " + path.string(), error.value());
  }
  return {};
}

Result<void> Server::start() {
  port_was_taken_ = false;
  if (is_running()) return {};
  if (!is_made()) {
    return Error{.code = ErrorCode::kNotFound,
                 .message = fmt::format("there is no complete server in {}", directory_.string()),
                 .hint = "run local up"};
  }
  if (auto made = make_directories(); !made) return made.error();
  if (auto cleared = clear_leftovers(); !cleared) return cleared.error();
  if (auto done = write_own_file(data_directory() / "lyceum.conf", configuration()); !done) {
    return done.error();
  }
  std::error_code error;
  auto log_start = fs::file_size(log_path(), error);
  if (error) log_start = 0;

  Command command;
  command.argv = {context_->binaries.program("postgres").string(), "-D", data_directory().string()};
  command.environment = clean_environment();
  command.account = context_->account;
  command.directory = directory_;
  const auto pid = start_daemon(command, log_path());
  if (!pid) return pid.error();
  return wait_until_ready(*pid, log_start);
}

Result<void> Server::wait_until_ready(pid_t pid, std::uintmax_t log_start) {
  const auto deadline = steady_clock::now() + context_->timeout;
  while (steady_clock::now() < deadline) {
    const auto file = read_postmaster_file(data_directory());
    if (file && file->pid == pid && file->status == "ready") return {};
    if (!is_alive(pid)) {
      auto error = failure("it ended while it started", log_start);
      port_was_taken_ = error.message.find("could not bind") != std::string::npos ||
                        error.message.find("TCP/IP sockets") != std::string::npos;
      return error;
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
  // Not left running half started: the next attempt would find it in its way.
  for (const pid_t process : processes()) ::kill(process, SIGKILL);
  return failure(fmt::format("it accepted no connections within {} ms", context_->timeout.count()),
                 log_start);
}

// The reason as the server's log gives it since `log_start`: its fatal lines and those that explain
// them, else its last one.
Error Server::failure(std::string what, std::uintmax_t log_start) const {
  const auto log = read_file(log_path()).value_or("");
  std::istringstream lines(log.substr(std::min<std::size_t>(log.size(), log_start)));
  std::string reason;
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) last = line;
    for (const char* level : {"FATAL:  ", "PANIC:  ", "could not bind", "invalid value for",
                              "unrecognized configuration", "syntax error in"}) {
      const auto at = line.find(level);
      if (at == std::string::npos) continue;
      if (!reason.empty()) reason += "; ";
      reason += line.substr(at);
      break;
    }
  }
  if (reason.empty()) reason = last;
  return Error{
      .code = ErrorCode::kIo,
      .message = fmt::format("cannot start PostgreSQL in {}: {}: {}", data_directory().string(),
                             what, reason.empty() ? "its log is empty" : reason),
      .hint = fmt::format("see {}", log_path().string()),
      .node = fmt::format("{}/{}", context_->cluster, facts_.name)};
}

Result<void> Server::stop(StopMode mode) {
  const auto postmaster = pid();
  if (!postmaster) {
    end_strays();
    return {};
  }
  if (auto resumed = resume(); !resumed) return resumed.error();
  if (mode == StopMode::kFast) {
    ::kill(*postmaster, SIGINT);
    if (wait_until_gone(*postmaster, context_->timeout)) return {};
  }
  ::kill(*postmaster, SIGQUIT);
  if (wait_until_gone(*postmaster, std::chrono::seconds(10))) return {};
  return kill_9();
}

Result<void> Server::restart(StopMode mode) {
  if (auto stopped = stop(mode); !stopped) return stopped.error();
  return start();
}

Result<void> Server::kill_9() {
  const auto victims = processes();
  // The postmaster first, so that it starts nothing anew.
  for (const pid_t victim : victims) ::kill(victim, SIGKILL);
  end_strays(Ending::kAtOnce);
  for (const pid_t victim : victims) {
    if (!wait_until_gone(victim, std::chrono::seconds(10))) {
      return Error{
          .code = ErrorCode::kIo,
          .message = fmt::format("process {} of {} does not end on SIGKILL", victim, facts_.name),
          .hint = "it waits for a device: look at the disk"};
    }
  }
  return {};
}

Result<void> Server::promote() {
  Command command;
  command.argv = {
      context_->binaries.program("pg_ctl").string(),
      "promote",
      "-D",
      data_directory().string(),
      "-w",
      "-t",
      fmt::to_string(std::chrono::ceil<std::chrono::seconds>(context_->timeout).count())};
  return run_maker(command, "the promotion");
}

Result<void> Server::check_upstream(const Server& upstream) const {
  if (upstream.directory_.parent_path() == directory_.parent_path() &&
      upstream.directory_ != directory_) {
    return {};
  }
  return Error{.code = ErrorCode::kBadInput,
               .message = fmt::format("{} cannot follow {}", directory_.string(),
                                      upstream.directory_.string()),
               .hint = "name another server of the same cluster",
               .node = fmt::format("{}/{}", context_->cluster, facts_.name)};
}

Result<void> Server::record_upstream(const Server& upstream) {
  if (auto done = write_own_file(directory_ / kUpstreamFile, upstream.name()); !done) {
    return done.error();
  }
  upstream_ = upstream.facts_;
  return {};
}

Result<void> Server::reload() const {
  const auto postmaster = pid();
  if (!postmaster) return {};
  if (auto done = write_own_file(data_directory() / "lyceum.conf", configuration()); !done) {
    return done.error();
  }
  ::kill(*postmaster, SIGHUP);
  return {};
}

Result<void> Server::follow(const Server& upstream) {
  if (auto checked = check_upstream(upstream); !checked) return checked.error();
  // Nothing is thrown away for a server that is not there to be copied.
  if (auto answer = upstream.query("select 1"); !answer) return answer.error();
  if (auto stopped = stop(StopMode::kImmediate); !stopped) return stopped.error();
  if (auto made = make_directories(); !made) return made.error();
  // First of all: what is killed from here on is made as a replica by the next up.
  if (auto done = record_upstream(upstream); !done) return done.error();
  synchronous_standbys_.clear();
  release_shared_memory(data_directory());
  const auto draft = directory_ / "data.making";
  if (auto removed = remove_tree(draft); !removed) return removed.error();
  // As a draft it is never taken for a complete server, however far its removal comes.
  std::error_code error;
  fs::rename(data_directory(), draft, error);
  if (error && error != std::errc::no_such_file_or_directory) {
    return system_error("cannot rename " + data_directory().string(), error.value());
  }
  if (auto made = make(); !made) return made.error();
  return start();
}

Result<void> Server::set_upstream(const Server& upstream) {
  if (auto checked = check_upstream(upstream); !checked) return checked.error();
  if (!is_replica()) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("{} is no replica", facts_.name),
                 .hint = "follow() makes it one",
                 .node = fmt::format("{}/{}", context_->cluster, facts_.name)};
  }
  auto ready = upstream.query(
      fmt::format("select pg_create_physical_replication_slot('{0}', true) "
                  "where not exists (select from pg_replication_slots where slot_name = '{0}')",
                  slot_name()));
  if (!ready) return ready.error();
  if (auto done = record_upstream(upstream); !done) return done.error();
  return reload();
}

Result<void> Server::set_synchronous_standbys(std::vector<std::string> names) {
  synchronous_standbys_ = std::move(names);
  const auto wanted = synchronous_standby_names() + "\n";
  if (!is_running()) return {};
  auto present = query("show synchronous_standby_names");
  if (!present) return present.error();
  if (*present == wanted) return {};
  if (auto done = reload(); !done) return done.error();
  const auto deadline = steady_clock::now() + context_->timeout;
  while (*present != wanted) {
    if (steady_clock::now() > deadline) {
      return Error{.code = ErrorCode::kTimeout,
                   .message = fmt::format("{} did not take its new configuration within {} ms",
                                          facts_.name, context_->timeout.count()),
                   .hint = fmt::format("see {}", log_path().string()),
                   .node = fmt::format("{}/{}", context_->cluster, facts_.name)};
    }
    std::this_thread::sleep_for(milliseconds(2));
    present = query("show synchronous_standby_names");
    if (!present) return present.error();
  }
  // It is the checkpointer that has commits wait. Once it has answered a request that came after
  // the reload, it has read the configuration too.
  if (auto done = query("checkpoint"); !done) return done.error();
  return {};
}

Result<void> Server::pause() {
  // The postmaster first, so that it starts no new process; then what it had.
  const auto postmaster = pid();
  if (!postmaster) {
    return Error{.code = ErrorCode::kNotFound,
                 .message = fmt::format("{} does not run", facts_.name),
                 .hint = "start it first"};
  }
  ::kill(*postmaster, SIGSTOP);
  const auto all = processes();
  for (const pid_t process : all) ::kill(process, SIGSTOP);
  const auto deadline = steady_clock::now() + std::chrono::seconds(5);
  for (const pid_t process : all) {
    while (is_alive(process) && state_of(process) != 'T' && steady_clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds(1));
    }
  }
  return {};
}

Result<void> Server::resume() {
  auto all = processes();
  std::reverse(all.begin(), all.end());
  for (const pid_t process : all) ::kill(process, SIGCONT);
  return {};
}

Result<void> Server::remove() {
  // What is about to be deleted needs no checkpoint.
  if (auto stopped = stop(StopMode::kImmediate); !stopped) return stopped.error();
  release_shared_memory(data_directory());
  release_shared_memory(directory_ / "data.making");
  if (auto removed = remove_tree(facts_.socket_directory); !removed) return removed.error();
  return remove_tree(directory_);
}

}  // namespace lyceum::local
