// Batch progress beside the guide's statement, in rows per second: the same updates to the same
// rows, each side on its own schema, then both tables compared.

#include <fmt/format.h>

#include "cli/await.h"
#include "cli/bench_suite.h"
#include "learning/batch_progress.h"
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
    out.push_back({.user_id = school.user(learners.first + at % learners.size()).id,
                   .story_id =
                       school.story(stories.first + at / learners.size() % stories.size()).id,
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

}  // namespace

Result<void> bench_batch(const Stage& stage, const BenchOptions& options, ProgressLine& progress,
                         std::vector<BenchRow>& rows) {
  if (!options.wants("batch.guide")) return {};
  progress.update("batch progress");
  auto ours = pg::parse_target(stage.application_url);
  if (ours.has_error()) return ours.error();
  auto theirs = pg::parse_target(stage.admin_url);
  if (theirs.has_error()) return theirs.error();
  const auto tenant = stage.school.tenant(0).id;
  BenchRow row{.id = "batch.guide",
               .what = fmt::format("batch progress, {} rows a batch, with an idempotency key; "
                                   "theirs: the guide's, without", kRows),
               .unit = "rows/s",
               .budget = 1.5};
  auto done = await([&](auto executor) -> awaitable<Result<void>> {
    auto guide = co_await pg::Connection::connect(executor, {.target = *theirs});
    if (guide.has_error()) co_return guide.error();
    pool::Pool pool(executor, {.target = learning::tuned(*ours)});
    std::optional<Error> failure;
    std::vector<BenchRound> rounds;
    int number = 0;
    for (int round = 0; round <= options.rounds && !failure; ++round) {
      std::vector<std::vector<ProgressUpdate>> batches;
      for (int i = 0; i < kBatches; ++i) batches.push_back(batch_of(stage.school, number++));
      auto begun = Clock::now();
      for (const auto& updates : batches) {
        auto written = co_await write_theirs(**guide, updates);
        if (written.has_error()) failure = written.error();
      }
      const std::chrono::duration<double> their_time = Clock::now() - begun;
      begun = Clock::now();
      for (const auto& updates : batches) {
        auto written = co_await learning::batch_progress({pool, tenant}, updates,
                                                         to_string(random_uuid()));
        if (written.has_error()) failure = written.error();
      }
      const std::chrono::duration<double> our_time = Clock::now() - begun;
      constexpr double kTotal = static_cast<double>(kRows) * kBatches;
      // The first round warms both up.
      if (round > 0) rounds.push_back({kTotal / our_time.count(), kTotal / their_time.count()});
    }
    (void)co_await pool.shutdown(std::chrono::seconds(5));
    if (!failure) {
      static constexpr Statement kDifferent{
          "", "select count(*) from (select user_id, story_id, completion_percentage, "
              "time_spent::int8 from public.progress except select user_id, story_id, "
              "completion_percentage, time_spent::int8 from guide.progress) d",
          Access::read};
      auto different = co_await (*guide)->execute(kDifferent);
      if (different.has_error()) {
        failure = different.error();
      } else if (const auto count = different->template value<std::int64_t>(); count != 0) {
        row.mismatch = fmt::format("{} rows of progress differ", count);
      }
    }
    (*guide)->close();
    if (failure) co_return *failure;
    summarize(rounds, false, row);
    co_return Result<void>{};
  });
  if (done.has_error()) return done.error();
  rows.push_back(row);
  return {};
}

}  // namespace lyceum::cli
