#include "cluster/nodes.h"

#include <algorithm>

namespace lyceum::cluster {
namespace {

constexpr std::string_view kAddress = "hostaddr";

// A list of addresses goes with the list of hosts, one for one.
std::vector<std::string> addresses_of(const ConnectionString& url) {
  std::vector<std::string> out;
  const auto found = url.options.find(std::string(kAddress));
  if (found == url.options.end()) return out;
  std::string_view rest = found->second;
  for (auto comma = rest.find(','); comma != rest.npos; comma = rest.find(',')) {
    out.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(comma + 1);
  }
  out.emplace_back(rest);
  return out;
}

Result<void> add(std::vector<pg::Target>& nodes, std::vector<pg::Target> more) {
  for (auto& target : more) {
    const bool twice = std::any_of(nodes.begin(), nodes.end(), [&](const pg::Target& other) {
      return other.node == target.node;
    });
    if (twice) {
      return Error{.code = ErrorCode::kConfiguration,
                   .message = target.node + " is configured twice, as nodes of one cluster",
                   .hint = "leave it out of DATABASE_REPLICA_n_URL or of the primary's URL"};
    }
    nodes.push_back(std::move(target));
  }
  return {};
}

}  // namespace

Result<std::vector<pg::Target>> nodes_of(const ConnectionString& url) {
  std::vector<pg::Target> out;
  auto hosts = url.hosts;
  const auto addresses = addresses_of(url);
  if (hosts.empty()) hosts.resize(std::max<std::size_t>(addresses.size(), 1));
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    auto one = url;
    one.hosts = {hosts[i]};
    if (addresses.size() == hosts.size()) one.options[std::string(kAddress)] = addresses[i];
    // Which server takes writes is what the probes find out, of each alone.
    one.options.erase("target_session_attrs");
    auto target = pg::parse_target(one.to_uri().reveal());
    if (target.has_error()) return target.error();
    out.push_back(std::move(*target));
  }
  return out;
}

Result<std::vector<pg::Target>> nodes_of(const DatabaseSettings& settings) {
  if (!settings.primary()) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = "no database is configured",
                 .hint = "set DATABASE_URL, database.url in the file, or --database-url"};
  }
  std::vector<pg::Target> out;
  auto primary = nodes_of(*settings.primary());
  if (primary.has_error()) return primary.error();
  auto added = add(out, std::move(*primary));
  if (added.has_error()) return added.error();
  for (const auto& url : settings.replica_urls) {
    auto more = nodes_of(url);
    if (more.has_error()) return more.error();
    added = add(out, std::move(*more));
    if (added.has_error()) return added.error();
  }
  return out;
}

}  // namespace lyceum::cluster
