#pragma once

#include <boost/functional/hash.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/uuid/uuid_hash.hpp>
#include <cstddef>
#include <deque>
#include <unordered_map>

#include "pool/ticket.h"

namespace lyceum::pool {

// First come, first served within a tenant, and in turn between tenants: a tenant that floods
// waits behind itself. Requests without a tenant are one more tenant. Unbounded: whoever pushes
// looks at size() first. Every call takes a time that does not grow with what waits.
class FairQueue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  void push(Ticket& ticket);
  // The next in turn, taken out. Not on an empty queue.
  Ticket& pop();
  // Takes out one that waits here.
  void remove(Ticket& ticket);

  // How many of this tenant's wait.
  [[nodiscard]] std::size_t size_of(const std::optional<Uuid>& tenant) const;
  // How many wait of the tenant of whom most wait.
  [[nodiscard]] std::size_t most_of_one() const { return most_; }
  // Of that tenant's, the one that came last; it stays. Not on an empty queue.
  [[nodiscard]] Ticket& newest_of_the_most();

 private:
  using Hook = boost::intrusive::list_member_hook<>;
  using Tickets =
      boost::intrusive::list<Ticket,
                             boost::intrusive::member_hook<Ticket, Hook, &Ticket::queue_hook>>;
  struct Tenant {
    std::optional<Uuid> id;
    Tickets tickets;
    Hook turn_hook;
    Hook rank_hook;
  };
  using Turns =
      boost::intrusive::list<Tenant,
                             boost::intrusive::member_hook<Tenant, Hook, &Tenant::turn_hook>>;
  using Rank =
      boost::intrusive::list<Tenant,
                             boost::intrusive::member_hook<Tenant, Hook, &Tenant::rank_hook>,
                             boost::intrusive::constant_time_size<false>>;
  struct Hash {
    std::size_t operator()(const std::optional<Uuid>& id) const {
      return id ? boost::uuids::hash_value(*id) : 0;
    }
  };

  void rank(Tenant& tenant, std::size_t before);
  void forget(Tenant& tenant);

  std::unordered_map<std::optional<Uuid>, Tenant, Hash> tenants_;  // those that wait
  Turns turns_;
  std::deque<Rank> ranks_;  // tenants by the number of their tickets; none under 0
  std::size_t most_ = 0;
  std::size_t size_ = 0;
};

}  // namespace lyceum::pool
