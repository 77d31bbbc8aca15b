#include "watch/evaluate.h"

#include <cmath>
#include <fmt/format.h>
#include <set>

#include "watch/value.h"

namespace lyceum::watch {
namespace {

constexpr int kStretches = 60;
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

// Lengths before the parts, so that no two rows have one name.
std::string name_of_row(const std::map<std::string, std::string>& keys) {
  std::string out;
  for (const auto& [name, value] : keys) {
    out += fmt::format("{}:", value.size());
    out += value;
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
std::string node_of(const Sample& sample, const std::map<std::string, std::string>& keys) {
  const auto own = keys.find("node");
  return sample.source.node.empty() && own != keys.end() ? own->second : sample.source.node;
}

}  // namespace

struct Evaluator::Memory {
  struct Track {
    int column = 0;
    Duration window{};
  };
  struct RowPast final : Past {
    explicit RowPast(const std::vector<Track>& its_tracks)
        : tracks(&its_tracks), columns(its_tracks.size()) {}
    const std::vector<Track>* tracks;
    std::vector<std::vector<Stretch>> columns;
    std::uint64_t seen = 0;

    [[nodiscard]] std::span<const Stretch> of(int column) const override {
      for (std::size_t i = 0; i < tracks->size(); ++i) {
        if ((*tracks)[i].column == column) return columns[i];
      }
      return {};
    }
  };
  struct SourcePast {
    Timestamp newest{};
    std::int64_t epoch = 0;
    std::uint64_t samples = 0;
    // By how much the wall clock was ahead of the steady one at the newest sample.
    std::optional<std::chrono::microseconds> ahead;
    std::map<std::string, RowPast> rows;

    void move(std::chrono::microseconds by) {
      for (auto& [name, row] : rows) {
        for (auto& column : row.columns) {
          for (auto& stretch : column) stretch.at += by;
        }
      }
    }
  };

  std::map<const Collector*, std::vector<Track>> tracks;
  std::map<const Collector*, std::vector<const Rule*>> rules;
  std::map<Source, SourcePast> sources;
  // Of rules that have to hold everywhere: which nodes have a row, and whether it holds there.
  struct Everywhere {
    Condition cleared;  // what to say when no node has it any more
    std::map<std::string, bool> nodes;
  };
  std::map<std::string, Everywhere> everywhere;

  static void add(std::vector<Stretch>& past, const Track& track, bool counts, bool new_epoch,
                  Timestamp at, double value) {
    const bool anew = !past.empty() && (new_epoch || (counts && value < past.back().last));
    const auto part =
        std::chrono::duration_cast<std::chrono::microseconds>(track.window) / kStretches;
    if (!past.empty() && !anew && at - past.back().at < part) {
      auto& last = past.back();
      last.last = value;
      last.low = std::min(last.low, value);
      last.high = std::max(last.high, value);
      last.sum += value;
      last.count += 1;
      return;
    }
    past.push_back({.at = at,
                    .first = value,
                    .last = value,
                    .low = value,
                    .high = value,
                    .sum = value,
                    .count = 1,
                    .anew = anew});
    // The newest that is old enough stays: it is what a rise is measured from.
    const auto since = at - std::chrono::duration_cast<std::chrono::microseconds>(track.window);
    std::size_t unneeded = 0;
    while (unneeded + 1 < past.size() && past[unneeded + 1].at <= since) ++unneeded;
    past.erase(past.begin(), past.begin() + static_cast<std::ptrdiff_t>(unneeded));
  }
};

Evaluator::Evaluator(std::shared_ptr<const RuleSet> rules)
    : rules_(std::move(rules)), memory_(std::make_unique<Memory>()) {
  for (const auto& rule : rules_->rules) {
    memory_->rules[rule.collector].push_back(&rule);
    auto& tracks = memory_->tracks[rule.collector];
    for (const auto& look : rule.looks_back()) {
      const auto found = std::find_if(tracks.begin(), tracks.end(), [&](const Memory::Track& one) {
        return one.column == look.column;
      });
      if (found == tracks.end()) {
        tracks.push_back({.column = look.column, .window = look.window});
      } else {
        found->window = std::max(found->window, look.window);
      }
    }
  }
}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

std::vector<Condition> Evaluator::take(const Sample& sample, std::optional<SteadyTime> read) {
  auto& source = memory_->sources[sample.source];
  const bool older = source.samples > 0 && sample.at <= source.newest;
  std::optional<std::chrono::microseconds> ahead;
  if (read) {
    ahead = sample.at.time_since_epoch() -
            std::chrono::floor<std::chrono::microseconds>(read->time_since_epoch());
  }
  if (ahead && source.ahead) {
    const auto by = *ahead - *source.ahead;
    if (older || std::chrono::abs(by) > kTogether) source.move(by);
  } else if (older) {
    source.rows.clear();
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
std::vector<Condition> Evaluator::look_at(const Sample& sample, bool quiet) {
  std::vector<Condition> out;
  const auto* const collector = find_collector(sample.source.collector);
  const auto rules = memory_->rules.find(collector);
  if (collector == nullptr || rules == memory_->rules.end()) return out;
  const auto& tracks = memory_->tracks[collector];
  auto& source = memory_->sources[sample.source];
  const bool new_epoch = source.samples > 0 && sample.epoch != source.epoch;
  source.newest = sample.at;
  source.epoch = sample.epoch;
  ++source.samples;

  std::set<std::string> holds_somewhere;
  for (const auto& row : sample.rows) {
    const auto keys = keys_of(*collector, row);
    const auto row_name = name_of_row(keys);
    auto& past = source.rows.try_emplace(row_name, tracks).first->second;
    past.seen = source.samples;
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      const auto column = static_cast<std::size_t>(tracks[i].column);
      const auto value = column < row.size() ? number_of(row[column]) : std::nullopt;
      if (!value) continue;
      const bool counts = collector->columns[column].kind == Kind::counter;
      Memory::add(past.columns[i], tracks[i], counts, counts && new_epoch, sample.at, *value);
    }
    const Look look{.row = row, .at = sample.at, .past = past};
    const auto node = node_of(sample, keys);
    for (const auto* rule : rules->second) {
      if (quiet && !rule->everywhere) continue;
      auto truth = look.judge(*rule);
      Condition condition{.rule = rule, .node = node, .database = sample.source.database};
      condition.keys = keys;
      if (rule->everywhere) {
        // It is no node's but of all: an alert without a node.
        condition.node.clear();
        const auto whole = rule->name + '\n' + sample.source.database + '\n' + row_name;
        auto& entry = memory_->everywhere[whole];
        entry.cleared = condition;
        entry.cleared.clears = true;
        entry.nodes[node] = truth.fires;
        holds_somewhere.insert(whole);
        truth.fires = std::all_of(entry.nodes.begin(), entry.nodes.end(),
                                  [](const auto& one) { return one.second; });
        truth.clears = !truth.fires;
      }
      if (quiet) continue;
      if (!rule->everywhere && truth.known && truth.clears && !truth.fires) continue;
      condition.fires = truth.fires;
      condition.clears = truth.clears;
      condition.known = truth.known;
      condition.value = truth.value;
      if (truth.known) {
        const auto place = place_of(look, truth, node, sample.source.database);
        condition.summary = rule->summary.render(place);
        condition.mend = rule->mend.render(place);
      }
      out.push_back(std::move(condition));
    }
  }
  std::erase_if(source.rows, [&](const auto& one) { return one.second.seen != source.samples; });
  // A node that has no such row any more has no say.
  for (auto& [whole, entry] : memory_->everywhere) {
    const auto& cleared = entry.cleared;
    if (cleared.rule->collector != collector || cleared.database != sample.source.database ||
        holds_somewhere.contains(whole)) {
      continue;
    }
    if (entry.nodes.erase(sample.source.node) > 0 && entry.nodes.empty() && !quiet) {
      out.push_back(cleared);
    }
  }
  std::erase_if(memory_->everywhere, [](const auto& one) { return one.second.nodes.empty(); });
  return out;
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
        const auto keys = keys_of(*rule.collector, row);
        const auto name = sample.source.database + '\n' + name_of_row(keys);
        nodes[name].first += 1;
        if (!truth.fires) continue;
        nodes[name].second += 1;
        Verdict verdict{.rule = rule.name, .severity = rule.severity};
        verdict.node = node_of(sample, keys);
        verdict.database = sample.source.database;
        verdict.labels = keys;
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
  // What a replica's catalogue says is its primary's word for word, and is mended there.
  const auto replicas = replicas_among(samples);
  const auto repeats = [&](const Verdict& one) {
    return replicas.contains(one.node) &&
           std::any_of(out.found.begin(), out.found.end(), [&](const Verdict& other) {
             return other.rule == one.rule && other.database == one.database &&
                    other.labels == one.labels && other.summary == one.summary &&
                    other.node != one.node && !replicas.contains(other.node);
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
