#include "server/worker.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pthread.h>
#include <signal.h>

#include "base/slow_log.h"
#include "learning/scope.h"
#include "pg/describe.h"

namespace lyceum::server {

namespace asio = boost::asio;
using asio::awaitable;

namespace {

cluster::Cluster make_cluster(boost::asio::any_io_executor executor, const Shared& shared,
                              pool::Options pool) {
  auto options = cluster_options(shared.configuration, shared.nodes);
  options.pool = std::move(pool);
  if (shared.prober == nullptr) return {executor, std::move(options)};
  return {executor, std::move(options), *shared.prober};
}

pool::Options pool_options(const Shared& shared, int shares, StatementRecorder& recorder) {
  const auto& statistics = shared.configuration.statistics;
  const SlowLogOptions slow{.threshold = statistics.slow_threshold,
                            .log_parameters = statistics.log_parameters};
  return {.application_name = "lyceum serve",
          .limits = limits_of(shared.configuration, shares),
          .on_finished =
              [&recorder, slow, &log = shared.log](const FinishedStatement& call,
                                                   const pg::Params& params) {
                recorder.record(call);
                const auto late = judge_slow(call, slow, [&](bool with_values) {
                  return pg::describe(params, with_values);
                });
                if (late) write_slow_statement(log, *late);
              },
          .recent_server_time =
              [&recorder](const Statement& statement) {
                return recorder.recent_server_time(statement);
              },
          .on_event =
              [&log = shared.log](const std::string& event, const std::string& detail) {
                log.info("pool", {{"what", event}, {"detail", detail}});
              }};
}

HttpLimits http_limits(const ServerSettings& settings) {
  return {.connections = static_cast<std::size_t>(settings.max_connections),
          .header_bytes = static_cast<std::size_t>(settings.max_header_bytes),
          .target_bytes = static_cast<std::size_t>(settings.max_target_bytes),
          .idle = settings.idle_timeout,
          .header = settings.header_timeout,
          .body = settings.body_timeout,
          .write = settings.write_timeout};
}

AdmissionLimits admission_limits(const Configuration& configuration, int shares) {
  const auto& settings = configuration.server;
  return {.in_flight = static_cast<std::size_t>(settings.max_in_flight),
          .tenant_in_flight = static_cast<std::size_t>(settings.tenant_in_flight),
          .tenant_waiting = static_cast<std::size_t>(settings.tenant_waiting),
          .room = limits_of(configuration, shares).lanes};
}

Authenticator::Options authenticator_options(const AuthSettings& settings) {
  return {.tokens = {.issuer = settings.issuer,
                     .audience = settings.audience,
                     .leeway = std::chrono::ceil<std::chrono::seconds>(settings.leeway)},
          .key_lifetime = settings.key_cache};
}

// At least one for each.
std::size_t part_of(int whole, int shares) {
  return static_cast<std::size_t>(std::max(1, whole / shares));
}

}  // namespace

pool::Limits limits_of(const Configuration& configuration, int shares) {
  const auto& database = configuration.database;
  const auto& pool = configuration.pool;
  return {.connection_limit = part_of(database.connection_limit, shares),
          .lanes = part_of(pool.lanes, shares),
          .lane_depth = static_cast<std::size_t>(pool.lane_depth),
          .min_idle = static_cast<std::size_t>(pool.min_idle),
          .queue_limit = part_of(pool.queue_limit, shares),
          .concurrent_connects = part_of(pool.concurrent_connects, shares),
          .pool_timeout = database.pool_timeout,
          .connect_timeout = database.connect_timeout,
          .statement_timeout = pool.statement_timeout.value_or(database.socket_timeout),
          .idle_timeout = pool.idle_timeout,
          .max_lifetime = pool.max_lifetime,
          .max_lifetime_jitter = pool.max_lifetime_jitter,
          .backoff_initial = pool.backoff_initial,
          .backoff_max = pool.backoff_max,
          .slow_statement_lease = pool.slow_statement_lease};
}

cluster::ClusterOptions cluster_options(const Configuration& configuration,
                                        const std::vector<pg::Target>& nodes) {
  constexpr std::uint64_t kMiB = 1 << 20;
  const auto& settings = configuration.cluster;
  cluster::ClusterOptions out{
      .router = {.balance = settings.balance, .read_primary = settings.read_primary},
      .bookmark_wait = settings.bookmark_wait,
      .primary_wait = settings.primary_wait,
      .primary_read_share = settings.primary_read_share,
      .retry_budget = settings.retry_budget,
      .probe_interval = settings.probe_interval,
      .probe_timeout = settings.probe_timeout,
      .tracker = {.max_lag = settings.max_lag,
                  .max_lag_bytes = static_cast<std::uint64_t>(settings.max_lag_mib) * kMiB}};
  for (const auto& node : nodes) out.nodes.push_back(learning::tuned(node));
  return out;
}

Worker::Worker(const Shared& shared, int shares)
    : work_(asio::make_work_guard(io_)),
      recorder_(shared.statistics.add_recorder()),
      cluster_(make_cluster(io_.get_executor(), shared, pool_options(shared, shares, recorder_))),
      authenticator_(shared.keys, authenticator_options(shared.configuration.auth), shared.clock),
      api_({.database = cluster_,
            .authenticate =
                [this](std::string_view authorization, SteadyTime deadline) {
                  return authenticator_.authenticate(authorization, cluster_, deadline);
                },
            .rates = shared.rates,
            .bookmarks = shared.bookmarks,
            .log = shared.log,
            .admission = admission_limits(shared.configuration, shares),
            .request_timeout = shared.configuration.server.request_timeout,
            .access_log = shared.configuration.server.access_log}) {}

Worker::~Worker() {
  join();
}

Result<std::unique_ptr<Worker>> Worker::make(const Shared& shared, const ListenAddress& address,
                                             int shares) {
  std::unique_ptr<Worker> worker(new Worker(shared, shares));
  auto acceptor = Listener::bind(worker->io_.get_executor(), address, true);
  if (acceptor.has_error()) return acceptor.error();
  worker->listener_ = std::make_unique<Listener>(
      std::move(*acceptor), http_limits(shared.configuration.server),
      Responder{
          .serve = [api = &worker->api_](const Request& request) { return api->serve(request); },
          .most_body = &Api::most_body},
      shared.log);
  return worker;
}

void Worker::start() {
  listener_->start();
  thread_ = std::thread([this] {
    // Signals are the main thread's.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    io_.run();
  });
}

awaitable<bool> Worker::drain(SteadyTime deadline) {
  co_return co_await asio::co_spawn(
      io_,
      [this, deadline]() -> awaitable<bool> {
        const bool answered = co_await listener_->drain(deadline);
        const auto left = deadline - std::chrono::steady_clock::now();
        const bool done = co_await cluster_.shutdown(std::max(left, Duration(0)));
        co_return answered&& done;
      },
      asio::use_awaitable);
}

awaitable<WorkerFigures> Worker::figures() {
  co_return co_await asio::co_spawn(
      io_,
      [this]() -> awaitable<WorkerFigures> {
        co_return WorkerFigures{.cluster = cluster_.figures(),
                                .connections = listener_->figures(),
                                .in_flight = api_.admission().in_flight(),
                                .waiting = api_.admission().waiting()};
      },
      asio::use_awaitable);
}

void Worker::join() {
  work_.reset();
  if (!thread_.joinable()) return;
  io_.stop();
  thread_.join();
}

}  // namespace lyceum::server
