#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

#include "base/duration.h"
#include "cli/command.h"
#include "cli/table.h"
#include "watch/message.h"
#include "watch/proof.h"
#include "watch/replay.h"

namespace lyceum::cli {
namespace {

namespace json = boost::json;
using watch::Rule;
using watch::RuleSet;

constexpr std::string_view kRulesHelp = "a file of rules beside those that Lyceum brings";

std::string fires_when(const Rule& rule) {
  if (rule.when) return rule.when->text();
  return fmt::format("{} {} {}", rule.value->text(), rule.above ? ">" : "<",
                     rule.above ? rule.above->text() : rule.below->text());
}

json::value text_or_null(const std::optional<watch::Expression>& expression) {
  return expression ? json::value(expression->text()) : json::value(nullptr);
}

int list_rules(Context& context, const std::string& file) {
  const auto rules = watch::load_rules(file);
  if (rules.has_error()) return context.fail(rules.error());
  if (context.json) {
    json::array out;
    for (const auto& rule : rules->rules) {
      json::object labels;
      for (const auto& [name, value] : rule.labels) labels[name] = value;
      out.push_back({{"name", rule.name},
                     {"collector", rule.collector->name},
                     {"severity", watch::name_of(rule.severity)},
                     {"family", rule.family},
                     {"where", text_or_null(rule.where)},
                     {"fires", fires_when(rule)},
                     {"for_seconds", std::chrono::duration<double>(rule.hold).count()},
                     {"labels", std::move(labels)},
                     {"why", rule.why},
                     {"proofs", rule.proofs.size()},
                     {"place", rule.place}});
    }
    json::array off;
    for (const auto& name : rules->off) off.push_back(json::string(name));
    context.out << json::serialize(json::object{{"rules", std::move(out)}, {"off", std::move(off)}})
                << std::endl;
    return kDone;
  }
  Table table({"rule", "severity", "looks at", "for", "fires when"});
  for (const auto& rule : rules->rules) {
    table.row({rule.name, std::string(watch::name_of(rule.severity)),
               std::string(rule.collector->name),
               rule.hold == Duration{} ? "" : format_duration(rule.hold), fires_when(rule)});
  }
  table.print(context.out);
  if (!rules->off.empty()) {
    context.out << fmt::format("switched off: {}\n", fmt::join(rules->off, ", "));
  }
  return kDone;
}

int test_rules(Context& context, const std::string& file, const std::string& name, bool all) {
  if (name.empty() == !all) {
    return context.fail({.code = ErrorCode::kBadInput, .message = "name one rule, or --all"});
  }
  const auto rules = watch::load_rules(file);
  if (rules.has_error()) return context.fail(rules.error());
  if (!all && rules->find(name) == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& rule : rules->rules) names.push_back(rule.name);
    const auto near = watch::nearest(name, names);
    return context.fail({.code = ErrorCode::kBadInput,
                         .message = fmt::format("there is no rule '{}'", name),
                         .hint = near.empty() ? "lyceum alerts rules lists them"
                                              : fmt::format("did you mean '{}'?", near)});
  }
  json::array results;
  Table table({"rule", "proof", "fires after", "clears after", "result"});
  bool passed = true;
  const auto add = [&](const Rule& rule, const watch::ProofOutcome& outcome, std::size_t number) {
    const bool one_passed = outcome.passed();
    passed = passed && one_passed;
    results.push_back({{"rule", rule.name},
                       {"proof", number},
                       {"fired", outcome.fired},
                       {"cleared", outcome.cleared},
                       {"passed", one_passed},
                       {"problem", outcome.problem}});
    table.row({rule.name, std::to_string(number),
               outcome.fired ? format_duration(outcome.until_fired) : "",
               outcome.cleared ? format_duration(outcome.until_cleared) : "",
               one_passed ? "ok" : outcome.problem});
  };
  for (const auto& rule : rules->rules) {
    if (!all && rule.name != name) continue;
    if (rule.proofs.empty()) add(rule, {.problem = "it has no proof"}, 0);
    for (std::size_t i = 0; i < rule.proofs.size(); ++i) {
      add(rule, watch::prove(rule, rule.proofs[i]), i + 1);
    }
  }
  if (context.json) {
    context.out << json::serialize(json::object{{"passed", passed}, {"proofs", std::move(results)}})
                << std::endl;
  } else {
    table.print(context.out);
  }
  return passed ? kDone : kFailed;
}

int replay_file(Context& context, const std::string& path, const std::string& file) {
  auto rules = watch::load_rules(file);
  if (rules.has_error()) return context.fail(rules.error());
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in) {
    return context.fail(
        {.code = ErrorCode::kIo, .message = fmt::format("{} cannot be read", path)});
  }
  const auto samples = watch::read_samples(text.str());
  if (samples.has_error()) {
    auto error = samples.error();
    error.message = fmt::format("{}: {}", path, error.message);
    return context.fail(error);
  }
  const auto changes = watch::replay(*samples, std::make_shared<const RuleSet>(std::move(*rules)));
  if (context.json) {
    json::array out;
    for (const auto& change : changes) {
      const auto& alert = change.alert;
      json::object labels;
      for (const auto& [name, value] : alert.labels) labels[name] = value;
      out.push_back({{"at", watch::rfc3339(change.at)},
                     {"state", watch::name_of(alert.state)},
                     {"rule", alert.rule},
                     {"severity", watch::name_of(alert.severity)},
                     {"node", alert.node},
                     {"database", alert.database},
                     {"labels", std::move(labels)},
                     {"summary", alert.summary}});
    }
    context.out << json::serialize(
                       json::object{{"samples", samples->size()}, {"changes", std::move(out)}})
                << std::endl;
    return kDone;
  }
  for (const auto& change : changes) {
    const auto& alert = change.alert;
    context.out << fmt::format("{} {:<8} {:<8} {} {}: {}\n", watch::rfc3339(change.at),
                               watch::name_of(alert.state), watch::name_of(alert.severity),
                               alert.rule, alert.node, alert.summary);
  }
  context.out << fmt::format("{} samples, {} changes\n", samples->size(), changes.size());
  return kDone;
}

}  // namespace

Command alerts_rules() {
  return {.path = "alerts rules",
          .summary = "The rules: what each looks at, and when it fires",
          .examples = "  lyceum alerts rules\n  lyceum alerts rules --rules my-rules.toml --json",
          .declare = [](std::vector<Option>& options) -> Run {
            auto file = std::make_shared<std::string>();
            options.push_back({"--rules", std::string(kRulesHelp), file.get()});
            return [file](Context& context) { return list_rules(context, *file); };
          }};
}

Command alerts_test() {
  return {.path = "alerts test",
          .summary = "Plays a rule's made history: it has to fire and to clear; exit 1 where not",
          .examples =
              "  lyceum alerts test connections_high\n"
              "  lyceum alerts test --all --rules my-rules.toml",
          .declare = [](std::vector<Option>& options) -> Run {
            struct Given {
              std::string rule, file;
              bool all = false;
            };
            auto given = std::make_shared<Given>();
            options.push_back({"rule", "the rule's name", &given->rule});
            options.push_back({"--all", "every rule", &given->all});
            options.push_back({"--rules", std::string(kRulesHelp), &given->file});
            return [given](Context& context) {
              return test_rules(context, given->file, given->rule, given->all);
            };
          }};
}

Command alerts_replay() {
  return {
      .path = "alerts replay",
      .summary = "What the rules would have said of a recorded history, change by change",
      .examples =
          "  lyceum alerts replay history.json\n"
          "  lyceum alerts replay history.json --rules my-rules.toml --json",
      .declare = [](std::vector<Option>& options) -> Run {
        struct Given {
          std::string path, file;
        };
        auto given = std::make_shared<Given>();
        options.push_back({.name = "file",
                           .help = "samples as JSON lines, or what `lyceum history --json` gives",
                           .target = &given->path,
                           .required = true});
        options.push_back({"--rules", std::string(kRulesHelp), &given->file});
        return [given](Context& context) { return replay_file(context, given->path, given->file); };
      }};
}

}  // namespace lyceum::cli
