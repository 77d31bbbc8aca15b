#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/command.h"
#include "cli/table.h"

namespace lyceum::cli {
namespace {

int check(Context& context) {
  auto sources = context.sources();
  if (sources.has_error()) return context.fail(sources.error());
  const auto problems = check_configuration(*sources);
  if (context.json) {
    boost::json::array list;
    for (const auto& problem : problems) list.push_back(boost::json::value(problem.to_string()));
    context.out << boost::json::serialize(
                       boost::json::object{{"valid", problems.empty()}, {"problems", list}})
                << std::endl;
  } else if (problems.empty()) {
    context.out << "the configuration is valid" << std::endl;
  } else {
    for (const auto& problem : problems) context.err << "lyceum: " << problem.to_string() << '\n';
  }
  return problems.empty() ? kDone : kWrongUsage;
}

int show(Context& context) {
  const auto loaded = context.configuration();
  if (loaded.has_error()) return context.fail(loaded.error());
  if (context.json) {
    boost::json::array list;
    for (const auto& row : loaded->rows) {
      list.push_back({{"key", row.key}, {"value", row.value}, {"source", row.source}});
    }
    context.out << boost::json::serialize(boost::json::object{{"settings", std::move(list)}})
                << std::endl;
    return kDone;
  }
  Table table({"setting", "value", "from"});
  for (const auto& row : loaded->rows) table.row({row.key, row.value, row.source});
  table.print(context.out);
  return kDone;
}

}  // namespace

Command config_check() {
  return {.path = "config check",
          .summary = "Whether the configuration is valid, and every problem if not",
          .examples = "  lyceum config check --config lyceum.toml",
          .declare = [](std::vector<Option>&) -> Run { return check; }};
}

Command config_show() {
  return {.path = "config show",
          .summary = "Every setting, its value without secrets, and where it comes from",
          .examples = "  lyceum config show --config lyceum.toml",
          .declare = [](std::vector<Option>&) -> Run { return show; }};
}

}  // namespace lyceum::cli
