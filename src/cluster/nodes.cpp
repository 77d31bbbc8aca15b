#include "cluster/nodes.h"

#include <algorithm>

namespace lyceum::cluster {

Result<std::vector<pg::Target>> nodes_of(const ConnectionString& url) {
  std::vector<pg::Target> out;
  auto hosts = url.hosts;
  if (hosts.empty()) hosts.emplace_back();
  for (const auto& host : hosts) {
    auto one = url;
    one.hosts = {host};
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
  auto out = nodes_of(*settings.primary());
  if (out.has_error()) return out;
  for (const auto& url : settings.replica_urls) {
    auto more = nodes_of(url);
    if (more.has_error()) return more;
    for (auto& target : *more) {
      const bool twice = std::any_of(out->begin(), out->end(), [&](const pg::Target& other) {
        return other.node == target.node;
      });
      if (twice) {
        return Error{.code = ErrorCode::kConfiguration,
                     .message = target.node + " is configured twice, as nodes of one cluster",
                     .hint = "leave it out of DATABASE_REPLICA_n_URL or of the primary's URL"};
      }
      out->push_back(std::move(target));
    }
  }
  return out;
}

}  // namespace lyceum::cluster
