#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include "pool/ticket.h"

namespace lyceum::pool {

// Tickets by the time at which they end by themselves. As a rule all may take equally long, so that
// each comes after those before it: those stand in a list, which costs next to nothing. The few
// that come before another stand in a tree.
class Expiries {
 public:
  [[nodiscard]] bool empty() const { return in_order_.empty() && early_.empty(); }
  // When the first one ends; SteadyTime::max() where there is none.
  [[nodiscard]] SteadyTime earliest() const {
    auto at = in_order_.empty() ? SteadyTime::max() : in_order_.front().expires;
    if (!early_.empty()) at = std::min(at, early_.begin()->expires);
    return at;
  }
  // The first one. Not where there is none.
  [[nodiscard]] Ticket& first() {
    if (early_.empty() ||
        (!in_order_.empty() && in_order_.front().expires <= early_.begin()->expires)) {
      return in_order_.front();
    }
    return *early_.begin();
  }

  void add(Ticket& ticket) {
    if (in_order_.empty() || in_order_.back().expires <= ticket.expires) {
      in_order_.push_back(ticket);
    } else {
      early_.insert(ticket);
    }
  }
  // Takes out one that stands here; one that stands nowhere is left alone.
  void remove(Ticket& ticket) {
    if (ticket.expiry_hook.is_linked()) {
      in_order_.erase(in_order_.iterator_to(ticket));
    } else if (ticket.early_expiry_hook.is_linked()) {
      early_.erase(early_.iterator_to(ticket));
    }
  }

 private:
  struct Earlier {
    bool operator()(const Ticket& a, const Ticket& b) const { return a.expires < b.expires; }
  };
  boost::intrusive::list<Ticket,
                         boost::intrusive::member_hook<Ticket, boost::intrusive::list_member_hook<>,
                                                       &Ticket::expiry_hook>,
                         boost::intrusive::constant_time_size<false>>
      in_order_;
  boost::intrusive::multiset<
      Ticket,
      boost::intrusive::member_hook<Ticket, boost::intrusive::set_member_hook<>,
                                    &Ticket::early_expiry_hook>,
      boost::intrusive::compare<Earlier>, boost::intrusive::constant_time_size<false>>
      early_;
};

}  // namespace lyceum::pool
