#pragma once

#include <optional>
#include <string>

#include "indexes/apply_connections.h"
#include "indexes/journal.h"

namespace lyceum::indexes {

// An index as it stands on the server.
struct BuiltIndex {
  std::int64_t oid, table_oid;
  bool valid;
  std::string definition;
  std::int64_t bytes;
};

// Writes the journal of builds, lyceum.index_builds (what it is for: journal.h), over the monitor,
// and looks up what its records are about.
class ApplyJournal {
 public:
  explicit ApplyJournal(ApplyConnections& connections) : connections_(connections) {}

  // Makes the table where it is missing. The error says what the owner has to grant to `role`.
  boost::asio::awaitable<Result<void>> ensure(std::string role);
  // The record of a build that is about to begin.
  boost::asio::awaitable<Result<std::int64_t>> begin(const PlannedIndex& planned,
                                                     const std::string& build_name);
  boost::asio::awaitable<Result<void>> update(std::int64_t id, BuildState state,
                                              std::int64_t oid = 0, std::string definition = {},
                                              std::string error = {});
  boost::asio::awaitable<std::optional<BuiltIndex>> find(std::string schema, std::string name);

 private:
  ApplyConnections& connections_;
};

}  // namespace lyceum::indexes
