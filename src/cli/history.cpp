#include "watch/history.h"

#include <algorithm>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/table.h"
#include "watch/collector.h"
#include "watch/history_json.h"

namespace lyceum::cli {
namespace {

using watch::History;
using watch::KeptSample;
using watch::Selection;
using watch::Value;

struct Arguments {
  std::string collector;
  std::string node;
  std::string database;
  double hours = 0;  // 0: not said
  std::vector<std::string> columns;
  bool list = false;
};

std::string when(Timestamp at) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(at));
}

std::string cell_text(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{:.6g}", *real);
  const auto* text = std::get_if<watch::Text>(&value);
  if (text == nullptr) return "";
  // A statement's text has lines, and a table's row is one.
  auto out = std::string(text->view().substr(0, 60));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return out;
}

Result<Selection> selection_of(const Arguments& arguments) {
  Selection out{.node = arguments.node, .database = arguments.database};
  if (!arguments.collector.empty()) {
    auto names = watch::collectors_named(arguments.collector);
    if (names.has_error()) return names.error();
    out.collectors = *std::move(names);
  }
  for (const auto& column : arguments.columns) {
    const auto has = [&](const std::string& name) {
      return watch::find_collector(name)->position(column) >= 0;
    };
    if (!out.collectors.empty() &&
        std::none_of(out.collectors.begin(), out.collectors.end(), has)) {
      std::string columns;
      for (const auto& one : watch::find_collector(out.collectors.front())->columns) {
        columns += (columns.empty() ? "" : ", ") + std::string(one.name);
      }
      return Error{.code = ErrorCode::kBadInput,
                   .message = fmt::format("{} has no column '{}'", arguments.collector, column),
                   .hint = "it has " + columns};
    }
  }
  constexpr double kMostHours = 24 * 366;
  if (!(arguments.hours >= 0 && arguments.hours <= kMostHours)) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("--hours {} is no time to look back", arguments.hours),
                 .hint = "write 1, or 0.5"};
  }
  // As the guide has it: getMetrics(type, hours = 1), and getAllMetrics() is all there is.
  const double hours = arguments.hours > 0 ? arguments.hours : arguments.collector.empty() ? 0 : 1;
  if (hours > 0) {
    out.from =
        SystemClock().wall_now() - std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::duration<double, std::ratio<3600>>(hours));
  }
  return out;
}

int list(Context& context, History& history) {
  if (context.json) {
    const auto document = watch::history_list_json(history);
    if (document.has_error()) return context.fail(document.error());
    context.out << *document << std::endl;
    return kDone;
  }
  auto sources = history.sources();
  if (sources.has_error()) return context.fail(sources.error());
  Table table({"collector", "node", "database", "samples", "size", "first", "last"});
  for (const auto& one : *sources) {
    table.row({one.source.collector, one.source.node, one.source.database,
               count_text(static_cast<std::uint64_t>(one.samples)), bytes_text(one.bytes),
               when(one.first), when(one.last)});
  }
  if (table.empty()) {
    context.out << history.store().path().string() << " has no samples yet\n";
  } else {
    table.print(context.out);
  }
  return kDone;
}

// One table for each collector: its samples' rows in the order of time, cut to some columns.
class SampleTable {
 public:
  SampleTable(const watch::Picture& picture, const std::vector<std::string>& columns) {
    std::vector<std::string> headings{"time", "node", "database"};
    for (std::size_t i = 0; i < picture.headings.size(); ++i) {
      const auto& heading = picture.headings[i];
      if (!columns.empty() && heading.kind != watch::Kind::key &&
          std::find(columns.begin(), columns.end(), heading.name) == columns.end()) {
        continue;
      }
      shown_.push_back(heading.name);
      headings.push_back(heading.name);
    }
    table_.emplace(std::move(headings));
  }
  void add(const KeptSample& sample) {
    for (const auto& row : sample.picture.rows) {
      std::vector<std::string> cells{when(sample.at), sample.source.node, sample.source.database};
      // By name: what was written by another version may have other columns.
      for (const auto& name : shown_) {
        const int at = sample.picture.position(name);
        cells.push_back(at < 0 ? "" : cell_text(row[static_cast<std::size_t>(at)]));
      }
      table_->row(std::move(cells));
    }
  }
  void print(std::ostream& out) const { table_->print(out); }

 private:
  std::vector<std::string> shown_;
  std::optional<Table> table_;
};

// With columns, every sample's; without, the newest sample alone: all of all is for --json.
int print(Context& context, History& history, const Selection& selection,
          const std::vector<std::string>& columns) {
  std::map<std::string, SampleTable> tables;
  std::map<watch::Source, KeptSample> newest;
  const auto add = [&](const KeptSample& sample) {
    tables.try_emplace(sample.source.collector, sample.picture, columns).first->second.add(sample);
  };
  auto cursor = history.read(selection);
  if (cursor.has_error()) return context.fail(cursor.error());
  std::size_t samples = 0;
  while (true) {
    auto next = cursor->next();
    if (next.has_error()) return context.fail(next.error());
    if (*next == nullptr) break;
    ++samples;
    if (columns.empty()) {
      newest.insert_or_assign((*next)->source, **next);
    } else {
      add(**next);
    }
  }
  for (const auto& [source, sample] : newest) add(sample);
  for (const auto& [collector, table] : tables) {
    if (tables.size() > 1) context.out << collector << '\n';
    table.print(context.out);
  }
  if (samples == 0) {
    context.out << "no samples of this in that time; lyceum history --list shows what there is\n";
  } else if (columns.empty()) {
    context.out << fmt::format(
        "the newest of {} samples; --column NAME shows one over time, --json all\n",
        count_text(samples));
  }
  return kDone;
}

int run_history(Context& context, const Arguments& arguments) {
  auto selection = selection_of(arguments);
  if (selection.has_error()) return context.fail(selection.error());
  auto loaded = context.configuration();
  if (loaded.has_error()) return context.fail(loaded.error());
  const auto path = watch::history_path(loaded->values.watch, context.environment);
  if (path.has_error()) return context.fail(path.error());
  const SystemClock clock;
  auto store = watch::Store::open(*path, clock, {.read_only = true});
  if (store.has_error()) return context.fail(store.error());
  History history(*store);
  if (arguments.list || (!context.json && arguments.collector.empty())) {
    return list(context, history);
  }
  if (!context.json) return print(context, history, *selection, arguments.columns);
  const auto written =
      watch::write_history_json(history, *selection, arguments.columns,
                                [&](std::string_view piece) { context.out << piece; });
  if (written.has_error()) return context.fail(written.error());
  context.out << std::endl;
  return kDone;
}

}  // namespace

Command history() {
  return {
      .path = "history",
      .summary = "What the monitor has read and kept",
      .examples =
          "  lyceum history --list\n"
          "  lyceum history --collector connections --hours 24 --column used --column active\n"
          "  lyceum history --collector query_performance --json      the guide's getMetrics()\n"
          "  lyceum history --json                                    the guide's getAllMetrics()",
      .declare = [](std::vector<Option>& options) -> Run {
        auto arguments = std::make_shared<Arguments>();
        options.push_back({"--collector",
                           "Whose samples: a collector, or a type of the guide (query_performance "
                           "is statements; connections is sessions and connections; tables; "
                           "indexes)",
                           &arguments->collector});
        options.push_back({"--node", "Of this server only, as --list names it", &arguments->node});
        options.push_back({"--database", "Of this database only", &arguments->database});
        options.push_back({"--hours",
                           "How far back (default: 1 with --collector, else all there is)",
                           &arguments->hours});
        options.push_back(
            {"--column", "Only this column, and the keys; several", &arguments->columns});
        options.push_back({"--list", "What there is, without the samples", &arguments->list});
        return [arguments](Context& context) { return run_history(context, *arguments); };
      }};
}

}  // namespace lyceum::cli
