#pragma once

#include <filesystem>
#include <optional>
#include <sys/types.h>

#include "base/error.h"
#include "local/cluster.h"
#include "local/descriptor.h"

namespace lyceum::local {

// A directory, and whatever servers live in it, that end with this object or with this process,
// however that ends (SIGKILL included): a guardian process waits for the end of a pipe, then ends
// the servers and removes the directory.
class Ephemeral {
 public:
  // In $TMPDIR where that is set and serves (its path may be too long for a socket); else in
  // memory, /dev/shm, where 4 GiB are free: a database is made several times faster there; else in
  // /tmp.
  [[nodiscard]] static Result<Ephemeral> make();

  Ephemeral(Ephemeral&&) noexcept = default;
  Ephemeral& operator=(Ephemeral&&) = delete;
  // Returns when the servers have ended and the directory is gone. In a forked copy of the process
  // it does nothing.
  ~Ephemeral();

  // The state directory to give to Cluster::up().
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  // Cluster::up() in this directory, under the name "test" where the options have none. Without
  // options: a primary alone, not durable.
  [[nodiscard]] Result<Cluster> up() const;
  [[nodiscard]] Result<Cluster> up(UpOptions options) const;

 private:
  Ephemeral(std::filesystem::path directory, Descriptor lifeline, pid_t guardian);

  std::filesystem::path directory_;
  Descriptor lifeline_;
  pid_t guardian_;
  pid_t owner_;
};

}  // namespace lyceum::local
