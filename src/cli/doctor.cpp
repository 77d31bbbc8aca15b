#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <memory>

#include "base/await.h"
#include "cli/command.h"
#include "cluster/nodes.h"
#include "watch/collector.h"
#include "watch/evaluate.h"
#include "watch/gather.h"
#include "watch/verdict_json.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using watch::Reading;
using watch::Sample;
using watch::Severity;
using watch::Verdict;

struct Arguments {
  std::string rules_file;
  bool all = false;
};

// All servers together; a server that hangs is left then.
constexpr auto kLimit = std::chrono::seconds(10);

// What came of asking, as the samples that a running monitor makes of it itself: which servers
// answer, and which collectors could not run.
std::vector<Sample> samples_of(const std::vector<pg::Target>& nodes,
                               const std::vector<Reading>& readings) {
  const auto now = SystemClock().wall_now();
  const auto& node_columns = *watch::find_collector("nodes");
  const auto& collector_columns = *watch::find_collector("collectors");
  const auto put = [](const watch::Collector& of, watch::Row& row, std::string_view column,
                      watch::Value value) {
    row.at(static_cast<std::size_t>(of.position(column))) = std::move(value);
  };
  std::vector<Sample> out;
  std::map<std::string, std::string> unreachable;
  std::map<std::string, Sample> collectors;  // by node
  for (const auto& reading : readings) {
    if (reading.source.collector.empty()) {
      if (reading.error) unreachable[reading.source.node] = reading.error->to_string();
      continue;
    }
    if (reading.sample) out.push_back(*reading.sample);
    if (!reading.error && !reading.gap) continue;
    watch::Row row(collector_columns.columns.size());
    put(collector_columns, row, "collector", reading.source.collector);
    const bool absent = reading.gap && reading.gap->mend.empty();
    put(collector_columns, row, "state",
        std::string(reading.error ? "failing"
                    : absent      ? "absent"
                                  : "off"));
    put(collector_columns, row, "last_error",
        reading.error ? reading.error->to_string() : reading.gap->why);
    put(collector_columns, row, "mend", reading.gap ? reading.gap->mend : std::string());
    auto& sample = collectors[reading.source.node];
    sample.source = {.collector = "collectors", .node = reading.source.node};
    sample.at = now;
    sample.rows.push_back(std::move(row));
  }
  Sample seen{.source = {.collector = "nodes"}, .at = now};
  for (const auto& node : nodes) {
    const auto why = unreachable.find(node.node);
    watch::Row row(node_columns.columns.size());
    put(node_columns, row, "node", node.node);
    put(node_columns, row, "role", std::string("unknown"));
    put(node_columns, row, "standing",
        why == unreachable.end() ? std::string("answers") : why->second);
    put(node_columns, row, "up", std::int64_t{why == unreachable.end() ? 1 : 0});
    seen.rows.push_back(std::move(row));
  }
  for (auto& [node, sample] : collectors) out.push_back(std::move(sample));
  out.push_back(std::move(seen));
  return out;
}

std::string indented(std::string_view text, std::string_view indent) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    out += fmt::format("{}{}\n", indent, text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

void print(const Context& context, const watch::Verdicts& verdicts, std::size_t rules,
           bool with_unjudged) {
  for (const auto& one : verdicts.found) {
    const auto where = one.database.empty() ? one.node : one.node + " " + one.database;
    context.out << fmt::format("{:<9}{}{}{}\n", name_of(one.severity), where,
                               where.empty() ? "" : ": ", one.summary)
                << indented(one.why, "         ") << indented(one.mend, "           ");
  }
  if (verdicts.found.empty()) context.out << "ok       nothing needs attention\n";
  context.out << fmt::format("{} rules, {} of which say nothing yet\n", rules,
                             verdicts.unjudged.size());
  if (!with_unjudged) return;
  for (const auto& [rule, why] : verdicts.unjudged) {
    context.out << fmt::format("  {}: {}\n", rule, why);
  }
}

std::string document(const watch::Verdicts& verdicts) {
  boost::json::array found, unjudged;
  for (const auto& one : verdicts.found) found.push_back(watch::verdict_json(one));
  for (const auto& [rule, why] : verdicts.unjudged) {
    unjudged.push_back({{"rule", rule}, {"why", why}});
  }
  return boost::json::serialize(
      boost::json::object{{"verdicts", std::move(found)}, {"unjudged", std::move(unjudged)}});
}

int run_doctor(Context& context, const Arguments& arguments) {
  auto loaded = context.configuration();
  if (loaded.has_error()) return context.fail(loaded.error());
  auto nodes = cluster::nodes_of(loaded->values.database);
  if (nodes.has_error()) return context.fail(nodes.error());
  const auto rules = watch::load_rules(
      arguments.rules_file.empty() ? loaded->values.watch.rules_file : arguments.rules_file);
  if (rules.has_error()) return context.fail(rules.error());
  const auto readings = await([&](auto executor) -> awaitable<std::vector<Reading>> {
    co_return co_await watch::read_all(executor, *nodes,
                                       {.deadline = std::chrono::steady_clock::now() + kLimit});
  });
  const auto verdicts = watch::verdicts(samples_of(*nodes, readings), *rules);
  if (context.json) {
    context.out << document(verdicts) << std::endl;
  } else {
    print(context, verdicts, rules->rules.size(), arguments.all);
  }
  const bool attention =
      std::any_of(verdicts.found.begin(), verdicts.found.end(),
                  [](const Verdict& one) { return one.severity != Severity::info; });
  return attention ? kNeedsAttention : kDone;
}

}  // namespace

Command doctor() {
  return {
      .path = "doctor",
      .summary =
          "What is wrong with the servers, worst first, with the SQL that mends it; "
          "exit 3 where something is",
      .examples =
          "  lyceum doctor --database-url postgresql://localhost/lyceum\n"
          "  lyceum doctor --json --rules /etc/lyceum/rules.toml",
      .declare = [](std::vector<Option>& options) -> Run {
        auto arguments = std::make_shared<Arguments>();
        options.push_back(
            {"--rules", "A file of rules beside the shipped ones", &arguments->rules_file});
        options.push_back({"--all", "Also say which rules say nothing, and why", &arguments->all});
        return [arguments](Context& context) { return run_doctor(context, *arguments); };
      }};
}

}  // namespace lyceum::cli
