#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/error.h"
#include "pg/target.h"

namespace lyceum::cli {

// What every command has: where to write, what the caller asked of all commands, and the
// configuration.
struct Context {
  std::ostream& out;      // the answer
  std::ostream& err;      // progress and errors
  bool terminal = false;  // err is a terminal: progress may move the cursor
  std::map<std::string, std::string> environment;

  bool json = false;         // --json: one document on `out`
  std::string config_file;   // --config
  std::string database_url;  // --database-url

  // Reads the configuration from all sources. Errors: kConfiguration, kIo.
  [[nodiscard]] Result<LoadedConfiguration> configuration() const;
  // What it is read from.
  [[nodiscard]] Result<ConfigurationSources> sources() const;
  // The primary of the configuration. Error (kConfiguration): none is set.
  [[nodiscard]] Result<pg::Target> target() const;

  // Writes the error as one line to `err` (and as a document to `out` with --json); gives the exit
  // status for it.
  int fail(const Error& error) const;
};

}  // namespace lyceum::cli
