#include "local/manifest.h"

#include <utility>

#include "local/json.h"

namespace lyceum::local {

namespace {

constexpr long kVersion = 1;

std::optional<Role> role_named(std::string_view name) {
  for (const Role role : {Role::kPrimary, Role::kReplica, Role::kShard}) {
    if (name_of(role) == name) return role;
  }
  return std::nullopt;
}

Error broken(const std::string& what) {
  return Error{.code = ErrorCode::kIo,
               .message = "the manifest of the local cluster is broken: " + what,
               .hint = "remove the file cluster.json: local up finds the servers again"};
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  Json::Array servers;
  for (const auto& server : manifest.servers) {
    servers.push_back({Json::Object{{"name", {server.name}},
                                    {"role", {std::string(name_of(server.role))}},
                                    {"port", {long{server.port}}},
                                    {"socket_directory", {server.socket_directory.string()}}}});
  }
  Json::Object settings;
  for (const auto& [key, value] : manifest.settings) settings[key] = {value};
  return to_text({Json::Object{{"version", {kVersion}},
                               {"name", {manifest.name}},
                               {"binaries", {manifest.binaries.string()}},
                               {"password", {manifest.password.reveal()}},
                               {"durable", {manifest.durable}},
                               {"synchronous", {manifest.synchronous}},
                               {"settings", {std::move(settings)}},
                               {"servers", {std::move(servers)}}}});
}

Result<Manifest> parse_manifest(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return broken("it is not JSON");
  const auto* version = json->member<long>("version");
  if (version == nullptr || *version != kVersion) return broken("its version is unknown");
  const auto* name = json->member<std::string>("name");
  const auto* binaries = json->member<std::string>("binaries");
  const auto* password = json->member<std::string>("password");
  const auto* durable = json->member<bool>("durable");
  const auto* settings = json->member<Json::Object>("settings");
  const auto* servers = json->member<Json::Array>("servers");
  if (name == nullptr || binaries == nullptr || password == nullptr || durable == nullptr ||
      settings == nullptr || servers == nullptr) {
    return broken("a member is missing");
  }
  Manifest out;
  out.name = *name;
  out.binaries = *binaries;
  out.password = Secret(*password);
  out.durable = *durable;
  // Not in the manifests of before there was such a thing.
  if (const auto& members = std::get<Json::Object>(json->value); members.contains("synchronous")) {
    const auto* synchronous = json->member<bool>("synchronous");
    if (synchronous == nullptr) return broken("synchronous is neither true nor false");
    out.synchronous = *synchronous;
  }
  for (const auto& [key, value] : *settings) {
    const auto* setting = std::get_if<std::string>(&value.value);
    if (setting == nullptr) return broken("a setting is not a string");
    out.settings[key] = *setting;
  }
  for (const auto& server : *servers) {
    const auto* server_name = server.member<std::string>("name");
    const auto* role_name = server.member<std::string>("role");
    const auto* port = server.member<long>("port");
    const auto* socket_directory = server.member<std::string>("socket_directory");
    if (server_name == nullptr || role_name == nullptr || port == nullptr ||
        socket_directory == nullptr) {
      return broken("a member of a server is missing");
    }
    const auto role = role_named(*role_name);
    if (!role || *port < 1 || *port > 65'535) return broken("a server's role or port is wrong");
    out.servers.push_back({*server_name, *role, static_cast<int>(*port), *socket_directory});
  }
  return out;
}

}  // namespace lyceum::local
