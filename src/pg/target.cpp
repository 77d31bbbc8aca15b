#include "pg/target.h"

#include <charconv>
#include <libpq-fe.h>
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
  const auto value = [&](std::string_view keyword) -> std::string {
    for (const auto* option = defaults.get(); option != nullptr && option->keyword != nullptr;
         ++option) {
      if (option->keyword == keyword && option->val != nullptr) return option->val;
    }
    return {};
  };
  const auto address = read->options.find("hostaddr");
  const bool by_address = address != read->options.end();
  if (read->hosts.empty()) read->hosts.emplace_back();
  auto& first = read->hosts.front();
  const bool unnamed = read->hosts.size() == 1 && first.name.empty();
  // A list of hosts in the environment stays with libpq.
  if (const auto host = value("host"); unnamed && !by_address && host.find(',') == host.npos) {
    first.name = host;
  }
  if (const auto port = value("port"); read->hosts.size() == 1 && first.port == 0) {
    std::from_chars(port.data(), port.data() + port.size(), first.port);
  }
  if (read->user.empty()) read->user = value("user");
  if (read->database.empty()) read->database = value("dbname");

  Target target{.keywords = read->keywords()};
  const auto asked = target.get("gssencmode");
  if (asked == "require" || (asked.empty() && value("gssencmode") == "require")) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message =
                     "gssencmode=require is asked for, and Kerberos's encryption is not "
                     "supported",
                 .hint = "use TLS: sslmode=verify-full"};
  }
  if (unnamed && by_address) first.name = address->second;
  target.node = read->where();
  return target;
}

}  // namespace lyceum::pg
