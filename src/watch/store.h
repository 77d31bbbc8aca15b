#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "watch/sqlite.h"

namespace lyceum::watch {

// Where the monitor's file is: watch.history_file, else history.db in /var/lib/lyceum-watch for
// root, in $STATE_DIRECTORY for what systemd started, in $XDG_STATE_HOME/lyceum or
// ~/.local/state/lyceum for others. Error (kConfiguration): none of them is known.
[[nodiscard]] Result<std::filesystem::path> history_path(
    const WatchSettings& settings, const std::map<std::string, std::string>& environment);

struct StoreOptions {
  // Most that the file takes, with SQLite's log beside it.
  std::uint64_t max_bytes = 500ULL << 20U;
  // Opened to be read: nothing is made, moved or written.
  bool read_only = false;
};

// The monitor's one file, open: an SQLite database with the tables of the history and of whoever
// else has to remember something (store.cpp has them all, by version). One thread at a time uses a
// store; other processes may read the file meanwhile, and write it.
//
// A file that turns out to be damaged is moved aside to FILE.corrupt-TIME, and a new one begun: for
// a monitor, going on matters more than its past. One such file is kept, the newest. A file that
// was removed or replaced under a running service is begun anew too.
class Store {
 public:
  // Errors: kConfiguration for a file that is somebody else's (another program's database, or no
  // database and not named .db) or was written by a newer Lyceum; kNotFound where one to be read is
  // not there; else kIo.
  [[nodiscard]] static Result<Store> open(std::filesystem::path path, const Clock& clock,
                                          StoreOptions options = {});

  // To be asked for anew for each piece of work: see ready(). No Statement outlives that work.
  [[nodiscard]] sqlite::Database& database() { return *database_; }

  // Called before a piece of work that writes. What the last one found damaged is moved aside here.
  [[nodiscard]] Result<void> ready();
  // Another number: the file is another one, and what one knew of it does not hold.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

  // To be called with the errors of a piece of work: remembers whether the file is damaged.
  void failed();

  // Bytes of the file that are in use, and how many the file may have in use.
  [[nodiscard]] Result<std::uint64_t> used_bytes();
  [[nodiscard]] std::uint64_t most_used_bytes() const;
  // Gives pages that are free back to the disk, some at a time, where the file is larger than it is
  // to be.
  [[nodiscard]] Result<void> shrink();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool read_only() const { return options_.read_only; }
  // Where the last damaged file went, if there was one since this was opened.
  [[nodiscard]] const std::optional<std::filesystem::path>& moved_aside() const { return aside_; }

 private:
  Store(std::filesystem::path path, const Clock& clock, StoreOptions options)
      : path_(std::move(path)), clock_(&clock), options_(options) {}
  Result<void> connect();
  Result<void> prepare();
  Result<void> move_aside();

  std::filesystem::path path_;
  const Clock* clock_;
  StoreOptions options_;
  std::unique_ptr<sqlite::Database> database_;
  std::optional<std::filesystem::path> aside_;
  std::uint64_t generation_ = 0;
  bool damaged_ = false;
};

}  // namespace lyceum::watch
