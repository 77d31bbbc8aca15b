#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "watch/sample.h"

namespace lyceum::watch {

// Whose word counts of what a replica has from its primary: its catalogue, ages of transaction ids,
// sequences. All servers of a cluster say the same there, and it is mended on the primary. So the
// primary speaks; while it is not read, one of its replicas speaks for it, so that nothing that
// fires ends because the primary is away. One thread at a time.
class Voices {
 public:
  // Notes who is a primary and who a replica, as they say of themselves (the collector "server").
  void note(const Sample& sample);

  // To be called with each sample once. The node for which it speaks: itself where it is a primary,
  // or has not said what it is; its primary, or itself where none is known, where it is a replica
  // that comes for the second time since the last word of whoever spoke before. Nothing: it only
  // repeats what another says.
  [[nodiscard]] std::optional<std::string> speaks_for(const Source& source);

 private:
  struct Turns {
    std::string voice;                // who spoke last
    std::map<std::string, int> came;  // since then, the others
  };
  std::map<std::string, bool> recovering_;                      // by node
  std::string primary_;                                         // who said last that it is one
  std::map<std::pair<std::string, std::string>, Turns> turns_;  // by collector and database
};

}  // namespace lyceum::watch
