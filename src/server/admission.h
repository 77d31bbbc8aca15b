#pragma once

#include <boost/functional/hash.hpp>
#include <boost/uuid/uuid_hash.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "base/uuid.h"

namespace lyceum::server {

struct AdmissionLimits {
  std::size_t in_flight = 1000;       // requests at work or waiting in one worker
  std::size_t tenant_in_flight = 32;  // of one tenant, at work
  std::size_t tenant_waiting = 1000;  // of one tenant, waiting for their turn
  // Requests at work that keep the database busy: what the tenants that are active share out. A
  // tenant that is alone may have tenant_in_flight.
  std::size_t room = static_cast<std::size_t>(-1);
};

// Which requests a worker is at. A tenant that floods waits behind itself: while others ask too it
// has no more than its share at work, so that theirs meet an idle connection. Who asked within this
// second or the last one is active. No I/O; one thread.
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

  [[nodiscard]] Verdict arrive(const Uuid& tenant, Ticket& ticket, SteadyTime now = {});

  // One of the tenant's has ended. The ticket whose turn it is now, at work from here on; or null.
  [[nodiscard]] Ticket* leave(const Uuid& tenant);

  // One more of the tenant's whose turn it is, because its share has grown; or null. To be asked
  // for until there is none, after arrive() said wait and after leave().
  [[nodiscard]] Ticket* next(const Uuid& tenant);

  // It does not wait any more. False where it has been handed out already.
  bool withdraw(const Uuid& tenant, Ticket& ticket);

  // How many of one tenant may be at work now.
  [[nodiscard]] std::size_t share() const;

  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  void set(AdmissionLimits limits) { limits_ = limits; }

 private:
  struct Tenant {
    std::size_t in_flight = 0;
    std::deque<Ticket*> waiting;
  };

  void note(const Uuid& tenant, SteadyTime now);

  AdmissionLimits limits_;
  SteadyTime second_{};                                          // when the current one began
  std::unordered_set<Uuid, boost::hash<Uuid>> this_second_;      // who asked in it
  std::size_t last_second_ = 0;                                  // how many in the one before
  std::unordered_map<Uuid, Tenant, boost::hash<Uuid>> tenants_;  // those with requests here
  std::size_t in_flight_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace lyceum::server
