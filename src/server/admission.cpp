#include "server/admission.h"

#include <algorithm>

namespace lyceum::server {

void Admission::note(const Uuid& tenant, SteadyTime now) {
  constexpr auto kSecond = std::chrono::seconds(1);
  if (now >= second_ + kSecond) {
    last_second_ = now < second_ + 2 * kSecond ? this_second_.size() : 0;
    this_second_.clear();
    second_ = now;
  }
  this_second_.insert(tenant);
}

std::size_t Admission::share() const {
  const auto active = std::max(this_second_.size(), last_second_);
  if (active <= 1) return limits_.tenant_in_flight;
  return std::clamp<std::size_t>(limits_.room / active, 1, limits_.tenant_in_flight);
}

Admission::Verdict Admission::arrive(const Uuid& tenant, Ticket& ticket, SteadyTime now) {
  note(tenant, now);
  if (in_flight_ + waiting_ >= limits_.in_flight) return Verdict::worker_full;
  auto& own = tenants_[tenant];
  if (own.waiting.empty() && own.in_flight < share()) {
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
  if (!own.waiting.empty() && own.in_flight <= share()) {
    auto* next = own.waiting.front();
    own.waiting.pop_front();
    --waiting_;
    return next;  // takes the place of the one that left
  }
  --in_flight_;
  if (--own.in_flight == 0 && own.waiting.empty()) tenants_.erase(at);
  return nullptr;
}

Admission::Ticket* Admission::next(const Uuid& tenant) {
  const auto at = tenants_.find(tenant);
  if (at == tenants_.end()) return nullptr;
  auto& own = at->second;
  if (own.waiting.empty() || own.in_flight >= share()) return nullptr;
  auto* ticket = own.waiting.front();
  own.waiting.pop_front();
  --waiting_;
  ++own.in_flight;
  ++in_flight_;
  return ticket;
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
