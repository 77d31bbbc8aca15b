// Point reads through the pool, beside raw libpq in pipeline mode and beside pgbench: the same
// statement on the same rows of the same server, over the same socket.

#include <boost/asio/detached.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <libpq-fe.h>
#include <poll.h>
#include <random>
#include <unistd.h>

#include "base/await.h"
#include "base/statement_statistics.h"
#include "cli/bench_suite.h"
#include "local/process.h"
#include "pg/waiter.h"
#include "pool/pool.h"
#include "sql/statements.h"

namespace lyceum::cli {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

constexpr int kPoints = 100'000;
constexpr int kInFlight = 64;
constexpr int kLanes = 4;
constexpr std::string_view kMakePoints =
    "drop table if exists bench_points;"
    "create table bench_points as select row_number() over (order by id)::int4 as id, email, "
    "time_zone, created_at from users limit 100000;"
    "alter table bench_points add primary key (id);"
    "grant select on bench_points to lyceum_app";

struct Side {
  double per_second = 0;
  std::uint64_t wrong = 0;  // reads that did not find their row
};

Result<Side> through_pool(const Stage& stage, double seconds, int points) {
  auto target = pg::parse_target(stage.application_url);
  if (target.has_error()) return target.error();
  // With all that the service does for a statement: its statistics.
  StatementStatistics statistics;
  auto& recorder = statistics.add_recorder();
  return await([&](auto executor) -> awaitable<Result<Side>> {
    pool::Pool pool(executor, {.target = *target,
                               .limits = {.lanes = kLanes},
                               .on_finished = [&](const FinishedStatement& call,
                                                  const pg::Params&) { recorder.record(call); },
                               .recent_server_time =
                                   [&](const Statement& statement) {
                                     return recorder.recent_server_time(statement);
                                   }});
    auto ready = co_await pool.warm_up();
    if (ready.has_error()) co_return ready.error();
    Side side;
    std::uint64_t reads = 0;
    std::optional<Error> failure;
    int running = kInFlight;
    pg::Waiter all_done;
    const auto begun = Clock::now();
    const auto end =
        begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    for (int i = 0; i < kInFlight; ++i) {
      asio::co_spawn(
          executor,
          [&, i]() -> awaitable<void> {
            std::minstd_rand random(static_cast<unsigned>(i + 1));
            while (Clock::now() < end) {
              const auto id =
                  static_cast<std::int32_t>(1 + random() % static_cast<unsigned>(points));
              auto found = co_await pool.execute(sql::bench::point_read, pg::Params(id));
              if (found.has_error()) {
                failure = found.error();
                break;
              }
              side.wrong += found->size() != 1 || (*found)[0].template get<std::int32_t>(0) != id;
              ++reads;
            }
            if (--running == 0) all_done.notify();
          },
          asio::detached);
    }
    co_await all_done.wait();
    side.per_second =
        static_cast<double>(reads) / std::chrono::duration<double>(Clock::now() - begun).count();
    (void)co_await pool.shutdown(std::chrono::seconds(5));
    if (failure) co_return *failure;
    co_return side;
  });
}

// The least that libpq can do: as many connections, each with its share of the requests in flight.
class RawPipeline {
 public:
  RawPipeline(const std::string& url, int points) : points_(points) {
    for (int i = 0; i < kLanes; ++i) {
      auto& connection = connections_.emplace_back(PQconnectdb(url.c_str()), &PQfinish);
      if (PQstatus(connection.get()) != CONNECTION_OK) {
        throw Exception({.code = ErrorCode::kConnect, .message = PQerrorMessage(connection.get())});
      }
      const std::string text(sql::bench::point_read.text);
      constexpr Oid kInt4 = 23;
      PQclear(PQprepare(connection.get(), "p", text.c_str(), 1, &kInt4));
      PQsetnonblocking(connection.get(), 1);
      PQenterPipelineMode(connection.get());
    }
  }

  Side run(double seconds) {
    Side side;
    std::uint64_t reads = 0;
    std::vector<pollfd> sockets;
    for (auto& connection : connections_) {
      for (int i = 0; i < kInFlight / kLanes; ++i) send(connection.get());
      sockets.push_back({PQsocket(connection.get()), POLLIN, 0});
    }
    const auto begun = Clock::now();
    const auto end =
        begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    while (Clock::now() < end) {
      poll(sockets.data(), sockets.size(), -1);
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (sockets[i].revents == 0) continue;
        auto* connection = connections_[i].get();
        PQconsumeInput(connection);
        while (PQisBusy(connection) == 0) {
          PGresult* result = PQgetResult(connection);
          if (result == nullptr) continue;
          if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            ++reads;
            send(connection);
          } else {
            side.wrong += PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1;
          }
          PQclear(result);
        }
        PQflush(connection);
      }
    }
    side.per_second =
        static_cast<double>(reads) / std::chrono::duration<double>(Clock::now() - begun).count();
    return side;
  }

 private:
  void send(PGconn* connection) {
    std::string bytes;
    pg::wire::put(bytes, static_cast<std::int32_t>(1 + random_() % static_cast<unsigned>(points_)));
    const char* value = bytes.data();
    const int length = 4;
    const int format = 1;
    PQsendQueryPrepared(connection, "p", 1, &value, &length, &format, 1);
    PQpipelineSync(connection);
  }

  int points_;
  std::minstd_rand random_{7};
  std::vector<std::unique_ptr<PGconn, decltype(&PQfinish)>> connections_;
};

// pgbench with prepared statements and 20 connections; its own count of transactions per second,
// without the time to connect.
Result<double> pgbench(const Stage& stage, const std::string& program, const std::string& script,
                       double seconds, int points) {
  auto target = pg::parse_target(stage.application_url);
  if (target.has_error()) return target.error();
  const auto whole = std::max(1, static_cast<int>(seconds));
  auto ran = local::run({.argv = {program,
                                  "-n",
                                  "-M",
                                  "prepared",
                                  "-c",
                                  "20",
                                  "-j",
                                  "2",
                                  "-T",
                                  std::to_string(whole),
                                  "-D",
                                  fmt::format("points={}", points),
                                  "-f",
                                  script,
                                  "-h",
                                  std::string(target->get("host")),
                                  "-p",
                                  std::string(target->get("port")),
                                  "-U",
                                  std::string(target->get("user")),
                                  std::string(target->get("dbname"))},
                         .environment = local::clean_environment()});
  if (ran.has_error()) return ran.error();
  const auto at = ran->out.find("tps = ");
  if (ran->exit_status != 0 || at == std::string::npos) {
    return Error{.code = ErrorCode::kIo, .message = "pgbench failed: " + ran->err};
  }
  return std::stod(ran->out.substr(at + 6));
}

}  // namespace

Result<void> bench_point_reads(const Stage& stage, const BenchOptions& options,
                               ProgressLine& progress, std::vector<BenchRow>& rows) {
  if (!options.wants("point_reads.libpq") && !options.wants("point_reads.pgbench")) return {};
  progress.update("point reads");
  auto points = await([&](auto executor) -> awaitable<Result<int>> {
    auto target = pg::parse_target(stage.admin_url);
    if (target.has_error()) co_return target.error();
    auto connection = co_await pg::Connection::connect(executor, {.target = *target});
    if (connection.has_error()) co_return connection.error();
    auto made = co_await (*connection)->script(std::string(kMakePoints));
    if (made.has_error()) co_return made.error();
    made = co_await (*connection)->script("vacuum analyze bench_points");
    if (made.has_error()) co_return made.error();
    static constexpr Statement kCount{"", "select count(*)::int4 from bench_points", Access::read};
    auto counted = co_await (*connection)->execute(kCount);
    if (counted.has_error()) co_return counted.error();
    const auto count = counted->template value<std::int32_t>();
    (*connection)->close();
    co_return std::min(count, kPoints);
  });
  if (points.has_error()) return points.error();

  if (options.wants("point_reads.libpq")) {
    BenchRow row{.id = "point_reads.libpq",
                 .what = fmt::format("point reads, {} in flight on {} connections; theirs: raw "
                                     "libpq pipeline",
                                     kInFlight, kLanes),
                 .unit = "per s",
                 .budget = 0.9};
    RawPipeline raw(stage.application_url, *points);
    std::vector<BenchRound> rounds;
    for (int i = 0; i < options.rounds; ++i) {
      const auto theirs = raw.run(options.seconds);
      auto ours = through_pool(stage, options.seconds, *points);
      if (ours.has_error()) return ours.error();
      if (ours->wrong + theirs.wrong > 0) row.mismatch = "a read did not find its row";
      rounds.push_back({ours->per_second, theirs.per_second});
    }
    summarize(rounds, false, row);
    rows.push_back(row);
  }

  if (options.wants("point_reads.pgbench")) {
    const auto binaries = local::find_binaries();
    const auto program =
        binaries.has_value() ? (binaries->directory / "pgbench").string() : std::string();
    if (program.empty() || access(program.c_str(), X_OK) != 0) {
      progress.line("pgbench is not on this machine: no comparison with it");
      return {};
    }
    char script[] = "/tmp/lyceum-pgbench-XXXXXX";
    const int descriptor = mkstemp(script);
    if (descriptor < 0) return Error{.code = ErrorCode::kIo, .message = "no temporary file"};
    close(descriptor);
    std::ofstream(script) << "\\set id random(1, :points)\nselect id, email, time_zone, created_at "
                             "from bench_points where id = :id;\n";
    BenchRow row{.id = "point_reads.pgbench",
                 .what = fmt::format("point reads, {} in flight; theirs: pgbench -M prepared, 20 "
                                     "connections",
                                     kInFlight),
                 .unit = "per s",
                 .budget = 1.7};
    std::vector<BenchRound> rounds;
    std::optional<Error> failure;
    for (int i = 0; i < options.rounds && !failure; ++i) {
      auto theirs = pgbench(stage, program, script, options.seconds, *points);
      auto ours = through_pool(stage, options.seconds, *points);
      if (theirs.has_error()) failure = theirs.error();
      if (ours.has_error()) failure = ours.error();
      if (!failure) rounds.push_back({ours->per_second, *theirs});
    }
    unlink(script);
    if (failure) return *failure;
    summarize(rounds, false, row);
    rows.push_back(row);
  }
  return {};
}

}  // namespace lyceum::cli
