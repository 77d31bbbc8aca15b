#include "watch/rule.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <set>

#include "base/duration.h"
#include "base/toml_tree.h"

namespace lyceum::watch {
namespace {

using Node = TomlNode;

constexpr std::array<std::string_view, 21> kKeys{
    "name",  "collector", "severity",   "family",   "where", "value",      "above",
    "below", "clear",     "when",       "until",    "for",   "once_value", "once_when",
    "why",   "summary",   "everywhere", "inhibits", "mend",  "labels",     "replicated"};
// The ways to say when a rule fires; one who gives another takes none of the old.
constexpr std::array<std::string_view, 5> kThreshold{"above", "below", "clear", "when", "until"};
// What changes what a rule fires for, so that the proof of the old one proves nothing.
constexpr std::array<std::string_view, 9> kMeaning{"collector", "where", "value", "above", "below",
                                                   "clear",     "when",  "until", "proof"};

bool among(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A rule as its file has it, with the file of each key: an override keeps what it does not name.
struct Draft {
  std::string name;
  std::map<std::string, std::pair<const Node*, const RuleFile*>> keys;
  std::string place;
};

class RuleReader {
 public:
  explicit RuleReader(const Draft& draft) : draft_(draft) {}

  Result<Rule> read() {
    Rule rule;
    rule.name = draft_.name;
    rule.place = draft_.place;
    if (const auto* node = text("collector")) rule.collector = find_collector(node->text);
    if (!problem_ && rule.collector == nullptr) unknown_collector();
    if (problem_) return *problem_;
    collector_ = rule.collector;
    rule.where = expression("where");
    rule.value = expression("value");
    rule.above = expression("above");
    rule.below = expression("below");
    rule.clear = expression("clear");
    rule.when = expression("when");
    rule.until = expression("until");
    rule.once_value = expression("once_value");
    rule.once_when = expression("once_when");
    check_threshold(rule);
    if (const auto* node = text("severity")) {
      const auto severity = parse_severity(node->text);
      if (!severity) fail("severity", "there are info, warning and critical");
      rule.severity = severity.value_or(Severity::warning);
    }
    if (const auto* node = text("family")) rule.family = node->text;
    if (const auto* node = text("for")) {
      const auto hold = parse_duration(node->text);
      if (!hold || *hold > std::chrono::hours(24 * 30)) fail("for", "a duration to 30d, as \"5m\"");
      rule.hold = hold.value_or(Duration{});
    }
    if (const auto* node = text("inhibits")) {
      rule.inhibits_node = node->text == "node";
      if (!rule.inhibits_node) fail("inhibits", "there is only \"node\"");
    }
    rule.everywhere = boolean("everywhere");
    rule.replicated = boolean("replicated");
    if (rule.everywhere && rule.replicated) {
      fail("replicated", "what has to hold everywhere is no node's");
    }
    read_labels(rule);
    if (const auto* node = text("why")) rule.why = node->text;
    rule.summary = words("summary", Template::Use::prose);
    rule.mend = words("mend", Template::Use::sql);
    if (!problem_ && rule.summary.empty()) fail("summary", "it is missing: what shall be said");
    if (!problem_ && rule.why.empty()) fail("why", "it is missing: why it matters, in a sentence");
    read_proofs(rule);
    if (problem_) return *problem_;
    return rule;
  }

 private:
  void fail(std::string_view key, std::string_view why, std::size_t line = 0) {
    if (problem_) return;
    const auto found = draft_.keys.find(std::string(key));
    auto place = draft_.place;
    if (found != draft_.keys.end()) {
      const auto& [node, file] = found->second;
      place = fmt::format("{}:{}", file->name, line == 0 ? node->line : line);
    }
    problem_ =
        Error{.code = ErrorCode::kConfiguration,
              .message = fmt::format("{}: rule '{}', key '{}': {}", place, draft_.name, key, why)};
  }

  const Node* node(std::string_view key) {
    const auto found = draft_.keys.find(std::string(key));
    return found == draft_.keys.end() ? nullptr : found->second.first;
  }
  const Node* text(std::string_view key) {
    const auto* const found = node(key);
    if (found == nullptr || found->kind == Node::Kind::text) return found;
    fail(key, "a text is needed, in quotes");
    return nullptr;
  }
  bool boolean(std::string_view key) {
    const auto* const found = node(key);
    if (found != nullptr && found->kind != Node::Kind::boolean) fail(key, "true or false");
    return found != nullptr && found->text == "true";
  }

  void unknown_collector() {
    std::vector<std::string_view> names;
    for (const auto& one : collectors()) names.push_back(one.name);
    const auto* const given = node("collector");
    if (given == nullptr) return fail("collector", "it is missing: whose rows to look at");
    const auto near = nearest(given->text, names);
    fail("collector", near.empty() ? fmt::format("there is no collector '{}'", given->text)
                                   : fmt::format("there is no collector '{}'; did you mean '{}'?",
                                                 given->text, near));
  }

  std::optional<Expression> expression(std::string_view key) {
    const auto* const found = node(key);
    if (found == nullptr || problem_) return std::nullopt;
    if (found->kind != Node::Kind::text && found->kind != Node::Kind::integer &&
        found->kind != Node::Kind::real) {
      fail(key, "a number or an expression in quotes is needed");
      return std::nullopt;
    }
    auto compiled = Expression::compile(found->text, *collector_);
    if (compiled.has_error()) {
      fail(key, compiled.error().message);
      return std::nullopt;
    }
    return std::move(*compiled);
  }

  Template words(std::string_view key, Template::Use use) {
    const auto* const found = text(key);
    if (found == nullptr || problem_) return {};
    auto compiled = Template::compile(found->text, *collector_, use);
    if (compiled.has_value()) return std::move(*compiled);
    fail(key, compiled.error().message);
    return {};
  }

  void check_threshold(const Rule& rule) {
    const int ways = (rule.above ? 1 : 0) + (rule.below ? 1 : 0) + (rule.when ? 1 : 0);
    if (ways == 0) return fail("above", "it is missing: one of above, below and when is needed");
    if (ways > 1)
      return fail(rule.when ? "when" : "below", "one of above, below and when, not two");
    if (!rule.when && !rule.value) return fail("value", "it is missing: what to hold against it");
    if (rule.when && rule.clear) return fail("clear", "a rule with when clears by until");
    if (!rule.when && rule.until) return fail("until", "a rule with a threshold clears by clear");
    if (rule.when && !rule.when->is_condition()) fail("when", "it is no condition");
    if (rule.until && !rule.until->is_condition()) fail("until", "it is no condition");
    if (rule.where && !rule.where->is_condition()) fail("where", "it is no condition");
    if (rule.once_when && !rule.once_when->is_condition()) fail("once_when", "it is no condition");
    // Where both are numbers, a rule that clears before it fires is a slip of the pen.
    const auto fires = constant(rule.above ? "above" : "below"), clears = constant("clear");
    if (!fires || !clears) return;
    if (rule.above && *clears > *fires) fail("clear", "it lies beyond above: it would never fire");
    if (rule.below && *clears < *fires) fail("clear", "it lies beyond below: it would never fire");
  }
  std::optional<double> constant(std::string_view key) {
    const auto* const found = node(key);
    if (found == nullptr) return std::nullopt;
    double number = 0;
    const auto* const end = found->text.data() + found->text.size();
    const auto [stop, error] = std::from_chars(found->text.data(), end, number);
    return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
  }

  void read_labels(Rule& rule) {
    const auto* const found = node("labels");
    if (found == nullptr) return;
    if (found->kind != Node::Kind::table) return fail("labels", "a table of texts is needed");
    for (const auto& part : found->parts) {
      constexpr std::array<std::string_view, 6> kTaken{"alertname", "rule",     "severity",
                                                       "node",      "database", "family"};
      const bool plain = !part.key.empty() &&
                         std::isdigit(static_cast<unsigned char>(part.key[0])) == 0 &&
                         std::all_of(part.key.begin(), part.key.end(), [](char c) {
                           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
                         });
      if (part.kind != Node::Kind::text) fail("labels", part.key + " is no text", part.line);
      if (!plain) fail("labels", "a name has letters, digits and _", part.line);
      if (among(kTaken, part.key)) fail("labels", part.key + " is Lyceum's own", part.line);
      rule.labels[part.key] = part.text;
    }
  }

  void read_proofs(Rule& rule) {
    const auto* const found = node("proof");
    if (found == nullptr || problem_) return;
    if (found->kind != Node::Kind::list) return fail("proof", "[[rule.proof]] is needed");
    for (const auto& part : found->parts) {
      Proof proof;
      proof.line = part.line;
      for (const auto& column : collector_->columns) {
        proof.row.push_back(column.kind == Kind::key ? Value(std::string(column.name)) : Value());
      }
      Change base;
      bool has_fires = false;
      for (const auto& key : part.parts) {
        if (key.key == "row") {
          base = change(key);
        } else if (key.key == "fires") {
          proof.fires = change(key);
          has_fires = true;
        } else if (key.key == "clears") {
          proof.clears = change(key);
        } else if (key.key == "stays" && key.kind == Node::Kind::list) {
          for (const auto& one : key.parts) proof.stays.push_back(change(one));
        } else if (key.key == "stays") {
          proof.stays.push_back(change(key));
        } else if (key.key == "gone" && key.kind == Node::Kind::boolean) {
          proof.gone = key.text == "true";
        } else if (key.key == "every" && key.kind == Node::Kind::text) {
          const auto every = parse_duration(key.text);
          if (!every || *every < std::chrono::seconds(1)) fail("proof", "every: 1s and more");
          proof.every = every.value_or(proof.every);
        } else {
          fail("proof", fmt::format("'{}' has no meaning here, or not as such a value", key.key),
               key.line);
        }
      }
      if (!has_fires) fail("proof", "fires is missing: what is changed for it to fire", part.line);
      for (auto& [column, value] : base) proof.row[static_cast<std::size_t>(column)] = value;
      rule.proofs.push_back(std::move(proof));
    }
  }

  Change change(const Node& table) {
    Change out;
    if (table.kind != Node::Kind::table) {
      fail("proof", fmt::format("{}: a table is needed", table.key), table.line);
      return out;
    }
    for (const auto& part : table.parts) {
      const auto column = collector_->position(part.key);
      if (column < 0) {
        fail("proof", fmt::format("collector '{}' has no column '{}'", collector_->name, part.key),
             part.line);
        return out;
      }
      const auto kind = collector_->columns[static_cast<std::size_t>(column)].kind;
      const bool is_text = part.kind == Node::Kind::text;
      if ((kind == Kind::text && !is_text) ||
          ((kind == Kind::gauge || kind == Kind::counter) && is_text)) {
        fail("proof", fmt::format("{}: {} is needed", part.key, is_text ? "a number" : "a text"),
             part.line);
      }
      out.emplace_back(column, value(part));
    }
    return out;
  }

  static Value value(const Node& node) {
    if (node.kind == Node::Kind::boolean) return std::int64_t{node.text == "true" ? 1 : 0};
    std::int64_t integer = 0;
    double real = 0;
    const auto* const begin = node.text.data();
    const auto* const end = begin + node.text.size();
    if (node.kind == Node::Kind::integer && std::from_chars(begin, end, integer).ptr == end) {
      return integer;
    }
    if (node.kind == Node::Kind::real && std::from_chars(begin, end, real).ptr == end) return real;
    return node.text;
  }

  const Draft& draft_;
  const Collector* collector_ = nullptr;
  std::optional<Error> problem_;
};

// Puts the rules of a file over those of the files before it.
class RuleFiles {
 public:
  Result<void> add(const RuleFile& file, const Node& tree) {
    std::set<std::string> named;
    for (const auto& part : tree.parts) {
      if (part.key != "rule" || part.kind != Node::Kind::list) {
        return wrong(
            file, part.line,
            fmt::format("'{}' has no meaning here: a file of rules has [[rule]]", part.key));
      }
      for (const auto& rule : part.parts) {
        if (auto added = add_rule(file, rule, named); added.has_error()) return added.error();
      }
    }
    return {};
  }

  Result<RuleSet> finish() {
    RuleSet out;
    for (const auto& draft : drafts_) {
      if (off_.contains(draft.name)) {
        out.off.push_back(draft.name);
        continue;
      }
      auto rule = RuleReader(draft).read();
      if (rule.has_error()) return rule.error();
      out.rules.push_back(std::move(*rule));
    }
    return out;
  }

 private:
  static Error wrong(const RuleFile& file, std::size_t line, std::string_view why) {
    return {.code = ErrorCode::kConfiguration,
            .message = fmt::format("{}:{}: {}", file.name, line, why)};
  }

  Result<void> add_rule(const RuleFile& file, const Node& node, std::set<std::string>& named) {
    const auto* const name = node.kind == Node::Kind::table ? node.find("name") : nullptr;
    if (name == nullptr || name->kind != Node::Kind::text || name->text.empty()) {
      return wrong(file, node.line, "a rule needs a name");
    }
    const bool plain =
        name->text.size() <= 64 && std::all_of(name->text.begin(), name->text.end(), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
        });
    if (!plain)
      return wrong(file, name->line, "a rule's name has letters, digits and _, 64 at most");
    if (!named.insert(name->text).second) {
      return wrong(file, name->line, fmt::format("there is a rule '{}' already", name->text));
    }
    auto draft = std::find_if(drafts_.begin(), drafts_.end(),
                              [&](const Draft& one) { return one.name == name->text; });
    const bool overrides = draft != drafts_.end();
    if (!overrides) {
      drafts_.push_back({.name = name->text, .place = fmt::format("{}:{}", file.name, node.line)});
      draft = std::prev(drafts_.end());
    }
    const auto gives = [&](std::span<const std::string_view> keys) {
      return std::any_of(node.parts.begin(), node.parts.end(),
                         [&](const Node& part) { return among(keys, part.key); });
    };
    // `clear` alone moves only the threshold for clearing.
    const bool anew = node.find("above") != nullptr || node.find("below") != nullptr ||
                      node.find("when") != nullptr;
    if (overrides && anew) {
      for (const auto key : kThreshold) draft->keys.erase(std::string(key));
    }
    if (overrides && gives(kMeaning)) draft->keys.erase("proof");
    for (const auto& part : node.parts) {
      if (part.key == "enabled") {
        if (part.kind != Node::Kind::boolean) {
          return wrong(file, part.line,
                       fmt::format("rule '{}', key 'enabled': true or false", name->text));
        }
        if (part.text == "true") {
          off_.erase(name->text);
        } else {
          off_.insert(name->text);
        }
      } else if (part.key == "proof" || among(kKeys, part.key)) {
        draft->keys[part.key] = {&part, &file};
      } else {
        const auto near = nearest(part.key, kKeys);
        return wrong(file, part.line,
                     near.empty()
                         ? fmt::format("rule '{}': there is no key '{}'", name->text, part.key)
                         : fmt::format("rule '{}': there is no key '{}'; did you mean '{}'?",
                                       name->text, part.key, near));
      }
    }
    return {};
  }

  std::vector<Draft> drafts_;
  std::set<std::string> off_;
};

}  // namespace

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::critical:
      return "critical";
  }
  return "warning";
}

std::optional<Severity> parse_severity(std::string_view name) {
  for (const auto one : {Severity::info, Severity::warning, Severity::critical}) {
    if (name_of(one) == name) return one;
  }
  return std::nullopt;
}

std::vector<Expression::Look> Rule::looks_back() const {
  std::vector<Expression::Look> out;
  for (const auto* one : {&where, &value, &above, &below, &clear, &when, &until}) {
    if (*one) out.insert(out.end(), (*one)->looks_back().begin(), (*one)->looks_back().end());
  }
  for (const auto* one : {&summary, &mend}) {
    out.insert(out.end(), one->looks_back().begin(), one->looks_back().end());
  }
  return out;
}

const Rule* RuleSet::find(std::string_view name) const {
  const auto found =
      std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.name == name; });
  return found == rules.end() ? nullptr : &*found;
}

Result<RuleFile> read_rule_file(const std::string& path) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  RuleFile out{.name = path, .text = std::string(kMostBytes + 1, '\0')};
  if (file) file.read(out.text.data(), static_cast<std::streamsize>(out.text.size()));
  const auto size = file.is_open() ? static_cast<std::size_t>(file.gcount()) : 0;
  if (!file.is_open() || file.bad() || (errno != 0 && size == 0) || size > kMostBytes) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("cannot read the rules in {}: {}", path,
                                        size > kMostBytes ? "it has more than 1 MiB"
                                        : errno == 0      ? "it is no readable file"
                                                          : std::strerror(errno))};
  }
  out.text.resize(size);
  return out;
}

Result<RuleSet> load_rules(std::span<const RuleFile> files) {
  std::vector<TomlNode> trees;
  trees.reserve(files.size());  // drafts point into them
  RuleFiles all;
  for (const auto& file : files) {
    auto tree = parse_toml(file.name, file.text);
    if (tree.has_error()) return tree.error();
    trees.push_back(std::move(*tree));
    if (auto added = all.add(file, trees.back()); added.has_error()) return added.error();
  }
  return all.finish();
}

Result<RuleSet> load_rules(const std::string& path) {
  std::vector<RuleFile> files{shipped_rules()};
  if (!path.empty()) {
    auto file = read_rule_file(path);
    if (file.has_error()) return file.error();
    files.push_back(std::move(*file));
  }
  return load_rules(files);
}

}  // namespace lyceum::watch
