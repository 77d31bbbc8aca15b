#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/await.h"
#include "base/duration.h"
#include "cli/command.h"
#include "cli/table.h"
#include "learning/api_keys.h"
#include "pool/pool.h"

namespace lyceum::cli {
namespace {

using boost::asio::awaitable;
using learning::ApiKey;

struct Arguments {
  std::string tenant;
  std::string name;
  std::vector<std::string> roles;
  std::string learner;
  std::string expires;
  std::string prefix;
};

Result<Uuid> read_uuid(std::string_view option, const std::string& text) {
  if (const auto id = parse_uuid(text)) return *id;
  return Error{.code = ErrorCode::kBadInput,
               .message = fmt::format("{} '{}' is no UUID", option, text),
               .hint = "write 01234567-89ab-cdef-0123-456789abcdef"};
}

Timestamp now() {
  return SystemClock().wall_now();
}

Result<std::optional<Timestamp>> read_expiry(const std::string& text) {
  if (text.empty()) return std::optional<Timestamp>{};
  const auto after = parse_duration(text);
  if (!after || *after <= Duration::zero()) {
    return Error{.code = ErrorCode::kBadInput,
                 .message = fmt::format("--expires '{}' is no duration", text),
                 .hint = "write 90d, or 12h"};
  }
  return std::optional<Timestamp>(now() + std::chrono::floor<std::chrono::microseconds>(*after));
}

std::string when(const std::optional<Timestamp>& time) {
  if (!time) return "";
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(*time));
}

std::string_view state_of(const ApiKey& key) {
  if (key.revoked_at) return "revoked";
  if (key.expires_at && *key.expires_at <= now()) return "expired";
  return "active";
}

boost::json::object json_of(const ApiKey& key) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
  };
  boost::json::array roles;
  for (const auto& role : key.roles) roles.emplace_back(role);
  return {{"id", to_string(key.id)},
          {"prefix", key.prefix},
          {"name", key.name},
          {"roles", std::move(roles)},
          {"learner", or_null(key.learner_id ? to_string(*key.learner_id) : "")},
          {"state", state_of(key)},
          {"created_at", when(key.created_at)},
          {"expires_at", or_null(when(key.expires_at))},
          {"revoked_at", or_null(when(key.revoked_at))}};
}

// Runs one operation on the tenant's keys with a pool of one connection.
template <class Answer, class Operation, class Print>
int run_on_tenant(Context& context, const Arguments& arguments, Operation operation, Print print) {
  const auto tenant = read_uuid("--tenant", arguments.tenant);
  if (tenant.has_error()) return context.fail(tenant.error());
  auto target = context.target();
  if (target.has_error()) return context.fail(target.error());
  const auto answer = await([&](auto executor) -> awaitable<Result<Answer>> {
    pool::Pool pool(
        executor,
        {.target = *target, .application_name = "lyceum keys", .limits = {.connection_limit = 1}});
    auto done = co_await operation(
        learning::Scope{.database = pool,
                        .tenant = *tenant,
                        .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10)});
    (void)co_await pool.shutdown(std::chrono::seconds(1));
    co_return done;
  });
  if (answer.has_error()) {
    auto error = answer.error();
    if (error.sqlstate == "42P01") error.hint = "create the tables first: lyceum migrate";
    if (error.sqlstate == "42501") error.hint = "connect as a member of lyceum_owner";
    return context.fail(error);
  }
  print(*answer);
  return kDone;
}

int create(Context& context, const Arguments& arguments) {
  learning::NewApiKey wanted{.name = arguments.name, .roles = arguments.roles};
  if (!arguments.learner.empty()) {
    const auto learner = read_uuid("--learner", arguments.learner);
    if (learner.has_error()) return context.fail(learner.error());
    wanted.learner = *learner;
  }
  const auto expires = read_expiry(arguments.expires);
  if (expires.has_error()) return context.fail(expires.error());
  wanted.expires_at = *expires;

  return run_on_tenant<learning::CreatedApiKey>(
      context, arguments,
      [&](learning::Scope scope) { return learning::create_api_key(scope, wanted); },
      [&](const learning::CreatedApiKey& created) {
        if (context.json) {
          auto document = json_of(created.stored);
          document["key"] = created.key.reveal();
          context.out << boost::json::serialize(document) << std::endl;
          return;
        }
        // The key alone on standard output, so that a script can keep it.
        context.out << created.key.reveal() << std::endl;
        context.err << fmt::format("made the key {} ({}){}; it is shown this once and not stored",
                                   created.stored.prefix, fmt::join(created.stored.roles, ", "),
                                   created.stored.expires_at
                                       ? ", good until " + when(created.stored.expires_at)
                                       : "")
                    << std::endl;
      });
}

int list(Context& context, const Arguments& arguments) {
  return run_on_tenant<std::vector<ApiKey>>(
      context, arguments, [](learning::Scope scope) { return learning::list_api_keys(scope); },
      [&](const std::vector<ApiKey>& keys) {
        if (context.json) {
          boost::json::array rows;
          for (const auto& key : keys) rows.push_back(json_of(key));
          context.out << boost::json::serialize(boost::json::object{{"keys", std::move(rows)}})
                      << std::endl;
          return;
        }
        if (keys.empty()) {
          context.out << "the tenant has no API keys" << std::endl;
          return;
        }
        Table table({"prefix", "name", "roles", "state", "created", "expires"});
        for (const auto& key : keys) {
          table.row({key.prefix, key.name, fmt::format("{}", fmt::join(key.roles, " ")),
                     std::string(state_of(key)), when(key.created_at), when(key.expires_at)});
        }
        table.print(context.out);
      });
}

int revoke(Context& context, const Arguments& arguments) {
  // A whole key is as good, and is not shown.
  const auto prefix = learning::prefix_of_api_key(arguments.prefix).value_or(arguments.prefix);
  return run_on_tenant<ApiKey>(
      context, arguments,
      [&](learning::Scope scope) { return learning::revoke_api_key(scope, prefix); },
      [&](const ApiKey& key) {
        if (context.json) {
          context.out << boost::json::serialize(json_of(key)) << std::endl;
        } else {
          context.out << fmt::format("{} ({}) is revoked since {}", key.prefix, key.name,
                                     when(key.revoked_at))
                      << std::endl;
        }
      });
}

Option tenant_option(Arguments& arguments) {
  return {"--tenant", "Whose keys: the tenant's UUID", &arguments.tenant, true};
}

}  // namespace

Command keys_create() {
  return {
      .path = "keys create",
      .summary = "Make an API key and show it, once",
      .examples =
          "  lyceum keys create --tenant $TENANT --name importer --role service\n"
          "  lyceum keys create --tenant $TENANT --name ada --role learner --learner $ADA "
          "--expires 90d",
      .declare = [](std::vector<Option>& options) -> Run {
        auto arguments = std::make_shared<Arguments>();
        options.push_back(tenant_option(*arguments));
        options.push_back({"--name", "What the key is for", &arguments->name, true});
        options.push_back({"--role",
                           "What it may do; several with commas",
                           &arguments->roles,
                           true,
                           {"learner", "teacher", "admin", "service"}});
        options.push_back({"--learner", "Who it is, with the role learner: the learner's UUID",
                           &arguments->learner});
        options.push_back({"--expires", "How long it is good, as in 90d (default: until revoked)",
                           &arguments->expires});
        return [arguments](Context& context) { return create(context, *arguments); };
      }};
}

Command keys_list() {
  return {.path = "keys list",
          .summary = "A tenant's API keys, without what opens",
          .examples = "  lyceum keys list --tenant $TENANT",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back(tenant_option(*arguments));
            return [arguments](Context& context) { return list(context, *arguments); };
          }};
}

Command keys_revoke() {
  return {.path = "keys revoke",
          .summary = "Make an API key useless, within seconds",
          .examples = "  lyceum keys revoke --tenant $TENANT aB3dE5gH7jK9",
          .declare = [](std::vector<Option>& options) -> Run {
            auto arguments = std::make_shared<Arguments>();
            options.push_back(tenant_option(*arguments));
            options.push_back({"prefix", "The key's prefix: the 12 characters after lyk_",
                               &arguments->prefix, true});
            return [arguments](Context& context) { return revoke(context, *arguments); };
          }};
}

}  // namespace lyceum::cli
