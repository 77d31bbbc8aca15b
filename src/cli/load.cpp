#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/await.h"
#include "cli/command.h"
#include "cli/progress_line.h"
#include "cli/stage_options.h"
#include "cli/table.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using learning::load::LoadReport;

struct Arguments {
  InputArguments input;
  std::string as_of;
  bool replace = false;
  bool dry_run = false;
  std::uint64_t tenants = 0, learners = 0, stories = 0;
};

Result<Timestamp> read_as_of(const std::string& text) {
  if (text.empty()) {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
  int year = 0, month = 0, day = 0, read = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &read) == 3 &&
      static_cast<std::size_t>(read) == text.size()) {
    const auto date = std::chrono::year(year) / month / day;
    if (date.ok()) return Timestamp(std::chrono::sys_days(date));
  }
  return Error{.code = ErrorCode::kBadInput,
               .message = fmt::format("--as-of '{}' is no date", text),
               .hint = "write 2026-01-31"};
}

void print(const Context& context, const LoadReport& report) {
  if (context.json) {
    boost::json::array tables;
    for (const auto& table : report.tables) {
      tables.push_back({{"table", table.table}, {"rows", table.rows}, {"seconds", table.seconds}});
    }
    context.out << boost::json::serialize(boost::json::object{{"stories_read", report.stories_read},
                                                              {"words_read", report.words_read},
                                                              {"rows", report.rows},
                                                              {"seconds", report.seconds},
                                                              {"tables", std::move(tables)}})
                << std::endl;
    return;
  }
  Table table({"table", "rows", "time", "rows/s"});
  for (const auto& one : report.tables) {
    table.row({one.table, count_text(one.rows), seconds_text(one.seconds),
               count_text(static_cast<std::uint64_t>(
                   one.seconds > 0 ? static_cast<double>(one.rows) / one.seconds : 0))});
  }
  table.print(context.out);
}

int load_data(Context& context, const Arguments& arguments) {
  auto inputs = stage_options(context, arguments.input);
  if (inputs.has_error()) return context.fail(inputs.error());
  auto as_of = read_as_of(arguments.as_of);
  if (as_of.has_error()) return context.fail(as_of.error());
  auto scale = inputs->scale;
  if (arguments.tenants > 0) scale.tenants = arguments.tenants;
  if (arguments.learners > 0) scale.learners = arguments.learners;
  if (arguments.stories > 0) scale.stories = arguments.stories;

  LoadReport report;
  const auto school = learning::load::read_school({.stories_file = inputs->stories_file,
                                                   .vocabulary_file = inputs->vocabulary_file,
                                                   .wordnet_directory = inputs->wordnet_directory,
                                                   .seed = inputs->seed,
                                                   .scale = scale,
                                                   .as_of = *as_of},
                                                  report);
  if (school.has_error()) {
    // The call was right; what it names is not.
    (void)context.fail(school.error());
    return kFailed;
  }
  if (arguments.dry_run) {
    const auto rows = school->scale().rows() + school->scale().vocabulary;
    if (context.json) {
      context.out << boost::json::serialize(
                         boost::json::object{{"stories_read", report.stories_read},
                                             {"words_read", report.words_read},
                                             {"rows_to_load", rows}})
                  << std::endl;
      return kDone;
    }
    context.out << fmt::format(
        "{} stories and {} words read without fault; {} rows would be "
        "loaded\n",
        report.stories_read, report.words_read, count_text(rows));
    return kDone;
  }
  auto target = context.target();
  if (target.has_error()) return context.fail(target.error());

  ProgressLine progress(context.err, context.terminal);
  const auto show = [&](const learning::load::Progress& at) {
    progress.update(fmt::format("{}: {} of {} rows, {} rows/s", at.table, count_text(at.rows),
                                count_text(at.total),
                                count_text(static_cast<std::uint64_t>(at.rows_per_second))));
  };
  return await([&](auto executor) -> awaitable<int> {
    auto connection = co_await pg::Connection::connect(
        executor, {.target = *target,
                   .application_name = "lyceum load",
                   .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10)});
    if (connection.has_error()) co_return context.fail(connection.error());
    auto loaded = co_await learning::load::run(*connection, *school, arguments.replace, show);
    if (loaded.has_error()) co_return context.fail(loaded.error());
    loaded->stories_read = report.stories_read;
    loaded->words_read = report.words_read;
    auto finished = co_await learning::load::finish_load(*connection, show);
    if (finished.has_error()) co_return context.fail(finished.error());
    (*connection)->close();
    print(context, *loaded);
    co_return kDone;
  });
}

}  // namespace

Command load() {
  return {
      .path = "load",
      .summary = "Load stories and vocabulary, and simulate learners",
      .examples =
          "  lyceum load --stories stories.jsonl --vocabulary words.csv\n"
          "  lyceum load --seed 7 --scale 0.1 --replace\n"
          "  lyceum load --dry-run                 read the files, load nothing",
      .declare = [](std::vector<Option>& options) -> Run {
        auto arguments = std::make_shared<Arguments>();
        declare_input(options, arguments->input);
        options.push_back({"--tenants", "Schools (default: of the scale)", &arguments->tenants});
        options.push_back({"--learners", "Learners (default: of the scale)", &arguments->learners});
        options.push_back(
            {"--library", "Stories of all schools (default: of the scale)", &arguments->stories});
        options.push_back(
            {"--as-of", "The learners' present, YYYY-MM-DD (default: now)", &arguments->as_of});
        options.push_back({"--replace", "Empty the platform's tables first", &arguments->replace});
        options.push_back(
            {"--dry-run", "Read and check the files, and change nothing", &arguments->dry_run});
        return [arguments](Context& context) { return load_data(context, *arguments); };
      }};
}

}  // namespace lyceum::cli
