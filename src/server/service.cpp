#include "server/service.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <signal.h>

#include "learning/scope.h"
#include "pool/pool.h"
#include "server/exposition.h"
#include "server/metrics.h"
#include "server/notify.h"
#include "server/problem.h"
#include "server/web_files.h"

namespace lyceum::server {

namespace asio = boost::asio;
using asio::awaitable;

namespace {

constexpr auto kCheckLimit = std::chrono::seconds(5);  // of the database, at start
// The admin API's own requests are few and small.
constexpr HttpLimits kAdminLimits{.connections = 256};
constexpr std::size_t kAdminBody = 16 * 1024;  // of a silence; nothing else has one

Rate rate_of(const ServerSettings& settings) {
  return {.per_second = static_cast<double>(settings.tenant_rate),
          .burst = static_cast<double>(settings.tenant_burst)};
}

Result<Secret> read_key(const std::string& path) {
  if (path.empty()) return Secret();
  constexpr std::size_t kShortest = 16;
  std::ifstream file(path, std::ios::binary);
  std::string key{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  while (key.ends_with('\n') || key.ends_with('\r')) key.pop_back();
  if (!file || key.size() < kShortest) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = fmt::format("{} holds no key of {} bytes or more", path, kShortest),
                 .hint = "server.bookmark_key_file names it: openssl rand -hex 32 makes one"};
  }
  return Secret(std::move(key));
}

// A server that answers and will answer the same again.
bool is_refusal(const Error& error) {
  return error.sqlstate.starts_with("28") || error.sqlstate.starts_with("3D");
}

Response plain(int status, std::string text) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(text)};
}

}  // namespace

Service::Service(ServiceOptions options, Log& log)
    : options_(std::move(options)),
      log_(log),
      statistics_(
          {.max_tenants = static_cast<std::size_t>(options_.configuration.statistics.max_tenants)}),
      rates_(rate_of(options_.configuration.server)) {}

Service::~Service() {
  for (auto& worker : workers_) worker->join();
}

Result<void> Service::listen() {
  const auto& settings = options_.configuration.server;
  const int count =
      settings.workers.value_or(std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  auto address = settings.data_address;
  if (address.port != 0) {
    // The workers share the port, and would share it with another instance: nobody may have it yet.
    const auto alone = Listener::bind(io_.get_executor(), address, false);
    if (alone.has_error()) return alone.error();
  }
  for (int i = 0; i < count; ++i) {
    auto worker = Worker::make(*shared_, address, count);
    if (worker.has_error()) return worker.error();
    workers_.push_back(std::move(*worker));
    address.port = workers_.front()->endpoint().port();  // where any was asked for: the same
  }
  auto acceptor = Listener::bind(io_.get_executor(), settings.admin_address, false);
  if (acceptor.has_error()) return acceptor.error();
  admin_ = std::make_unique<Listener>(
      std::move(*acceptor), kAdminLimits,
      Responder{
          .serve = [this](const Request& request) { return serve_admin(request); },
          .most_body = [](Method method,
                          std::string_view) { return method == Method::post ? kAdminBody : 0; }},
      log_);
  return {};
}

Result<void> Service::start() {
  const auto& configuration = options_.configuration;
  auto key = read_key(configuration.server.bookmark_key_file);
  if (key.has_error()) return key.error();
  bookmarks_ = std::make_unique<Bookmarks>(std::move(*key));
  std::shared_ptr<KeySource> keys;
  if (!configuration.auth.keys_file.empty()) {
    auto opened = KeySource::open(
        configuration.auth.keys_file, clock_, {},
        [&log = log_](const Error& error) { log.error("keys not read again", error); });
    if (opened.has_error()) return opened.error();
    keys = std::move(*opened);
  }
  auto probes = cluster::prober_options(cluster_options(configuration, options_.nodes));
  probes.on_event = [this](const std::string& node, const std::string& event) {
    log_.info("cluster", {{"node", node}, {"what", event}});
  };
  prober_ = std::make_unique<cluster::Prober>(io_.get_executor(), std::move(probes));
  prober_->start();
  shared_ = std::make_unique<Shared>(Shared{.configuration = configuration,
                                            .nodes = options_.nodes,
                                            .log = log_,
                                            .clock = clock_,
                                            .keys = std::move(keys),
                                            .rates = rates_,
                                            .bookmarks = *bookmarks_,
                                            .statistics = statistics_,
                                            .prober = prober_.get()});
  std::optional<Result<void>> checked;
  asio::co_spawn(io_, check_database(), [&](std::exception_ptr thrown, Result<void> result) {
    if (thrown) std::rethrow_exception(thrown);
    checked = std::move(result);
  });
  while (!checked) io_.run_one();
  if (checked->has_error()) return checked->error();
  auto listening = listen();
  if (listening.has_error()) return listening;
  auto monitored = open_monitor();
  if (monitored.has_error()) return monitored;
  // From here on: whoever is told the addresses may send one.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) signals_.add(signal);
  return {};
}

// A service without its monitor serves: what is wrong with its file is said, and that is all. Rules
// that are wrong are mended before it starts.
Result<void> Service::open_monitor() {
  if (options_.history_file.empty()) return {};
  auto opened =
      watch::Monitor::open({.nodes = options_.watched.empty() ? options_.nodes : options_.watched,
                            .settings = options_.configuration.watch,
                            .file = options_.history_file,
                            .own = [this] { return own_samples(); }},
                           log_, clock_);
  if (opened.has_error()) {
    if (opened.error().code == ErrorCode::kConfiguration) return opened.error();
    log_.error("nothing is monitored", opened.error());
    return {};
  }
  monitor_ = std::move(*opened);
  admin_api_ = std::make_unique<AdminApi>(*monitor_, clock_);
  return {};
}

awaitable<Result<void>> Service::check_database() {
  const auto deadline = std::chrono::steady_clock::now() + kCheckLimit;
  (void)co_await prober_->first();
  std::optional<Error> silent;
  for (const auto& node : options_.nodes) {
    pool::Pool pool(io_.get_executor(), {.target = node,
                                         .application_name = "lyceum check",
                                         .limits = {.connection_limit = 1, .impatient = true}});
    auto answered = co_await pool.lease(Access::read, {.deadline = deadline});
    Result<void> checked;
    if (answered.has_error()) {
      checked = answered.error();
    } else {
      answered->release();
      checked = co_await learning::check_isolation(pool);
    }
    (void)co_await pool.shutdown(std::chrono::seconds(1));
    if (checked.has_value()) continue;
    const auto& error = checked.error();
    if (error.code == ErrorCode::kConfiguration || is_refusal(error)) co_return error;
    log_.warning("database does not answer", error);
  }
  co_return Result<void>{};
}

bool Service::ready() const {
  return !draining_ && prober_->topology()->writable();
}

bool Service::run() {
  for (auto& worker : workers_) worker->start();
  admin_->start();
  if (monitor_) monitor_->start();
  bool clean = false;
  asio::co_spawn(
      io_,
      [&]() -> awaitable<void> {
        co_await watch_signals();
        draining_ = true;
        log_.info("draining");
        notify_manager(options_.notify_socket, "STOPPING=1");
        clean = co_await drain(std::chrono::steady_clock::now() +
                               options_.configuration.server.drain_timeout);
        io_.stop();
      },
      asio::detached);
  log_.info("listening", {{"data", fmt::format("{}:{}", data_endpoint().address().to_string(),
                                               data_endpoint().port())},
                          {"admin", fmt::format("{}:{}", admin_endpoint().address().to_string(),
                                                admin_endpoint().port())},
                          {"workers", workers_.size()}});
  notify_manager(options_.notify_socket, "READY=1");
  io_.run();
  // It may be asking the workers.
  if (monitor_) monitor_->stop();
  for (auto& worker : workers_) worker->join();
  log_.info("stopped", {{"clean", clean}});
  return clean;
}

awaitable<void> Service::watch_signals() {
  for (;;) {
    const int signal = co_await signals_.async_wait(asio::use_awaitable);
    if (signal != SIGHUP) break;
    reload();
  }
  signals_.clear();  // the next one ends the process
}

void Service::reload() {
  const auto usec =
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch());
  notify_manager(options_.notify_socket,
                 fmt::format("RELOADING=1\nMONOTONIC_USEC={}", usec.count()));
  if (shared_->keys) {
    auto read = shared_->keys->reload();
    if (read.has_error()) log_.error("keys not reloaded", read.error());
  }
  const auto again = options_.reload();
  if (again.has_error()) {
    log_.error("configuration not reloaded", again.error());
  } else {
    rates_.set(rate_of(again->server));
    log_.info("reloaded", {{"tenant_rate", again->server.tenant_rate},
                           {"tenant_burst", again->server.tenant_burst}});
  }
  notify_manager(options_.notify_socket, "READY=1");
}

awaitable<bool> Service::drain(SteadyTime deadline) {
  // It asks the workers, which are about to end. What it is at takes no longer than a row's
  // reading.
  if (monitor_) monitor_->stop();
  // All at once: each takes as long as its slowest request.
  std::size_t left = workers_.size();
  bool clean = true;
  for (auto& worker : workers_) {
    asio::co_spawn(io_, worker->drain(deadline), [&](std::exception_ptr thrown, bool done) {
      clean = clean && !thrown && done;
      --left;
    });
  }
  asio::steady_timer timer(io_);
  const auto pause = [&]() -> awaitable<void> {
    boost::system::error_code ignored;
    timer.expires_after(std::chrono::milliseconds(5));
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  };
  while (left > 0) co_await pause();
  // The admin API answers to the end: whoever asks sees that this is not ready.
  (void)co_await admin_->drain(std::chrono::steady_clock::now() + std::chrono::seconds(1));
  prober_->stop();
  co_return clean;
}

awaitable<std::vector<WorkerFigures>> Service::figures() {
  std::vector<WorkerFigures> out;
  for (auto& worker : workers_) out.push_back(co_await worker->figures());
  co_return out;
}

awaitable<std::vector<watch::Sample>> Service::own_samples() {
  const auto workers = co_await figures();
  co_return own_samples_.read(workers, *prober_->topology(), statistics_);
}

awaitable<std::string> Service::metrics(bool openmetrics) {
  MetricsInput input{.statistics = statistics_,
                     .ready = ready(),
                     .topology = prober_->topology(),
                     .version = options_.version};
  input.workers = co_await figures();
  for (auto& worker : workers_) input.requests.push_back(&worker->requests());
  if (monitor_) {
    co_await monitor_->ask([&](watch::Monitor::Inside& inside) {
      input.samples = inside.present();
      input.alerts = inside.alerts.alerts();
      input.delivery = inside.delivery.figures();
      return true;
    });
  }
  co_return metrics_text(input, openmetrics);
}

awaitable<Response> Service::serve_admin(const Request& request) {
  const bool reads = request.method == Method::get || request.method == Method::head;
  const bool changes = admin_api_ && request.path.starts_with("/v1/admin/silences");
  if (!reads && !changes) co_return plain(405, "GET only\n");
  if (request.path == "/live") co_return plain(200, "live\n");
  if (request.path == "/ready") {
    if (draining_) co_return plain(503, "draining\n");
    co_return ready() ? plain(200, "ready\n") : plain(503, "no primary\n");
  }
  if (request.path == "/metrics" && !draining_) {
    try {
      const bool openmetrics = wants_openmetrics(request.accept);
      Response response{.content_type = openmetrics ? kOpenMetricsFormat : kTextFormat};
      response.body = co_await metrics(openmetrics);
      co_return response;
    } catch (const std::exception& exception) {
      co_return plain(500, std::string(exception.what()) + "\n");
    }
  }
  if (admin_api_ && !draining_ && request.path.starts_with("/v1/admin/")) {
    try {
      co_return co_await admin_api_->serve(request);
    } catch (const std::exception& exception) {
      co_return plain(500, std::string(exception.what()) + "\n");
    }
  }
  if (const auto* file = monitor_ ? find_web_file(request.path) : nullptr) {
    co_return web_response(*file, request.accept_encoding, request.if_none_match);
  }
  co_return plain(404, "/live, /ready, /metrics; with the monitor / and /v1/admin/...\n");
}

asio::ip::tcp::endpoint Service::data_endpoint() const {
  return workers_.front()->endpoint();
}

asio::ip::tcp::endpoint Service::admin_endpoint() const {
  return admin_->endpoint();
}

}  // namespace lyceum::server
