#include "pg/target.h"

#include <libpq-fe.h>

#include <map>
#include <memory>

#include "base/url.h"

namespace lyceum::pg {

std::string_view Target::get(std::string_view keyword) const {
  for (const auto& [key, value] : keywords) {
    if (key == keyword) return value;
  }
  return {};
}

void Target::set(std::string_view keyword, std::string value) {
  for (auto& [key, old] : keywords) {
    if (key == keyword) {
      old = std::move(value);
      return;
    }
  }
  keywords.emplace_back(keyword, std::move(value));
}

Result<Target> parse_target(std::string_view url) {
  auto read = parse_connection_string(url);
  if (read.has_error()) return read.error();

  // What is left out comes from libpq's environment variables and defaults: the node's name needs
  // it, and a host name must be known to be resolved without blocking.
  using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
  const Options defaults(PQconndefaults(), &PQconninfoFree);
  const bool by_address = read->options.contains("hostaddr");
  std::map<std::string, std::string> missing;
  for (const auto* option = defaults.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    const std::string_view key = option->keyword;
    const bool wanted = (key == "host" && read->hosts.empty() && !by_address) ||
                        (key == "port" && read->hosts.empty()) ||
                        (key == "user" && read->user.empty()) ||
                        (key == "dbname" && read->database.empty());
    if (wanted && option->val != nullptr && *option->val != '\0') {
      missing.emplace(key, option->val);
    }
  }
  const auto whole = read->with_parameters(missing);
  if (whole.has_error()) return whole.error();

  auto shown = *whole;
  if (by_address && (shown.hosts.empty() || shown.hosts[0].name.empty())) {
    const auto by_host = shown.with_parameters({{"host", shown.options.at("hostaddr")}});
    if (by_host.has_value()) shown = *by_host;
  }
  return Target{.keywords = whole->keywords(), .node = shown.where()};
}

}  // namespace lyceum::pg
