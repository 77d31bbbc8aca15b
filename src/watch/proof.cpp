#include "watch/proof.h"

#include <fmt/format.h>

#include "base/duration.h"
#include "watch/alerts.h"
#include "watch/evaluate.h"

namespace lyceum::watch {
namespace {

class Play {
 public:
  Play(const Rule& rule, const Proof& proof)
      : proof_(proof), evaluator_(only(rule)), book_({.group_wait = Duration{}}) {
    source_ = {.collector = std::string(rule.collector->name), .node = "", .database = ""};
    if (rule.collector->scope != Scope::client) source_.node = "node-1:5432";
    if (rule.collector->scope == Scope::database) source_.database = "lyceum";
    for (std::size_t i = 0; i < proof.row.size(); ++i) {
      const bool counts = rule.collector->columns[i].kind == Kind::counter;
      if (!counts || proof.row[i].index() == 0) continue;
      // What rises as a rule was counted for a while before.
      const auto* const rise = std::get_if<std::int64_t>(&proof.row[i]);
      totals_[i] = rise != nullptr && *rise == 0 ? 0 : 1e6;
    }
    Duration longest{};
    for (const auto& look : rule.looks_back()) longest = std::max(longest, look.window);
    steps_ = static_cast<int>((rule.hold + longest) / proof.every) + 4;
  }

  // Plays one phase to its end, or to the first change; the time that had passed by then.
  std::optional<Duration> phase(const watch::Change* change, AlertState awaited) {
    auto row = proof_.row;
    if (change != nullptr) {
      for (const auto& [column, value] : *change) row[static_cast<std::size_t>(column)] = value;
    }
    for (int step = 1; step <= steps_; ++step) {
      now_.steady += proof_.every;
      now_.wall += std::chrono::duration_cast<std::chrono::microseconds>(proof_.every);
      Sample sample{.source = source_, .at = now_.wall, .epoch = 1, .rows = {}};
      if (change != nullptr || !gone_) sample.rows.push_back(counted(row));
      for (const auto& changed : book_.observe(source_, evaluator_.take(sample), now_)) {
        last_ = changed.alert;
        if (changed.alert.state == awaited) return proof_.every * (step - 1);
      }
    }
    return std::nullopt;
  }
  void row_is_gone() { gone_ = true; }
  [[nodiscard]] const Alert& last() const { return last_; }

 private:
  static std::shared_ptr<const RuleSet> only(const Rule& rule) {
    auto out = std::make_shared<RuleSet>();
    out->rules.push_back(rule);
    return out;
  }

  Row counted(Row row) {
    for (auto& [column, total] : totals_) {
      if (const auto* integer = std::get_if<std::int64_t>(&row[column])) {
        total += static_cast<double>(*integer);
      } else if (const auto* real = std::get_if<double>(&row[column])) {
        total += *real;
      }
      row[column] = total;
    }
    return row;
  }

  const Proof& proof_;
  Evaluator evaluator_;
  AlertBook book_;
  Source source_;
  std::map<std::size_t, double> totals_;
  int steps_ = 0;
  bool gone_ = false;
  Moment now_{.steady = SteadyTime(std::chrono::hours(1)),
              .wall = Timestamp(std::chrono::seconds(1'800'000'000))};
  Alert last_;
};

}  // namespace

ProofOutcome prove(const Rule& rule, const Proof& proof) {
  ProofOutcome out;
  Play play(rule, proof);
  const watch::Change nothing;
  if (play.phase(&nothing, AlertState::firing)) {
    out.problem = "it fires for the row as it is";
    return out;
  }
  for (std::size_t i = 0; i < proof.stays.size(); ++i) {
    if (play.phase(&proof.stays[i], AlertState::firing)) {
      out.problem = fmt::format("it fires for neighbour {}, which it must not", i + 1);
      return out;
    }
    (void)play.phase(&nothing, AlertState::firing);
  }
  const auto fired = play.phase(&proof.fires, AlertState::firing);
  if (!fired) {
    out.problem = "it does not fire";
    return out;
  }
  out.until_fired = *fired;
  if (*fired < rule.hold) {
    out.problem = fmt::format("it fires after {}, before it has held for {}",
                              format_duration(*fired), format_duration(rule.hold));
    return out;
  }
  out.fired = true;
  // It goes on holding: one that clears by itself would be told again and again.
  if (play.phase(&proof.fires, AlertState::resolved)) {
    out.problem = "it clears while it still holds";
    return out;
  }
  if (proof.gone) play.row_is_gone();
  const auto cleared = play.phase(proof.gone ? nullptr : &proof.clears, AlertState::resolved);
  if (!cleared) {
    out.problem = "it does not clear";
    return out;
  }
  out.until_cleared = *cleared;
  out.cleared = true;
  return out;
}

}  // namespace lyceum::watch
