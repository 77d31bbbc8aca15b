#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "indexes/apply_watch.h"

namespace lyceum::indexes {

// Clears away what is ours, by the journal, and nothing else: what interrupted builds have left,
// what a failed one leaves now, what was replaced.
class Clearing {
 public:
  Clearing(const ApplyContext& context, ApplyConnections& connections, ApplyJournal& journal,
           BuildWatcher& watcher)
      : context_(context), connections_(connections), journal_(journal), watcher_(watcher) {}

  // Drops an index only while it still is the one that the journal names. A limit is for clearing
  // up behind a failure: then it cannot be stopped. `index` is what events name.
  boost::asio::awaitable<Result<void>> drop(std::string schema, std::string name, Oid oid,
                                            std::optional<Duration> limit, std::string index);
  // What earlier applies left. What fails is found under errors().
  boost::asio::awaitable<void> clear_leftovers(const Plan& plan);
  // After a build that failed. The journal tells what became of it: nothing where the connection
  // broke (the server may still be at it), else that it failed, with the wreck's number where one
  // is left. Gives the error back.
  boost::asio::awaitable<Error> clear_failed(const PlannedIndex& planned,
                                             const std::string& build_name, std::int64_t id,
                                             Error error);

  // Of leftovers, by the declared index's name.
  [[nodiscard]] const std::map<std::string, Error, std::less<>>& errors() const { return errors_; }
  // What is gone, "schema.name".
  [[nodiscard]] const std::vector<std::string>& dropped() const { return dropped_; }

 private:
  const ApplyContext& context_;
  ApplyConnections& connections_;
  ApplyJournal& journal_;
  BuildWatcher& watcher_;
  std::map<std::string, Error, std::less<>> errors_;
  std::vector<std::string> dropped_;
};

}  // namespace lyceum::indexes
