#include "watch/history_json.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

#include "watch/collector.h"
#include "watch/value_json.h"

namespace lyceum::watch {
namespace {

boost::json::object sample_json(const KeptSample& sample, const std::vector<std::string>& columns) {
  const auto& headings = sample.picture.headings;
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < headings.size(); ++i) {
    if (columns.empty() || headings[i].kind == Kind::key ||
        std::find(columns.begin(), columns.end(), headings[i].name) != columns.end()) {
      shown.push_back(i);
    }
  }
  boost::json::array data;
  for (const auto& row : sample.picture.rows) {
    boost::json::object object;
    for (const auto i : shown) object[headings[i].name] = json_of(row[i]);
    data.push_back(std::move(object));
  }
  return {{"timestamp", milliseconds(sample.at)},
          {"node", valid_utf8(sample.source.node)},
          {"database", valid_utf8(sample.source.database)},
          {"epoch", sample.epoch},
          {"data", std::move(data)}};
}

}  // namespace

Result<std::vector<std::string>> collectors_named(std::string_view name) {
  if (name == "query_performance") return std::vector<std::string>{"statements"};
  if (name == "connections") return std::vector<std::string>{"connections", "sessions"};
  if (find_collector(name) != nullptr) return std::vector<std::string>{std::string(name)};
  std::vector<std::string_view> names{"query_performance"};
  for (const auto& collector : collectors()) names.push_back(collector.name);
  return Error{.code = ErrorCode::kBadInput,
               .message = fmt::format("there is no collector '{}'", name),
               .hint = fmt::format("there are {}", fmt::join(names, ", "))};
}

Result<void> write_history_json(History& history, const Selection& selection,
                                const std::vector<std::string>& columns, const TextSink& sink) {
  auto names = selection.collectors;
  if (names.empty()) {
    auto sources = history.sources();
    if (sources.has_error()) return sources.error();
    for (const auto& one : *sources) names.push_back(one.source.collector);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());

  std::string_view between = "{";
  for (const auto& name : names) {
    auto one = selection;
    one.collectors = {name};
    auto cursor = history.read(one);
    if (cursor.has_error()) return cursor.error();
    sink(between);
    between = ",";
    sink(boost::json::serialize(boost::json::value(name)) + ":[");
    std::string_view comma;
    while (true) {
      auto next = cursor->next();
      if (next.has_error()) return next.error();
      if (*next == nullptr) break;
      sink(std::exchange(comma, ","));
      sink(boost::json::serialize(sample_json(**next, columns)));
    }
    sink("]");
  }
  sink(names.empty() ? "{}" : "}");
  return {};
}

Result<std::string> history_json(History& history, const Selection& selection,
                                 const std::vector<std::string>& columns) {
  std::string out;
  auto written = write_history_json(history, selection, columns,
                                    [&](std::string_view piece) { out += piece; });
  if (written.has_error()) return written.error();
  return out;
}

Result<std::string> history_list_json(History& history) {
  auto sources = history.sources();
  if (sources.has_error()) return sources.error();
  auto used = history.store().used_bytes();
  if (used.has_error()) return used.error();
  boost::json::array list;
  for (const auto& one : *sources) {
    list.push_back(boost::json::object{{"collector", one.source.collector},
                                       {"node", valid_utf8(one.source.node)},
                                       {"database", valid_utf8(one.source.database)},
                                       {"samples", one.samples},
                                       {"bytes", one.bytes},
                                       {"first", milliseconds(one.first)},
                                       {"last", milliseconds(one.last)}});
  }
  return boost::json::serialize(boost::json::object{
      {"sources", std::move(list)}, {"file", history.store().path().string()}, {"bytes", *used}});
}

}  // namespace lyceum::watch
