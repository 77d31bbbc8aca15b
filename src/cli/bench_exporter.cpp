#include "cli/bench_exporter.h"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "local/port.h"
#include "pg/target.h"

namespace lyceum::cli {
namespace {

using Clock = std::chrono::steady_clock;
using local::Descriptor;

constexpr auto kStart = std::chrono::seconds(10);
constexpr int kStarts = 5;  // a port that was free may be somebody's by then

// Ends the exporter when our end of the pipe closes, however we end.
constexpr const char* kKeeper = R"sh(
trap '' HUP INT TERM
"$@" &
child=$!
read -r _
kill "$child"
wait "$child"
)sh";

constexpr std::string_view kQueries = R"yaml(
pg_stat_user_tables:
  query: |
   SELECT
     current_database() datname,
     schemaname,
     relname,
     seq_scan,
     seq_tup_read,
     idx_scan,
     idx_tup_fetch,
     n_tup_ins,
     n_tup_upd,
     n_tup_del,
     n_tup_hot_upd,
     n_live_tup,
     n_dead_tup,
     n_mod_since_analyze,
     COALESCE(last_vacuum, '1970-01-01Z') as last_vacuum,
     COALESCE(last_autovacuum, '1970-01-01Z') as last_autovacuum,
     COALESCE(last_analyze, '1970-01-01Z') as last_analyze,
     COALESCE(last_autoanalyze, '1970-01-01Z') as last_autoanalyze,
     vacuum_count,
     autovacuum_count,
     analyze_count,
     autoanalyze_count
   FROM
     pg_stat_user_tables
  metrics:
    - datname: {usage: "LABEL", description: "database"}
    - schemaname: {usage: "LABEL", description: "schema"}
    - relname: {usage: "LABEL", description: "table"}
    - seq_scan: {usage: "COUNTER", description: "sequential scans"}
    - seq_tup_read: {usage: "COUNTER", description: "rows that these read"}
    - idx_scan: {usage: "COUNTER", description: "index scans"}
    - idx_tup_fetch: {usage: "COUNTER", description: "rows that these fetched"}
    - n_tup_ins: {usage: "COUNTER", description: "rows inserted"}
    - n_tup_upd: {usage: "COUNTER", description: "rows updated"}
    - n_tup_del: {usage: "COUNTER", description: "rows deleted"}
    - n_tup_hot_upd: {usage: "COUNTER", description: "rows HOT updated"}
    - n_live_tup: {usage: "GAUGE", description: "live rows"}
    - n_dead_tup: {usage: "GAUGE", description: "dead rows"}
    - n_mod_since_analyze: {usage: "GAUGE", description: "rows changed since analyze"}
    - last_vacuum: {usage: "GAUGE", description: "when"}
    - last_autovacuum: {usage: "GAUGE", description: "when"}
    - last_analyze: {usage: "GAUGE", description: "when"}
    - last_autoanalyze: {usage: "GAUGE", description: "when"}
    - vacuum_count: {usage: "COUNTER", description: "vacuums"}
    - autovacuum_count: {usage: "COUNTER", description: "autovacuums"}
    - analyze_count: {usage: "COUNTER", description: "analyzes"}
    - autoanalyze_count: {usage: "COUNTER", description: "autoanalyzes"}

pg_stat_user_indexes:
  query: |
   SELECT
     current_database() datname,
     schemaname,
     relname,
     indexrelname,
     idx_scan,
     idx_tup_read,
     idx_tup_fetch
   FROM
     pg_stat_user_indexes
  metrics:
    - datname: {usage: "LABEL", description: "database"}
    - schemaname: {usage: "LABEL", description: "schema"}
    - relname: {usage: "LABEL", description: "table"}
    - indexrelname: {usage: "LABEL", description: "index"}
    - idx_scan: {usage: "COUNTER", description: "scans"}
    - idx_tup_read: {usage: "COUNTER", description: "entries read"}
    - idx_tup_fetch: {usage: "COUNTER", description: "rows fetched"}

pg_stat_statements:
  query: |
   SELECT
     t2.rolname,
     t3.datname,
     queryid,
     calls,
     total_exec_time / 1000 as total_time_seconds,
     min_exec_time / 1000 as min_time_seconds,
     max_exec_time / 1000 as max_time_seconds,
     mean_exec_time / 1000 as mean_time_seconds,
     stddev_exec_time / 1000 as stddev_time_seconds,
     rows,
     shared_blks_hit,
     shared_blks_read,
     shared_blks_dirtied,
     shared_blks_written,
     local_blks_hit,
     local_blks_read,
     local_blks_dirtied,
     local_blks_written,
     temp_blks_read,
     temp_blks_written,
     blk_read_time / 1000 as blk_read_time_seconds,
     blk_write_time / 1000 as blk_write_time_seconds
   FROM pg_stat_statements t1
   JOIN pg_roles t2 ON (t1.userid=t2.oid)
   JOIN pg_database t3 ON (t1.dbid=t3.oid)
  master: true
  metrics:
    - rolname: {usage: "LABEL", description: "role"}
    - datname: {usage: "LABEL", description: "database"}
    - queryid: {usage: "LABEL", description: "query"}
    - calls: {usage: "COUNTER", description: "calls"}
    - total_time_seconds: {usage: "COUNTER", description: "seconds"}
    - min_time_seconds: {usage: "GAUGE", description: "seconds"}
    - max_time_seconds: {usage: "GAUGE", description: "seconds"}
    - mean_time_seconds: {usage: "GAUGE", description: "seconds"}
    - stddev_time_seconds: {usage: "GAUGE", description: "seconds"}
    - rows: {usage: "COUNTER", description: "rows"}
    - shared_blks_hit: {usage: "COUNTER", description: "blocks"}
    - shared_blks_read: {usage: "COUNTER", description: "blocks"}
    - shared_blks_dirtied: {usage: "COUNTER", description: "blocks"}
    - shared_blks_written: {usage: "COUNTER", description: "blocks"}
    - local_blks_hit: {usage: "COUNTER", description: "blocks"}
    - local_blks_read: {usage: "COUNTER", description: "blocks"}
    - local_blks_dirtied: {usage: "COUNTER", description: "blocks"}
    - local_blks_written: {usage: "COUNTER", description: "blocks"}
    - temp_blks_read: {usage: "COUNTER", description: "blocks"}
    - temp_blks_written: {usage: "COUNTER", description: "blocks"}
    - blk_read_time_seconds: {usage: "COUNTER", description: "seconds"}
    - blk_write_time_seconds: {usage: "COUNTER", description: "seconds"}
)yaml";

Error cannot(const std::string& what) {
  return {.code = ErrorCode::kIo, .message = "prometheus-postgres-exporter: " + what};
}

// As README.Debian of the package connects.
std::string data_source(const pg::Target& target) {
  return fmt::format("user={} host={} port={} dbname={} sslmode=disable", target.get("user"),
                     target.get("host"), target.get("port"), target.get("dbname"));
}

}  // namespace

std::optional<std::string> Exporter::find() {
  for (const std::string_view directory : {"/usr/bin", "/usr/local/bin"}) {
    auto path = fmt::format("{}/prometheus-postgres-exporter", directory);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return std::nullopt;
}

Result<std::unique_ptr<Exporter>> Exporter::start(const std::string& program,
                                                  const std::string& database_url) {
  const auto target = pg::parse_target(database_url);
  if (target.has_error()) return target.error();
  std::unique_ptr<Exporter> out(new Exporter);
  char file[] = "/tmp/lyceum-exporter-XXXXXX";
  const Descriptor queries(::mkstemp(file));
  if (!queries) return cannot("no temporary file");
  out->queries_file_ = file;
  std::ofstream(file) << kQueries;
  for (int attempt = 0; attempt < kStarts; ++attempt) {
    const auto port = local::find_free_port();
    if (port.has_error()) return port.error();
    auto pipe = local::make_pipe();
    if (pipe.has_error()) return pipe.error();
    const local::Command command{
        .argv = {"/bin/sh", "-c", kKeeper, "sh", program, "--extend.query-path", file,
                 fmt::format("--web.listen-address=127.0.0.1:{}", *port)},
        .environment = local::clean_environment({"DATA_SOURCE_NAME=" + data_source(*target)})};
    const auto keeper = local::start_child(command, pipe->read.get());
    if (keeper.has_error()) return keeper.error();
    out->keeper_ = *keeper;
    out->lifeline_ = std::move(pipe->write);
    out->port_ = *port;
    const auto deadline = Clock::now() + kStart;
    while (Clock::now() < deadline) {
      for (const auto process : local::all_processes()) {
        if (local::parent_of(process) == out->keeper_) out->pid_ = process;
      }
      if (out->pid_ != 0 && out->scrape().has_value()) return out;
      if (out->pid_ != 0 && !local::is_alive(out->pid_)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    out->end();
  }
  return cannot("does not start");
}

void Exporter::end() {
  lifeline_.close();
  if (keeper_ > 0) ::waitpid(keeper_, nullptr, 0);
  keeper_ = pid_ = 0;
}

Exporter::~Exporter() {
  end();
  if (!queries_file_.empty()) ::unlink(queries_file_.c_str());
}

// By HTTP/1.0, where the answer ends with the connection.
Result<std::string> Exporter::scrape() const {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return cannot("does not listen");
  }
  constexpr std::string_view kAsk = "GET /metrics HTTP/1.0\r\n\r\n";
  if (::send(socket.get(), kAsk.data(), kAsk.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kAsk.size())) {
    return cannot("takes no request");
  }
  std::string out;
  constexpr std::size_t kAtOnce = 256 * 1024;
  while (true) {
    const auto before = out.size();
    out.resize(before + kAtOnce);
    const auto count = ::recv(socket.get(), out.data() + before, kAtOnce, 0);
    out.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot("its answer breaks off");
    if (count == 0) break;
  }
  const auto head = out.find("\r\n\r\n");
  if (!out.starts_with("HTTP/1.0 200") && !out.starts_with("HTTP/1.1 200")) {
    return cannot("answers " + out.substr(0, out.find('\r')));
  }
  return out.substr(head + 4);
}

}  // namespace lyceum::cli
