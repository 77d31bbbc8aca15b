#include "server/admin_api.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "server/problem.h"
#include "server/query.h"
#include "watch/collector.h"
#include "watch/grouped_series.h"
#include "watch/history_json.h"
#include "watch/value_json.h"
#include "watch/verdict_json.h"

namespace lyceum::server {

namespace json = boost::json;
using boost::asio::awaitable;
using watch::Kind;

namespace {

constexpr std::string_view kPrefix = "/v1/admin/";
constexpr std::int64_t kMostPoints = 2000;
constexpr double kMostHours = 24 * 366;

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::key:
      return "key";
    case Kind::text:
      return "text";
    case Kind::gauge:
      return "gauge";
    case Kind::counter:
      return "counter";
  }
  return "";
}

std::string_view name_of(watch::Scope scope) {
  switch (scope) {
    case watch::Scope::node:
      return "node";
    case watch::Scope::database:
      return "database";
    case watch::Scope::client:
      return "client";
  }
  return "";
}

std::string collectors_json() {
  json::array all;
  for (const auto& collector : watch::collectors()) {
    json::array columns;
    for (const auto& column : collector.columns) {
      columns.push_back(
          {{"name", column.name}, {"kind", name_of(column.kind)}, {"meaning", column.meaning}});
    }
    all.push_back({{"name", collector.name},
                   {"meaning", collector.meaning},
                   {"scope", name_of(collector.scope)},
                   {"columns", std::move(columns)}});
  }
  return json::serialize(json::object{{"collectors", std::move(all)}});
}

Error bad_input(std::string message) {
  return {.code = ErrorCode::kBadInput, .message = std::move(message)};
}

// The collector that a request must name.
Result<const watch::Collector*> collector_of(const Query& query) {
  const auto name = query.text("collector");
  if (!name) return bad_input("'collector' is missing");
  const auto* found = watch::find_collector(*name);
  if (found == nullptr) return bad_input(fmt::format("there is no collector '{}'", *name));
  return found;
}

Timestamp at_milliseconds(std::int64_t since_1970) {
  return Timestamp(std::chrono::milliseconds(since_1970));
}

struct Span {
  Timestamp from;
  Timestamp to;
};

// from and to in milliseconds, or the last hours: one, where nothing is said.
Result<Span> span_of(const Query& query, Timestamp now) {
  const auto from = query.integer("from");
  const auto to = query.integer("to");
  const auto hours = query.number("hours");
  for (const auto* one : {&from, &to}) {
    if (one->has_error()) return one->error();
    // Within what a time can be: year 0 to 9999.
    constexpr std::int64_t kMost = 253'402'300'799'000;
    if (*one && **one && (***one < 0 || ***one > kMost)) {
      return bad_input("'from' and 'to' are milliseconds since 1970");
    }
  }
  if (hours.has_error()) return hours.error();
  const double back = (*hours).value_or(1);
  if (!(back > 0 && back <= kMostHours)) return bad_input("'hours' is no time to look back");
  Span out{.from = now - std::chrono::duration_cast<Timestamp::duration>(
                             std::chrono::duration<double, std::ratio<3600>>(back)),
           .to = now};
  if (*from) out.from = at_milliseconds(**from);
  if (*to) out.to = at_milliseconds(**to);
  if (out.from >= out.to) return bad_input("'from' is not before 'to'");
  return out;
}

// Names of columns, without those that mean something else here.
std::vector<std::string_view> parameters_of(const watch::Collector* collector) {
  std::vector<std::string_view> out{"collector", "column", "node", "database", "by",
                                    "hours",     "from",   "to",   "points"};
  if (collector == nullptr) return out;
  for (const auto& column : collector->columns) {
    if (std::find(out.begin(), out.end(), column.name) == out.end()) out.push_back(column.name);
  }
  return out;
}

// The collector of a query whose other parameters depend on it.
const watch::Collector* collector_named_in(std::string_view query) {
  constexpr std::string_view kName = "collector=";
  for (std::size_t at = 0; at < query.size();) {
    const auto end = std::min(query.find('&', at), query.size());
    const auto one = query.substr(at, end - at);
    if (one.starts_with(kName)) return watch::find_collector(one.substr(kName.size()));
    at = end + 1;
  }
  return nullptr;
}

json::object row_json(const watch::Picture& picture, const watch::Row& row) {
  json::object out;
  for (std::size_t i = 0; i < picture.headings.size(); ++i) {
    out[picture.headings[i].name] = watch::json_of(row[i]);
  }
  return out;
}

json::object labels_json(const std::map<std::string, std::string>& labels) {
  json::object out;
  for (const auto& [name, value] : labels) out[name] = watch::valid_utf8(value);
  return out;
}

std::string series_json(const watch::GroupedSeries& series) {
  json::array groups;
  for (const auto& group : series.groups) {
    json::array points;
    for (const auto& [at, value] : group.points) {
      points.push_back(json::array{watch::milliseconds(at),
                                   value ? watch::json_of(*value) : json::value(nullptr)});
    }
    groups.push_back({{"labels", labels_json(group.labels)}, {"points", std::move(points)}});
  }
  return json::serialize(
      json::object{{"unit", series.rates ? "per second" : ""}, {"series", std::move(groups)}});
}

}  // namespace

awaitable<Response> AdminApi::serve(const Request& request) {
  const auto what = request.path.substr(std::min(kPrefix.size(), request.path.size()));
  Result<std::string> answer = std::string();
  if (what == "collectors") {
    answer = collectors_json();
  } else if (what == "latest") {
    answer = co_await latest(request.query);
  } else if (what == "series") {
    answer = co_await series(request.query);
  } else if (what == "verdicts") {
    answer = co_await verdicts();
  } else if (what == "alerts") {
    answer = co_await alerts();
  } else if (what == "history") {
    answer = co_await history(request.query);
  } else {
    co_return to_response({.status = 404, .code = "not_found", .detail = "there is no such page"},
                          request.request_id);
  }
  if (answer.has_error()) co_return to_response(problem_of(answer.error()), request.request_id);
  co_return Response{.body = std::move(*answer), .headers = {{"Cache-Control", "no-store"}}};
}

awaitable<Result<std::string>> AdminApi::latest(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kKnown{"collector", "node", "database"};
  const auto query = Query::parse(text, kKnown);
  if (query.has_error()) co_return query.error();
  const auto collector = collector_of(*query);
  if (collector.has_error()) co_return collector.error();
  const bool own = (*collector)->scope == watch::Scope::client;
  const watch::Selection selection{.collectors = {std::string((*collector)->name)},
                                   .node = own ? "" : query->text("node").value_or(""),
                                   .database = query->text("database").value_or("")};
  auto kept = co_await monitor_.ask(
      [&](watch::Monitor::Inside& inside) { return inside.history.latest(selection); });
  if (kept.has_error()) co_return kept.error();
  json::array samples;
  for (const auto& sample : *kept) {
    json::array rows;
    for (const auto& row : sample.picture.rows) rows.push_back(row_json(sample.picture, row));
    samples.push_back({{"node", sample.source.node},
                       {"database", watch::valid_utf8(sample.source.database)},
                       {"at", watch::milliseconds(sample.at)},
                       {"epoch", sample.epoch},
                       {"rows", std::move(rows)}});
  }
  co_return json::serialize(
      json::object{{"collector", (*collector)->name}, {"samples", std::move(samples)}});
}

awaitable<Result<std::string>> AdminApi::series(std::string_view text) {
  const auto query = Query::parse(text, parameters_of(collector_named_in(text)));
  if (query.has_error()) co_return query.error();
  const auto collector = collector_of(*query);
  if (collector.has_error()) co_return collector.error();
  const auto span = span_of(*query, clock_.wall_now());
  if (span.has_error()) co_return span.error();
  const auto points = query->integer("points");
  if (points.has_error()) co_return points.error();
  const auto column = query->text("column");
  if (!column) co_return bad_input("'column' is missing");
  watch::GroupQuery asked{.collector = std::string((*collector)->name),
                          .column = *column,
                          .node = query->text("node").value_or(""),
                          .from = span->from,
                          .to = span->to,
                          .most_points = static_cast<std::size_t>(
                              std::clamp<std::int64_t>((*points).value_or(300), 1, kMostPoints))};
  if (const auto database = query->text("database"))
    asked.where.emplace_back("database", *database);
  for (const auto& one : (*collector)->columns) {
    const auto plain = parameters_of(nullptr);
    if (std::find(plain.begin(), plain.end(), one.name) != plain.end()) continue;
    if (const auto value = query->text(one.name)) asked.where.emplace_back(one.name, *value);
  }
  const auto by = query->text("by").value_or("");
  for (std::size_t at = 0; at < by.size();) {
    const auto end = std::min(by.find(',', at), by.size());
    asked.by.push_back(by.substr(at, end - at));
    at = end + 1;
  }
  auto found = co_await monitor_.ask(
      [&](watch::Monitor::Inside& inside) { return grouped_series(inside.history, asked); });
  if (found.has_error()) co_return found.error();
  co_return series_json(*found);
}

awaitable<Result<std::string>> AdminApi::verdicts() {
  // The rules' conditions as they are now, whether they have lasted or not.
  const auto found = co_await monitor_.ask([](watch::Monitor::Inside& inside) {
    return watch::verdicts(inside.present(), inside.rules);
  });
  json::array all;
  for (const auto& one : found.found) all.push_back(watch::verdict_json(one));
  co_return json::serialize(
      json::object{{"at", watch::milliseconds(clock_.wall_now())}, {"verdicts", std::move(all)}});
}

awaitable<Result<std::string>> AdminApi::alerts() {
  struct Told {
    watch::Alert alert;
    std::string held_back;
  };
  const watch::Moment now{clock_.now(), clock_.wall_now()};
  const auto told = co_await monitor_.ask([&](watch::Monitor::Inside& inside) {
    std::vector<Told> out;
    for (auto& alert : inside.alerts.alerts()) {
      auto why = inside.alerts.held_back(alert, now);
      out.push_back({std::move(alert), std::move(why)});
    }
    return out;
  });
  json::array all;
  for (const auto& [alert, held_back] : told) {
    const bool silenced = held_back.starts_with("silenced");
    all.push_back({{"rule", alert.rule},
                   {"state", name_of(alert.state)},
                   {"severity", name_of(alert.severity)},
                   {"node", alert.node},
                   {"database", watch::valid_utf8(alert.database)},
                   {"labels", labels_json(alert.labels)},
                   {"since", watch::milliseconds(alert.since)},
                   {"summary", watch::valid_utf8(alert.summary)},
                   {"why", alert.why},
                   {"mend", watch::valid_utf8(alert.mend)},
                   {"held_back", held_back},
                   {"silenced", silenced},
                   {"inhibited", !held_back.empty() && !silenced},
                   {"stale", alert.stale}});
  }
  co_return json::serialize(json::object{{"alerts", std::move(all)}});
}

awaitable<Result<std::string>> AdminApi::history(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kKnown{"type", "hours", "from",
                                                          "to",   "node",  "database"};
  const auto query = Query::parse(text, kKnown);
  if (query.has_error()) co_return query.error();
  const auto span = span_of(*query, clock_.wall_now());
  if (span.has_error()) co_return span.error();
  watch::Selection selection{.node = query->text("node").value_or(""),
                             .database = query->text("database").value_or(""),
                             .from = span->from,
                             .to = span->to};
  if (const auto type = query->text("type")) {
    auto names = watch::collectors_named(*type);
    if (names.has_error()) co_return names.error();
    selection.collectors = std::move(*names);
  }
  co_return co_await monitor_.ask([&](watch::Monitor::Inside& inside) {
    return watch::history_json(inside.history, selection);
  });
}

}  // namespace lyceum::server
