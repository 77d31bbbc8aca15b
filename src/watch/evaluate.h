#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "watch/alerts.h"
#include "watch/rule.h"
#include "watch/sample.h"

namespace lyceum::watch {

// Feeds samples into rules, and remembers of them what the rules look back at: of each row the
// columns in question, in up to 60 stretches for the longest window. Forgets a row that is not in
// its source's newest sample. One thread at a time.
class Evaluator {
 public:
  explicit Evaluator(std::shared_ptr<const RuleSet> rules);
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;
  ~Evaluator();

  // What the rules say of this sample, for AlertBook::observe(). The conditions point into the
  // rules.
  //
  // `read` is when the sample was read, by the steady clock. With it a clock that is set moves the
  // past along, so that rates stay what they are. Without it (a replay) a sample that is older than
  // one of its source before makes that source's past begin anew.
  Judgement take(const Sample& sample, std::optional<SteadyTime> read = std::nullopt);

  // As take(), of what was read before this process began; nothing is said of it. Samples of one
  // source in the order of their times; one that is not is left out. Not after that source's first
  // take().
  void remember(const Sample& sample);

  // What there is to remember of a collector: samples no older than `reach`, of which those that
  // are closer than `step` to one before may be left out.
  struct Wanted {
    std::string_view collector;
    Duration reach{};
    Duration step{};
  };
  // Of one collector in the order of time: each holds until the next one's reach.
  [[nodiscard]] std::vector<Wanted> wanted() const;

  [[nodiscard]] const RuleSet& rules() const { return *rules_; }

 private:
  struct Memory;
  Judgement look_at(const Sample& sample, bool quiet);
  std::shared_ptr<const RuleSet> rules_;
  std::unique_ptr<Memory> memory_;
};

// One line of `lyceum doctor`.
struct Verdict {
  std::string rule;
  Severity severity = Severity::warning;
  std::string node, database;
  std::map<std::string, std::string> labels;
  std::optional<double> value;
  std::string summary, why, mend;
};

struct Verdicts {
  std::vector<Verdict> found;  // worst first
  // Rules that one sample says nothing of: "not enough history", or that no sample was given for.
  std::vector<std::pair<std::string, std::string>> unjudged;
};

// What the rules say of one sample of each source, without waiting for anything to last. What
// replicated rules say of a replica is left out where they say it of its primary.
[[nodiscard]] Verdicts verdicts(std::span<const Sample> samples, const RuleSet& rules);

}  // namespace lyceum::watch
