#include "indexes/used_indexes.h"

#include <boost/json.hpp>
#include <functional>

namespace lyceum::indexes {
namespace {

namespace json = boost::json;

Error no_plan(std::string why) {
  Error error;
  error.code = ErrorCode::kBadInput;
  error.message = "this is no plan of EXPLAIN (FORMAT JSON): " + std::move(why);
  return error;
}

void walk(const json::value& node, const std::function<void(const json::object&)>& visit) {
  if (node.is_array()) {
    for (const auto& part : node.get_array()) walk(part, visit);
  } else if (node.is_object()) {
    if (node.get_object().contains("Node Type")) visit(node.get_object());
    for (const auto& [key, part] : node.get_object()) walk(part, visit);
  }
}

Result<std::set<std::string>> collect(
    std::string_view text, const std::function<const json::value*(const json::object&)>& pick) {
  json::parse_options options;
  options.max_depth = 2048;
  boost::system::error_code failed;
  const auto plan = json::parse(text, failed, {}, options);
  if (failed) return no_plan(failed.message());
  std::set<std::string> out;
  bool any = false;
  walk(plan, [&](const json::object& node) {
    any = true;
    const auto* name = pick(node);
    if (name != nullptr && name->is_string()) out.emplace(name->get_string());
  });
  if (!any) return no_plan("it has no plan node");
  return out;
}

}  // namespace

Result<std::set<std::string>> indexes_used(std::string_view explain_json) {
  return collect(explain_json,
                 [](const json::object& node) { return node.if_contains("Index Name"); });
}

Result<std::set<std::string>> tables_scanned(std::string_view explain_json) {
  return collect(explain_json, [](const json::object& node) {
    return node.at("Node Type") == "Seq Scan" ? node.if_contains("Relation Name") : nullptr;
  });
}

std::set<std::string> names_in(std::string_view uses) {
  std::set<std::string> out;
  while (!uses.empty()) {
    const auto comma = std::min(uses.find(','), uses.size());
    auto name = uses.substr(0, comma);
    const auto first = name.find_first_not_of(" \t");
    if (first != std::string_view::npos) {
      name = name.substr(first, name.find_last_not_of(" \t") - first + 1);
      out.emplace(name);
    }
    uses.remove_prefix(std::min(comma + 1, uses.size()));
  }
  return out;
}

}  // namespace lyceum::indexes
