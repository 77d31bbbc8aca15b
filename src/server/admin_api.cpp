#include "server/admin_api.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <set>

#include "server/problem.h"
#include "server/query.h"
#include "server/strict_json.h"
#include "watch/collector.h"
#include "watch/grouped_series.h"
#include "watch/history_json.h"
#include "watch/rate.h"
#include "watch/value_json.h"
#include "watch/verdict_json.h"

namespace lyceum::server {

namespace json = boost::json;
using boost::asio::awaitable;
using watch::Kind;

namespace {

constexpr std::string_view kPrefix = "/v1/admin/";
constexpr std::int64_t kMostPoints = 500;
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
                   {"pace", collector.pace == watch::Pace::fast ? "fast" : "slow"},
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

// Keys and texts are strings also where they are numbers to PostgreSQL: a queryid is more than a
// JavaScript number holds.
json::object row_json(const watch::Picture& picture, const watch::Row& row) {
  json::object out;
  for (std::size_t i = 0; i < picture.headings.size(); ++i) {
    const auto& [name, kind] = picture.headings[i];
    const auto* integer = std::get_if<std::int64_t>(&row[i]);
    const bool is_name = kind == Kind::key || kind == Kind::text;
    out[name] = is_name && integer != nullptr ? json::value(std::to_string(*integer))
                                              : watch::json_of(row[i]);
  }
  return out;
}

// By how much the counters of each row rose per second since the sample before.
json::array rates_json(const watch::KeptSample& before, const watch::KeptSample& now) {
  const double took = std::chrono::duration<double>(now.at - before.at).count();
  const bool comparable =
      took > 0 && before.epoch == now.epoch && before.picture.headings == now.picture.headings;
  const auto identity = [&](const watch::Row& row) {
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (now.picture.headings[i].kind != Kind::key) continue;
      out += json::serialize(watch::json_of(row[i])) + ' ';
    }
    return out;
  };
  std::map<std::string, const watch::Row*> rows;
  if (comparable) {
    for (const auto& row : before.picture.rows) rows.emplace(identity(row), &row);
  }
  json::array out;
  for (const auto& row : now.picture.rows) {
    const auto was = comparable ? rows.find(identity(row)) : rows.end();
    json::object rates;
    for (std::size_t i = 0; i < row.size() && was != rows.end(); ++i) {
      if (now.picture.headings[i].kind != Kind::counter) continue;
      const auto more = watch::rise((*was->second)[i], row[i]);
      rates[now.picture.headings[i].name] = more ? json::value(*more / took) : json::value(nullptr);
    }
    out.push_back(was == rows.end() ? json::value(nullptr) : json::value(std::move(rates)));
  }
  return out;
}

// The last two samples of one source.
struct LastTwo {
  std::optional<watch::KeptSample> before;
  watch::KeptSample now;
};

Result<std::vector<LastTwo>> last_two(watch::History& history, watch::Selection selection) {
  auto newest = history.latest(selection);
  if (newest.has_error()) return newest.error();
  std::map<watch::Source, LastTwo> out;
  for (auto& sample : *newest) {
    const auto source = sample.source;
    out[source].now = std::move(sample);
  }
  // What could not be kept was read all the same.
  history.present([&](const watch::Source& source, Timestamp at, std::int64_t epoch,
                      const watch::Picture& picture) {
    if (!selection.holds(source)) return;
    auto& now = out[source].now;
    if (at > now.at) now = {.source = source, .at = at, .epoch = epoch, .picture = picture};
  });
  // Far enough back for a slow collector that was late.
  constexpr auto kBack = std::chrono::minutes(30);
  auto since = Timestamp::max();
  for (const auto& [source, two] : out) since = std::min(since, two.now.at);
  if (out.empty()) return std::vector<LastTwo>();
  selection.from = since - kBack;
  auto cursor = history.read(selection);
  if (cursor.has_error()) return cursor.error();
  while (true) {
    auto next = cursor->next();
    if (next.has_error()) return next.error();
    if (*next == nullptr) break;
    const auto found = out.find((*next)->source);
    if (found == out.end() || (*next)->at >= found->second.now.at) continue;
    found->second.before = **next;
  }
  std::vector<LastTwo> all;
  for (auto& [source, two] : out) all.push_back(std::move(two));
  return all;
}

std::string_view collector_of(const watch::RuleSet& rules, const std::string& name) {
  const auto* rule = rules.find(name);
  return rule == nullptr ? std::string_view() : rule->collector->name;
}

// What is wrong, worst first, then a line for each rule that holds nowhere.
json::array verdicts_json(const watch::Verdicts& verdicts, const watch::RuleSet& rules) {
  json::array out;
  std::set<std::string_view> said;
  for (const auto& one : verdicts.found) {
    auto object = watch::verdict_json(one);
    object["collector"] = collector_of(rules, one.rule);
    out.push_back(std::move(object));
    said.insert(one.rule);
  }
  for (const auto& [rule, why] : verdicts.unjudged) said.insert(rule);
  for (const auto& rule : rules.rules) {
    if (said.contains(rule.name)) continue;
    out.push_back({{"rule", rule.name},
                   {"collector", rule.collector->name},
                   {"severity", "ok"},
                   {"node", ""},
                   {"database", ""},
                   {"labels", json::object()},
                   {"value", nullptr},
                   {"summary", fmt::format("{}: nothing", rule.name)},
                   {"why", rule.why},
                   {"mend", ""}});
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

json::object silence_json(const watch::Silence& silence) {
  json::array matchers;
  for (const auto& one : silence.matchers) {
    matchers.push_back(
        json::string(watch::valid_utf8(one.label + (one.negated ? "!=" : "=") + one.pattern)));
  }
  return {{"id", silence.id},
          {"matchers", std::move(matchers)},
          {"until", watch::milliseconds(silence.until)},
          {"author", watch::valid_utf8(silence.author)},
          {"comment", watch::valid_utf8(silence.comment)}};
}

// {"matchers": ["node=h1*"], "minutes": 120, "author": "…", "comment": "…"}
Result<watch::Silence> silence_of(std::string_view body, Timestamp now) {
  constexpr std::int64_t kMostMinutes = 60 * 24 * 366;
  const auto read = parse_strict_object(body, 3);
  if (read.has_error()) return read.error();
  watch::Silence out;
  std::int64_t minutes = 0;
  for (const auto& [key, value] : *read) {
    if (key == "matchers" && value.is_array()) {
      for (const auto& one : value.get_array()) {
        if (!one.is_string()) return bad_input("a matcher is a text, as \"node=h1*\"");
        auto matcher = watch::Matcher::parse(one.get_string());
        if (matcher.has_error()) return matcher.error();
        out.matchers.push_back(std::move(*matcher));
      }
    } else if (key == "minutes" && value.is_int64()) {
      minutes = value.get_int64();
    } else if (key == "author" && value.is_string()) {
      out.author = std::string(value.get_string());
    } else if (key == "comment" && value.is_string()) {
      out.comment = std::string(value.get_string());
    } else {
      return bad_input(
          fmt::format("'{}' is not expected, or of another type", std::string_view(key)));
    }
  }
  if (out.matchers.empty())
    return bad_input("'matchers' is missing: what would be silenced is all");
  if (minutes < 1 || minutes > kMostMinutes) {
    return bad_input(fmt::format("'minutes' has to be 1 to {}", kMostMinutes));
  }
  if (out.comment.empty()) return bad_input("'comment' is missing: somebody will ask why");
  out.until = now + std::chrono::minutes(minutes);
  return out;
}

}  // namespace

awaitable<Response> AdminApi::serve(const Request& request) {
  const auto what = request.path.substr(std::min(kPrefix.size(), request.path.size()));
  if (request.method != Method::get && request.method != Method::head) {
    co_return co_await change_silences(request);
  }
  Result<std::string> answer = std::string();
  if (what == "collectors") {
    answer = collectors_json();
  } else if (what == "latest") {
    answer = co_await latest(request.query);
  } else if (what == "series") {
    answer = co_await series(request.query);
  } else if (what == "plan") {
    answer = co_await plan(request.query);
  } else if (what == "verdicts") {
    answer = co_await verdicts();
  } else if (what == "alerts") {
    answer = co_await alerts();
  } else if (what == "silences") {
    answer = co_await silences();
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
      [&](watch::Monitor::Inside& inside) { return last_two(inside.history, selection); });
  if (kept.has_error()) co_return kept.error();
  json::array samples;
  for (const auto& [before, now] : *kept) {
    json::array rows;
    for (const auto& row : now.picture.rows) rows.push_back(row_json(now.picture, row));
    json::object sample{{"node", now.source.node},
                        {"database", watch::valid_utf8(now.source.database)},
                        {"at", watch::milliseconds(now.at)},
                        {"epoch", now.epoch},
                        {"rows", std::move(rows)}};
    if (before) sample["rates"] = rates_json(*before, now);
    samples.push_back(std::move(sample));
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
                              std::clamp<std::int64_t>((*points).value_or(200), 1, kMostPoints))};
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

awaitable<Result<std::string>> AdminApi::plan(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kKnown{"queryid", "database", "node"};
  const auto query = Query::parse(text, kKnown);
  if (query.has_error()) co_return query.error();
  auto found = co_await monitor_.plan(query->text("queryid").value_or(""),
                                      query->text("database").value_or(""),
                                      query->text("node").value_or(""));
  json::object out{{"plan", nullptr}, {"why_not", nullptr}};
  if (found.text) {
    out["plan"] = watch::valid_utf8(*found.text);
  } else {
    out["why_not"] = watch::valid_utf8(found.why_not);
  }
  co_return json::serialize(out);
}

awaitable<Result<std::string>> AdminApi::verdicts() {
  // The rules' conditions as they are now, whether they have lasted or not.
  const auto all = co_await monitor_.ask([](watch::Monitor::Inside& inside) {
    return verdicts_json(watch::verdicts(inside.present(), inside.rules), inside.rules);
  });
  co_return json::serialize(
      json::object{{"at", watch::milliseconds(clock_.wall_now())}, {"verdicts", all}});
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
                   {"collector", alert.collector},
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

awaitable<Result<std::string>> AdminApi::silences() {
  auto all = co_await monitor_.ask(
      [](watch::Monitor::Inside& inside) { return inside.alerts.silences(); });
  json::array out;
  for (const auto& one : all) out.push_back(silence_json(one));
  co_return json::serialize(json::object{{"silences", std::move(out)}});
}

// A page of another site can have a browser send a request here, but not one that says it is JSON
// or that deletes: for those the browser asks first, and is not answered.
awaitable<Response> AdminApi::change_silences(const Request& request) {
  constexpr std::string_view kSilences = "/v1/admin/silences";
  const auto refuse = [&](int status, std::string_view code, std::string detail) {
    return to_response({.status = status, .code = code, .detail = std::move(detail)},
                       request.request_id);
  };
  const auto not_found = [&] {
    return refuse(404, "not_found", "there is no such silence; GET /v1/admin/silences lists them");
  };
  if (request.method == Method::post && request.path == kSilences) {
    if (request.content_type != "application/json") {
      co_return refuse(415, "unsupported_media_type", "Content-Type has to be application/json");
    }
    auto silence = silence_of(request.body, clock_.wall_now());
    if (silence.has_error()) co_return to_response(problem_of(silence.error()), request.request_id);
    const auto id = co_await monitor_.silence(*silence);
    if (id.has_error()) co_return to_response(problem_of(id.error()), request.request_id);
    silence->id = *id;
    co_return Response{.status = 201,
                       .body = json::serialize(silence_json(*silence)),
                       .headers = {{"Cache-Control", "no-store"}}};
  }
  if (request.method == Method::delete_ && request.path.starts_with(kSilences)) {
    auto number = request.path.substr(kSilences.size());
    std::uint64_t id = 0;
    if (!number.starts_with('/')) co_return not_found();
    number.remove_prefix(1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
    if (error != std::errc() || end != number.data() + number.size()) co_return not_found();
    const auto ended = co_await monitor_.end_silence(id);
    if (ended.has_error()) co_return to_response(problem_of(ended.error()), request.request_id);
    if (!*ended) co_return not_found();
    co_return Response{.body = json::serialize(json::object{{"ended", id}}),
                       .headers = {{"Cache-Control", "no-store"}}};
  }
  auto refused = refuse(405, "method_not_allowed",
                        "POST to /v1/admin/silences, DELETE of /v1/admin/silences/ID, else GET");
  refused.headers.emplace_back("Allow",
                               request.path == kSilences ? "GET, HEAD, POST" : "GET, HEAD");
  co_return refused;
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
