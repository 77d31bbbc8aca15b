#pragma once

#include <optional>
#include <string>

#include "indexes/apply_journal.h"

namespace lyceum::indexes {

struct Watch {
  std::string index;
  std::int64_t record = 0;  // learns the index's number; 0 where nothing is to be learnt
  WaitLimits waits;
  bool shows_progress = false;
  std::size_t position = 0;  // of the index, as the progress shows it
  std::size_t count = 0;
  std::optional<Duration> limit;  // of the whole
  bool stoppable = true;
};

// Runs what takes long on the builder, one statement at a time, and watches it from the monitor.
class BuildWatcher {
 public:
  BuildWatcher(const ApplyContext& context, ApplyConnections& connections, ApplyJournal& journal)
      : context_(context), connections_(connections), journal_(journal) {}

  // One statement, watched: progress, whom it waits for, limits, the caller's wish to stop. Returns
  // only when the statement has ended.
  boost::asio::awaitable<Result<void>> run(std::string text, Watch watch);
  // Names the transactions that a build will wait for.
  boost::asio::awaitable<void> announce_old_transactions(std::string index);

 private:
  boost::asio::awaitable<std::optional<BuildSample>> take_sample();
  void report_progress(const Watch& watch, const BuildSample& sample, double fraction,
                       Duration elapsed) const;

  const ApplyContext& context_;
  ApplyConnections& connections_;
  ApplyJournal& journal_;
};

}  // namespace lyceum::indexes
