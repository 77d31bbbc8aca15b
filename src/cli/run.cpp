// Arguments to commands, by CLI11, which no other file includes.

#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace lyceum::cli {
namespace {

void add(CLI::App& app, Option& option) {
  CLI::Option* added = std::visit(
      [&](auto* target) -> CLI::Option* {
        using Value = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return app.add_flag(option.name, *target, option.help);
        } else {
          return app.add_option(option.name, *target, option.help)->capture_default_str();
        }
      },
      option.target);
  if (std::holds_alternative<std::vector<std::string>*>(option.target) && !option.positional()) {
    added->delimiter(',');
  }
  if (option.required) added->required();
  if (!option.choices.empty()) added->check(CLI::IsMember(option.choices));
}

// The app for a path of words, made where it is missing.
CLI::App& app_at(CLI::App& root, const std::string& path) {
  CLI::App* app = &root;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find(' ', at), path.size());
    const auto word = path.substr(at, end - at);
    const auto children =
        app->get_subcommands([&](CLI::App* child) { return child->get_name() == word; });
    app = children.empty() ? app->add_subcommand(word) : children.front();
    at = end + 1;
  }
  return *app;
}

std::string group_summary(std::string_view word) {
  if (word == "local") return "Private PostgreSQL clusters on this machine";
  if (word == "index") return "The index catalogue";
  if (word == "keys") return "The API keys of a tenant";
  if (word == "alerts") return "The rules that the monitor alerts by";
  if (word == "config") return "The configuration";
  return {};
}

// The first words of a call, where they lead to no command: CLI11 would only ask for one.
std::optional<std::string> unknown_command(const std::vector<Command>& commands,
                                           const std::vector<std::string>& arguments) {
  std::string path;
  for (const auto& word : arguments) {
    if (word.starts_with('-')) break;
    path += (path.empty() ? "" : " ") + word;
    bool leads_on = false;
    for (const auto& command : commands) {
      if (command.path == path) return std::nullopt;
      leads_on = leads_on || command.path.starts_with(path + ' ');
    }
    if (!leads_on) return path;
  }
  return std::nullopt;
}

}  // namespace

int run(const std::vector<Command>& commands, const std::vector<std::string>& arguments,
        Context& context) {
  CLI::App root("Lyceum: the PostgreSQL tier of a learning platform", "lyceum");
  root.set_version_flag("--version", LYCEUM_VERSION);
  root.require_subcommand(1);
  root.footer(
      "Environment: DATABASE_URL names the database, LYCEUM_CONFIG the configuration file; "
      "every setting has a variable (docs/configuration.md).\n"
      "Exit status: 0 done, 1 failed, 2 wrong usage, 3 done and something needs attention.");

  std::vector<std::vector<Option>> options(commands.size());
  std::vector<Run> runs(commands.size());
  std::vector<CLI::App*> apps(commands.size());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const auto& command = commands[i];
    auto& app = app_at(root, command.path);
    apps[i] = &app;
    app.description(command.summary);
    if (auto* parent = app.get_parent(); parent != &root) {
      parent->description(group_summary(parent->get_name()));
      parent->require_subcommand(1);
    }
    runs[i] = command.declare(options[i]);
    for (auto& option : options[i]) add(app, option);
    app.add_flag("--json", context.json, "One JSON document on standard output");
    app.add_option("--config", context.config_file, "Configuration file (TOML)");
    app.add_option("--database-url", context.database_url, "The database, as a connection URI");
    if (!command.examples.empty()) app.footer("Examples:\n" + command.examples);
  }

  if (const auto unknown = unknown_command(commands, arguments)) {
    context.err << "lyceum: there is no command '" << *unknown << "'; lyceum --help lists them"
                << std::endl;
    return kWrongUsage;
  }
  // CLI11 wants them reversed.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    root.parse(reversed);
  } catch (const CLI::ParseError& error) {
    // Help and version are answers; anything else is wrong usage.
    const int status = root.exit(error, context.out, context.err);
    return status == 0 ? kDone : kWrongUsage;
  }
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (apps[i]->parsed()) return runs[i](context);
  }
  return kWrongUsage;
}

}  // namespace lyceum::cli
