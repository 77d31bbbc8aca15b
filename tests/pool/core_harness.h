#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "pool/core.h"

namespace lyceum::pool {

using namespace std::chrono_literals;

inline std::string_view name_of(Action::Kind kind) {
  switch (kind) {
    case Action::Kind::connect:
      return "connect";
    case Action::Kind::close:
      return "close";
    case Action::Kind::send:
      return "send";
    case Action::Kind::grant:
      return "grant";
    case Action::Kind::fail:
      return "fail";
    case Action::Kind::cancel:
      return "cancel";
  }
  return "?";
}

inline Uuid tenant_number(std::uint32_t number) {
  Uuid uuid{};
  for (std::size_t i = 0; i < 4; ++i) uuid.data[i] = static_cast<std::uint8_t>(number >> (8 * i));
  uuid.data[15] = 1;
  return uuid;
}

// A core with its clock in hand, and everything it wanted done, in words: "send a 0" (ticket a to
// member 0), "fail b queue_full", "connect 1". Tickets are named as they are made.
struct Bench {
  explicit Bench(Limits limits) : core(limits, [this] { return random; }) {}

  struct Named : Ticket {
    std::string name;
    std::vector<std::string> ends;  // fail reasons, and "answered"
  };

  Named& make(std::string name, Ticket::Kind kind, int tenant = -1,
              SteadyTime deadline = SteadyTime::max()) {
    auto& ticket = tickets.emplace_back();
    ticket.name = std::move(name);
    ticket.kind = kind;
    if (tenant >= 0) ticket.tenant = tenant_number(static_cast<std::uint32_t>(tenant));
    ticket.deadline = deadline;
    ticket.arrived = now;
    return ticket;
  }
  Named& statement(std::string name, int tenant = -1, SteadyTime deadline = SteadyTime::max()) {
    auto& ticket = make(std::move(name), Ticket::Kind::statement, tenant, deadline);
    core.submit(ticket, now);
    return ticket;
  }
  Named& lease(std::string name, int tenant = -1, SteadyTime deadline = SteadyTime::max()) {
    auto& ticket = make(std::move(name), Ticket::Kind::lease, tenant, deadline);
    core.submit(ticket, now);
    return ticket;
  }
  Named& find(const std::string& name) {
    return *std::find_if(tickets.begin(), tickets.end(),
                         [&](const Named& ticket) { return ticket.name == name; });
  }
  void answer(const std::string& name) { core.answered(find(name), now); }

  // What the core wants done since the last call.
  std::vector<std::string> done() {
    std::vector<std::string> out;
    Action action;
    while (core.next_action(action)) {
      std::string text(name_of(action.kind));
      if (action.ticket != nullptr) text += " " + static_cast<Named*>(action.ticket)->name;
      if (action.kind == Action::Kind::fail) {
        text += " " + std::string(reason(action.reason));
      } else {
        text += " " + std::to_string(action.member);
      }
      out.push_back(std::move(text));
    }
    return out;
  }

  static std::string_view reason(Reason reason) {
    switch (reason) {
      case Reason::queue_full:
        return "queue_full";
      case Reason::pool_timeout:
        return "pool_timeout";
      case Reason::queue_deadline:
        return "queue_deadline";
      case Reason::sent_deadline:
        return "sent_deadline";
      case Reason::connect_failed:
        return "connect_failed";
      case Reason::shutting_down:
        return "shutting_down";
    }
    return "?";
  }

  // Opens so many connections: ticks, and answers every wish to connect.
  void open(std::size_t count) {
    core.tick(now);
    for (std::size_t i = 0; i < count; ++i) {
      Action action;
      MemberId member = kNoMember;
      while (core.next_action(action)) {
        if (action.kind == Action::Kind::connect) connecting.push_back(action.member);
      }
      if (connecting.empty()) return;
      member = connecting.front();
      connecting.pop_front();
      core.connected(member, now);
    }
    Action action;
    while (core.next_action(action)) {
      if (action.kind == Action::Kind::connect) connecting.push_back(action.member);
    }
  }

  // Lets time pass without skipping a wakeup.
  void advance(Duration by) {
    const auto until = now + by;
    while (core.next_wakeup() <= until) {
      now = std::max(now, core.next_wakeup());
      core.tick(now);
    }
    now = until;
  }

  SteadyTime now{std::chrono::hours(1)};
  double random = 0.5;
  std::deque<Named> tickets;  // outlive the core, which has them in its lists
  Core core;
  std::deque<MemberId> connecting;
};

}  // namespace lyceum::pool
