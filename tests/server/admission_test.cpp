#include "server/admission.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace lyceum::server {
namespace {

using Verdict = Admission::Verdict;

Uuid tenant(int number) {
  Uuid id{};
  id.data[0] = static_cast<std::uint8_t>(number);
  return id;
}

TEST(Admission, ATenantWaitsBehindItself) {
  Admission admission({.in_flight = 10, .tenant_in_flight = 2, .tenant_waiting = 2});
  std::array<Admission::Ticket, 6> tickets;
  EXPECT_EQ(admission.arrive(tenant(1), tickets[0]), Verdict::enter);
  EXPECT_EQ(admission.arrive(tenant(1), tickets[1]), Verdict::enter);
  EXPECT_EQ(admission.arrive(tenant(1), tickets[2]), Verdict::wait);
  EXPECT_EQ(admission.arrive(tenant(1), tickets[3]), Verdict::wait);
  EXPECT_EQ(admission.arrive(tenant(1), tickets[4]), Verdict::tenant_full);
  EXPECT_EQ(admission.arrive(tenant(2), tickets[5]), Verdict::enter);
  EXPECT_EQ(admission.in_flight(), 3);
  EXPECT_EQ(admission.waiting(), 2);
  EXPECT_EQ(admission.leave(tenant(2)), nullptr);
  EXPECT_EQ(admission.leave(tenant(1)), &tickets[2]);
  EXPECT_TRUE(admission.withdraw(tenant(1), tickets[3]));
  EXPECT_FALSE(admission.withdraw(tenant(1), tickets[3]));
  EXPECT_FALSE(admission.withdraw(tenant(1), tickets[2]));  // has its turn
  EXPECT_EQ(admission.leave(tenant(1)), nullptr);
  EXPECT_EQ(admission.leave(tenant(1)), nullptr);
  EXPECT_EQ(admission.in_flight(), 0);
  EXPECT_FALSE(admission.withdraw(tenant(1), tickets[0]));
}

// The same rules over plain lists.
struct Model {
  struct One {
    int tenant;
    const Admission::Ticket* ticket;
    bool works;
  };
  AdmissionLimits limits;
  std::vector<One> all;  // in the order of arrival

  [[nodiscard]] std::size_t count(int who, bool works) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        all, [&](const One& one) { return one.tenant == who && one.works == works; }));
  }
  Verdict arrive(int who, const Admission::Ticket* ticket) {
    if (all.size() >= limits.in_flight) return Verdict::worker_full;
    if (count(who, true) < limits.tenant_in_flight) {
      all.push_back({who, ticket, true});
      return Verdict::enter;
    }
    if (count(who, false) >= limits.tenant_waiting) return Verdict::tenant_full;
    all.push_back({who, ticket, false});
    return Verdict::wait;
  }
  const Admission::Ticket* leave(int who) {
    all.erase(
        std::ranges::find_if(all, [&](const One& one) { return one.tenant == who && one.works; }));
    if (count(who, true) >= limits.tenant_in_flight) return nullptr;
    for (auto& one : all) {
      if (one.tenant != who || one.works) continue;
      one.works = true;
      return one.ticket;
    }
    return nullptr;
  }
  bool withdraw(const Admission::Ticket* ticket) {
    return std::erase_if(all, [&](const One& one) { return one.ticket == ticket && !one.works; }) >
           0;
  }
};

TEST(Admission, IsItsModel) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const AdmissionLimits limits{.in_flight = 1 + random() % 20,
                                 .tenant_in_flight = 1 + random() % 5,
                                 .tenant_waiting = random() % 6};
    Admission admission(limits);
    Model model{limits, {}};
    std::vector<std::pair<int, std::unique_ptr<Admission::Ticket>>> tickets;
    for (int step = 0; step < 3000; ++step) {
      const int who = static_cast<int>(random() % 4);
      const auto what = random() % 10;
      if (what < 5) {
        auto ticket = std::make_unique<Admission::Ticket>();
        ASSERT_EQ(admission.arrive(tenant(who), *ticket), model.arrive(who, ticket.get()));
        tickets.emplace_back(who, std::move(ticket));
      } else if (what < 9) {
        if (model.count(who, true) == 0) continue;
        ASSERT_EQ(admission.leave(tenant(who)), model.leave(who));
      } else if (!tickets.empty()) {
        const auto& [owner, ticket] = tickets[random() % tickets.size()];
        ASSERT_EQ(admission.withdraw(tenant(owner), *ticket), model.withdraw(ticket.get()));
      }
      std::size_t works = 0;
      for (int each = 0; each < 4; ++each) works += model.count(each, true);
      ASSERT_EQ(admission.in_flight(), works);
      ASSERT_EQ(admission.waiting(), model.all.size() - works);
    }
  }
}

// Fewer at once from now on: those that wait come to their turn when it has gone down.
TEST(Admission, LimitsMayChange) {
  Admission admission({.in_flight = 10, .tenant_in_flight = 3, .tenant_waiting = 5});
  std::array<Admission::Ticket, 5> tickets;
  for (auto& ticket : tickets) (void)admission.arrive(tenant(1), ticket);
  admission.set({.in_flight = 10, .tenant_in_flight = 1, .tenant_waiting = 5});
  EXPECT_EQ(admission.leave(tenant(1)), nullptr);
  EXPECT_EQ(admission.leave(tenant(1)), nullptr);
  EXPECT_EQ(admission.leave(tenant(1)), &tickets[3]);
  EXPECT_EQ(admission.leave(tenant(1)), &tickets[4]);
  EXPECT_EQ(admission.leave(tenant(1)), nullptr);
  EXPECT_EQ(admission.in_flight(), 0);
  EXPECT_EQ(admission.waiting(), 0);
}

}  // namespace
}  // namespace lyceum::server
