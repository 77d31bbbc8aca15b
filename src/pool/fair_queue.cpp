#include "pool/fair_queue.h"

namespace lyceum::pool {

void FairQueue::push(Ticket& ticket) {
  auto& tenant = tenants_[ticket.tenant];
  const auto before = tenant.tickets.size();
  if (before == 0) {
    tenant.id = ticket.tenant;
    turns_.push_back(tenant);
  }
  tenant.tickets.push_back(ticket);
  ++size_;
  rank(tenant, before);
}

Ticket& FairQueue::pop() {
  auto& tenant = turns_.front();
  auto& ticket = tenant.tickets.front();
  const auto before = tenant.tickets.size();
  tenant.tickets.pop_front();
  --size_;
  turns_.pop_front();
  if (!tenant.tickets.empty()) turns_.push_back(tenant);
  rank(tenant, before);
  return ticket;
}

void FairQueue::remove(Ticket& ticket) {
  auto& tenant = tenants_.at(ticket.tenant);
  const auto before = tenant.tickets.size();
  tenant.tickets.erase(tenant.tickets.iterator_to(ticket));
  --size_;
  if (tenant.tickets.empty()) turns_.erase(turns_.iterator_to(tenant));
  rank(tenant, before);
}

std::size_t FairQueue::size_of(const std::optional<Uuid>& tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? 0 : found->second.tickets.size();
}

Ticket& FairQueue::newest_of_the_most() {
  return ranks_[most_].front().tickets.back();
}

// Puts the tenant where its number of tickets belongs; forgets it where it has none left. The
// number changes by one at a time, so the largest is never far.
void FairQueue::rank(Tenant& tenant, std::size_t before) {
  const auto now = tenant.tickets.size();
  if (before > 0) ranks_[before].erase(ranks_[before].iterator_to(tenant));
  if (now > 0) {
    if (ranks_.size() <= now) ranks_.resize(now + 1);
    ranks_[now].push_back(tenant);
  }
  if (now > most_) {
    most_ = now;
  } else if (before == most_ && ranks_[most_].empty()) {
    --most_;
  }
  if (now == 0) forget(tenant);
}

void FairQueue::forget(Tenant& tenant) {
  const auto id = tenant.id;  // the key lives in what is erased
  tenants_.erase(id);
}

}  // namespace lyceum::pool
