#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "indexes/catalogue.h"
#include "indexes/plan.h"
#include "indexes/progress.h"
#include "indexes/wait_guard.h"
#include "pg/target.h"

namespace lyceum::indexes {

struct ApplyOptions {
  WaitLimits waits;
  // For clearing up behind a build that failed: its wreck is dropped within this time, or stays in
  // the journal for the next apply.
  Duration cleanup_limit = std::chrono::seconds(10);
  Duration poll_interval = std::chrono::milliseconds(200);
  // How often the short swap of two names is tried, each time with a lock timeout of a second.
  int swap_attempts = 30;
  // How long to try to come back after the connection broke.
  Duration reconnect_limit = std::chrono::seconds(15);
  // Transactions at least this old are named before a build begins: it will wait for them.
  Duration old_transaction = std::chrono::seconds(5);
  std::string maintenance_work_mem;  // as PostgreSQL writes it ("256MB"); empty: the server's
  // Asked at every poll; once it says true, the running build is cancelled and cleared up, and
  // nothing more is begun. Empty: never.
  std::function<bool()> stop_requested;
};

struct ApplyEvent {
  enum class Kind {
    note,      // something worth a line
    began,     // a build
    progress,  // at every poll of a build
    waiting,   // a build waits for somebody new; text says for whom
    built,     // a build is complete
    swapped,   // a new index has taken an old one's name
    dropped,   // an index of ours is gone: a wreck, or one that was replaced
    failed,
  };
  Kind kind = Kind::note;
  std::string index;
  std::string text;  // one line
  BuildProgress progress;
};
using ApplyEvents = std::function<void(const ApplyEvent&)>;

struct IndexReport {
  enum class Outcome {
    built,     // there was none
    replaced,  // it took the place of one defined otherwise
    failed,    // see error
    stopped,   // the caller asked to stop before it was complete
  };
  std::string name;
  Outcome outcome = Outcome::failed;
  Duration duration{};     // of the build, waits included
  std::int64_t bytes = 0;  // of the new index
  std::optional<Error> error;
};
[[nodiscard]] std::string_view name_of(IndexReport::Outcome outcome);

struct ApplyReport {
  std::vector<IndexReport> indexes;  // those that were not `same`, in the catalogue's order
  std::vector<std::string> dropped;  // indexes of ours that were cleared away, "schema.name"
  std::size_t same = 0;              // there from the start
  std::vector<ExistingIndex> extra;  // never dropped, only shown
  bool stopped = false;
  Duration total{};

  [[nodiscard]] std::size_t count(IndexReport::Outcome outcome) const;
  // All that the catalogue declares is there.
  [[nodiscard]] bool complete() const;
};

// Makes what the catalogue declares, one index at a time, concurrently: readers and writers of the
// tables go on meanwhile.
//
// Before a build starts it is written to lyceum.index_builds, so that what an interruption leaves
// (a killed backend, process or server) is known to be ours: the next apply drops that, and only
// that, and builds anew. A different index is replaced: the new one is built under another name,
// takes the name in one short transaction, and the old one is dropped. Extra indexes are never
// dropped. Where all is the same already, nothing is written at all.
//
// One index's failure does not keep the others from being built: see ApplyReport. The error instead
// of a report says why none could be: no connection, kConflict (another apply holds the database's
// advisory lock; the message says who), no permission for the journal.
//
// Takes two connections: one builds and holds the lock, one watches it. `events` is called on the
// executor's thread, and must not block. The catalogue must outlive the coroutine.
[[nodiscard]] boost::asio::awaitable<Result<ApplyReport>> apply(
    boost::asio::any_io_executor executor, pg::Target target, const Catalogue& catalogue,
    Date today, ApplyOptions options = {}, ApplyEvents events = {});

}  // namespace lyceum::indexes
