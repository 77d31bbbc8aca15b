#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "watch/collector.h"
#include "watch/sample.h"

namespace lyceum::watch {

// Since when the counters of a sample may have been counting, as far as the server says.
struct CountedSince {
  double started_at = 0;              // the server's start, seconds since 1970
  std::optional<double> stats_reset;  // nothing: never, or not known any more
  bool operator==(const CountedSince&) const = default;
};

// Tells the epochs of samples: when one source's counters may have begun anew, so that no
// difference may be taken across. An epoch is the time since which the counters count, in
// microseconds since 1970, so that it is the same when we were started anew and the server was not.
// It rises when
//   - the server has started anew or its statistics were reset, by its own word;
//   - counters fell: after a crash the server has forgotten the figures and when it did. Single
//   rows
//     begin anew by themselves (a table dropped and made again, a statement evicted and back):
//     counters must have fallen in at least half of the rows that had counted anything. A row whose
//     counter fell within an epoch has begun anew, alone.
// One thread at a time.
class Epochs {
 public:
  // The epoch of this sample, which follows those that came before of the same source.
  [[nodiscard]] std::int64_t next(const Collector& collector, const Sample& sample,
                                  const CountedSince& since);

  // What was the last epoch of a source before we were started: it never falls.
  void remember(const Source& source, std::int64_t epoch) { sources_[source].epoch = epoch; }
  void forget(const Source& source) { sources_.erase(source); }

 private:
  struct Last {
    std::int64_t epoch = 0;
    std::optional<CountedSince> since;  // nothing: no sample yet
    // The counters of its rows that have counted anything, one row after the other, by a hash of
    // the row's keys; rows are in the order of these.
    std::vector<std::size_t> rows;
    std::vector<double> counters;
  };
  std::map<Source, Last> sources_;
};

}  // namespace lyceum::watch
