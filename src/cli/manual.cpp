// The man page, made from the commands' own declarations.

#include <fmt/format.h>

#include "cli/command.h"

namespace lyceum::cli {
namespace {

// roff reads a leading dot or quote as a request, a backslash as an escape, and - as a hyphen.
std::string roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    line_start = c == '\n';
  }
  return out;
}

int print_manual(Context& context) {
  auto& out = context.out;
  out << ".TH LYCEUM 1 \"\" \"lyceum " LYCEUM_VERSION
         "\"\n"
         ".SH NAME\nlyceum \\- the PostgreSQL tier of a learning platform\n"
         ".SH SYNOPSIS\n.B lyceum\n.I command\n.RI [ options ]\n"
         ".SH COMMANDS\n";
  for (const auto& command : commands()) {
    std::vector<Option> options;
    (void)command.declare(options);
    out << fmt::format(".SS {}\n{}.\n", roff(command.path), roff(command.summary));
    for (const auto& option : options) {
      out << fmt::format(".TP\n.B {}\n{}\n", roff(option.name), roff(option.help));
    }
    if (!command.examples.empty()) {
      out << ".P\nExamples:\n.nf\n" << roff(command.examples) << "\n.fi\n";
    }
  }
  out << ".SH COMMON OPTIONS\n"
         ".TP\n.B \\-\\-json\nOne JSON document on standard output\n"
         ".TP\n.B \\-\\-config\nConfiguration file (TOML)\n"
         ".TP\n.B \\-\\-database\\-url\nThe database, as a connection URI\n"
         ".SH ENVIRONMENT\n"
         "Every setting has a variable: see docs/configuration.md. LYCEUM_CONFIG names the "
         "configuration file, LYCEUM_DEMO_SCALE the size of the demo.\n"
         ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage, 3 done and something needs "
         "attention.\n";
  return kDone;
}

}  // namespace

Command manual() {
  return {.path = "manual",
          .summary = "The man page, for man -l",
          .examples = "  lyceum manual | man -l -",
          .declare = [](std::vector<Option>&) -> Run { return print_manual; }};
}

}  // namespace lyceum::cli
