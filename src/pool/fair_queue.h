#pragma once

#include <boost/functional/hash.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/uuid/uuid_hash.hpp>
#include <cstddef>
#include <unordered_map>

#include "pool/ticket.h"

namespace lyceum::pool {

// First come, first served within a tenant, and in turn between tenants: a tenant that floods
// waits behind itself. Requests without a tenant are one more tenant. Unbounded: whoever pushes
// looks at size() first.
class FairQueue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  void push(Ticket& ticket);
  // The next in turn, taken out. Not on an empty queue.
  Ticket& pop();
  // Takes out one that waits here.
  void remove(Ticket& ticket);

 private:
  using Tickets = boost::intrusive::list<
      Ticket, boost::intrusive::member_hook<Ticket, boost::intrusive::list_member_hook<>,
                                            &Ticket::queue_hook>>;
  struct Tenant {
    std::optional<Uuid> id;
    Tickets tickets;
    boost::intrusive::list_member_hook<> turn_hook;
  };
  using Turns = boost::intrusive::list<
      Tenant, boost::intrusive::member_hook<Tenant, boost::intrusive::list_member_hook<>,
                                            &Tenant::turn_hook>>;
  struct Hash {
    std::size_t operator()(const std::optional<Uuid>& id) const {
      return id ? boost::uuids::hash_value(*id) : 0;
    }
  };

  void forget(Tenant& tenant);

  std::unordered_map<std::optional<Uuid>, Tenant, Hash> tenants_;  // those that wait
  Turns turns_;
  std::size_t size_ = 0;
};

}  // namespace lyceum::pool
