#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/await.h"
#include "cli/command.h"
#include "cli/table.h"
#include "schema/migrator.h"
#include "sql/statements.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using schema::MigrationStatus;

struct Arguments {
  bool status = false;
  bool dry_run = false;
};

std::string when(const std::optional<Timestamp>& time) {
  if (!time) return "";
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(*time));
}

void print(const Context& context, const std::vector<MigrationStatus>& statuses) {
  if (context.json) {
    boost::json::array list;
    for (const auto& one : statuses) {
      list.push_back({{"number", one.number},
                      {"name", one.name},
                      {"state", name_of(one.state)},
                      {"applied_at", one.applied_at ? boost::json::value(when(one.applied_at))
                                                    : boost::json::value(nullptr)}});
    }
    context.out << boost::json::serialize(boost::json::object{{"migrations", std::move(list)}})
                << std::endl;
    return;
  }
  Table table({"migration", "state", "applied"});
  for (const auto& one : statuses) {
    table.row({one.name, std::string(name_of(one.state)), when(one.applied_at)});
  }
  table.print(context.out);
}

int migrate_database(Context& context, const Arguments& arguments) {
  auto target = context.target();
  if (target.has_error()) return context.fail(target.error());
  auto known = schema::find_migrations(sql::files());
  if (known.has_error()) return context.fail(known.error());

  return await([&](auto executor) -> awaitable<int> {
    auto connection = co_await pg::Connection::connect(
        executor, {.target = *target,
                   .application_name = "lyceum migrate",
                   .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10)});
    if (connection.has_error()) co_return context.fail(connection.error());
    schema::Migrator migrator(*connection, *known);
    const auto before = co_await migrator.status();
    if (before.has_error()) co_return context.fail(before.error());
    const auto pending =
        std::ranges::count(*before, MigrationStatus::State::pending, &MigrationStatus::state);
    if (arguments.status) {
      print(context, *before);
      co_return pending == 0 && schema::check(*before).has_value() ? kDone : kNeedsAttention;
    }
    if (const auto fit = schema::check(*before); fit.has_error()) {
      co_return context.fail(fit.error());
    }
    if (arguments.dry_run) {
      print(context, *before);
      co_return kDone;
    }
    const auto applied =
        co_await migrator.apply([&](const std::string& text) { context.err << text << std::endl; });
    if (applied.has_error()) co_return context.fail(applied.error());
    if (context.json) {
      const auto after = co_await migrator.status();
      if (after.has_error()) co_return context.fail(after.error());
      print(context, *after);
    } else {
      context.out << (*applied == 0 ? "nothing to do: all migrations are applied"
                                    : fmt::format("applied {} migration(s)", *applied))
                  << std::endl;
    }
    co_return kDone;
  });
}

}  // namespace

Command migrate() {
  return {.path = "migrate",
          .summary = "Bring a database to this program's schema",
          .examples =
              "  lyceum migrate --status       what is applied and what is pending\n"
              "  lyceum migrate --dry-run      what migrate would do\n"
              "  lyceum migrate                do it",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back({"--status", "Show each migration's state; exit 3 if any is pending",
                               &arguments->status});
            options.push_back({"--dry-run", "Show what would be applied, and change nothing",
                               &arguments->dry_run});
            return [arguments](Context& context) { return migrate_database(context, *arguments); };
          }};
}

}  // namespace lyceum::cli
