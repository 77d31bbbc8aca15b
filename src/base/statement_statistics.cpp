#include "base/statement_statistics.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

namespace lyceum {
namespace {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

// One writer: a load and a store do.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
  counter.store(counter.load(memory_order_relaxed) + by, memory_order_relaxed);
}

// A clock that went backwards must not look like an eternity.
std::uint64_t nanoseconds(Duration duration) {
  return duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
}

Duration as_duration(std::uint64_t ns) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<Duration::rep>::max());
  return Duration(static_cast<Duration::rep>(std::min(ns, kMost)));
}

// An error's label in eight bytes: the SQLSTATE's characters, or the ErrorCode with the highest bit
// set. Never zero.
constexpr std::uint64_t kCodeFlag = std::uint64_t{1} << 63;

std::uint64_t error_key(const Error& error) {
  if (error.sqlstate.empty()) return kCodeFlag | static_cast<std::uint64_t>(error.code);
  std::uint64_t key = 0;
  std::memcpy(&key, error.sqlstate.data(), std::min<std::size_t>(error.sqlstate.size(), 5));
  return key;
}

std::string error_name(std::uint64_t key) {
  if ((key & kCodeFlag) != 0) return std::string(name_of(static_cast<ErrorCode>(key & ~kCodeFlag)));
  char text[sizeof key];
  std::memcpy(text, &key, sizeof key);
  return std::string(text, ::strnlen(text, sizeof text));
}

std::size_t hash_of(const Uuid& uuid) {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, uuid.data, 8);
  std::memcpy(&low, uuid.data + 8, 8);
  // Multiplicative (Knuth): UUIDs of one hour share their first bytes, and counters their first
  // fifteen; the multiplication carries every bit upward and the shift brings the top down.
  const std::uint64_t mixed = (high ^ (low * 0x9E3779B97F4A7C15U)) * 0xD6E8FEB86659FD93U;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

std::size_t hash_of(const Statement* statement) {
  const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(statement));
  return static_cast<std::size_t>((address * 0x9E3779B97F4A7C15U) >> 40);
}

}  // namespace

Duration CallStatistics::total_duration() const {
  return as_duration(total.sum());
}
Duration CallStatistics::min_duration() const {
  return as_duration(total.min());
}
Duration CallStatistics::max_duration() const {
  return as_duration(total.max());
}
Duration CallStatistics::avg_duration() const {
  return total.count() == 0 ? Duration{} : as_duration(total.sum() / total.count());
}
double CallStatistics::success_rate() const {
  if (total_executions == 0) return 1;
  return static_cast<double>(success_count) / static_cast<double>(total_executions);
}
Duration CallStatistics::percentile(double q) const {
  return as_duration(total.quantile(q));
}
Duration CallStatistics::queue_percentile(double q) const {
  return as_duration(queue.quantile(q));
}
Duration CallStatistics::server_percentile(double q) const {
  return as_duration(server.quantile(q));
}

namespace detail {

// A server's functions can raise any SQLSTATE they like: those that come after the first 31 kinds
// share the last slot.
struct CallFigures::ErrorCounts {
  struct Slot {
    Counter key{0};
    Counter count{0};
  };
  std::array<Slot, 32> slots;
};

CallFigures::~CallFigures() {
  delete error_counts_.load(memory_order_relaxed);
}

void CallFigures::record(const FinishedStatement& call) {
  total_.record(nanoseconds(call.total));
  queue_.record(nanoseconds(call.queue));
  if (call.server) server_.record(nanoseconds(*call.server));
  add(rows_, call.rows);
  add(bytes_sent_, call.bytes_sent);
  add(bytes_received_, call.bytes_received);
  if (call.error != nullptr) record_error(*call.error);
}

void CallFigures::record_error(const Error& error) {
  auto* counts = error_counts_.load(memory_order_relaxed);
  if (counts == nullptr) {
    counts = new ErrorCounts;
    error_counts_.store(counts, memory_order_release);
  }
  const auto key = error_key(error);
  for (std::size_t i = 0; i < counts->slots.size(); ++i) {
    auto& slot = counts->slots[i];
    const auto known = slot.key.load(memory_order_relaxed);
    if (known == 0 && i + 1 < counts->slots.size()) slot.key.store(key, memory_order_relaxed);
    if (known == 0 || known == key) {
      add(slot.count, 1);
      break;
    }
  }
  add(errors_, 1);
}

void CallFigures::add_to(CallStatistics& sum) const {
  // Errors before calls: a call that ends in between then counts as a success for the moment, and
  // there are never more errors than calls.
  const auto errors = errors_.load(memory_order_relaxed);
  if (const auto* counts = error_counts_.load(memory_order_acquire)) {
    for (const auto& slot : counts->slots) {
      const auto count = slot.count.load(memory_order_relaxed);
      if (count == 0) continue;
      const auto key = slot.key.load(memory_order_relaxed);
      sum.errors[key == 0 ? std::string(CallStatistics::kOther) : error_name(key)] += count;
    }
  }
  const Histogram total(total_);
  const auto failed = std::min(errors, total.count());
  sum.total_executions += total.count();
  sum.error_count += failed;
  sum.success_count += total.count() - failed;
  sum.total.merge(total);
  sum.queue.merge(queue_);
  sum.server.merge(server_);
  sum.rows += rows_.load(memory_order_relaxed);
  sum.bytes_sent += bytes_sent_.load(memory_order_relaxed);
  sum.bytes_received += bytes_received_.load(memory_order_relaxed);
}

}  // namespace detail

StatementRecorder::StatementRecorder(StatisticsLimits limits)
    : limits_(limits), statement_slots_(kStatementSlots), tenant_slots_(64) {}

StatementRecorder::~StatementRecorder() {
  for (auto* entry = first_statement_.load(memory_order_relaxed); entry != nullptr;) {
    delete std::exchange(entry, entry->next);
  }
  for (auto* entry = first_tenant_.load(memory_order_relaxed); entry != nullptr;) {
    delete std::exchange(entry, entry->next);
  }
}

void StatementRecorder::record(const FinishedStatement& call) {
  auto& entry = statement_entry(*call.statement);
  entry.figures.record(call);
  if (call.server) {
    const auto ns = static_cast<double>(nanoseconds(*call.server));
    entry.recent_server_ns = entry.recent_server_ns < 0
                                 ? ns
                                 : entry.recent_server_ns + (ns - entry.recent_server_ns) / 16;
  }
  if (!call.tenant.is_nil()) tenant_entry(call.tenant).figures.record(call);
}

std::optional<Duration> StatementRecorder::recent_server_time(const Statement& statement) const {
  const auto& slot = statement_slots_[hash_of(&statement) % kStatementSlots];
  const detail::StatementEntry* entry = nullptr;
  if (slot.statement == &statement && slot.entry->name == statement.name) {
    entry = slot.entry;
  } else if (const auto found = statements_by_name_.find(statement.name);
             found != statements_by_name_.end()) {
    entry = found->second;
  }
  if (entry == nullptr || entry->recent_server_ns < 0) return std::nullopt;
  return Duration(static_cast<Duration::rep>(entry->recent_server_ns));
}

// The slots are a cache before the names, so a collision costs a hash of the name and no more, and
// an address that was given to another statement is noticed.
detail::StatementEntry& StatementRecorder::statement_entry(const Statement& statement) {
  auto& slot = statement_slots_[hash_of(&statement) % kStatementSlots];
  if (slot.statement == &statement && slot.entry->name == statement.name) return *slot.entry;
  auto& entry = find_or_add_statement(statement.name);
  slot = {&statement, &entry};
  return entry;
}

detail::StatementEntry& StatementRecorder::find_or_add_statement(std::string_view name) {
  if (const auto found = statements_by_name_.find(name); found != statements_by_name_.end()) {
    return *found->second;
  }
  if (statements_by_name_.size() >= limits_.max_statements) {
    if (other_statement_ == nullptr) other_statement_ = &push_statement(CallStatistics::kOther);
    return *other_statement_;
  }
  auto& entry = push_statement(name);
  statements_by_name_.emplace(entry.name, &entry);
  return entry;
}

detail::StatementEntry& StatementRecorder::push_statement(std::string_view name) {
  auto entry = std::make_unique<detail::StatementEntry>();
  entry->name = name;
  entry->next = first_statement_.load(memory_order_relaxed);
  first_statement_.store(entry.get(), memory_order_release);
  return *entry.release();
}

detail::TenantEntry& StatementRecorder::tenant_entry(const Uuid& tenant) {
  const auto mask = tenant_slots_.size() - 1;
  for (auto at = hash_of(tenant) & mask; tenant_slots_[at].entry != nullptr; at = (at + 1) & mask) {
    if (tenant_slots_[at].tenant == tenant) return *tenant_slots_[at].entry;
  }
  return add_tenant(tenant);
}

detail::TenantEntry& StatementRecorder::add_tenant(const Uuid& tenant) {
  if (tenants_ >= limits_.max_tenants) {
    if (other_tenant_ == nullptr) other_tenant_ = &push_tenant(Uuid{}, true);
    return *other_tenant_;
  }
  if (2 * (tenants_ + 1) > tenant_slots_.size()) grow_tenant_table();
  const auto mask = tenant_slots_.size() - 1;
  auto at = hash_of(tenant) & mask;
  while (tenant_slots_[at].entry != nullptr) at = (at + 1) & mask;
  auto& entry = push_tenant(tenant, false);
  tenant_slots_[at] = {tenant, &entry};
  ++tenants_;
  return entry;
}

detail::TenantEntry& StatementRecorder::push_tenant(const Uuid& tenant, bool overflow) {
  auto entry = std::make_unique<detail::TenantEntry>();
  entry->tenant = tenant;
  entry->overflow = overflow;
  entry->next = first_tenant_.load(memory_order_relaxed);
  first_tenant_.store(entry.get(), memory_order_release);
  return *entry.release();
}

void StatementRecorder::grow_tenant_table() {
  std::vector<TenantSlot> larger(tenant_slots_.size() * 2);
  const auto mask = larger.size() - 1;
  for (const auto& slot : tenant_slots_) {
    if (slot.entry == nullptr) continue;
    auto at = hash_of(slot.tenant) & mask;
    while (larger[at].entry != nullptr) at = (at + 1) & mask;
    larger[at] = slot;
  }
  tenant_slots_ = std::move(larger);
}

void StatementRecorder::add_statements_to(
    std::map<std::string, CallStatistics, std::less<>>& sums) const {
  for (const auto* entry = first_statement_.load(memory_order_acquire); entry != nullptr;
       entry = entry->next) {
    auto& sum = sums[entry->name];
    sum.name = entry->name;
    entry->figures.add_to(sum);
  }
}

void StatementRecorder::add_tenants_to(
    std::map<std::string, CallStatistics, std::less<>>& sums) const {
  for (const auto* entry = first_tenant_.load(memory_order_acquire); entry != nullptr;
       entry = entry->next) {
    auto name = entry->overflow ? std::string(CallStatistics::kOther) : to_string(entry->tenant);
    auto& sum = sums[name];
    sum.name = std::move(name);
    entry->figures.add_to(sum);
  }
}

StatementRecorder& StatementStatistics::add_recorder() {
  const std::lock_guard lock(mutex_);
  return *recorders_.emplace_back(std::make_unique<StatementRecorder>(limits_));
}

namespace {

std::vector<CallStatistics> values_of(std::map<std::string, CallStatistics, std::less<>> sums) {
  std::vector<CallStatistics> out;
  out.reserve(sums.size());
  for (auto& [name, sum] : sums) {
    // An entry whose first call is being recorded just now.
    if (sum.total_executions > 0) out.push_back(std::move(sum));
  }
  return out;
}

}  // namespace

std::vector<CallStatistics> StatementStatistics::query_statistics() const {
  std::map<std::string, CallStatistics, std::less<>> sums;
  const std::lock_guard lock(mutex_);
  for (const auto& recorder : recorders_) recorder->add_statements_to(sums);
  return values_of(std::move(sums));
}

std::vector<CallStatistics> StatementStatistics::tenant_statistics() const {
  std::map<std::string, CallStatistics, std::less<>> sums;
  const std::lock_guard lock(mutex_);
  for (const auto& recorder : recorders_) recorder->add_tenants_to(sums);
  return values_of(std::move(sums));
}

std::vector<SlowQuery> StatementStatistics::slow_queries(Duration threshold) const {
  std::vector<SlowQuery> slow;
  for (auto& statement : query_statistics()) {
    const auto mean = statement.avg_duration();
    const auto p99 = statement.percentile(0.99);
    if (mean <= threshold && p99 <= threshold) continue;
    slow.push_back({std::move(statement.name), statement.total_executions, mean, p99,
                    mean > threshold, p99 > threshold});
  }
  std::sort(slow.begin(), slow.end(), [](const SlowQuery& a, const SlowQuery& b) {
    return a.mean != b.mean ? a.mean > b.mean : a.name < b.name;
  });
  return slow;
}

}  // namespace lyceum
