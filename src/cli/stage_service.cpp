#include "cli/stage_service.h"

#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>

#include "base/await.h"
#include "cli/endpoint_url.h"
#include "learning/api_keys.h"
#include "pool/pool.h"
#include "server/service.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;

// What the monitor keeps of a stage goes with it.
struct HistoryFolder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("lyceum-demo-monitor-{}", ::getpid());
  HistoryFolder() { std::filesystem::create_directories(path); }
  HistoryFolder(const HistoryFolder&) = delete;
  HistoryFolder& operator=(const HistoryFolder&) = delete;
  ~HistoryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

Result<Secret> make_key(const pg::Target& target, const Stage& stage) {
  const auto made = await([&](auto executor) -> awaitable<Result<learning::CreatedApiKey>> {
    pool::Pool pool(
        executor,
        {.target = target, .application_name = "lyceum demo", .limits = {.connection_limit = 1}});
    auto created =
        co_await learning::create_api_key({.database = pool, .tenant = stage.school.tenant(0).id},
                                          {.name = "demo", .roles = {"service"}});
    (void)co_await pool.shutdown(std::chrono::seconds(1));
    co_return created;
  });
  if (made.has_error()) return made.error();
  return made->key;
}

}  // namespace

Result<void> serve_stage(Context& context, const Stage& stage,
                         const std::function<void()>& on_listening) {
  const auto loaded = context.configuration();
  if (loaded.has_error()) return loaded.error();
  const auto target = pg::parse_target(stage.application_url);
  if (target.has_error()) return target.error();
  // The monitor sees all of it, which the application may not.
  const auto watched = pg::parse_target(stage.admin_url);
  if (watched.has_error()) return watched.error();
  const auto key = make_key(*target, stage);
  if (key.has_error()) return key.error();

  const HistoryFolder history;
  const SystemClock clock;
  Log log(loaded->values.log.level, loaded->values.log.format, clock);
  server::ServiceOptions options{.configuration = loaded->values,
                                 .nodes = {*target},
                                 .reload = [&]() -> Result<Configuration> {
                                   auto again = context.configuration();
                                   if (again.has_error()) return again.error();
                                   return again->values;
                                 },
                                 .version = LYCEUM_VERSION,
                                 .notify_socket = "",
                                 .history_file = history.path / "history.db",
                                 .watched = {*watched}};
  auto service = std::make_unique<server::Service>(options, log);
  auto started = service->start();
  if (started.has_error() && started.error().code == ErrorCode::kIo) {
    options.configuration.server.data_address.port = 0;
    options.configuration.server.admin_address.port = 0;
    service = std::make_unique<server::Service>(options, log);
    started = service->start();
  }
  if (started.has_error()) return started.error();
  const auto data = url_of(service->data_endpoint());
  const auto admin = url_of(service->admin_endpoint());
  context.out << fmt::format(
                     "  its HTTP API:        {}\n"
                     "  its page:            {}/\n"
                     "  its admin API:       {}/ready, {}/metrics\n"
                     "Ask it, as a service of the first school:\n"
                     "  curl -H 'Authorization: Bearer {}' '{}/v1/stories?q=river&limit=3'",
                     data, admin, admin, admin, key->reveal(), data)
              << std::endl;
  on_listening();
  if (service->run()) return {};
  return Error{.code = ErrorCode::kTimeout, .message = "requests were cut off at the end"};
}

}  // namespace lyceum::cli
