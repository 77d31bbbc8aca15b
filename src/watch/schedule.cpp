#include "watch/schedule.h"

#include <algorithm>

namespace lyceum::watch {
namespace {

// FNV-1a, then mixed: the same on every machine, and neighbours far apart.
std::uint64_t hash_of(std::string_view one, std::string_view other) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ 0xff) * 1099511628211ULL;
  };
  add(one);
  add(other);
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93ULL;
  return hash ^ (hash >> 32);
}

constexpr int kMostDoublings = 3;

}  // namespace

void Schedule::add(const Task& task, Duration interval, std::string_view phase, SteadyTime now) {
  const Duration offset(static_cast<Duration::rep>(hash_of(node_, phase) %
                                                   static_cast<std::uint64_t>(interval.count())));
  entries_.try_emplace(task, Entry{.interval = interval, .offset = offset, .due = now});
}

void Schedule::remove(const Task& task) {
  entries_.erase(task);
}

// The first of its moments that is later.
SteadyTime Schedule::moment_after(const Entry& entry, SteadyTime time) {
  const auto since = time.time_since_epoch() - entry.offset;
  auto rounds = since / entry.interval;
  if (since >= Duration::zero() || since % entry.interval == Duration::zero()) ++rounds;
  return SteadyTime(entry.offset + rounds * entry.interval);
}

std::optional<Task> Schedule::begin(SteadyTime now) {
  if (running_) return std::nullopt;
  const Task* chosen = nullptr;
  double latest = -1;
  Duration interval{};
  for (const auto& [task, entry] : entries_) {
    if (entry.due > now) continue;
    const double late = std::chrono::duration<double>(now - entry.due) /
                        std::chrono::duration<double>(entry.interval);
    if (late > latest || (late == latest && entry.interval < interval)) {
      chosen = &task;
      latest = late;
      interval = entry.interval;
    }
  }
  if (chosen == nullptr) return std::nullopt;
  running_ = *chosen;
  return running_;
}

void Schedule::end(SteadyTime now, bool succeeded) {
  if (!running_) return;
  const auto found = entries_.find(*running_);
  running_.reset();
  if (found == entries_.end()) return;
  auto& entry = found->second;
  entry.failures = succeeded ? 0 : std::min(entry.failures + 1, kMostDoublings);
  const auto longest = std::max(longest_, entry.interval);
  const auto distance = std::min<Duration>(entry.interval * (1 << entry.failures), longest);
  entry.due = moment_after(entry, now + distance - entry.interval / 2);
}

SteadyTime Schedule::next() const {
  auto out = SteadyTime::max();
  if (running_) return out;
  for (const auto& [task, entry] : entries_) out = std::min(out, entry.due);
  return out;
}

std::optional<SteadyTime> Schedule::due(const Task& task) const {
  const auto found = entries_.find(task);
  return found == entries_.end() ? std::nullopt : std::optional(found->second.due);
}

}  // namespace lyceum::watch
