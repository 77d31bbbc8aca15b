#pragma once

#include <memory>
#include <string>

#include "watch/rule.h"

namespace lyceum::watch {

// What became of a rule's made history.
struct ProofOutcome {
  bool fired = false;  // and not before it ought to
  bool cleared = false;
  std::string problem;     // empty, or what went otherwise
  Duration until_fired{};  // from the change to the alert
  Duration until_cleared{};

  [[nodiscard]] bool passed() const { return problem.empty() && fired && cleared; }
};

// Plays it through the evaluator and the book of alerts: the row as it is, then what is a hair too
// little, each for longer than the rule waits and looks back: nothing may fire. Then what fires: it
// has to, and not before its time. Then what clears.
[[nodiscard]] ProofOutcome prove(const Rule& rule, const Proof& proof);

}  // namespace lyceum::watch
