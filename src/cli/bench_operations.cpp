// Our operations beside the guide's statements: ours as the application's role, under row-level
// security, through the pool; the guide's as a superuser on its own schema, with its own indexes,
// on a plain connection. Both one call at a time, over the same socket, for the same learners.

#include <fmt/format.h>

#include "base/await.h"
#include "cli/bench_search_words.h"
#include "cli/bench_suite.h"
#include "learning/analytics.h"
#include "learning/progress_summary.h"
#include "learning/stories.h"
#include "learning/vocabulary.h"
#include "pool/pool.h"
#include "sql/statements.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

// For whom an operation is called, and the words of a search.
struct Sample {
  Uuid tenant{};
  Uuid learner{};
  std::string words;
};

// Answers are compared as lists of text.
using Answer = std::vector<std::string>;
using Call = std::function<awaitable<Result<Answer>>(const Sample&, bool compare)>;

struct Comparison {
  std::string id;
  std::string what;
  double budget;  // 0: none
  const std::vector<Sample>& samples;
  Call ours;
  Call theirs;
};

std::string number(double value) {
  return fmt::format("{:.6f}", value);
}
std::string number(std::optional<double> value) {
  return value ? number(*value) : "0.000000";
}
std::string time(const std::optional<Timestamp>& value) {
  return value ? std::to_string(value->time_since_epoch().count()) : "-";
}

// The guide's order ends with created_at, which is not unique: rows that tie are compared as a set.
Answer story_line(bool featured, const std::optional<Timestamp>& accessed, Timestamp created,
                  const std::optional<std::int32_t>& completion) {
  return {fmt::format("{} {} {} {}", featured, time(accessed), time(created),
                      completion ? std::to_string(*completion) : "-")};
}

// Whose calls are measured.
struct Samples {
  std::vector<Sample> learners, schools, rare, medium, common, mixed;
};

class Operations {
 public:
  // `planned` plans the guide's statements for their parameters each time.
  Operations(pool::Pool& pool, std::shared_ptr<pg::Connection> guide,
             std::shared_ptr<pg::Connection> planned, Timestamp as_of, const Samples& samples)
      : pool_(pool),
        guide_(std::move(guide)),
        planned_(std::move(planned)),
        as_of_(as_of),
        samples_(samples) {}

  std::vector<Comparison> all() {
    return {
        {"stories_page.guide", "a page of 20 stories with progress and the total", 20,
         samples_.learners,
         [this](auto& sample, bool compare) { return our_page(sample, compare, false); },
         [this](auto& sample, bool compare) {
           return their_page(sample, compare, false, *guide_);
         }},
        search("", "words of which each third is rare, medium and common", 100, samples_.mixed,
               guide_),
        search(".rare", "words in fewer than 1 % of the stories", 0, samples_.rare, guide_),
        search(".medium", "words in 1 to 10 %", 0, samples_.medium, guide_),
        search(".common", "words in more than 10 %", 0, samples_.common, guide_),
        // What the guide's callers meet where the plan is not kept: in the first five calls on each
        // connection, and always with a driver or a proxy that prepares no statement by name.
        search(".planned", "the mixed words, theirs planned for each call", 0, samples_.mixed,
               planned_),
        {"vocabulary.guide", "10 vocabulary recommendations", 10, samples_.learners,
         [this](auto& sample, bool compare) { return our_words(sample, compare); },
         [this](auto& sample, bool compare) { return their_words(sample, compare); }},
        {"analytics.guide", "learning analytics of 30 days", 20, samples_.schools,
         [this](auto& sample, bool compare) { return our_analytics(sample, compare); },
         [this](auto& sample, bool compare) { return their_analytics(sample, compare); }},
        {"progress_summary.guide", "a learner's progress summary", 1, samples_.learners,
         [this](auto& sample, bool compare) { return our_summary(sample, compare); },
         [this](auto& sample, bool compare) { return their_summary(sample, compare); }},
    };
  }

 private:
  Comparison search(const char* kind, const std::string& words, double budget,
                    const std::vector<Sample>& samples, std::shared_ptr<pg::Connection> theirs) {
    return {fmt::format("stories_search.guide{}", kind),
            "a page of story search, with the total, for " + words,
            budget,
            samples,
            [this](auto& sample, bool compare) { return our_page(sample, compare, true); },
            [this, theirs](auto& sample, bool compare) {
              return their_page(sample, compare, true, *theirs);
            }};
  }

  awaitable<Result<Answer>> our_page(const Sample& sample, bool compare, bool search) {
    learning::StoriesRequest request{.limit = 20, .include_total = true};
    if (search) {
      request.search = sample.words;
    } else {
      request.learner = sample.learner;
    }
    auto page = co_await learning::stories_page({pool_, sample.tenant}, std::move(request));
    if (page.has_error()) co_return page.error();
    Answer answer;
    if (!compare) co_return answer;
    for (const auto& story : page->stories) {
      answer.push_back(story_line(story.featured, story.last_accessed, story.created_at,
                                  story.completion_percentage)[0]);
    }
    answer.push_back(std::to_string(*page->total_count));
    co_return answer;
  }

  awaitable<Result<Answer>> their_page(const Sample& sample, bool compare, bool search,
                                       pg::Connection& guide) {
    const std::int64_t limit = 20, offset = 0;
    const auto rows =
        search ? co_await guide.execute(sql::bench::guide::stories_search,
                                        pg::Params(sample.tenant, sample.words, limit, offset))
               : co_await guide.execute(sql::bench::guide::stories_page_progress,
                                        pg::Params(sample.tenant, sample.learner, limit, offset));
    if (rows.has_error()) co_return rows.error();
    Answer answer;
    if (!compare) co_return answer;
    std::int64_t total = 0;
    for (const auto row : *rows) {
      const auto column = [&](const char* name) { return rows->column(name); };
      answer.push_back(story_line(
          row.get<bool>(column("featured")),
          search ? std::nullopt : row.get<std::optional<Timestamp>>(column("last_accessed")),
          row.get<Timestamp>(column("created_at")),
          search ? std::nullopt
                 : row.get<std::optional<std::int32_t>>(column("completion_percentage")))[0]);
      total = row.get<std::int64_t>(column("total_count"));
    }
    answer.push_back(std::to_string(total));
    co_return answer;
  }

  awaitable<Result<Answer>> our_words(const Sample& sample, bool compare) {
    auto words = co_await learning::vocabulary_recommendations(
        {pool_, sample.tenant}, {.learner = sample.learner, .limit = 10, .time_zone = "UTC"});
    if (words.has_error()) co_return words.error();
    Answer answer;
    if (!compare) co_return answer;
    for (const auto& word : *words) answer.push_back(number(word.recommendation_score));
    co_return answer;
  }

  awaitable<Result<Answer>> their_words(const Sample& sample, bool compare) {
    const auto rows = co_await guide_->execute(sql::bench::guide::vocabulary_recommendations,
                                               pg::Params(sample.learner, std::int64_t{10}));
    if (rows.has_error()) co_return rows.error();
    Answer answer;
    if (!compare) co_return answer;
    const auto score = rows->column("recommendation_score");
    for (const auto row : *rows) answer.push_back(number(row.get<double>(score)));
    co_return answer;
  }

  awaitable<Result<Answer>> our_analytics(const Sample& sample, bool compare) {
    auto found = co_await learning::learning_analytics(
        {pool_, sample.tenant},
        {.from = as_of_ - std::chrono::days(30), .to = as_of_, .time_zone = "UTC"});
    if (found.has_error()) co_return found.error();
    Answer answer;
    if (!compare) co_return answer;
    std::int64_t sessions = 0, users = 0, minutes = 0;
    for (const auto& day : found->daily_stats) {
      sessions += day.total_sessions;
      users += day.active_users;
      minutes += day.total_learning_time;
    }
    answer = {std::to_string(found->daily_stats.size()),
              std::to_string(sessions),
              std::to_string(users),
              std::to_string(minutes),
              std::to_string(found->users_completed_stories),
              number(found->avg_completion_rate),
              std::to_string(found->users_learning_vocabulary),
              number(found->avg_vocabulary_mastery)};
    co_return answer;
  }

  awaitable<Result<Answer>> their_analytics(const Sample& sample, bool compare) {
    // Theirs takes the end instant in.
    const auto rows =
        co_await guide_->execute(sql::bench::guide::learning_analytics,
                                 pg::Params(sample.tenant, as_of_ - std::chrono::days(30),
                                            as_of_ - std::chrono::microseconds(1)));
    if (rows.has_error()) co_return rows.error();
    Answer answer;
    if (!compare) co_return answer;
    if (rows->empty()) co_return Answer{"no row"};
    const auto row = (*rows)[0];
    const auto column = [&](const char* name) { return rows->column(name); };
    // Their days are a JSON document; the server counts in it.
    static constexpr Statement kSums{
        "",
        "select count(*)::int8, sum((d->>'total_sessions')::int8)::int8, "
        "sum((d->>'active_users')::int8)::int8, sum((d->>'total_learning_time')::int8)::int8 "
        "from jsonb_array_elements($1::jsonb) d",
        Access::read};
    const auto sums =
        co_await guide_->execute(kSums, pg::Params(row.get<pg::Json>(column("daily_stats"))));
    if (sums.has_error()) co_return sums.error();
    for (int i = 0; i < 4; ++i) {
      answer.push_back(std::to_string((*sums)[0].get<std::int64_t>(i)));
    }
    answer.push_back(std::to_string(row.get<std::int64_t>(column("users_completed_stories"))));
    answer.push_back(number(row.get<std::optional<double>>(column("avg_completion_rate"))));
    answer.push_back(std::to_string(row.get<std::int64_t>(column("users_learning_vocabulary"))));
    answer.push_back(number(row.get<std::optional<double>>(column("avg_vocabulary_mastery"))));
    co_return answer;
  }

  awaitable<Result<Answer>> our_summary(const Sample& sample, bool compare) {
    auto found = co_await learning::progress_summary({pool_, sample.tenant}, sample.learner);
    if (found.has_error()) co_return found.error();
    Answer answer;
    if (!compare) co_return answer;
    answer = {std::to_string(found->stories_started),
              std::to_string(found->stories_completed),
              number(found->avg_completion),
              std::to_string(found->total_time_spent),
              time(found->last_activity),
              std::to_string(found->vocabulary_learned),
              number(found->avg_vocabulary_mastery),
              std::to_string(found->vocabulary_mastered)};
    co_return answer;
  }

  // Days and streaks differ on purpose (the learner's time zone, several sessions a day); all other
  // figures are compared.
  awaitable<Result<Answer>> their_summary(const Sample& sample, bool compare) {
    const auto rows =
        co_await guide_->execute(sql::bench::guide::progress_summary, pg::Params(sample.learner));
    if (rows.has_error()) co_return rows.error();
    Answer answer;
    if (!compare) co_return answer;
    const auto row = (*rows)[0];
    const auto column = [&](const char* name) { return rows->column(name); };
    const auto count = [&](const char* name) {
      return std::to_string(row.get<std::optional<std::int64_t>>(column(name)).value_or(0));
    };
    answer = {count("stories_started"),
              count("stories_completed"),
              number(row.get<std::optional<double>>(column("avg_completion"))),
              count("total_time_spent"),
              time(row.get<std::optional<Timestamp>>(column("last_activity"))),
              count("vocabulary_learned"),
              number(row.get<std::optional<double>>(column("avg_vocabulary_mastery"))),
              count("vocabulary_mastered")};
    co_return answer;
  }

  pool::Pool& pool_;
  std::shared_ptr<pg::Connection> guide_, planned_;
  Timestamp as_of_;
  const Samples& samples_;
};

// Learners all over the platform, a large school as often as it has learners, each with the next of
// the words; or each school in turn.
std::vector<Sample> samples_of(const learning::load::School& school, int count, bool by_school,
                               const std::vector<std::string>& words = {}) {
  std::vector<Sample> out;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    const auto of = static_cast<std::uint64_t>(count);
    const auto number = by_school ? school.learners_of(at % school.scale().tenants).first
                                  : school.scale().learners * (2 * at + 1) / (2 * of);
    const auto user = school.user(number);
    out.push_back(
        {user.tenant_id, user.id, words.empty() ? std::string() : words[at % words.size()]});
  }
  return out;
}

Samples make_samples(const learning::load::School& school, int count, const SearchWords& words) {
  return {.learners = samples_of(school, count, false),
          .schools = samples_of(school, count, true),
          .rare = samples_of(school, count, false, words.rare),
          .medium = samples_of(school, count, false, words.medium),
          .common = samples_of(school, count, false, words.common),
          .mixed = samples_of(school, count, false, words.mixed())};
}

// The median time of one call, in milliseconds.
awaitable<Result<double>> time_calls(const Call& call, const std::vector<Sample>& samples) {
  std::vector<double> times;
  for (const auto& sample : samples) {
    const auto begun = Clock::now();
    auto answer = co_await call(sample, false);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
    if (answer.has_error()) co_return answer.error();
  }
  co_return median(std::move(times));
}

std::optional<std::string> difference(Answer ours, Answer theirs) {
  std::ranges::sort(ours);
  std::ranges::sort(theirs);
  if (ours == theirs) return std::nullopt;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (ours[i] != theirs[i]) return fmt::format("'{}' is not '{}'", ours[i], theirs[i]);
  }
  return fmt::format("{} parts are not {}", ours.size(), theirs.size());
}

awaitable<Result<BenchRow>> compare(const Comparison& comparison, const BenchOptions& options) {
  const auto& samples = comparison.samples;
  BenchRow row{.id = comparison.id,
               .what = comparison.what + ", p50; theirs: the guide's statement and indexes",
               .unit = "ms",
               .budget = comparison.budget};
  for (const auto& sample : samples) {
    auto ours = co_await comparison.ours(sample, true);
    if (ours.has_error()) co_return ours.error();
    auto theirs = co_await comparison.theirs(sample, true);
    if (theirs.has_error()) co_return theirs.error();
    if (auto differs = difference(*ours, *theirs)) {
      row.mismatch = fmt::format("learner {}: {}", to_string(sample.learner), *differs);
    }
  }
  std::vector<BenchRound> rounds;
  for (int i = 0; i < options.rounds; ++i) {
    auto theirs = co_await time_calls(comparison.theirs, samples);
    if (theirs.has_error()) co_return theirs.error();
    auto ours = co_await time_calls(comparison.ours, samples);
    if (ours.has_error()) co_return ours.error();
    rounds.push_back({*ours, *theirs});
  }
  summarize(rounds, true, row);
  co_return row;
}

}  // namespace

Result<void> bench_operations(const Stage& stage, const BenchOptions& options,
                              ProgressLine& progress, std::vector<BenchRow>& rows) {
  auto ours = pg::parse_target(stage.application_url);
  if (ours.has_error()) return ours.error();
  auto theirs = pg::parse_target(stage.admin_url);
  if (theirs.has_error()) return theirs.error();
  theirs->set("options", "-c timezone=UTC");
  return await([&](auto executor) -> awaitable<Result<void>> {
    auto guide = co_await pg::Connection::connect(executor, {.target = *theirs});
    if (guide.has_error()) co_return guide.error();
    theirs->set("options", "-c timezone=UTC -c plan_cache_mode=force_custom_plan");
    auto planned = co_await pg::Connection::connect(executor, {.target = *theirs});
    if (planned.has_error()) co_return planned.error();
    pool::Pool pool(executor, {.target = learning::tuned(*ours)});
    auto bound = co_await learning::check_isolation(pool);
    if (bound.has_error()) co_return bound.error();

    const auto words = co_await search_words(**guide, options.calls);
    if (words.has_error()) co_return words.error();
    const auto samples = make_samples(stage.school, options.calls, *words);
    Operations operations(pool, *guide, *planned, stage.as_of, samples);
    std::optional<Error> failure;
    for (const auto& comparison : operations.all()) {
      if (!options.wants(comparison.id)) continue;
      if (comparison.budget == 0 && !options.details) continue;
      // A small library may have no word of a kind.
      const bool searches = comparison.id.starts_with("stories_search");
      if (searches && comparison.samples.front().words.empty()) continue;
      progress.update("comparing " + comparison.id);
      auto row = co_await compare(comparison, options);
      if (row.has_error()) {
        failure = row.error();
        break;
      }
      rows.push_back(*row);
    }
    (void)co_await pool.shutdown(std::chrono::seconds(5));
    (*guide)->close();
    (*planned)->close();
    if (failure) co_return *failure;
    co_return Result<void>{};
  });
}

}  // namespace lyceum::cli
