#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <memory>

#include "base/await.h"
#include "cli/command.h"
#include "cluster/nodes.h"
#include "watch/collection.h"
#include "watch/evaluate.h"
#include "watch/gather.h"
#include "watch/verdict_json.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using watch::Reading;
using watch::Severity;
using watch::Verdict;

struct Arguments {
  std::string rules_file;
  bool all = false;
};

// All servers together; a server that hangs is left then.
constexpr auto kLimit = std::chrono::seconds(10);

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
  const auto verdicts =
      watch::verdicts(watch::samples_of(*nodes, readings, SystemClock().wall_now()), *rules);
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
