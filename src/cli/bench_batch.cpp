// Batch progress beside the guide's statement, in rows per second: the same updates to the same
// rows, each side on its own schema, then both tables compared.

#include <fmt/format.h>

#include "base/await.h"
#include "cli/bench_suite.h"
#include "indexes/catalogue.h"
#include "learning/batch_progress.h"
#include "pool/pool.h"
#include "sql/statements.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;
using learning::ProgressUpdate;

constexpr std::size_t kRows = 1000;  // of a batch
constexpr int kBatches = 5;          // of a round, on each side

// The updates of one batch: the learners of the largest tenant, some rows there and some new, no
// pair twice, for the guide's statement does not bear it.
std::vector<ProgressUpdate> batch_of(const learning::load::School& school, int number) {
  const auto learners = school.learners_of(0);
  const auto stories = school.stories_of(0);
  std::vector<ProgressUpdate> out;
  for (std::size_t i = 0; i < kRows; ++i) {
    const auto at = static_cast<std::uint64_t>(number) * kRows + i;
    out.push_back(
        {.user_id = school.user(learners.first + at % learners.size()).id,
         .story_id = school.story(stories.first + at / learners.size() % stories.size()).id,
         .completion_percentage = static_cast<std::int32_t>(at * 37 % 101),
         .time_spent = static_cast<std::int32_t>(at % 600)});
  }
  return out;
}

awaitable<Result<void>> write_theirs(pg::Connection& guide,
                                     const std::vector<ProgressUpdate>& updates) {
  std::vector<Uuid> users, stories;
  std::vector<std::int32_t> percentages, seconds;
  for (const auto& update : updates) {
    users.push_back(update.user_id);
    stories.push_back(update.story_id);
    percentages.push_back(update.completion_percentage);
    seconds.push_back(update.time_spent);
  }
  auto done = co_await guide.execute(sql::bench::guide::batch_progress,
                                     pg::Params(users, stories, percentages, seconds));
  if (done.has_error()) co_return done.error();
  co_return Result<void>{};
}

// One comparison on the indexes as they are; `number` goes on from batch to batch.
awaitable<Result<BenchRow>> compare(pool::Pool& pool, pg::Connection& guide, const Stage& stage,
                                    int rounds_wanted, int& number, BenchRow row) {
  const auto tenant = stage.school.tenant(0).id;
  std::vector<BenchRound> rounds;
  for (int round = 0; round <= rounds_wanted; ++round) {
    std::vector<std::vector<ProgressUpdate>> batches;
    for (int i = 0; i < kBatches; ++i) batches.push_back(batch_of(stage.school, number++));
    auto begun = Clock::now();
    for (const auto& updates : batches) {
      auto written = co_await write_theirs(guide, updates);
      if (written.has_error()) co_return written.error();
    }
    const std::chrono::duration<double> their_time = Clock::now() - begun;
    begun = Clock::now();
    for (const auto& updates : batches) {
      auto written =
          co_await learning::batch_progress({pool, tenant}, updates, to_string(random_uuid()));
      if (written.has_error()) co_return written.error();
    }
    const std::chrono::duration<double> our_time = Clock::now() - begun;
    constexpr double kTotal = static_cast<double>(kRows) * kBatches;
    // The first round warms both up.
    if (round > 0) rounds.push_back({kTotal / our_time.count(), kTotal / their_time.count()});
  }
  static constexpr Statement kDifferent{
      "",
      "select count(*) from (select user_id, story_id, completion_percentage, "
      "time_spent::int8 from public.progress except select user_id, story_id, "
      "completion_percentage, time_spent::int8 from guide.progress) d",
      Access::read};
  auto different = co_await guide.execute(kDifferent);
  if (different.has_error()) co_return different.error();
  if (const auto count = different->template value<std::int64_t>(); count != 0) {
    row.mismatch = fmt::format("{} rows of progress differ", count);
  }
  summarize(rounds, false, row);
  co_return row;
}

// Leaves of the catalogue's indexes on progress those of profile lean.
awaitable<Result<void>> keep_lean_indexes(pg::Connection& admin) {
  const auto guide = indexes::embedded_catalogue("guide");
  const auto lean = indexes::embedded_catalogue("lean");
  if (guide.has_error()) co_return guide.error();
  if (lean.has_error()) co_return lean.error();
  std::string drops;
  for (const auto& index : guide->indexes()) {
    if (lean->find(index.name()) == nullptr) {
      drops += fmt::format("drop index if exists public.{};", index.name());
    }
  }
  auto dropped = co_await admin.script(drops);
  if (dropped.has_error()) co_return dropped.error();
  co_return Result<void>{};
}

}  // namespace

Result<void> bench_batch(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                         std::vector<BenchRow>& rows) {
  if (!options.wants("batch.guide")) return {};
  progress.update("batch progress");
  auto ours = pg::parse_target(stage.application_url);
  if (ours.has_error()) return ours.error();
  auto theirs = pg::parse_target(stage.admin_url);
  if (theirs.has_error()) return theirs.error();
  return await([&](auto executor) -> awaitable<Result<void>> {
    auto guide = co_await pg::Connection::connect(executor, {.target = *theirs});
    if (guide.has_error()) co_return guide.error();
    pool::Pool pool(executor, {.target = learning::tuned(*ours)});
    int number = 0;
    std::optional<Error> failure;
    const auto measure = [&](BenchRow row) -> awaitable<void> {
      auto measured =
          co_await compare(pool, **guide, stage, options.rounds, number, std::move(row));
      if (measured.has_error()) {
        failure = measured.error();
      } else {
        rows.push_back(*measured);
      }
    };
    const auto what = [](std::string_view profile) {
      return fmt::format(
          "batch progress, {} rows a batch, with an idempotency key, indexes of "
          "profile {}; theirs: the guide's, without a key",
          kRows, profile);
    };
    co_await measure({.id = "batch.guide.all_indexes", .what = what("guide"), .unit = "rows/s"});
    if (!failure) {
      auto kept = co_await keep_lean_indexes(**guide);
      if (kept.has_error()) failure = kept.error();
    }
    if (!failure) {
      co_await measure(
          {.id = "batch.guide", .what = what("lean"), .unit = "rows/s", .budget = 1.5});
    }
    (void)co_await pool.shutdown(std::chrono::seconds(5));
    (*guide)->close();
    if (failure) co_return *failure;
    co_return Result<void>{};
  });
}

}  // namespace lyceum::cli
