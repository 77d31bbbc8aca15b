#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "watch/collector.h"
#include "watch/expression.h"
#include "watch/template.h"

namespace lyceum::watch {

enum class Severity : std::uint8_t { info, warning, critical };

[[nodiscard]] std::string_view name_of(Severity severity);
[[nodiscard]] std::optional<Severity> parse_severity(std::string_view name);

// What a row is changed to in a phase of a proof: columns and their values.
using Change = std::vector<std::pair<int, Value>>;

// A made history that a rule is proven by: a row, what is changed in it for the rule to fire, what
// is a hair less and must not fire, and what clears it again.
struct Proof {
  Row row;  // what is not named is missing; keys are called as their columns are
  Change fires;
  std::vector<Change> stays;
  Change clears;      // beginning from the row
  bool gone = false;  // it clears because the row is gone
  Duration every = std::chrono::minutes(1);
  std::size_t line = 0;
};

// A condition over the rows of one collector: when it holds of a row for long enough, that is an
// alert.
struct Rule {
  std::string name;
  const Collector* collector = nullptr;
  Severity severity = Severity::warning;
  // Rules that say the same of one thing more or less gravely: the graver silences the others.
  std::string family;
  std::optional<Expression> where;  // the rows that it looks at; nothing: all
  std::optional<Expression> value;  // the figure that is shown, and held against the threshold
  // The threshold: a number, or a formula over the row. Fires while value is above `above` (below
  // `below`), and clears again once it is no more above (below) `clear`.
  std::optional<Expression> above, below, clear;
  // Or conditions: fires when `when` is true, clears when `until` is (when it is not, without one).
  std::optional<Expression> when, until;
  // In place of `value` and `when` where one sample is all there is (`lyceum doctor`).
  std::optional<Expression> once_value, once_when;
  Duration hold{};  // how long it holds before it fires ("for")
  // It says that a node is dead: the node's other alerts are not told then.
  bool inhibits_node = false;
  // It holds only where it does on every node that has the row: an index is unused where no node
  // uses it.
  bool everywhere = false;
  // It looks at what a replica has from its primary: said once, of the primary.
  bool replicated = false;
  std::map<std::string, std::string> labels;
  Template summary;
  std::string why;
  Template mend;  // SQL
  std::vector<Proof> proofs;
  std::string place;  // "default.toml:12"

  // What it needs of the past; empty where one sample is enough.
  [[nodiscard]] std::vector<Expression::Look> looks_back() const;
};

struct RuleFile {
  std::string name;  // as errors name it
  std::string text;
};

// The rules that Lyceum brings: rules/default.toml.
[[nodiscard]] const RuleFile& shipped_rules();
// Errors: kIo where it cannot be read or has more than 1 MiB.
[[nodiscard]] Result<RuleFile> read_rule_file(const std::string& path);

// Immutable once loaded.
struct RuleSet {
  std::vector<Rule> rules;       // in the order of the files
  std::vector<std::string> off;  // names of rules that are switched off

  [[nodiscard]] const Rule* find(std::string_view name) const;
};

// The rules of all files. A later file may add rules, change one by its name (what it does not name
// stays as it was), or switch it off (enabled = false). The format stands in docs/alerts.md.
// Errors: kConfiguration, the first problem, with file, line, rule and key.
[[nodiscard]] Result<RuleSet> load_rules(std::span<const RuleFile> files);

// The shipped rules and, unless the path is empty, the user's file.
[[nodiscard]] Result<RuleSet> load_rules(const std::string& path);

}  // namespace lyceum::watch
