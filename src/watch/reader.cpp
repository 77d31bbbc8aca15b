#include "watch/reader.h"

#include <cmath>
#include <fmt/format.h>
#include <set>

#include "sql/statements.h"
#include "watch/lock_tree.h"
#include "watch/versions.h"

namespace lyceum::watch {

using boost::asio::awaitable;
using Steady = std::chrono::steady_clock;

namespace {

// Texts are asked for in pieces, so that no answer grows beyond bounds.
constexpr std::size_t kTextsAtOnce = 2'000;
constexpr int kSchemasNamed = 5;

std::int64_t in_milliseconds(Duration time) {
  return std::max<std::int64_t>(
      1, std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

// `above` is what the row before has there, or null: neighbours often say the same, the schema for
// instance, and share it then.
Value value_of(const pg::Row& row, int column, pg::Oid type, const Value* above) {
  if (row.is_null(column)) return {};
  switch (type) {
    case pg::oid::kInt8:
      return row.get<std::int64_t>(column);
    case pg::oid::kFloat8: {
      const auto value = row.get<double>(column);
      if (!std::isfinite(value)) return {};
      return value;
    }
    case pg::oid::kInt4:
      return std::int64_t{row.get<std::int32_t>(column)};
    case pg::oid::kBool:
      return std::int64_t{row.get<bool>(column) ? 1 : 0};
    default:
      break;
  }
  const auto text = row.get<std::string_view>(column);
  const auto* same = above == nullptr ? nullptr : std::get_if<Text>(above);
  if (same != nullptr && same->view() == text) return *same;
  return Text(text);
}

std::optional<int> position(const pg::Rows& rows, std::string_view name) {
  for (int i = 0; i < rows.columns(); ++i) {
    if (rows.column_name(i) == name) return i;
  }
  return std::nullopt;
}

// A sample as the server tells it, before texts and epoch.
struct Answer {
  std::vector<Row> rows;
  std::vector<std::optional<std::int64_t>> texts_of;  // of each row
  std::optional<double> stats_reset;
  std::int64_t hidden = 0;
  std::set<std::string> hidden_schemas;
};

Answer answer_of(const Collector& collector, const pg::Rows& rows) {
  Answer out;
  std::vector<std::optional<int>> places;
  for (const auto& column : collector.columns) places.push_back(position(rows, column.name));
  const auto stats_reset = position(rows, "stats_reset");
  const auto hidden = position(rows, "hidden");
  const auto text_of = position(rows, "text_of");
  const auto schema = position(rows, "schemaname");
  const bool keeps_hidden = collector.name == "databases";  // hides one column, not the row
  for (const auto row : rows) {
    if (stats_reset && !row.is_null(*stats_reset)) {
      out.stats_reset = std::max(out.stats_reset.value_or(0), row.get<double>(*stats_reset));
    }
    if (hidden && row.get<std::int64_t>(*hidden) != 0) {
      ++out.hidden;
      if (schema) out.hidden_schemas.insert(row.get<std::string>(*schema));
      if (!keeps_hidden) continue;
    }
    Row values;
    values.reserve(places.size());
    for (const auto& place : places) {
      const auto* above = out.rows.empty() ? nullptr : &out.rows.back()[values.size()];
      values.push_back(place ? value_of(row, *place, rows.column_type(*place), above) : Value{});
    }
    out.rows.push_back(std::move(values));
    out.texts_of.push_back(text_of && !row.is_null(*text_of)
                               ? std::optional(row.get<std::int64_t>(*text_of))
                               : std::nullopt);
  }
  return out;
}

void fill_in_tree(const Collector& collector, std::vector<Row>& rows) {
  const auto at = [&](std::string_view name) {
    return static_cast<std::size_t>(collector.position(name));
  };
  const auto pid = at("pid"), blocked_by = at("blocked_by"), depth = at("depth"),
             blocks = at("blocks");
  std::vector<Waiting> waiting;
  for (const auto& row : rows) {
    Waiting one{.pid = std::get<std::int64_t>(row[pid])};
    std::string_view pids = std::get<Text>(row[blocked_by]);
    while (!pids.empty()) {
      const auto comma = pids.find(',');
      one.blocked_by.push_back(std::stoll(std::string(pids.substr(0, comma))));
      pids.remove_prefix(comma == pids.npos ? pids.size() : comma + 1);
    }
    waiting.push_back(std::move(one));
  }
  lock_tree(waiting);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i][depth] = waiting[i].depth;
    rows[i][blocks] = waiting[i].blocks;
  }
}

std::string grant_monitor(const Facts& facts) {
  return fmt::format("GRANT pg_monitor TO {};", quoted(facts.role));
}

Gap told_on_a_replica(Gap gap, const Facts& facts) {
  if (facts.in_recovery && !gap.mend.empty()) gap.why += " (to be mended on its primary)";
  return gap;
}

std::optional<Gap> hidden_by(const Collector& collector, const Facts& facts, const Answer& answer) {
  const auto hides = hidden_of(collector.name);
  if (hides == Hides::statistics && !facts.reads_statistics) {
    return Gap{fmt::format("what other roles do is hidden from {}", facts.role),
               grant_monitor(facts)};
  }
  if (hides == Hides::settings && !facts.reads_settings) {
    return Gap{fmt::format("some settings are hidden from {}", facts.role), grant_monitor(facts)};
  }
  if (answer.hidden == 0) return std::nullopt;
  if (collector.name == "sequences") {
    std::string mend;
    int named = 0;
    for (const auto& schema : answer.hidden_schemas) {
      if (named++ == kSchemasNamed) break;
      mend += fmt::format("{}GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {};",
                          mend.empty() ? "" : " ", quoted(schema), quoted(facts.role));
    }
    return Gap{fmt::format("{} may not read {} of the sequences", facts.role, answer.hidden), mend};
  }
  return Gap{fmt::format("{} rows are hidden from {}", answer.hidden, facts.role),
             grant_monitor(facts)};
}

// What was dropped, made, moved or updated since the facts were read.
bool facts_are_old(const Error& error) {
  for (const std::string_view code : {"42P01", "42883", "42703", "3F000"}) {
    if (error.sqlstate == code) return true;
  }
  return false;
}

// Asks for the texts that are new, in pieces. What the server leaves out (it is locked, or gone by
// now) is asked for again the next time.
awaitable<Result<void>> fetch_texts(std::shared_ptr<pg::Connection> connection, Statement statement,
                                    std::vector<std::int64_t> keys, Texts* texts,
                                    SteadyTime deadline, std::size_t* bytes) {
  const auto now = Steady::now();
  const auto wanted = texts->wanted(keys, now);
  for (std::size_t at = 0; at < wanted.size(); at += kTextsAtOnce) {
    const auto end = std::min(at + kTextsAtOnce, wanted.size());
    const std::vector<std::int64_t> piece(wanted.begin() + static_cast<std::ptrdiff_t>(at),
                                          wanted.begin() + static_cast<std::ptrdiff_t>(end));
    const pg::Params params(piece);
    const auto rows = co_await connection->execute(statement, params, deadline);
    if (rows.has_error()) co_return rows.error();
    *bytes += rows->bytes();
    const int key = rows->column("text_of"), text = rows->column("text");
    for (const auto row : *rows) {
      texts->put(row.get<std::int64_t>(key), row.get<std::optional<std::string>>(text), now);
    }
  }
  co_return Result<void>();
}

awaitable<Reading> read_once(std::shared_ptr<pg::Connection> connection, const Collector* collector,
                             Source source, Facts* facts, Texts* texts, SteadyTime deadline,
                             const Clock* clock) {
  Reading out{.source = source};
  out.since.started_at = facts->started_at;
  const auto question =
      question_for(collector->name, connection->server_version(), facts->statements_version);
  if (question.statement == nullptr) {
    out.gap = told_on_a_replica(question.gap, *facts);
    co_return out;
  }
  const auto asked = Steady::now();
  if (asked >= deadline) {
    out.error = Error{.code = ErrorCode::kTimeout,
                      .message = "the deadline passed before it was asked",
                      .statement = std::string(question.statement->name),
                      .node = source.node};
    co_return out;
  }
  const auto text = in_schema(question.statement->text, facts->statements_schema);
  const Statement statement{question.statement->name, text, Access::read};
  const auto rows = co_await connection->execute(statement, pg::kNoParams, deadline);
  out.took = Steady::now() - asked;
  if (rows.has_error()) {
    out.error = rows.error();
    co_return out;
  }
  Sample sample{.source = source, .at = clock->wall_now()};
  Answer answer;
  try {
    answer = answer_of(*collector, *rows);
  } catch (const Exception& problem) {
    // A version that we do not know gives other types: that ends this collector, and no other.
    out.error = problem.error();
    co_return out;
  }
  out.rows = rows->size();
  out.bytes = rows->bytes();
  out.since.stats_reset = answer.stats_reset;
  if (question.texts != nullptr) {
    std::vector<std::int64_t> keys;
    for (const auto& key : answer.texts_of) {
      if (key) keys.push_back(*key);
    }
    texts->keep_only(keys);
    const auto texts_text = in_schema(question.texts->text, facts->statements_schema);
    const Statement for_texts{question.texts->name, texts_text, Access::read};
    const auto fetched =
        co_await fetch_texts(connection, for_texts, keys, texts, deadline, &out.bytes);
    out.took = Steady::now() - asked;
    if (fetched.has_error()) out.error = fetched.error();
    const auto place = static_cast<std::size_t>(collector->position(question.text_column));
    for (std::size_t i = 0; i < answer.rows.size(); ++i) {
      const auto* found = answer.texts_of[i] ? texts->find(*answer.texts_of[i]) : nullptr;
      if (found != nullptr) answer.rows[i][place] = *found;
    }
  }
  if (collector->name == "blocking") fill_in_tree(*collector, answer.rows);
  out.gap = hidden_by(*collector, *facts, answer);
  if (out.gap) out.gap = told_on_a_replica(*out.gap, *facts);
  sample.rows = std::move(answer.rows);
  out.sample = std::move(sample);
  co_return out;
}

}  // namespace

awaitable<Result<void>> prepare_to_read(std::shared_ptr<pg::Connection> connection,
                                        Duration statement_limit, Duration lock_limit,
                                        SteadyTime deadline) {
  auto script = fmt::format(
      "set statement_timeout = {}; set lock_timeout = {}; set default_transaction_read_only = on; "
      "set search_path = pg_catalog, pg_temp; set jit = off; set timezone = 'UTC'",
      in_milliseconds(statement_limit), in_milliseconds(lock_limit));
  if (connection->server_version() >= 140'000) script += "; set idle_session_timeout = 0";
  const auto done = co_await connection->script(script, deadline);
  if (done.has_error()) co_return done.error();
  co_return Result<void>();
}

awaitable<Result<Facts>> read_facts(std::shared_ptr<pg::Connection> connection,
                                    SteadyTime deadline) {
  const auto rows =
      co_await connection->execute(lyceum::sql::watch::facts, pg::kNoParams, deadline);
  if (rows.has_error()) co_return rows.error();
  try {
    co_return rows->as<Facts>().at(0);
  } catch (const Exception& problem) {
    co_return problem.error();
  }
}

awaitable<Reading> read(std::shared_ptr<pg::Connection> connection, const Collector* collector,
                        Source source, Facts* facts, Texts* texts, SteadyTime deadline,
                        const Clock* clock) {
  auto out = co_await read_once(connection, collector, source, facts, texts, deadline, clock);
  if (out.error && facts_are_old(*out.error)) {
    auto anew = co_await read_facts(connection, deadline);
    if (anew.has_value()) {
      *facts = *anew;
      const auto took = out.took;
      out = co_await read_once(connection, collector, source, facts, texts, deadline, clock);
      out.took += took;
    }
  }
  if (out.error && !out.sample) {
    if (auto gap = gap_of(*out.error, collector->name, *facts)) {
      out.gap = std::move(gap);
      out.error.reset();
    }
  }
  co_return out;
}

std::optional<Gap> gap_of(const Error& error, std::string_view collector, const Facts& facts) {
  Gap gap{.why = error.message, .mend = ""};
  if (error.sqlstate == "42501") {
    const bool schema =
        collector == "statements" && error.message.find("schema") != std::string::npos;
    gap.mend = schema ? fmt::format("GRANT USAGE ON SCHEMA {} TO {};",
                                    quoted(facts.statements_schema), quoted(facts.role))
                      : grant_monitor(facts);
    return told_on_a_replica(gap, facts);
  }
  if (collector != "statements") return std::nullopt;
  if (error.sqlstate == "55000") {
    // The list is set as a whole, and quoted piece by piece.
    std::string libraries;
    std::string_view rest;
    if (facts.preloaded) rest = *facts.preloaded;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      auto one = rest.substr(0, comma);
      while (one.starts_with(' ')) one.remove_prefix(1);
      while (one.ends_with(' ')) one.remove_suffix(1);
      if (!one.empty()) libraries += fmt::format("'{}', ", one);
      rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    }
    gap.mend = fmt::format(
        "ALTER SYSTEM SET shared_preload_libraries = {}'pg_stat_statements'; -- {}then restart the "
        "server",
        libraries, facts.preloaded ? "" : "add what is there already, ");
    return gap;
  }
  if (error.sqlstate == "42883" || error.sqlstate == "42P01") {
    gap.mend = "CREATE EXTENSION pg_stat_statements;";
    return told_on_a_replica(gap, facts);
  }
  return std::nullopt;
}

}  // namespace lyceum::watch
