#include "watch/alerts.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <set>

#include "base/escape.h"
#include "base/sha256.h"

namespace lyceum::watch {
namespace {

namespace json = boost::json;

bool fits(std::string_view pattern, std::string_view text) {
  // Greedy, with one step back to the last star: linear but for that.
  std::size_t p = 0, t = 0, star = std::string_view::npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Alert made(const Condition& condition, std::string id, Moment now) {
  const auto& rule = *condition.rule;
  Alert out;
  out.id = std::move(id);
  out.rule = rule.name;
  out.family = rule.family;
  out.node = condition.node;
  out.database = condition.database;
  out.severity = rule.severity;
  out.keys = condition.keys;
  out.inhibits_node = rule.inhibits_node;
  out.everywhere = rule.everywhere;
  out.replicated = rule.replicated;
  out.collector = rule.collector->name;
  out.why = rule.why;
  // Keys first: what is Lyceum's own and what the rule says wins over a column of the same name.
  for (const auto& [name, value] : condition.keys) out.labels[name] = value;
  for (const auto& [name, value] : rule.labels) out.labels[name] = value;
  out.labels["alertname"] = rule.name;
  out.labels["severity"] = name_of(rule.severity);
  if (!rule.family.empty()) out.labels["family"] = rule.family;
  if (!condition.node.empty()) out.labels["node"] = condition.node;
  if (!condition.database.empty()) out.labels["database"] = condition.database;
  out.since = now.wall;
  out.held_since = now.steady;
  out.last_known = now.steady;
  return out;
}

// What alerts of one family have to agree on to speak of the same.
std::string thing_of(const Alert& alert) {
  std::string out = alert.family;
  for (const auto* part : {&alert.node, &alert.database}) append_json_string(out, *part);
  for (const auto& [name, value] : alert.keys) {
    append_json_string(out, name);
    append_json_string(out, value);
  }
  return out;
}

json::object texts(const std::map<std::string, std::string>& map) {
  json::object out;
  for (const auto& [name, value] : map) out[name] = value;
  return out;
}

std::map<std::string, std::string> texts(const json::value& value) {
  std::map<std::string, std::string> out;
  for (const auto& [name, text] : value.as_object()) {
    out[std::string(name)] = std::string(text.as_string());
  }
  return out;
}

std::string text_at(const json::object& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

std::int64_t micros(Timestamp at) {
  return at.time_since_epoch().count();
}
Timestamp time_at(const json::object& object, std::string_view key) {
  return Timestamp(std::chrono::microseconds(object.at(key).to_number<std::int64_t>()));
}

}  // namespace

std::string_view name_of(AlertState state) {
  switch (state) {
    case AlertState::pending:
      return "pending";
    case AlertState::firing:
      return "firing";
    case AlertState::resolved:
      return "resolved";
  }
  return "firing";
}

std::string alert_id(const Condition& condition) {
  std::string whole;
  append_json_string(whole, condition.rule->name);
  append_json_string(whole, condition.node);
  append_json_string(whole, condition.database);
  for (const auto& [name, value] : condition.keys) {
    append_json_string(whole, name);
    append_json_string(whole, value);
  }
  return hex(sha256(whole)).substr(0, 16);
}

Result<Matcher> Matcher::parse(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || text.starts_with("!=")) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("'{}' is no matcher", text),
                 .hint = "LABEL=VALUE or LABEL!=VALUE, where * stands for anything"};
  }
  const bool negated = text[equals - 1] == '!';
  return Matcher{.label = std::string(text.substr(0, equals - (negated ? 1 : 0))),
                 .negated = negated,
                 .pattern = std::string(text.substr(equals + 1))};
}

bool Matcher::matches(const std::map<std::string, std::string>& labels) const {
  const auto found = labels.find(label);
  return fits(pattern, found == labels.end() ? "" : std::string_view(found->second)) != negated;
}

std::vector<AlertChange> AlertBook::observe(const Source& source, const Judgement& judgement,
                                            Moment now) {
  std::vector<AlertChange> changes;
  std::set<std::string> ruled;
  for (const auto& [id, alert] : alerts_) ruled.insert(alert.rule);
  std::set<std::string> seen;
  for (const auto& condition : judgement.conditions) {
    // Most conditions are of things that there is no alert of.
    if (!condition.fires && !ruled.contains(condition.rule->name)) continue;
    auto id = alert_id(condition);
    seen.insert(id);
    auto found = alerts_.find(id);
    if (found == alerts_.end()) {
      if (!condition.fires) continue;
      found = alerts_.emplace(id, made(condition, id, now)).first;
    }
    auto& alert = found->second;
    if (!condition.known) continue;
    alert.last_known = now.steady;
    alert.stale = false;
    const bool was_firing = alert.state == AlertState::firing;
    if (was_firing ? condition.clears && !condition.fires : !condition.fires) {
      if (was_firing) resolve(alert, "it cleared", now, changes);
      alerts_.erase(found);
      continue;
    }
    alert.value = condition.value;
    alert.summary = condition.summary;
    alert.mend = condition.mend;
    if (!was_firing && now.steady - alert.held_since >= condition.rule->hold) {
      alert.state = AlertState::firing;
      alert.fired_at = now.wall;
      alert.firing_since = now.steady;
      changes.push_back({.alert = alert, .at = now.wall});
    }
  }
  for (auto one = alerts_.begin(); one != alerts_.end();) {
    auto& alert = one->second;
    // A sample of the process itself has many nodes in its rows, and itself no node.
    // What has to hold everywhere is no source's own, and clears only where that is said.
    const bool of_source = !alert.everywhere && alert.collector == source.collector &&
                           (source.node.empty() || alert.node == source.node ||
                            (alert.replicated && alert.node == judgement.speaks_for)) &&
                           (source.database.empty() || alert.database == source.database);
    if (!of_source || seen.contains(one->first)) {
      ++one;
      continue;
    }
    if (alert.state == AlertState::firing) resolve(alert, "it is gone or cleared", now, changes);
    one = alerts_.erase(one);
  }
  auto passed = tick(now);
  changes.insert(changes.end(), passed.begin(), passed.end());
  return changes;
}

void AlertBook::resolve(Alert& alert, std::string_view because, Moment now,
                        std::vector<AlertChange>& changes) {
  alert.state = AlertState::resolved;
  alert.resolved_at = now.wall;
  alert.resolved_because = because;
  changes.push_back({.alert = alert, .at = now.wall});
  if (alert.told) ended_.push_back(alert);
}

std::vector<AlertChange> AlertBook::tick(Moment now) {
  std::vector<AlertChange> changes;
  std::erase_if(silences_, [&](const Silence& one) { return one.until <= now.wall; });
  for (auto one = alerts_.begin(); one != alerts_.end();) {
    auto& alert = one->second;
    const auto silent = now.steady - alert.last_known;
    alert.stale = silent >= options_.stale_after;
    const bool pending = alert.state == AlertState::pending;
    // What was about to fire has to begin anew after a gap.
    const bool given_up = pending ? alert.stale : silent >= options_.forget_after;
    if (!given_up) {
      ++one;
      continue;
    }
    if (!pending) resolve(alert, "nothing is known of it any more", now, changes);
    one = alerts_.erase(one);
  }
  return changes;
}

std::vector<AlertChange> AlertBook::keep_rules(const RuleSet& rules, Moment now) {
  std::vector<AlertChange> changes;
  for (auto one = alerts_.begin(); one != alerts_.end();) {
    auto& alert = one->second;
    if (rules.find(alert.rule) != nullptr) {
      ++one;
      continue;
    }
    if (alert.state == AlertState::firing) resolve(alert, "its rule is no more", now, changes);
    one = alerts_.erase(one);
  }
  return changes;
}

AlertBook::Inhibitions AlertBook::inhibitions() const {
  Inhibitions out;
  for (const auto& [id, alert] : alerts_) {
    if (alert.inhibits_node && !alert.node.empty()) out.nodes.emplace(alert.node, alert.rule);
    if (alert.state != AlertState::firing || alert.family.empty()) continue;
    const auto [at, first] = out.families.try_emplace(
        thing_of(alert), Inhibitions::Grave{.severity = alert.severity, .rule = alert.rule});
    if (!first && at->second.severity < alert.severity) {
      at->second = {.severity = alert.severity, .rule = alert.rule};
    }
  }
  return out;
}

std::string AlertBook::held_back(const Alert& alert, Moment now) const {
  return held_back(alert, inhibitions(), now);
}

std::string AlertBook::held_back(const Alert& alert, const Inhibitions& by, Moment now) const {
  for (const auto& silence : silences_) {
    if (silence.until <= now.wall) continue;
    if (std::all_of(silence.matchers.begin(), silence.matchers.end(),
                    [&](const Matcher& one) { return one.matches(alert.labels); })) {
      return fmt::format("silenced by {}: {}", silence.author, silence.comment);
    }
  }
  const auto node = by.nodes.find(alert.node);
  if (!alert.inhibits_node && node != by.nodes.end()) return node->second;
  if (alert.family.empty()) return "";
  const auto graver = by.families.find(thing_of(alert));
  const bool outdone = graver != by.families.end() && graver->second.severity > alert.severity;
  return outdone ? graver->second.rule : "";
}

std::string AlertBook::group_of(const Alert& alert) const {
  switch (options_.group) {
    case AlertOptions::Group::rule_and_node:
      return alert.rule + '\n' + alert.node;
    case AlertOptions::Group::node:
      return alert.node;
    case AlertOptions::Group::rule:
      return alert.rule;
    case AlertOptions::Group::none:
      break;
  }
  return alert.id;
}

std::vector<Notice> AlertBook::take_notices(Moment now) {
  std::vector<Notice> out;
  std::map<std::string, std::vector<Alert*>> groups;
  std::map<std::string, bool> due;
  const auto by = inhibitions();
  for (auto& [id, alert] : alerts_) {
    if (alert.state != AlertState::firing || alert.told) continue;
    // Counted from when it began to fire, so that what was held back is told at once afterwards.
    const bool waited = now.steady - alert.firing_since >= options_.group_wait;
    if (!held_back(alert, by, now).empty()) continue;
    const auto group = group_of(alert);
    groups[group].push_back(&alert);
    due[group] = due[group] || waited;
  }
  std::map<std::string, Notice> resolved;
  for (auto& alert : ended_) {
    auto& notice = resolved[group_of(alert)];
    notice.firing = false;
    notice.at = now.wall;
    notice.alerts.push_back(std::move(alert));
  }
  ended_.clear();
  for (auto& [group, notice] : resolved) out.push_back(std::move(notice));
  for (auto& [group, alerts] : groups) {
    if (!due[group]) continue;
    Notice notice{.firing = true, .at = now.wall, .alerts = {}};
    for (auto* alert : alerts) {
      alert->told = true;
      notice.alerts.push_back(*alert);
    }
    out.push_back(std::move(notice));
  }
  return out;
}

std::vector<Alert> AlertBook::alerts() const {
  std::vector<Alert> out;
  for (const auto& [id, alert] : alerts_) out.push_back(alert);
  std::sort(out.begin(), out.end(), [](const Alert& a, const Alert& b) {
    return std::tie(b.severity, a.rule, a.node, a.database, a.keys) <
           std::tie(a.severity, b.rule, b.node, b.database, b.keys);
  });
  return out;
}

std::vector<Alert> AlertBook::firing(Moment now) const {
  auto out = alerts();
  const auto by = inhibitions();
  std::erase_if(out, [&](const Alert& alert) {
    return alert.state != AlertState::firing || !held_back(alert, by, now).empty();
  });
  return out;
}

std::uint64_t AlertBook::add_silence(Silence silence) {
  silence.id = next_silence_++;
  silences_.push_back(std::move(silence));
  return silences_.back().id;
}

bool AlertBook::end_silence(std::uint64_t id) {
  return std::erase_if(silences_, [&](const Silence& one) { return one.id == id; }) > 0;
}

std::string AlertBook::save(Moment now) const {
  const auto age = [&](SteadyTime at) {
    return std::chrono::duration_cast<std::chrono::microseconds>(now.steady - at).count();
  };
  json::array alerts;
  const auto add = [&](const Alert& alert) {
    json::object one{{"id", alert.id},
                     {"rule", alert.rule},
                     {"family", alert.family},
                     {"node", alert.node},
                     {"database", alert.database},
                     {"severity", name_of(alert.severity)},
                     {"keys", texts(alert.keys)},
                     {"labels", texts(alert.labels)},
                     {"state", name_of(alert.state)},
                     {"inhibits_node", alert.inhibits_node},
                     {"everywhere", alert.everywhere},
                     {"replicated", alert.replicated},
                     {"collector", alert.collector},
                     {"value", nullptr},
                     {"summary", alert.summary},
                     {"why", alert.why},
                     {"mend", alert.mend},
                     {"resolved_because", alert.resolved_because},
                     {"since", micros(alert.since)},
                     {"fired_at", micros(alert.fired_at)},
                     {"resolved_at", micros(alert.resolved_at)},
                     {"held_for", age(alert.held_since)},
                     {"firing_for", age(alert.firing_since)},
                     {"silent_for", age(alert.last_known)},
                     {"told", alert.told}};
    if (alert.value) one["value"] = *alert.value;
    alerts.push_back(std::move(one));
  };
  for (const auto& [id, alert] : alerts_) add(alert);
  for (const auto& alert : ended_) add(alert);
  json::array silences;
  for (const auto& silence : silences_) {
    json::array matchers;
    for (const auto& one : silence.matchers) {
      matchers.push_back(
          {{"label", one.label}, {"negated", one.negated}, {"pattern", one.pattern}});
    }
    silences.push_back({{"id", silence.id},
                        {"matchers", std::move(matchers)},
                        {"until", micros(silence.until)},
                        {"author", silence.author},
                        {"comment", silence.comment}});
  }
  return json::serialize(json::object{{"version", 1},
                                      {"saved_at", micros(now.wall)},
                                      {"next_silence", next_silence_},
                                      {"alerts", std::move(alerts)},
                                      {"silences", std::move(silences)}});
}

Result<void> AlertBook::restore(std::string_view document, Moment now) {
  AlertBook book(options_);
  try {
    const auto root = json::parse(document).as_object();
    if (root.at("version").to_number<int>() != 1) throw std::runtime_error("another version");
    // The time that nobody watched counts by the wall, for there is no steady clock across it; one
    // that was set back counts as none.
    const auto away = std::max(now.wall - time_at(root, "saved_at"), std::chrono::microseconds(0));
    const auto back = [&](const json::object& one, std::string_view key) {
      return now.steady - away - std::chrono::microseconds(one.at(key).to_number<std::int64_t>());
    };
    for (const auto& value : root.at("alerts").as_array()) {
      const auto& one = value.as_object();
      Alert alert;
      alert.id = text_at(one, "id");
      alert.rule = text_at(one, "rule");
      alert.family = text_at(one, "family");
      alert.node = text_at(one, "node");
      alert.database = text_at(one, "database");
      alert.severity = parse_severity(text_at(one, "severity")).value_or(Severity::warning);
      alert.keys = texts(one.at("keys"));
      alert.labels = texts(one.at("labels"));
      const auto state = text_at(one, "state");
      alert.state = state == "pending"  ? AlertState::pending
                    : state == "firing" ? AlertState::firing
                                        : AlertState::resolved;
      alert.inhibits_node = one.at("inhibits_node").as_bool();
      alert.everywhere = one.at("everywhere").as_bool();
      // What was saved by an earlier Lyceum has none.
      if (const auto* replicated = one.if_contains("replicated")) {
        alert.replicated = replicated->as_bool();
      }
      alert.collector = text_at(one, "collector");
      if (!one.at("value").is_null()) alert.value = one.at("value").to_number<double>();
      alert.summary = text_at(one, "summary");
      alert.why = text_at(one, "why");
      alert.mend = text_at(one, "mend");
      alert.resolved_because = text_at(one, "resolved_because");
      alert.since = time_at(one, "since");
      alert.fired_at = time_at(one, "fired_at");
      alert.resolved_at = time_at(one, "resolved_at");
      alert.held_since = back(one, "held_for");
      alert.firing_since = back(one, "firing_for");
      alert.last_known = back(one, "silent_for");
      alert.told = one.at("told").as_bool();
      if (alert.state == AlertState::resolved) {
        book.ended_.push_back(std::move(alert));
      } else {
        book.alerts_[alert.id] = std::move(alert);
      }
    }
    for (const auto& value : root.at("silences").as_array()) {
      const auto& one = value.as_object();
      Silence silence;
      silence.id = one.at("id").to_number<std::uint64_t>();
      for (const auto& matcher : one.at("matchers").as_array()) {
        const auto& parts = matcher.as_object();
        silence.matchers.push_back({.label = text_at(parts, "label"),
                                    .negated = parts.at("negated").as_bool(),
                                    .pattern = text_at(parts, "pattern")});
      }
      silence.until = time_at(one, "until");
      silence.author = text_at(one, "author");
      silence.comment = text_at(one, "comment");
      book.silences_.push_back(std::move(silence));
    }
    book.next_silence_ = root.at("next_silence").to_number<std::uint64_t>();
  } catch (const std::exception& problem) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("the saved alerts cannot be read: {}", problem.what())};
  }
  *this = std::move(book);
  return {};
}

}  // namespace lyceum::watch
