#include <atomic>
#include <boost/asio/signal_set.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <signal.h>

#include "base/await.h"
#include "cli/command.h"
#include "cli/progress_line.h"
#include "cli/table.h"
#include "indexes/apply.h"
#include "indexes/observe.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using indexes::Standing;

struct Arguments {
  std::string profile = "guide";
  std::vector<std::string> files;
  bool dry_run = false;
};

void declare_catalogue(std::vector<Option>& options, Arguments& arguments) {
  options.push_back({"--profile", "Which catalogue of the program", &arguments.profile, false,
                     indexes::embedded_profiles()});
  options.push_back({"--catalogue", "Files of CREATE INDEX statements instead", &arguments.files});
}

Result<indexes::Catalogue> catalogue_of(const Arguments& arguments) {
  if (!arguments.files.empty()) return indexes::Catalogue::read(arguments.files);
  return indexes::embedded_catalogue(arguments.profile);
}

indexes::Date today() {
  return std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
}

boost::json::array existing_json(const std::vector<indexes::ExistingIndex>& list) {
  boost::json::array out;
  for (const auto& index : list) {
    out.push_back({{"name", index.schema + "." + index.name}, {"bytes", index.bytes}});
  }
  return out;
}

void print_plan(const Context& context, const indexes::Plan& plan) {
  if (context.json) {
    boost::json::array list;
    for (const auto& index : plan.indexes) {
      list.push_back(
          {{"name", index.name()},
           {"standing", name_of(index.standing)},
           {"reason", index.reason},
           {"sql", index.standing == Standing::same ? "" : index.create_sql(index.name())}});
    }
    context.out << boost::json::serialize(
                       boost::json::object{{"indexes", std::move(list)},
                                           {"extra", existing_json(plan.extra)},
                                           {"same", plan.count(Standing::same)},
                                           {"missing", plan.count(Standing::missing)},
                                           {"different", plan.count(Standing::different)},
                                           {"invalid", plan.count(Standing::invalid)},
                                           {"unbuildable", plan.count(Standing::unbuildable)}})
                << std::endl;
    return;
  }
  Table table({"index", "standing", "why"});
  for (const auto& index : plan.indexes) {
    if (index.standing == Standing::same) continue;
    table.row({index.name(), std::string(name_of(index.standing)), index.reason});
  }
  if (!table.empty()) table.print(context.out);
  for (const auto& index : plan.extra) {
    context.out << fmt::format("extra: {}.{} ({}), not in the catalogue, never dropped by apply\n",
                               index.schema, index.name, bytes_text(index.bytes));
  }
  for (const auto& index : plan.redundant) {
    context.out << fmt::format("redundant: {}.{} ({}) is covered by {}\n", index.schema,
                               index.index, bytes_text(index.bytes), index.covered_by);
  }
  if (!plan.unconfirmed.empty()) context.out << "note: " << plan.unconfirmed << '\n';
  context.out << fmt::format("{} of {} as declared; {} missing, {} different, {} invalid\n",
                             plan.count(Standing::same), plan.indexes.size(),
                             plan.count(Standing::missing), plan.count(Standing::different),
                             plan.count(Standing::invalid));
}

int plan_indexes(Context& context, const Arguments& arguments) {
  auto target = context.target();
  if (target.has_error()) return context.fail(target.error());
  auto catalogue = catalogue_of(arguments);
  if (catalogue.has_error()) return context.fail(catalogue.error());
  return await([&](auto executor) -> awaitable<int> {
    auto connection = co_await pg::Connection::connect(
        executor, {.target = *target,
                   .application_name = "lyceum index plan",
                   .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10)});
    if (connection.has_error()) co_return context.fail(connection.error());
    auto plan = co_await indexes::plan(*connection, *catalogue, today());
    (*connection)->close();
    if (plan.has_error()) co_return context.fail(plan.error());
    print_plan(context, *plan);
    co_return plan->all_same() ? kDone : kNeedsAttention;
  });
}

void print_report(const Context& context, const indexes::ApplyReport& report) {
  const auto seconds = [](Duration duration) {
    return std::chrono::duration<double>(duration).count();
  };
  if (context.json) {
    boost::json::array list;
    for (const auto& index : report.indexes) {
      list.push_back({{"name", index.name},
                      {"outcome", name_of(index.outcome)},
                      {"seconds", seconds(index.duration)},
                      {"bytes", index.bytes},
                      {"error", index.error ? index.error->to_string() : ""}});
    }
    context.out << boost::json::serialize(
                       boost::json::object{{"indexes", std::move(list)},
                                           {"same", report.same},
                                           {"extra", existing_json(report.extra)},
                                           {"stopped", report.stopped},
                                           {"seconds", seconds(report.total)}})
                << std::endl;
    return;
  }
  Table table({"index", "outcome", "time", "size", "why"});
  for (const auto& index : report.indexes) {
    table.row({index.name, std::string(name_of(index.outcome)),
               seconds_text(seconds(index.duration)), bytes_text(index.bytes),
               index.error ? index.error->to_string() : ""});
  }
  if (!table.empty()) table.print(context.out);
  using Outcome = indexes::IndexReport::Outcome;
  const auto done = report.count(Outcome::built) + report.count(Outcome::replaced);
  context.out << fmt::format("{} were there already, {} done now, {} not, in {}\n", report.same,
                             done, report.indexes.size() - done,
                             seconds_text(seconds(report.total)));
}

int apply_indexes(Context& context, const Arguments& arguments) {
  if (arguments.dry_run) return plan_indexes(context, arguments);
  auto target = context.target();
  if (target.has_error()) return context.fail(target.error());
  auto catalogue = catalogue_of(arguments);
  if (catalogue.has_error()) return context.fail(catalogue.error());
  ProgressLine progress(context.err, context.terminal);
  bool stop = false;
  return await([&](auto executor) -> awaitable<int> {
    boost::asio::signal_set signals(executor, SIGINT, SIGTERM);
    signals.async_wait([&](boost::system::error_code error, int) {
      if (error) return;
      stop = true;
      progress.line("stopping: the build under way is being cancelled and cleared up");
    });
    auto report = co_await indexes::apply(
        executor, *target, *catalogue, today(), {.stop_requested = [&] { return stop; }},
        [&](const indexes::ApplyEvent& event) {
          using Kind = indexes::ApplyEvent::Kind;
          const auto text = event.index.empty() ? event.text : event.index + ": " + event.text;
          if (event.kind == Kind::progress || event.kind == Kind::began) {
            progress.update(text);
          } else {
            progress.line(text);
          }
        });
    signals.cancel();
    if (report.has_error()) co_return context.fail(report.error());
    print_report(context, *report);
    co_return report->complete() ? kDone : report->stopped ? kNeedsAttention : kFailed;
  });
}

}  // namespace

Command index_plan() {
  return {.path = "index plan",
          .summary = "What is missing, different, invalid or extra; exit 3 if anything is",
          .examples =
              "  lyceum index plan\n"
              "  lyceum index plan --profile lean --json",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            declare_catalogue(options, *arguments);
            return [arguments](Context& context) { return plan_indexes(context, *arguments); };
          }};
}

Command index_apply() {
  return {.path = "index apply",
          .summary = "Build what the catalogue declares, concurrently, one at a time",
          .examples =
              "  lyceum index apply --dry-run\n"
              "  lyceum index apply\n"
              "  lyceum index apply --catalogue my-indexes.sql",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            declare_catalogue(options, *arguments);
            options.push_back(
                {"--dry-run", "As index plan: show, and change nothing", &arguments->dry_run});
            return [arguments](Context& context) { return apply_indexes(context, *arguments); };
          }};
}

}  // namespace lyceum::cli
