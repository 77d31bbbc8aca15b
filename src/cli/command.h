#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cli/context.h"

namespace lyceum::cli {

// One option or positional argument of a command, bound to where its value goes.
struct Option {
  using Target =
      std::variant<bool*, int*, double*, std::uint64_t*, std::string*, std::vector<std::string>*>;
  std::string name;  // "--replicas", or "statement" for a positional argument
  std::string help;
  Target target;
  bool required = false;
  std::vector<std::string> choices = {};  // the only values there are; none: any

  [[nodiscard]] bool positional() const { return !name.starts_with("--"); }
  [[nodiscard]] bool is_flag() const { return std::holds_alternative<bool*>(target); }
};

// What a command does once its options are read; gives the exit status.
using Run = std::function<int(Context&)>;

// One command: how it is called, what it is for, what it takes, what it does. `declare` binds the
// options to storage that the Run it returns keeps.
struct Command {
  std::string path;      // "local up"
  std::string summary;   // one line
  std::string examples;  // lines to copy, with what they do
  std::function<Run(std::vector<Option>&)> declare;
};

// Exit statuses of every command.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;
inline constexpr int kNeedsAttention = 3;  // done, and something is to be looked at

// Every command, in the order of `lyceum --help`.
[[nodiscard]] std::vector<Command> commands();

// One function a file.
[[nodiscard]] Command local_up();
[[nodiscard]] Command local_down();
[[nodiscard]] Command local_status();
[[nodiscard]] Command local_psql();
[[nodiscard]] Command serve();
[[nodiscard]] Command migrate();
[[nodiscard]] Command load();
[[nodiscard]] Command index_plan();
[[nodiscard]] Command index_apply();
[[nodiscard]] Command keys_create();
[[nodiscard]] Command keys_list();
[[nodiscard]] Command keys_revoke();
[[nodiscard]] Command health();
[[nodiscard]] Command doctor();
[[nodiscard]] Command top();
[[nodiscard]] Command replicas();
[[nodiscard]] Command history();
[[nodiscard]] Command alerts_rules();
[[nodiscard]] Command alerts_test();
[[nodiscard]] Command alerts_replay();
[[nodiscard]] Command alerts_silence();
[[nodiscard]] Command alerts_silences();
[[nodiscard]] Command alerts_unsilence();
[[nodiscard]] Command config_check();
[[nodiscard]] Command config_show();
[[nodiscard]] Command bench();
[[nodiscard]] Command demo();
[[nodiscard]] Command completion();
[[nodiscard]] Command manual();

// Reads the arguments and runs the command they name.
[[nodiscard]] int run(const std::vector<Command>& commands,
                      const std::vector<std::string>& arguments, Context& context);

}  // namespace lyceum::cli
