#include "server/admission.h"

#include <algorithm>

namespace lyceum::server {

Admission::Verdict Admission::arrive(const Uuid& tenant, Ticket& ticket) {
  if (in_flight_ + waiting_ >= limits_.in_flight) return Verdict::worker_full;
  auto& own = tenants_[tenant];
  if (own.in_flight < limits_.tenant_in_flight) {
    ++own.in_flight;
    ++in_flight_;
    return Verdict::enter;
  }
  if (own.waiting.size() >= limits_.tenant_waiting) return Verdict::tenant_full;
  own.waiting.push_back(&ticket);
  ++waiting_;
  return Verdict::wait;
}

Admission::Ticket* Admission::leave(const Uuid& tenant) {
  const auto at = tenants_.find(tenant);
  auto& own = at->second;
  if (!own.waiting.empty() && own.in_flight <= limits_.tenant_in_flight) {
    auto* next = own.waiting.front();
    own.waiting.pop_front();
    --waiting_;
    return next;  // takes the place of the one that left
  }
  --in_flight_;
  if (--own.in_flight == 0 && own.waiting.empty()) tenants_.erase(at);
  return nullptr;
}

bool Admission::withdraw(const Uuid& tenant, Ticket& ticket) {
  const auto at = tenants_.find(tenant);
  if (at == tenants_.end()) return false;
  auto& waiting = at->second.waiting;
  const auto place = std::ranges::find(waiting, &ticket);
  if (place == waiting.end()) return false;
  waiting.erase(place);
  --waiting_;
  return true;
}

}  // namespace lyceum::server
