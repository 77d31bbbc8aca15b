#include "watch/replay.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

namespace lyceum::watch {
namespace {

namespace json = boost::json;

Value cell_of(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (value.is_bool()) return std::int64_t{value.as_bool() ? 1 : 0};
  if (value.is_int64()) return value.as_int64();
  if (value.is_number()) return value.to_number<double>();
  return {};
}

std::string text_in(const json::object& object, std::string_view key) {
  const auto* const found = object.if_contains(key);
  return found == nullptr || found->is_null() ? "" : std::string(found->as_string());
}

void add_sample(const json::object& object, const Collector& collector, std::vector<Sample>& out) {
  Sample sample;
  sample.source = {.collector = std::string(collector.name),
                   .node = text_in(object, "node"),
                   .database = text_in(object, "database")};
  const auto milliseconds = object.at("timestamp").to_number<std::int64_t>();
  constexpr std::int64_t kMost = 253'402'300'800'000;  // the year 10000
  if (milliseconds < 0 || milliseconds >= kMost) throw std::runtime_error("timestamp out of range");
  sample.at = Timestamp(std::chrono::milliseconds(milliseconds));
  if (const auto* epoch = object.if_contains("epoch")) {
    sample.epoch = epoch->to_number<std::int64_t>();
  }
  for (const auto& value : object.at("data").as_array()) {
    Row row(collector.columns.size());
    for (const auto& [name, cell] : value.as_object()) {
      const auto at = collector.position(name);
      if (at >= 0) row[static_cast<std::size_t>(at)] = cell_of(cell);
    }
    sample.rows.push_back(std::move(row));
  }
  out.push_back(std::move(sample));
}

Error wrong(std::size_t line, std::string_view why) {
  return {
      .code = ErrorCode::kBadInput,
      .message = fmt::format("line {}: this is no sample: {}", line, why),
      .hint = "a sample is {\"collector\", \"timestamp\", \"node\", \"data\": [{column: value}]}"};
}

}  // namespace

Result<std::vector<Sample>> read_samples(std::string_view text) {
  std::vector<Sample> read;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    ++number;
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      const auto value = json::parse(line);
      const auto& object = value.as_object();
      const auto* const name = object.if_contains("collector");
      if (name != nullptr) {
        const auto* const collector = find_collector(name->as_string());
        if (collector != nullptr) add_sample(object, *collector, read);
        continue;
      }
      for (const auto& [key, samples] : object) {
        const auto* const collector = find_collector(key);
        for (const auto& sample : samples.as_array()) {
          if (collector != nullptr) add_sample(sample.as_object(), *collector, read);
        }
      }
    } catch (const std::exception& problem) {
      return wrong(number, problem.what());
    }
  }
  // Those of one time stay in their order.
  std::vector<std::pair<Timestamp, std::size_t>> order;
  for (std::size_t i = 0; i < read.size(); ++i) order.emplace_back(read[i].at, i);
  std::sort(order.begin(), order.end());
  std::vector<Sample> out;
  for (const auto& [at, index] : order) out.push_back(std::move(read[index]));
  return out;
}

std::vector<AlertChange> replay(std::span<const Sample> samples,
                                std::shared_ptr<const RuleSet> rules) {
  std::vector<AlertChange> out;
  Evaluator evaluator(std::move(rules));
  AlertBook book;
  for (const auto& sample : samples) {
    const Moment now{.steady = SteadyTime(sample.at.time_since_epoch()), .wall = sample.at};
    auto changes = book.observe(sample.source, evaluator.take(sample), now);
    out.insert(out.end(), std::make_move_iterator(changes.begin()),
               std::make_move_iterator(changes.end()));
  }
  return out;
}

}  // namespace lyceum::watch
