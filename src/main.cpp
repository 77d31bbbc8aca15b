#include <csignal>
#include <iostream>
#include <unistd.h>

#include "cli/command.h"

int main(int argc, char** argv) {
  // A reader that goes away is an error of one write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  lyceum::cli::Context context{.out = std::cout,
                               .err = std::cerr,
                               .terminal = isatty(STDERR_FILENO) == 1,
                               .environment = lyceum::process_environment()};
  try {
    return lyceum::cli::run(lyceum::cli::commands(), {argv + 1, argv + argc}, context);
  } catch (const lyceum::Exception& exception) {
    return context.fail(exception.error());
  } catch (const std::exception& exception) {
    return context.fail({.code = lyceum::ErrorCode::kInternal, .message = exception.what()});
  }
}
