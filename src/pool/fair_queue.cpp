#include "pool/fair_queue.h"

namespace lyceum::pool {

void FairQueue::push(Ticket& ticket) {
  auto& tenant = tenants_[ticket.tenant];
  if (tenant.tickets.empty()) {
    tenant.id = ticket.tenant;
    turns_.push_back(tenant);
  }
  tenant.tickets.push_back(ticket);
  ++size_;
}

Ticket& FairQueue::pop() {
  auto& tenant = turns_.front();
  auto& ticket = tenant.tickets.front();
  tenant.tickets.pop_front();
  --size_;
  turns_.pop_front();
  if (tenant.tickets.empty()) {
    forget(tenant);
  } else {
    turns_.push_back(tenant);
  }
  return ticket;
}

void FairQueue::remove(Ticket& ticket) {
  auto& tenant = tenants_.at(ticket.tenant);
  tenant.tickets.erase(tenant.tickets.iterator_to(ticket));
  --size_;
  if (tenant.tickets.empty()) {
    turns_.erase(turns_.iterator_to(tenant));
    forget(tenant);
  }
}

void FairQueue::forget(Tenant& tenant) {
  const auto id = tenant.id;  // the key lives in what is erased
  tenants_.erase(id);
}

}  // namespace lyceum::pool
