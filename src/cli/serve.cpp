#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/endpoint_url.h"
#include "cluster/nodes.h"
#include "server/service.h"
#include "watch/store.h"

namespace lyceum::cli {
namespace {

struct Arguments {
  std::string data_address;
  std::string admin_address;
};

Result<LoadedConfiguration> load(const Context& context, const Arguments& arguments) {
  auto sources = context.sources();
  if (sources.has_error()) return sources.error();
  if (!arguments.data_address.empty()) {
    sources->flags.push_back({"--data-address", "server.data_address", arguments.data_address});
  }
  if (!arguments.admin_address.empty()) {
    sources->flags.push_back({"--admin-address", "server.admin_address", arguments.admin_address});
  }
  return load_configuration(*sources);
}

// Empty where nothing is to be monitored, or there is no place for what it keeps.
std::filesystem::path history_file(const WatchSettings& settings,
                                   const std::map<std::string, std::string>& environment,
                                   Log& log) {
  if (!settings.enabled) return {};
  auto path = watch::history_path(settings, environment);
  if (path.has_value()) return *path;
  log.error("nothing is monitored", path.error());
  return {};
}

int run_serve(Context& context, const Arguments& arguments) {
  auto loaded = load(context, arguments);
  if (loaded.has_error()) return context.fail(loaded.error());
  auto nodes = cluster::nodes_of(loaded->values.database);
  if (nodes.has_error()) return context.fail(nodes.error());
  const SystemClock clock;
  Log log(loaded->values.log.level, loaded->values.log.format, clock);
  const auto manager = context.environment.find("NOTIFY_SOCKET");
  const auto history = history_file(loaded->values.watch, context.environment, log);
  server::Service service(
      {.configuration = loaded->values,
       .nodes = std::move(*nodes),
       .reload = [&]() -> Result<Configuration> {
         auto again = load(context, arguments);
         if (again.has_error()) return again.error();
         return again->values;
       },
       .version = LYCEUM_VERSION,
       .notify_socket = manager == context.environment.end() ? "" : manager->second,
       .history_file = history},
      log);
  auto started = service.start();
  if (started.has_error()) return context.fail(started.error());
  const auto data = url_of(service.data_endpoint());
  const auto admin = url_of(service.admin_endpoint());
  if (context.json) {
    context.out << boost::json::serialize(boost::json::object{{"data", data}, {"admin", admin}})
                << std::endl;
  } else {
    context.out << fmt::format("data API {}   admin {}", data, admin) << std::endl;
  }
  return service.run() ? kDone : kFailed;
}

}  // namespace

Command serve() {
  return {
      .path = "serve",
      .summary = "Serve the data API and the admin API over HTTP",
      .examples =
          "  lyceum serve --database-url postgresql://platform@localhost/lyceum\n"
          "  lyceum serve --data-address 127.0.0.1:0 --json    takes a free port and says which",
      .declare = [](std::vector<Option>& options) -> Run {
        auto arguments = std::make_shared<Arguments>();
        options.push_back(
            {"--data-address", "Where the data API listens, HOST:PORT", &arguments->data_address});
        options.push_back({"--admin-address", "Where the admin API listens, HOST:PORT",
                           &arguments->admin_address});
        return [arguments](Context& context) { return run_serve(context, *arguments); };
      }};
}

}  // namespace lyceum::cli
