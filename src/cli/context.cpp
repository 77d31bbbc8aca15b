#include "cli/context.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/command.h"

namespace lyceum::cli {

Result<ConfigurationSources> Context::sources() const {
  ConfigurationSources sources{.environment = environment};
  auto path = config_file;
  if (path.empty()) {
    const auto named = environment.find("LYCEUM_CONFIG");
    if (named != environment.end()) path = named->second;
  }
  if (!path.empty()) {
    auto file = read_configuration_file(path);
    if (file.has_error()) return file.error();
    sources.file = *file;
  }
  if (!database_url.empty()) {
    sources.flags.push_back({"--database-url", "database.url", database_url});
  }
  return sources;
}

Result<LoadedConfiguration> Context::configuration() const {
  const auto from = sources();
  if (from.has_error()) return from.error();
  return load_configuration(*from);
}

Result<pg::Target> Context::target() const {
  const auto loaded = configuration();
  if (loaded.has_error()) return loaded.error();
  // A flag names the server of this one call, whatever else names a primary.
  if (!database_url.empty()) return pg::parse_target(database_url);
  const auto& primary = loaded->values.database.primary();
  if (!primary) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = "no database is named",
                 .hint =
                     "give --database-url, or set DATABASE_URL, or database.url in the "
                     "configuration file; `lyceum local up` starts a private one"};
  }
  return pg::parse_target(primary->to_uri().reveal());
}

int Context::fail(const Error& error) const {
  err << "lyceum: " << error.to_string() << std::endl;
  if (json) {
    boost::json::object document{{"error",
                                  {{"code", name_of(error.code)},
                                   {"message", error.message},
                                   {"hint", error.hint},
                                   {"sqlstate", error.sqlstate},
                                   {"statement", error.statement},
                                   {"node", error.node},
                                   {"may_have_taken_effect", error.may_have_taken_effect}}}};
    out << boost::json::serialize(document) << std::endl;
  }
  return error.code == ErrorCode::kConfiguration || error.code == ErrorCode::kBadInput ? kWrongUsage
                                                                                       : kFailed;
}

}  // namespace lyceum::cli
