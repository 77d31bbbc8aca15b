#include "watch/evaluate.h"

#include <boost/container/small_vector.hpp>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "watch/past.h"
#include "watch/value.h"
#include "watch/voices.h"

namespace lyceum::watch {
namespace {

// By so much two clocks come apart without one of them being set: what reading takes, above all.
constexpr auto kTogether = std::chrono::seconds(5);

std::map<std::string, std::string> keys_of(const Collector& collector, const Row& row) {
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; i < collector.columns.size() && i < row.size(); ++i) {
    if (collector.columns[i].kind == Kind::key) {
      out.emplace(collector.columns[i].name, text_of(row[i]));
    }
  }
  return out;
}

// A row's name among its neighbours: its keys, each after its length, so that no two have the same
// and the keys can be had of it again.
std::string name_of_row(const Collector& collector, const Row& row) {
  std::string out;
  for (std::size_t i = 0; i < collector.columns.size() && i < row.size(); ++i) {
    if (collector.columns[i].kind != Kind::key) continue;
    const auto* text = std::get_if<Text>(&row[i]);
    const auto made = text != nullptr ? std::string() : text_of(row[i]);
    const auto part = text != nullptr ? text->view() : std::string_view(made);
    out += std::to_string(part.size());
    out += ':';
    out += part;
  }
  return out;
}
std::map<std::string, std::string> keys_of_name(const Collector& collector, std::string_view name) {
  std::map<std::string, std::string> out;
  for (const auto& column : collector.columns) {
    const auto colon = name.find(':');
    if (column.kind != Kind::key || colon == std::string_view::npos) continue;
    const auto size = std::stoul(std::string(name.substr(0, colon)));
    out.emplace(column.name, name.substr(colon + 1, size));
    name.remove_prefix(colon + 1 + size);
  }
  return out;
}

struct NoPast final : Past {
  [[nodiscard]] std::span<const Stretch> of(int) const override { return {}; }
};

struct Truth {
  bool fires = false, clears = false, known = true, wants_history = false;
  std::optional<double> value;
};

// A row in its surroundings.
struct Look {
  const Row& row;
  Timestamp at;
  const Past& past;
  bool once = false;

  [[nodiscard]] Answer ask(const Expression& expression) const {
    return expression.evaluate(row, at, past);
  }

  [[nodiscard]] Truth judge(const Rule& rule) const {
    Truth out;
    if (rule.where) {
      const auto looked_at = ask(*rule.where);
      // One sample does not know whether the row is busy enough: what stands in for the rule says.
      const bool unknown = once && looked_at.wants_history && (rule.once_value || rule.once_when);
      if (looked_at.missing() && !unknown) {
        out.known = !looked_at.wants_history;
        out.clears = out.known;
        out.wants_history = looked_at.wants_history;
        return out;
      }
      if (looked_at.is_false()) {
        out.clears = true;
        return out;
      }
    }
    const auto& value = once && rule.once_value ? rule.once_value : rule.value;
    Answer figure;
    if (value) figure = ask(*value);
    out.value = figure.number();
    const auto& when = once && rule.once_when ? rule.once_when : rule.when;
    if (when) {
      const auto holds = ask(*when);
      out.fires = holds.is_true();
      out.known = !holds.missing();
      out.wants_history = holds.wants_history;
      if (rule.until && !once) {
        const auto ended = ask(*rule.until);
        out.clears = ended.is_true();
        out.known = out.known || !ended.missing();
      } else {
        out.clears = holds.is_false();
      }
      return out;
    }
    const auto threshold = ask(rule.above ? *rule.above : *rule.below);
    const auto limit = threshold.number();
    out.wants_history = figure.wants_history || threshold.wants_history;
    out.known = out.value && limit;
    if (!out.known) return out;
    const auto clear = rule.clear ? ask(*rule.clear).number() : limit;
    out.fires = rule.above ? *out.value > *limit : *out.value < *limit;
    out.clears = clear && (rule.above ? *out.value <= *clear : *out.value >= *clear);
    return out;
  }
};

Template::Row place_of(const Look& look, const Truth& truth, std::string_view node,
                       std::string_view database) {
  return {.cells = look.row,
          .at = look.at,
          .past = look.past,
          .value = truth.value,
          .node = node,
          .database = database};
}

// The node that a row speaks of: of a sample that has none itself, the row's own.
std::string node_of(const Sample& sample, const Collector& collector, const Row& row) {
  const auto own = collector.position("node");
  if (!sample.source.node.empty() || own < 0 ||
      collector.columns[static_cast<std::size_t>(own)].kind != Kind::key ||
      static_cast<std::size_t>(own) >= row.size()) {
    return sample.source.node;
  }
  return text_of(row[static_cast<std::size_t>(own)]);
}

}  // namespace

struct Evaluator::Memory {
  struct OfSource {
    explicit OfSource(const std::vector<Track>& tracks) : past(tracks) {}
    Timestamp newest{};
    std::int64_t epoch = 0;
    std::uint64_t samples = 0;
    // By how much the wall clock was ahead of the steady one at the newest sample.
    std::optional<std::chrono::microseconds> ahead;
    SourcePast past;
  };
  OfSource& of(const Source& source, const Collector* collector) {
    return sources.try_emplace(source, tracks[collector]).first->second;
  }

  std::map<const Collector*, std::vector<Track>> tracks;
  std::map<const Collector*, std::vector<const Rule*>> rules;
  std::map<Source, OfSource> sources;

  // Of rules that have to hold everywhere: which nodes have a row, and whether it holds there.
  struct Everywhere {
    boost::container::small_vector<std::pair<Text, bool>, 1> nodes;
    std::uint64_t seen = 0;    // the sample, of whatever node, that had it last
    std::optional<bool> said;  // what was last said of it

    [[nodiscard]] auto find(std::string_view node) {
      return std::find_if(nodes.begin(), nodes.end(),
                          [&](const auto& one) { return one.first.view() == node; });
    }
    void take(const Text& node, bool holds) {
      const auto found = find(node);
      if (found == nodes.end()) {
        nodes.emplace_back(node, holds);
      } else {
        found->second = holds;
      }
    }
    [[nodiscard]] bool holds() const {
      return std::all_of(nodes.begin(), nodes.end(), [](const auto& one) { return one.second; });
    }
  };
  struct ByName {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a < b; }
  };
  // By rule and database, then by the row's name.
  std::map<std::pair<const Rule*, std::string>, std::map<Text, Everywhere, ByName>> everywhere;
  std::uint64_t samples = 0;
  Voices voices;

  // Makes of what holds of a node's row what holds everywhere; false where that need not be said.
  bool look_everywhere(const Rule& rule, const std::string& database, const std::string& name,
                       const Text& node, Truth& truth, bool quiet) {
    auto& rows = everywhere[{&rule, database}];
    auto found = rows.find(std::string_view(name));
    if (found == rows.end()) found = rows.try_emplace(Text(name)).first;
    auto& entry = found->second;
    entry.seen = samples;
    entry.take(node, truth.fires);
    truth.fires = entry.holds();
    truth.clears = !truth.fires;
    if (quiet || !truth.known) return false;
    // That it does not hold is said once.
    return std::exchange(entry.said, truth.fires) != false || truth.fires;
  }
};

Evaluator::Evaluator(std::shared_ptr<const RuleSet> rules)
    : rules_(std::move(rules)), memory_(std::make_unique<Memory>()) {
  for (const auto& rule : rules_->rules) {
    memory_->rules[rule.collector].push_back(&rule);
    auto& tracks = memory_->tracks[rule.collector];
    for (const auto& look : rule.looks_back()) {
      const auto found = std::find_if(tracks.begin(), tracks.end(),
                                      [&](const Track& one) { return one.column == look.column; });
      if (found == tracks.end()) {
        const auto& column = rule.collector->columns[static_cast<std::size_t>(look.column)];
        tracks.push_back({.column = look.column,
                          .window = look.window,
                          .within = look.within,
                          .counts = column.kind == Kind::counter});
      } else {
        found->window = std::max(found->window, look.window);
        found->within = found->within || look.within;
      }
    }
  }
}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Judgement Evaluator::take(const Sample& sample, std::optional<SteadyTime> read) {
  auto& source = memory_->of(sample.source, find_collector(sample.source.collector));
  const bool older = source.samples > 0 && sample.at <= source.newest;
  std::optional<std::chrono::microseconds> ahead;
  if (read) {
    ahead = sample.at.time_since_epoch() -
            std::chrono::floor<std::chrono::microseconds>(read->time_since_epoch());
  }
  if (ahead && source.ahead) {
    const auto by = *ahead - *source.ahead;
    if (older || std::chrono::abs(by) > kTogether) source.past.move(by);
  } else if (older) {
    source.past.clear();
  }
  source.ahead = ahead;
  return look_at(sample, false);
}

void Evaluator::remember(const Sample& sample) {
  const auto known = memory_->sources.find(sample.source);
  if (known != memory_->sources.end() && sample.at <= known->second.newest) return;
  (void)look_at(sample, true);
}

std::vector<Evaluator::Wanted> Evaluator::wanted() const {
  std::vector<Wanted> out;
  for (const auto& [collector, tracks] : memory_->tracks) {
    std::set<Duration, std::greater<>> windows;
    for (const auto& track : tracks) windows.insert(track.window);
    for (const auto window : windows) {
      out.push_back({.collector = collector->name,
                     .reach = farthest_reading(window),
                     .step = window / kStretches});
    }
  }
  return out;
}

// Quiet: only what is remembered matters, which of rules that hold everywhere is what each node
// said.
Judgement Evaluator::look_at(const Sample& sample, bool quiet) {
  Judgement judgement;
  auto& out = judgement.conditions;
  memory_->voices.note(sample);
  const auto* const collector = find_collector(sample.source.collector);
  const auto rules = memory_->rules.find(collector);
  if (collector == nullptr || rules == memory_->rules.end()) return judgement;
  if (!quiet && std::any_of(rules->second.begin(), rules->second.end(),
                            [](const Rule* one) { return one->replicated; })) {
    judgement.speaks_for = memory_->voices.speaks_for(sample.source);
  }
  auto& source = memory_->of(sample.source, collector);
  const bool new_epoch = source.samples > 0 && sample.epoch != source.epoch;
  source.newest = sample.at;
  source.epoch = sample.epoch;
  ++source.samples;
  ++memory_->samples;
  source.past.begin(sample.at, new_epoch);

  const NoPast no_past;
  const Text own_node(sample.source.node);
  for (const auto& row : sample.rows) {
    const auto name = name_of_row(*collector, row);
    const auto* past = source.past.note(std::hash<std::string>()(name), row);
    const Look look{.row = row, .at = sample.at, .past = past == nullptr ? no_past : *past};
    const auto own = node_of(sample, *collector, row);
    for (const auto* rule : rules->second) {
      if (quiet && !rule->everywhere) continue;
      if (rule->replicated && !judgement.speaks_for) continue;
      auto truth = look.judge(*rule);
      const auto& node = rule->replicated ? *judgement.speaks_for : own;
      // It is no node's but of all: an alert without a node.
      if (rule->everywhere &&
          !memory_->look_everywhere(*rule, sample.source.database, name,
                                    own == own_node.view() ? own_node : own, truth, quiet)) {
        continue;
      }
      if (truth.known && truth.clears && !truth.fires && !rule->everywhere) continue;
      Condition condition{.rule = rule,
                          .node = rule->everywhere ? "" : node,
                          .database = sample.source.database,
                          .keys = keys_of(*collector, row),
                          .fires = truth.fires,
                          .clears = truth.clears,
                          .known = truth.known,
                          .value = truth.value};
      if (truth.known && (truth.fires || !truth.clears)) {
        const auto place = place_of(look, truth, node, sample.source.database);
        condition.summary = rule->summary.render(place);
        condition.mend = rule->mend.render(place);
      }
      out.push_back(std::move(condition));
    }
  }
  source.past.end();
  // A node that has no such row any more has no say.
  for (auto& [of, rows_of] : memory_->everywhere) {
    if (of.first->collector != collector || of.second != sample.source.database) continue;
    for (auto one = rows_of.begin(); one != rows_of.end();) {
      auto& entry = one->second;
      const auto own = entry.find(sample.source.node);
      if (entry.seen != memory_->samples && own != entry.nodes.end()) entry.nodes.erase(own);
      if (!entry.nodes.empty()) {
        ++one;
        continue;
      }
      if (!quiet) {
        out.push_back({.rule = of.first,
                       .database = of.second,
                       .keys = keys_of_name(*collector, one->first),
                       .clears = true});
      }
      one = rows_of.erase(one);
    }
  }
  return judgement;
}

namespace {

// The nodes that say of themselves that they are in recovery.
std::set<std::string> replicas_among(std::span<const Sample> samples) {
  std::set<std::string> out;
  const auto* collector = find_collector("server");
  const auto column = static_cast<std::size_t>(collector->position("in_recovery"));
  for (const auto& sample : samples) {
    if (sample.source.collector != collector->name || sample.rows.empty()) continue;
    const auto* recovering = std::get_if<std::int64_t>(&sample.rows[0][column]);
    if (recovering != nullptr && *recovering == 1) out.insert(sample.source.node);
  }
  return out;
}

}  // namespace

Verdicts verdicts(std::span<const Sample> samples, const RuleSet& rules) {
  Verdicts out;
  const NoPast past;
  for (const auto& rule : rules.rules) {
    bool given = false, judged = false, wants_history = false;
    // For a rule that has to hold everywhere: on how many nodes a row is, and on how many it does.
    std::map<std::string, std::pair<int, int>> nodes;
    std::vector<std::pair<std::string, Verdict>> found;
    for (const auto& sample : samples) {
      if (sample.source.collector != rule.collector->name) continue;
      given = true;
      for (const auto& row : sample.rows) {
        const Look look{.row = row, .at = sample.at, .past = past, .once = true};
        const auto truth = look.judge(rule);
        judged = judged || (truth.known && !truth.wants_history);
        wants_history = wants_history || truth.wants_history || (!truth.known && rule.once_when);
        if (!rule.everywhere && !truth.fires) continue;
        const auto name = rule.everywhere
                              ? sample.source.database + '\n' + name_of_row(*rule.collector, row)
                              : std::string();
        if (rule.everywhere) nodes[name].first += 1;
        if (!truth.fires) continue;
        if (rule.everywhere) nodes[name].second += 1;
        Verdict verdict{.rule = rule.name, .severity = rule.severity};
        verdict.node = node_of(sample, *rule.collector, row);
        verdict.database = sample.source.database;
        verdict.labels = keys_of(*rule.collector, row);
        for (const auto& [label, value] : rule.labels) verdict.labels[label] = value;
        verdict.value = truth.value;
        const auto place = place_of(look, truth, verdict.node, verdict.database);
        verdict.summary = rule.summary.render(place);
        verdict.why = rule.why;
        verdict.mend = rule.mend.render(place);
        found.emplace_back(name, std::move(verdict));
      }
    }
    std::set<std::string> named;
    for (auto& [name, verdict] : found) {
      if (rule.everywhere && nodes[name].first != nodes[name].second) continue;
      if (rule.everywhere && !named.insert(name).second) continue;
      if (rule.everywhere) verdict.node.clear();
      out.found.push_back(std::move(verdict));
    }
    if (!given) {
      out.unjudged.emplace_back(rule.name, fmt::format("{} was not read", rule.collector->name));
    } else if (!judged && wants_history) {
      out.unjudged.emplace_back(rule.name, "not enough history");
    }
  }
  // A warning says nothing more where the graver one of its family says it.
  const auto outdone = [&](const Verdict& one) {
    const auto& family = rules.find(one.rule)->family;
    return !family.empty() &&
           std::any_of(out.found.begin(), out.found.end(), [&](const Verdict& other) {
             return other.severity > one.severity && rules.find(other.rule)->family == family &&
                    other.node == one.node && other.database == one.database &&
                    other.labels == one.labels;
           });
  };
  // What a replica has from its primary is mended there.
  const auto replicas = replicas_among(samples);
  const auto repeats = [&](const Verdict& one) {
    return rules.find(one.rule)->replicated && replicas.contains(one.node) &&
           std::any_of(out.found.begin(), out.found.end(), [&](const Verdict& other) {
             return other.rule == one.rule && other.database == one.database &&
                    other.labels == one.labels && other.node != one.node &&
                    !replicas.contains(other.node);
           });
  };
  std::vector<Verdict> kept;
  for (const auto& one : out.found) {
    if (!outdone(one) && !repeats(one)) kept.push_back(one);
  }
  out.found = std::move(kept);
  std::sort(out.found.begin(), out.found.end(), [](const Verdict& a, const Verdict& b) {
    return std::tie(b.severity, a.rule, a.node, a.database, a.labels) <
           std::tie(a.severity, b.rule, b.node, b.database, b.labels);
  });
  return out;
}

}  // namespace lyceum::watch
