#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "watch/rule.h"
#include "watch/sample.h"

namespace lyceum::watch {

// Now, by both clocks: durations are steady, so that a clock that is set neither fires nor clears;
// what people read, and what is said until when, is by the wall.
struct Moment {
  SteadyTime steady{};
  Timestamp wall{};
};

// What a rule says of one row at one time. Neither fires nor clears: it is between the thresholds,
// or unknown (not enough history, something missing); a firing alert goes on firing.
struct Condition {
  const Rule* rule = nullptr;
  std::string node, database;
  std::map<std::string, std::string> keys;  // the row's key columns
  bool fires = false;
  bool clears = false;
  bool known = true;
  std::optional<double> value;
  std::string summary, mend;  // where it fires or is between
};

// What the rules say of one sample. Conditions that clear may be left out.
struct Judgement {
  std::vector<Condition> conditions;
  // The node whose alerts by replicated rules it speaks of, see Voices; nothing: it speaks of none.
  std::optional<std::string> speaks_for;
};

enum class AlertState : std::uint8_t { pending, firing, resolved };
[[nodiscard]] std::string_view name_of(AlertState state);

// One rule that holds of one thing.
struct Alert {
  std::string id;  // the same for the same rule, node, database and keys, always
  std::string rule, family, node, database;
  Severity severity = Severity::warning;
  std::map<std::string, std::string> keys;
  // Everything a matcher sees and a message carries: alertname, severity, node, database, family,
  // the keys, and the rule's own.
  std::map<std::string, std::string> labels;
  AlertState state = AlertState::pending;
  bool inhibits_node = false;
  bool everywhere = false;
  bool replicated = false;
  std::string collector;
  std::optional<double> value;
  std::string summary, why, mend;
  std::string resolved_because;  // "it cleared", "it is gone", ...
  Timestamp since{};             // when it began to hold
  Timestamp fired_at{};
  Timestamp resolved_at{};
  SteadyTime held_since{}, firing_since{}, last_known{};
  bool told = false;   // its firing is in a message
  bool stale = false;  // its source has not been read for a while; it is as it was then
};

// A label's value is (or is not) a word, in which * stands for anything.
struct Matcher {
  std::string label;
  bool negated = false;
  std::string pattern;

  // "node=h1*", "severity!=critical". Errors: kBadInput.
  [[nodiscard]] static Result<Matcher> parse(std::string_view text);
  [[nodiscard]] bool matches(const std::map<std::string, std::string>& labels) const;
};

// Alerts whose labels all matchers match are not told until then.
struct Silence {
  std::uint64_t id = 0;
  std::vector<Matcher> matchers;
  Timestamp until{};
  std::string author, comment;
};

// What changed of one alert, as it happens; for logs and replays.
struct AlertChange {
  Alert alert;
  Timestamp at{};
};

// A message: alerts of one group that began to fire, or that resolved, together.
struct Notice {
  bool firing = true;
  Timestamp at{};
  std::vector<Alert> alerts;  // never empty
};

struct AlertOptions {
  enum class Group : std::uint8_t { rule_and_node, node, rule, none };
  Group group = Group::rule_and_node;
  // What begins to fire waits so long for others of its group, and for what inhibits it.
  Duration group_wait = std::chrono::seconds(10);
  // Longer than the slowest collector's pace: what is pending is dropped then.
  Duration stale_after = std::chrono::minutes(10);
  // A firing alert of which nothing is known for so long is given up, and told as resolved.
  Duration forget_after = std::chrono::hours(24);
};

// The life of alerts: from the conditions of samples to messages. Pure: times are passed in. One
// thread at a time.
//
//   (nothing) --fires--> pending --for--> firing --clears or gone--> resolved --told--> (nothing)
//
// A pending alert that stops firing is forgotten. A row that is not in its source's sample any more
// clears. A source that is not read says nothing: its alerts stay as they are, become stale, and
// are given up in the end.
//
// Each change is told once: that it fires, when it is neither silenced nor inhibited and its group
// has gathered; that it is resolved, if its firing was told, be it silenced or not, so that no
// receiver keeps an alert open. While a rule with inhibits = "node" fires or is about to, the other
// alerts of that node wait; so do those of a family for which a graver one fires of the same thing.
class AlertBook {
 public:
  explicit AlertBook(AlertOptions options = {}) : options_(options) {}

  // All that the rules say of one sample: alerts of the source and these rules of which nothing is
  // said clear.
  std::vector<AlertChange> observe(const Source& source, const Judgement& judgement, Moment now);
  // Lets time pass: staleness, silences that end. Call it now and then.
  std::vector<AlertChange> tick(Moment now);

  // Messages that are due; each is given once. Whoever takes them stores them and then save()s.
  [[nodiscard]] std::vector<Notice> take_notices(Moment now);

  // Firing and pending ones, the gravest first.
  [[nodiscard]] std::vector<Alert> alerts() const;
  // What fires and is neither silenced nor inhibited: for receivers that want it repeated.
  [[nodiscard]] std::vector<Alert> firing(Moment now) const;
  // Empty, or why it is not told: "silenced by NAME: COMMENT", "node_down".
  [[nodiscard]] std::string held_back(const Alert& alert, Moment now) const;

  std::uint64_t add_silence(Silence silence);
  bool end_silence(std::uint64_t id);
  // One that was ended, with the number that it had.
  void put_back(Silence silence) { silences_.push_back(std::move(silence)); }
  [[nodiscard]] const std::vector<Silence>& silences() const { return silences_; }

  // Drops the alerts of rules that are no more; their firing was told, so their end is, too.
  std::vector<AlertChange> keep_rules(const RuleSet& rules, Moment now);

  // Everything as one JSON document, and back: a restart neither repeats nor loses a message.
  // Errors of restore(): kBadInput; the book is then as it was.
  [[nodiscard]] std::string save(Moment now) const;
  Result<void> restore(std::string_view document, Moment now);

 private:
  void resolve(Alert& alert, std::string_view because, Moment now,
               std::vector<AlertChange>& changes);
  [[nodiscard]] std::string group_of(const Alert& alert) const;

  // Who keeps whom quiet, looked up once for many alerts.
  struct Inhibitions {
    std::map<std::string, std::string> nodes;  // node to rule
    struct Grave {
      Severity severity;
      std::string rule;
    };
    std::map<std::string, Grave> families;  // of one thing, the gravest that fires
  };
  [[nodiscard]] Inhibitions inhibitions() const;
  [[nodiscard]] std::string held_back(const Alert& alert, const Inhibitions& by, Moment now) const;

  AlertOptions options_;
  std::map<std::string, Alert> alerts_;  // by id; resolved ones only until they are told
  std::vector<Alert> ended_;             // resolved and not told yet
  std::vector<Silence> silences_;
  std::uint64_t next_silence_ = 1;
};

// The identity of an alert: the first 16 hexadecimal digits of a hash of all that names it.
[[nodiscard]] std::string alert_id(const Condition& condition);

}  // namespace lyceum::watch
