#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/clock.h"
#include "base/error.h"
#include "server/key_set.h"

namespace lyceum::server {

// The keys of a file, and new ones as the file changes, without a restart. Every member may be
// called by any thread. Asking for the version, which every request does, takes no lock; the file
// is read while the others wait, which for a file of keys is well below a millisecond.
class KeySource {
 public:
  // Told why a reading failed that nobody asked for: see refetch(). By any thread.
  using OnFailure = std::function<void(const Error&)>;

  // The clock outlives it. pem_key_id: as for KeySet::parse().
  // Errors: kIo where the file cannot be read or has more than 1 MiB, kConfiguration as for
  // KeySet::parse(); both name the file.
  [[nodiscard]] static Result<std::shared_ptr<KeySource>> open(std::string path, const Clock& clock,
                                                               std::string pem_key_id = {},
                                                               OnFailure on_failure = {});

  struct Snapshot {
    std::shared_ptr<const KeySet> keys;
    std::uint64_t version = 0;
  };
  [[nodiscard]] Snapshot current() const;
  // Rises when the keys change: a snapshot of this version is the current one.
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Reads the file again, as upon SIGHUP. A file with an error leaves the keys as they are.
  // Errors: as for open().
  Result<void> reload();

  // For a token that names a key which is not there: its issuer may have begun with a new one.
  // Reads the file again, but once for each id, as long as it is remembered (the last 1,000, until
  // the keys change), and once a second for all, so that made-up ids cost nothing. True where there
  // is such a key now. A file with an error leaves the keys as they are, and on_failure is told
  // where the reading before, by whomever, did not fail for the same reason.
  [[nodiscard]] bool refetch(const std::string& key_id);

 private:
  KeySource(std::string path, const Clock& clock, std::string pem_key_id, OnFailure on_failure)
      : path_(std::move(path)),
        clock_(clock),
        pem_key_id_(std::move(pem_key_id)),
        on_failure_(std::move(on_failure)) {}
  Result<void> read();  // with the lock

  const std::string path_;
  const Clock& clock_;
  const std::string pem_key_id_;
  const OnFailure on_failure_;

  std::atomic<std::uint64_t> version_ = 0;
  mutable std::mutex mutex_;
  std::shared_ptr<const KeySet> keys_;
  std::string text_hash_;
  std::string last_failure_;  // why the last reading failed; empty where it did not
  std::optional<SteadyTime> last_refetch_;
  std::deque<std::string> asked_order_;
  std::unordered_set<std::string> asked_;
};

}  // namespace lyceum::server
