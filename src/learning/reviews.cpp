#include "learning/reviews.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <numeric>

#include "base/sha256.h"
#include "learning/name_some.h"
#include "pg/transaction.h"
#include "sql/statements.h"

namespace lyceum::learning {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kLongestKey = 255;
constexpr int kMostAttempts = 4;
// For who sets no deadline: a lock must not hold them for ever.
constexpr std::chrono::seconds kLongestWait{30};
constexpr Timestamp kFirstReview = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);

struct Request {
  Uuid learner{};
  std::vector<Review> reviews;
  std::string key;
  Sha256 hash{};
  std::optional<Timestamp> present;
};

// What is known of a word: first as it is stored, then after each review.
struct Word {
  std::optional<fsrs::Memory> memory;
  std::int32_t review_count = 0;
  std::size_t last = 0;  // the review that was applied last
};
using Words = std::map<Uuid, Word>;

std::optional<Error> check_ahead(const std::vector<Review>& reviews, Timestamp present) {
  for (std::size_t i = 0; i < reviews.size(); ++i) {
    if (reviews[i].reviewed_at && *reviews[i].reviewed_at > present + kMostAhead) {
      return bad_input(
          fmt::format("review {}: reviewed_at is in the future; nothing was written", i + 1),
          "set the device's clock, or leave the time out");
    }
  }
  return std::nullopt;
}

std::optional<Error> check(const Request& request) {
  if (request.reviews.size() > kMostReviews) {
    return bad_input(
        fmt::format("{} reviews are more than {}", request.reviews.size(), kMostReviews),
        "send them in parts, each with a key of its own");
  }
  if (request.key.size() > kLongestKey) {
    return bad_input(fmt::format("the idempotency key is longer than {} bytes", kLongestKey));
  }
  if (auto error = check_text("the idempotency key", request.key)) return error;
  if (request.present) {
    if (auto error = check_time("present", *request.present)) return error;
  }
  for (std::size_t i = 0; i < request.reviews.size(); ++i) {
    const auto& review = request.reviews[i];
    if (review.rating < 1 || review.rating > 4) {
      return bad_input(fmt::format("review {}: rating {} is not within 1 to 4; nothing was written",
                                   i + 1, review.rating));
    }
    if (!review.reviewed_at) continue;
    if (*review.reviewed_at < kFirstReview) {
      return bad_input(fmt::format(
          "review {}: reviewed_at is before the year 2000; nothing was written", i + 1));
    }
    const auto what = fmt::format("review {}: reviewed_at", i + 1);
    if (auto error = check_time(what, *review.reviewed_at)) return error;
  }
  if (request.present) return check_ahead(request.reviews, *request.present);
  return std::nullopt;
}

// The same for the same reviews of the same learner in the same order; like no other operation's.
Sha256 hash_of(const Request& request) {
  std::string bytes = "reviews ";
  bytes.append(reinterpret_cast<const char*>(request.learner.data), 16);
  for (const auto& review : request.reviews) {
    bytes.append(reinterpret_cast<const char*>(review.vocabulary_id.data), 16);
    pg::wire::put(bytes, review.rating);
    const auto time = review.reviewed_at.value_or(Timestamp::min());
    pg::wire::put(bytes, std::int64_t{time.time_since_epoch().count()});
  }
  return sha256(bytes);
}

Error no_learner(const Scope& scope, const Uuid& learner) {
  return {.code = ErrorCode::kNotFound,
          .message = fmt::format("tenant {} has no learner {}", to_string(scope.tenant),
                                 to_string(learner)),
          .node = scope.database.node()};
}

std::optional<fsrs::Memory> stored_memory(const pg::Rows& rows, const pg::Row& row) {
  const auto stability = row.get<std::optional<double>>(rows.column("stability"));
  const auto reviewed = row.get<std::optional<Timestamp>>(rows.column("last_reviewed"));
  if (!stability) {
    return memory_from_interval(reviewed,
                                row.get<std::optional<pg::Date>>(rows.column("next_review_date")));
  }
  const auto state = fsrs::parse_state(row.get<std::string_view>(rows.column("learning_state")));
  return fsrs::Memory{.stability = *stability,
                      .difficulty = row.get<double>(rows.column("difficulty")),
                      .state = state.value_or(fsrs::State::review),
                      .step = row.get<std::int32_t>(rows.column("learning_step")),
                      .last_review = reviewed.value()};
}

Words stored_words(const pg::Rows& rows) {
  Words words;
  for (const auto row : rows) {
    words[row.get<Uuid>(rows.column("vocabulary_id"))] = {
        .memory = stored_memory(rows, row),
        .review_count = row.get<std::int32_t>(rows.column("review_count"))};
  }
  return words;
}

// Applies the reviews in order of time, and gives the parameters of the statement that stores what
// they came to, in the order of the request.
pg::Params apply(const Request& request, Words words, Timestamp present) {
  const auto count = request.reviews.size();
  const auto time_of = [&](std::size_t i) {
    return request.reviews[i].reviewed_at.value_or(present);
  };
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(time_of(i), i); });

  std::vector<Uuid> ids(count);
  std::vector<double> stabilities(count), difficulties(count), masteries(count);
  std::vector<std::string> states(count);
  std::vector<std::int32_t> steps(count), counts(count);
  std::vector<Timestamp> reviewed(count), dues(count);
  std::vector<bool> is_last(count);
  for (const auto i : order) {
    const auto& review = request.reviews[i];
    auto& word = words.at(review.vocabulary_id);
    const auto next =
        fsrs::schedule(word.memory, static_cast<fsrs::Rating>(review.rating), time_of(i));
    word.memory = next.memory;
    if (word.review_count < std::numeric_limits<std::int32_t>::max()) ++word.review_count;
    word.last = i;
    ids[i] = review.vocabulary_id;
    stabilities[i] = next.memory.stability;
    difficulties[i] = next.memory.difficulty;
    masteries[i] = mastery_of(next.memory.stability);
    states[i] = name_of(next.memory.state);
    steps[i] = next.memory.step;
    counts[i] = word.review_count;
    reviewed[i] = next.memory.last_review;
    dues[i] = next.due;
  }
  for (std::size_t i = 0; i < count; ++i) is_last[i] = words.at(ids[i]).last == i;
  return pg::Params(request.learner, request.key,
                    pg::Bytes(request.hash.begin(), request.hash.end()), ids, stabilities,
                    difficulties, states, steps, reviewed, dues, masteries, counts, is_last);
}

// What stands in the way of writing, or nothing.
std::optional<Error> refusal(const Request& request, const pg::Rows& rows, Timestamp present) {
  std::vector<Uuid> unknown;
  for (const auto row : rows) {
    if (!row.get<bool>(rows.column("known_word"))) {
      unknown.push_back(row.get<Uuid>(rows.column("vocabulary_id")));
    }
  }
  if (!unknown.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .message = "nothing was written: there is no word " + name_some(unknown)};
  }
  return check_ahead(request.reviews, present);
}

// Nothing: the key was taken meanwhile, and the next attempt will see by what.
awaitable<Result<std::optional<ReviewsOutcome>>> work(const Scope& scope, const Request& request,
                                                      pg::Transaction& transaction) {
  const pg::Params learner(request.learner);
  const auto locked = co_await transaction.execute(sql::learning::reviews_lock, learner);
  if (locked.has_error()) co_return locked.error();
  if (locked->empty()) co_return no_learner(scope, request.learner);

  std::vector<Uuid> ids;
  for (const auto& review : request.reviews) ids.push_back(review.vocabulary_id);
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const pg::Params asked(request.learner, ids, request.key);
  const auto rows = co_await transaction.execute(sql::learning::reviews_read, asked);
  if (rows.has_error()) co_return rows.error();

  const auto first = (*rows)[0];
  const auto prior = first.get<std::optional<pg::Bytes>>(rows->column("request_hash"));
  if (prior) {
    if (!std::ranges::equal(*prior, request.hash)) {
      co_return Error{.code = ErrorCode::kConflict,
                      .message = "this idempotency key came before with another request",
                      .hint = "use a new key for a new request",
                      .node = scope.database.node()};
    }
    const pg::Params key(request.key);
    const auto answer = co_await transaction.execute(sql::learning::reviews_replay, key);
    if (answer.has_error()) co_return answer.error();
    co_return ReviewsOutcome{.reviews = answer->as<ReviewedWord>(), .replayed = true};
  }
  const auto present = request.present.value_or(first.get<Timestamp>(rows->column("present")));
  if (auto error = refusal(request, *rows, present)) co_return *error;

  const auto changes = apply(request, stored_words(*rows), present);
  const auto written = co_await transaction.execute(sql::learning::reviews_write, changes);
  if (written.has_error()) co_return written.error();
  if (written->empty()) co_return std::optional<ReviewsOutcome>();
  const auto committed = co_await transaction.commit(scope.seen);
  if (committed.has_error()) co_return committed.error();
  co_return ReviewsOutcome{.reviews = written->as<ReviewedWord>()};
}

// One transaction. Whatever ends it before its commit, its lease rolls it back.
awaitable<Result<std::optional<ReviewsOutcome>>> attempt(const Scope& scope,
                                                         const Request& request) {
  const auto deadline = std::min(scope.deadline, std::chrono::steady_clock::now() + kLongestWait);
  const pool::Call call{.tenant = scope.tenant, .deadline = deadline, .seen = scope.seen};
  auto lease = co_await scope.database.lease(Access::write, call);
  if (lease.has_error()) co_return lease.error();
  const pg::TransactionOptions options{.tenant = &scope.tenant, .deadline = deadline};
  auto transaction = co_await pg::Transaction::begin(lease->connection(), options);
  auto result = Result<std::optional<ReviewsOutcome>>(std::nullopt);
  if (transaction.has_error()) {
    result = transaction.error();
  } else {
    result = co_await work(scope, request, *transaction);
  }
  if (result.has_error() && result.error().code != ErrorCode::kInDoubt) {
    auto error = result.error();
    error.may_have_taken_effect = false;  // there was no COMMIT
    co_return error;
  }
  co_return result;
}

bool is_final(const Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kConflict ||
         error.code == ErrorCode::kBadInput;
}

// A deadlock, a connection that broke, a commit without an answer.
bool can_be_repeated(const Error& error) {
  return error.code == ErrorCode::kInDoubt || error.code == ErrorCode::kConnectionLost ||
         error.sqlstate == "40P01" || error.sqlstate == "40001";
}

}  // namespace

double mastery_of(double stability) {
  return stability / (stability + kMasteredStability / 4);
}

std::optional<fsrs::Memory> memory_from_interval(std::optional<Timestamp> last_reviewed,
                                                 std::optional<pg::Date> next_review_date) {
  if (!last_reviewed || !next_review_date) return std::nullopt;
  if (check_time("last_reviewed", *last_reviewed)) return std::nullopt;
  const auto interval =
      (*next_review_date - std::chrono::floor<std::chrono::days>(*last_reviewed)).count();
  if (interval < 1) return std::nullopt;
  auto memory = fsrs::schedule(std::nullopt, fsrs::Rating::good, *last_reviewed).memory;
  memory.state = fsrs::State::review;
  memory.step = 0;
  memory.stability = std::min(static_cast<double>(interval), fsrs::kMostStability);
  return memory;
}

awaitable<Result<ReviewsOutcome>> review_vocabulary(Scope scope, Uuid learner,
                                                    std::vector<Review> reviews,
                                                    std::string idempotency_key,
                                                    std::optional<Timestamp> present) {
  Request request{.learner = learner,
                  .reviews = std::move(reviews),
                  .key = std::move(idempotency_key),
                  .present = present};
  if (auto error = check(request)) co_return *error;
  if (request.reviews.empty()) {
    auto known = co_await check_learner(scope, learner);
    if (known.has_error()) co_return known.error();
    co_return ReviewsOutcome{};
  }
  if (request.key.empty()) request.key = to_string(random_uuid());
  request.hash = hash_of(request);

  bool in_doubt = false;
  for (int number = 1;; ++number) {
    auto result = co_await attempt(scope, request);
    if (result.has_value() && *result) {
      auto outcome = std::move(**result);
      // What this call itself wrote in doubt is not a replay to its caller.
      if (in_doubt) outcome.replayed = false;
      co_return outcome;
    }
    if (result.has_value()) {
      if (number < kMostAttempts) continue;
      co_return Error{.code = ErrorCode::kConflict,
                      .message = "other requests with this idempotency key came and went",
                      .node = scope.database.node()};
    }
    auto error = result.error();
    in_doubt = in_doubt || error.code == ErrorCode::kInDoubt;
    if (can_be_repeated(error) && number < kMostAttempts) continue;
    if (in_doubt && !is_final(error)) {
      error.code = ErrorCode::kInDoubt;
      error.may_have_taken_effect = true;
    }
    co_return error;
  }
}

}  // namespace lyceum::learning
