#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <fmt/format.h>
#include <grp.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/table.h"
#include "local/cluster.h"

namespace lyceum::cli {
namespace {

struct Arguments {
  std::string name = "default";
  int replicas = 0;
  int shards = 0;
  bool keep_data = false;
  bool fast = false;
  bool synchronous = false;
  std::string directory;
  std::vector<std::string> rest;
};

Option name_option(Arguments& arguments) {
  return {"--name", "Which cluster", &arguments.name};
}

Option directory_option(Arguments& arguments) {
  return {"--directory", "Where clusters live (default: local.directory, else the user's state)",
          &arguments.directory};
}

// The settings of local clusters, with what the call says in their place.
Result<LocalSettings> settings_of(const Context& context, const Arguments& arguments) {
  auto loaded = context.configuration();
  if (loaded.has_error()) return loaded.error();
  auto settings = loaded->values.local;
  if (!arguments.directory.empty()) settings.directory = arguments.directory;
  return settings;
}

boost::json::value url_of(const local::ServerStatus& server) {
  return boost::json::object{{"url", server.url},
                             {"running", server.running},
                             {"port", server.port},
                             {"pid", server.pid},
                             {"log", server.log.string()}};
}

void print(const Context& context, const local::ClusterStatus& status) {
  if (context.json) {
    boost::json::array replicas, shards;
    for (const auto& server : status.replicas) replicas.push_back(url_of(server));
    for (const auto& server : status.shards) shards.push_back(url_of(server));
    context.out << boost::json::serialize(
                       boost::json::object{{"name", status.name},
                                           {"directory", status.directory.string()},
                                           {"primary", url_of(status.primary)},
                                           {"replicas", std::move(replicas)},
                                           {"shards", std::move(shards)}})
                << std::endl;
    return;
  }
  Table table({"server", "state", "pid", "url"});
  const auto add = [&](const local::ServerStatus& server) {
    table.row({server.name, server.running ? (server.is_replica ? "replica" : "running") : "down",
               server.running ? std::to_string(server.pid) : "", server.url});
  };
  add(status.primary);
  for (const auto& server : status.replicas) add(server);
  for (const auto& server : status.shards) add(server);
  table.print(context.out);
}

int up(Context& context, const Arguments& arguments) {
  const auto settings = settings_of(context, arguments);
  if (settings.has_error()) return context.fail(settings.error());
  std::optional<std::filesystem::path> binaries;
  if (!settings->binaries.empty()) binaries = settings->binaries;
  const auto begun = std::chrono::steady_clock::now();
  auto cluster = local::Cluster::up({.name = arguments.name,
                                     .state_directory = settings->directory,
                                     .binaries = std::move(binaries),
                                     .replicas = arguments.replicas,
                                     .shards = arguments.shards,
                                     .durable = !arguments.fast,
                                     .synchronous = arguments.synchronous});
  if (cluster.has_error()) return context.fail(cluster.error());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  context.err << "up in " << seconds_text(took.count()) << std::endl;
  print(context, cluster->status());
  return kDone;
}

int down(Context& context, const Arguments& arguments) {
  const auto settings = settings_of(context, arguments);
  if (settings.has_error()) return context.fail(settings.error());
  auto done =
      local::Cluster::down(arguments.name, settings->directory, {.keep_data = arguments.keep_data});
  if (done.has_error()) return context.fail(done.error());
  if (context.json) context.out << R"({"down":true})" << std::endl;
  return kDone;
}

int status(Context& context, const Arguments& arguments) {
  const auto settings = settings_of(context, arguments);
  if (settings.has_error()) return context.fail(settings.error());
  auto cluster = local::Cluster::open(arguments.name, settings->directory);
  if (cluster.has_error()) return context.fail(cluster.error());
  const auto found = cluster->status();
  print(context, found);
  return found.all_running() ? kDone : kNeedsAttention;
}

// Becomes the program, in the caller's terminal. Comes back only with an error.
Error become(const local::Command& command) {
  const auto failed = [](std::string_view what) {
    return local::system_error(std::string(what), errno);
  };
  if (command.account && geteuid() == 0 && command.account->uid != 0) {
    // psql run as root would leave its history and read its settings as root.
    if (initgroups(command.account->name.c_str(), command.account->gid) != 0 ||
        setgid(command.account->gid) != 0 || setuid(command.account->uid) != 0) {
      return failed("cannot become " + command.account->name);
    }
  }
  std::vector<char*> argv, environment;
  for (const auto& text : command.argv) argv.push_back(const_cast<char*>(text.c_str()));
  for (const auto& text : command.environment) {
    environment.push_back(const_cast<char*>(text.c_str()));
  }
  argv.push_back(nullptr);
  environment.push_back(nullptr);
  execve(argv[0], argv.data(), environment.data());
  return failed("cannot run " + command.argv[0]);
}

int psql(Context& context, const Arguments& arguments) {
  const auto settings = settings_of(context, arguments);
  if (settings.has_error()) return context.fail(settings.error());
  auto cluster = local::Cluster::open(arguments.name, settings->directory);
  if (cluster.has_error()) return context.fail(cluster.error());
  return context.fail(become(cluster->primary().psql(local::kDatabase, arguments.rest)));
}

}  // namespace

Command local_up() {
  return {.path = "local up",
          .summary = "Start a private cluster, or find it running",
          .examples =
              "  lyceum local up --name dev\n"
              "  lyceum local up --name dev --replicas 2 --shards 2 --json",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back(name_option(*arguments));
            options.push_back(
                {"--replicas", "Streaming replicas of the primary", &arguments->replicas});
            options.push_back({"--synchronous", "Commits wait until a replica has stored them",
                               &arguments->synchronous});
            options.push_back({"--shards", "Further clusters beside it", &arguments->shards});
            options.push_back({"--fast", "Without fsync: for what may be lost with the machine",
                               &arguments->fast});
            options.push_back(directory_option(*arguments));
            return [arguments](Context& context) { return up(context, *arguments); };
          }};
}

Command local_down() {
  return {.path = "local down",
          .summary = "Stop a private cluster and remove it",
          .examples =
              "  lyceum local down --name dev\n"
              "  lyceum local down --name dev --keep-data",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back(name_option(*arguments));
            options.push_back(
                {"--keep-data", "Leave the files for the next up", &arguments->keep_data});
            options.push_back(directory_option(*arguments));
            return [arguments](Context& context) { return down(context, *arguments); };
          }};
}

Command local_status() {
  return {.path = "local status",
          .summary = "What runs, and under which URLs",
          .examples = "  lyceum local status --name dev --json",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back(name_option(*arguments));
            options.push_back(directory_option(*arguments));
            return [arguments](Context& context) { return status(context, *arguments); };
          }};
}

Command local_psql() {
  return {.path = "local psql",
          .summary = "psql on a private cluster's primary",
          .examples =
              "  lyceum local psql --name dev\n"
              "  lyceum local psql --name dev -- -c 'select version()'",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back(name_option(*arguments));
            options.push_back(directory_option(*arguments));
            options.push_back({"arguments", "For psql, after --", &arguments->rest});
            return [arguments](Context& context) { return psql(context, *arguments); };
          }};
}

}  // namespace lyceum::cli
