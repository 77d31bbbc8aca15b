#include "watch/lock_tree.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

namespace lyceum::watch {

void lock_tree(std::vector<Waiting>& waiting) {
  std::unordered_map<std::int64_t, std::size_t> position;
  for (std::size_t i = 0; i < waiting.size(); ++i) position.emplace(waiting[i].pid, i);
  std::vector<std::vector<std::size_t>> waiters(waiting.size());
  // From those who wait for nobody outwards: the first to reach one is the nearest.
  constexpr std::int64_t kUnreached = -1;
  std::deque<std::size_t> next;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    auto& one = waiting[i];
    one.depth = one.blocked_by.empty() ? 0 : kUnreached;
    for (const auto pid : one.blocked_by) {
      const auto blocker = position.find(pid);
      if (blocker != position.end()) {
        waiters[blocker->second].push_back(i);
      } else {
        one.depth = 1;
      }
    }
  }
  for (const std::int64_t depth : {0, 1}) {
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].depth == depth) next.push_back(i);
    }
  }
  while (!next.empty()) {
    const auto at = next.front();
    next.pop_front();
    for (const auto waiter : waiters[at]) {
      if (waiting[waiter].depth != kUnreached) continue;
      waiting[waiter].depth = waiting[at].depth + 1;
      next.push_back(waiter);
    }
  }
  std::vector<std::size_t> seen_for(waiting.size(), waiting.size());
  for (std::size_t root = 0; root < waiting.size(); ++root) {
    if (waiting[root].depth == kUnreached) waiting[root].depth = 1;
    std::vector<std::size_t> open{root};
    seen_for[root] = root;
    waiting[root].blocks = 0;
    while (!open.empty()) {
      const auto at = open.back();
      open.pop_back();
      for (const auto waiter : waiters[at]) {
        if (seen_for[waiter] == root) continue;
        seen_for[waiter] = root;
        ++waiting[root].blocks;
        open.push_back(waiter);
      }
    }
  }
}

}  // namespace lyceum::watch
