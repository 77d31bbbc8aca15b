#include "learning/batch_progress.h"

#include <fmt/format.h>

#include "base/sha256.h"
#include "learning/name_some.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kLongestKey = 255;
constexpr int kMostAttempts = 3;

std::optional<Error> check(const std::vector<ProgressUpdate>& updates, std::string_view key) {
  if (updates.size() > kMostUpdates) {
    return bad_input(
        fmt::format("a batch of {} updates is larger than {}", updates.size(), kMostUpdates),
        "send it in parts, each with a key of its own");
  }
  if (key.size() > kLongestKey) {
    return bad_input(fmt::format("the idempotency key is longer than {} bytes", kLongestKey));
  }
  if (auto error = check_text("the idempotency key", key)) return error;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const auto& update = updates[i];
    if (update.completion_percentage < 0 || update.completion_percentage > 100) {
      return bad_input(
          fmt::format("update {}: completion_percentage {} is not within 0 to 100; "
                      "nothing was written",
                      i + 1, update.completion_percentage));
    }
    if (update.time_spent < 0) {
      return bad_input(fmt::format("update {}: time_spent {} is negative; nothing was written",
                                   i + 1, update.time_spent));
    }
  }
  return std::nullopt;
}

// The same for the same updates in the same order.
Sha256 hash_of(const std::vector<ProgressUpdate>& updates) {
  std::string bytes;
  bytes.reserve(updates.size() * 40);
  for (const auto& update : updates) {
    bytes.append(reinterpret_cast<const char*>(update.user_id.data), 16);
    bytes.append(reinterpret_cast<const char*>(update.story_id.data), 16);
    pg::wire::put(bytes, update.completion_percentage);
    pg::wire::put(bytes, update.time_spent);
  }
  return sha256(bytes);
}

Error refusal(const pg::Rows& rows, const Scope& scope) {
  const auto row = rows[0];
  const auto users = row.get<std::vector<Uuid>>(rows.column("unknown_users"));
  const auto stories = row.get<std::vector<Uuid>>(rows.column("unknown_stories"));
  std::string message =
      fmt::format("nothing was written: tenant {} has no", to_string(scope.tenant));
  if (!users.empty()) message += " learner " + name_some(users);
  if (!users.empty() && !stories.empty()) message += " and no";
  if (!stories.empty()) message += " story " + name_some(stories);
  return {.code = ErrorCode::kNotFound, .message = message, .node = scope.database.node()};
}

// Somebody removed a learner or a story after they were looked for: the key that failed took
// everything back, and the next attempt sees who is gone.
bool has_lost_somebody(const Error& error) {
  return error.sqlstate == "23503";
}

}  // namespace

awaitable<Result<BatchOutcome>> batch_progress(Scope scope, std::vector<ProgressUpdate> updates,
                                               std::string idempotency_key) {
  if (auto error = check(updates, idempotency_key)) co_return *error;
  if (updates.empty()) {
    if (auto known = co_await check_tenant(scope); known.has_error()) co_return known.error();
    co_return BatchOutcome{};
  }
  if (idempotency_key.empty()) idempotency_key = to_string(random_uuid());

  const auto hash = hash_of(updates);
  std::vector<Uuid> users, stories;
  std::vector<std::int32_t> percentages, seconds;
  for (const auto& update : updates) {
    users.push_back(update.user_id);
    stories.push_back(update.story_id);
    percentages.push_back(update.completion_percentage);
    seconds.push_back(update.time_spent);
  }
  const pg::Params params(idempotency_key, pg::Bytes(hash.begin(), hash.end()), users, stories,
                          percentages, seconds);

  bool in_doubt = false;
  for (int attempt = 1;; ++attempt) {
    auto rows =
        co_await scope.database.execute(sql::learning::batch_progress, params, scope.call());
    if (rows.has_error()) {
      auto error = rows.error();
      // The key tells what became of an attempt in doubt: sent again, it is written or replayed.
      in_doubt = in_doubt || error.code == ErrorCode::kInDoubt;
      const bool again = error.code == ErrorCode::kInDoubt || has_lost_somebody(error);
      if (again && attempt < kMostAttempts) continue;
      if (has_lost_somebody(error)) {
        error.code = ErrorCode::kNotFound;
        error.message = "nothing was written: a learner or a story of the batch was removed";
      }
      co_return error;
    }
    const auto row = (*rows)[0];
    const auto outcome = row.get<std::string_view>(rows->column("outcome"));
    if (outcome == "conflict") {
      co_return Error{.code = ErrorCode::kConflict,
                      .message = "this idempotency key came before with another batch",
                      .hint = "use a new key for a new batch",
                      .node = scope.database.node()};
    }
    if (outcome == "refused") co_return refusal(*rows, scope);
    co_return BatchOutcome{.received = row.get<std::int64_t>(rows->column("received")),
                           .written = row.get<std::int64_t>(rows->column("written")),
                           .replayed = outcome == "replayed" && !in_doubt};
  }
}

}  // namespace lyceum::learning
