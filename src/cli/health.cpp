#include "learning/health.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/await.h"
#include "cli/command.h"
#include "cli/table.h"
#include "pool/pool.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;

void print(const Context& context, const learning::Health& health, const std::string& node) {
  const auto milliseconds = std::chrono::duration<double, std::milli>(health.response_time).count();
  if (context.json) {
    boost::json::object document{{"healthy", health.healthy},
                                 {"node", node},
                                 {"response_ms", milliseconds},
                                 {"error", nullptr},
                                 {"server", nullptr}};
    if (health.error) document["error"] = health.error->to_string();
    if (const auto& server = health.server) {
      const auto lag = server->lag_seconds();
      document["server"] = boost::json::object{
          {"in_recovery", server->in_recovery},
          {"timeline", server->timeline},
          {"lsn", server->lsn},
          {"read_only", server->read_only || server->in_recovery},
          {"lag_seconds", lag ? boost::json::value(*lag) : boost::json::value(nullptr)},
          {"server_version_num", server->server_version_num}};
    }
    context.out << boost::json::serialize(document) << std::endl;
    return;
  }
  if (health.error) {
    context.out << fmt::format("{} does not answer: {}\n", node, health.error->to_string());
    return;
  }
  const auto& server = *health.server;
  context.out << fmt::format("{} {}: {}, timeline {}, PostgreSQL {}.{}, answered in {:.1f} ms\n",
                             node, health.healthy ? "is healthy" : "takes no writes",
                             server.in_recovery ? "a replica" : "a primary", server.timeline,
                             server.server_version_num / 10000, server.server_version_num % 10000,
                             milliseconds);
}

}  // namespace

Command health() {
  return {.path = "health",
          .summary = "Whether the database answers and takes writes; exit 3 where not",
          .examples = "  lyceum health --database-url postgresql://localhost/lyceum",
          .declare = [](std::vector<Option>&) -> Run {
            return [](Context& context) {
              auto target = context.target();
              if (target.has_error()) return context.fail(target.error());
              const auto found = await([&](auto executor) -> awaitable<learning::Health> {
                const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
                // One attempt first: a server that refuses is the answer, and not waited for as a
                // pool would.
                const auto first = co_await pg::Connection::connect(
                    executor,
                    {.target = *target, .application_name = "lyceum health", .deadline = deadline});
                if (first.has_error()) co_return learning::Health{.error = first.error()};
                (*first)->close();
                pool::Pool pool(executor, {.target = *target,
                                           .application_name = "lyceum health",
                                           .limits = {.connection_limit = 1}});
                auto health = co_await learning::health(pool, deadline);
                (void)co_await pool.shutdown(std::chrono::seconds(1));
                co_return health;
              });
              print(context, found, target->node);
              return found.healthy ? kDone : kNeedsAttention;
            };
          }};
}

}  // namespace lyceum::cli
