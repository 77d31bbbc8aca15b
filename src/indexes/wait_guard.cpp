#include "indexes/wait_guard.h"

#include <fmt/format.h>

namespace lyceum::indexes {
namespace {

std::string whom(const BuildSample& sample) {
  return sample.waits_for ? sample.waits_for->to_string() : "a process that could not be seen";
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::optional<std::string> WaitGuard::update(const BuildSample& sample, SteadyTime now) {
  const bool for_transactions = !sample.waits_for_table && sample.waits_for.has_value();
  if (!sample.waits_for_table) table_since_.reset();
  if (!for_transactions) transactions_since_.reset();

  if (sample.waits_for_table) {
    if (!table_since_) table_since_ = now;
    if (now - *table_since_ >= limits_.table_lock) {
      return fmt::format("the table's lock was not to be had within {:.3g} s: {} holds it",
                         seconds(limits_.table_lock), whom(sample));
    }
  }
  if (for_transactions) {
    if (!transactions_since_) transactions_since_ = now;
    if (limits_.old_transactions && now - *transactions_since_ >= *limits_.old_transactions) {
      return fmt::format("an older transaction did not end within {:.3g} s: {}",
                         seconds(*limits_.old_transactions), whom(sample));
    }
  }
  return std::nullopt;
}

}  // namespace lyceum::indexes
