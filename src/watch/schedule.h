#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace lyceum::watch {

// One collector on one database; the database is empty for what looks at the whole server.
struct Task {
  std::string collector;
  std::string database;
  auto operator<=>(const Task&) const = default;
};

// When each collector runs on one node: no two at a time. The first run is due at once, the others
// at fixed distances that start at another moment for every phase, so that neither nodes nor
// databases are asked all at once. What was missed is not caught up: a run that comes late is the
// one run, and the next is half an interval away at least. After failures in a row the distance
// doubles, up to eightfold and not beyond `longest` (or the interval, where that is more). Pure:
// who uses it brings the steady clock, which no change of the wall clock moves.
class Schedule {
 public:
  explicit Schedule(std::string node, Duration longest = std::chrono::minutes(15))
      : node_(std::move(node)), longest_(longest) {}

  // `phase` names those that may run one after another. A task that is there already stays as it
  // is.
  void add(const Task& task, Duration interval, std::string_view phase, SteadyTime now);
  void remove(const Task& task);
  [[nodiscard]] bool contains(const Task& task) const { return entries_.contains(task); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  // What is to run now: the one that is latest in proportion to its interval. Nothing where none is
  // due or one is running.
  [[nodiscard]] std::optional<Task> begin(SteadyTime now);
  // The one that was begun has ended.
  void end(SteadyTime now, bool succeeded);
  // When begin() will have something next; the end of time where there is nothing or one is
  // running.
  [[nodiscard]] SteadyTime next() const;
  // When that task is due; nothing where there is none.
  [[nodiscard]] std::optional<SteadyTime> due(const Task& task) const;

 private:
  struct Entry {
    Duration interval;
    Duration offset;  // of its moments from the beginning of time, below the interval
    SteadyTime due;
    int failures = 0;
  };
  [[nodiscard]] static SteadyTime moment_after(const Entry& entry, SteadyTime time);

  std::string node_;
  Duration longest_;
  std::map<Task, Entry> entries_;
  std::optional<Task> running_;
};

}  // namespace lyceum::watch
