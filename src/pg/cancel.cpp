#include "pg/cancel.h"

#include <libpq-fe.h>

#include <atomic>
#include <thread>

namespace lyceum::pg {
namespace {

constexpr int kMostAtOnce = 8;

// Counts the threads of this process, hence of the process; decides nothing else.
std::atomic<int> cancels_under_way{0};

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
  if (cancels_under_way.fetch_add(1) >= kMostAtOnce) {
    cancels_under_way.fetch_sub(1);
    shared_->under_way = false;
    return false;
  }
  std::thread([shared = shared_] {
    char reason[256];
    PQcancel(shared->handle, reason, sizeof(reason));
    shared->under_way = false;
    cancels_under_way.fetch_sub(1);
  }).detach();
  return true;
}

bool Canceller::under_way() const { return shared_->under_way; }

}  // namespace lyceum::pg
