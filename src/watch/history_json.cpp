#include "watch/history_json.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

#include "watch/collector.h"

namespace lyceum::watch {
namespace {

std::int64_t milliseconds(Timestamp at) {
  return std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
}

// What a server says of texts in its own encoding may be no UTF-8, which JSON must be.
std::string valid_utf8(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80                    ? 1
                             : lead >= 0xc2 && lead < 0xe0  ? 2
                             : lead >= 0xe0 && lead < 0xf0  ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
    bool good = size > 0 && i + size <= text.size();
    for (std::size_t k = 1; good && k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      // Neither longer than need be, nor half of a UTF-16 pair, nor beyond Unicode.
      const unsigned char least = k > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      const unsigned char most = k > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      good = next >= least && next <= most;
    }
    out += good ? std::string_view(text).substr(i, size) : std::string_view("\xef\xbf\xbd");
    i += good ? size : 1;
  }
  return out;
}

boost::json::value json_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) {
    return std::isfinite(*real) ? boost::json::value(*real) : boost::json::value(nullptr);
  }
  if (const auto* text = std::get_if<std::string>(&value))
    return boost::json::value(valid_utf8(*text));
  return nullptr;
}

boost::json::object json_of(const KeptSample& sample, const std::vector<std::string>& columns) {
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
      sink(boost::json::serialize(json_of(**next, columns)));
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
