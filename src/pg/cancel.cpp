#include "pg/cancel.h"

#include <atomic>
#include <libpq-fe.h>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/clock.h"

namespace lyceum::pg {
namespace {

// So many that began lately; one that hangs on a silent server stops counting after a while, or a
// few of those would stop all cancels to healthy servers. And so many in all, as each is a thread.
constexpr std::size_t kMostAtOnce = 8;
constexpr std::size_t kMostThreads = 64;
constexpr auto kLately = std::chrono::seconds(5);

// Counts the threads of this process, hence of the process; decides nothing else.
struct Traffic {
  std::mutex mutex;
  std::multiset<SteadyTime> begun;

  std::optional<SteadyTime> enter() {
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    const auto recent = std::distance(begun.lower_bound(now - kLately), begun.end());
    if (static_cast<std::size_t>(recent) >= kMostAtOnce || begun.size() >= kMostThreads) return {};
    begun.insert(now);
    return now;
  }
  void leave(SteadyTime since) {
    const std::lock_guard lock(mutex);
    begun.erase(begun.find(since));
  }
};

// Never destroyed: a cancel may outlive main().
Traffic& traffic() {
  static auto* traffic = new Traffic;
  return *traffic;
}

}  // namespace

struct Canceller::Shared {
  explicit Shared(pg_conn* connection) : handle(PQgetCancel(connection)) {}
  Shared(const Shared&) = delete;
  ~Shared() { PQfreeCancel(handle); }
  PGcancel* handle;
  std::atomic<bool> under_way{false};
};

Canceller::Canceller(pg_conn* connection) : shared_(std::make_shared<Shared>(connection)) {}

bool Canceller::send() {
  if (shared_->handle == nullptr || shared_->under_way.exchange(true)) return false;
  const auto since = traffic().enter();
  if (!since) {
    shared_->under_way = false;
    return false;
  }
  std::thread([shared = shared_, since = *since] {
    char reason[256];
    PQcancel(shared->handle, reason, sizeof(reason));
    shared->under_way = false;
    traffic().leave(since);
  }).detach();
  return true;
}

bool Canceller::under_way() const {
  return shared_->under_way;
}

}  // namespace lyceum::pg
