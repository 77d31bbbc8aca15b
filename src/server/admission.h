#pragma once

#include <boost/functional/hash.hpp>
#include <boost/uuid/uuid_hash.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/uuid.h"

namespace lyceum::server {

struct AdmissionLimits {
  std::size_t in_flight = 1000;       // requests at work in one worker
  std::size_t tenant_in_flight = 32;  // of one tenant, at work
  std::size_t tenant_waiting = 1000;  // of one tenant, waiting for their turn
};

// Which requests a worker is at. A tenant that floods waits behind itself: it has a limited number
// of requests at work, whatever it sends, so that what stands before the database is mostly other
// tenants' room. No I/O; one thread.
class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(limits) {}

  enum class Verdict : std::uint8_t {
    enter,        // at work: leave() has to follow
    wait,         // waits: until leave() hands out its ticket, or withdraw()
    worker_full,  // refused: too many at work here
    tenant_full,  // refused: too many of this tenant's wait
  };

  // Who waits. It stays where it is until its turn comes or it is withdrawn.
  struct Ticket {
    void* owner = nullptr;
  };

  [[nodiscard]] Verdict arrive(const Uuid& tenant, Ticket& ticket);

  // One of the tenant's has ended. The ticket whose turn it is now, at work from here on; or null.
  [[nodiscard]] Ticket* leave(const Uuid& tenant);

  // It does not wait any more. False where it has been handed out already.
  bool withdraw(const Uuid& tenant, Ticket& ticket);

  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  void set(AdmissionLimits limits) { limits_ = limits; }

 private:
  struct Tenant {
    std::size_t in_flight = 0;
    std::deque<Ticket*> waiting;
  };

  AdmissionLimits limits_;
  std::unordered_map<Uuid, Tenant, boost::hash<Uuid>> tenants_;  // those with requests here
  std::size_t in_flight_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace lyceum::server
