#include "pg/target.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <memory>

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
  using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
  char* message = nullptr;
  const Options parsed(PQconninfoParse(std::string(url).c_str(), &message), &PQconninfoFree);
  if (message != nullptr) PQfreemem(message);
  if (!parsed) {
    return Error{.code = ErrorCode::kConfiguration,
                 .message = "the connection string cannot be parsed",
                 .hint = "write postgresql://user:password@host:port/database with special "
                         "characters percent-encoded, or key=value pairs"};
  }
  Target target;
  for (const auto* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') {
      target.keywords.emplace_back(option->keyword, option->val);
    }
  }
  // The defaults only name the node: libpq fills them in by itself when it connects.
  const Options defaults(PQconndefaults(), &PQconninfoFree);
  const auto value = [&](std::string_view keyword) -> std::string {
    if (const auto given = target.get(keyword); !given.empty()) return std::string(given);
    for (const auto* option = defaults.get(); option != nullptr && option->keyword != nullptr;
         ++option) {
      if (option->keyword == keyword && option->val != nullptr) return option->val;
    }
    return {};
  };
  auto host = value("host");
  if (host.empty()) host = value("hostaddr");
  if (host.empty()) host = "local";
  auto database = value("dbname");
  if (database.empty()) database = value("user");
  // Several hosts share one string with commas; one port can stand for all of them.
  target.node = fmt::format("{}:{}/{}", host, value("port"), database);
  return target;
}

}  // namespace lyceum::pg
