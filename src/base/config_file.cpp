#include "base/config_file.h"

#include <algorithm>
#include <fmt/format.h>

// toml++ 3.3 asserts in a debug build, and in any other tells the compiler to assume, what a
// malformed file breaks ("[?"). It needs neither: it goes on to report an error.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace lyceum {
namespace {

// toml++ quotes what it stumbled on; that may be a piece of a password.
std::string without_quotations(std::string_view description) {
  std::string out;
  while (!description.empty()) {
    const auto open = description.find_first_of("'\"");
    out += description.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = description.find(description[open], open + 1);
    out += "...";
    if (close == std::string_view::npos) break;
    description.remove_prefix(close + 1);
  }
  return out;
}

ConfigFileValue value_of(const toml::node& node) {
  ConfigFileValue value;
  value.line = node.source().begin.line;
  if (const auto* text = node.as_string()) {
    value.kind = ConfigFileValue::Kind::text;
    value.texts.push_back(text->get());
  } else if (const auto* integer = node.as_integer()) {
    value.kind = ConfigFileValue::Kind::integer;
    value.texts.push_back(std::to_string(integer->get()));
  } else if (const auto* real = node.as_floating_point()) {
    value.kind = ConfigFileValue::Kind::real;
    value.texts.push_back(fmt::format("{}", real->get()));
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = ConfigFileValue::Kind::boolean;
    value.texts.emplace_back(boolean->get() ? "true" : "false");
  } else if (const auto* list = node.as_array()) {
    value.kind = ConfigFileValue::Kind::list_of_text;
    for (const auto& element : *list) {
      if (const auto* item = element.as_string()) {
        value.texts.push_back(item->get());
      } else {
        value.kind = ConfigFileValue::Kind::other;
      }
    }
  }
  return value;
}

void collect(const toml::table& table, const std::string& section,
             std::vector<ConfigFileValue>& out) {
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    if (const auto* inner = node.as_table()) {
      const auto path = section.empty() ? key : section + '.' + key;
      ConfigFileValue header;
      header.section = path;
      header.line = inner->source().begin.line;
      out.push_back(std::move(header));
      collect(*inner, path, out);
      continue;
    }
    auto value = value_of(node);
    value.section = section;
    value.key = key;
    out.push_back(std::move(value));
  }
}

}  // namespace

Result<std::vector<ConfigFileValue>> parse_config_file(const std::string& name,
                                                       std::string_view text) {
  const auto parsed = toml::parse(text, std::string_view(name));
  if (!parsed) {
    Error error;
    error.code = ErrorCode::kConfiguration;
    error.message =
        fmt::format("{}:{}: this is not TOML: {}", name, parsed.error().source().begin.line,
                    without_quotations(parsed.error().description()));
    return error;
  }
  std::vector<ConfigFileValue> out;
  collect(parsed.table(), "", out);
  std::sort(out.begin(), out.end(),
            [](const ConfigFileValue& a, const ConfigFileValue& b) { return a.line < b.line; });
  return out;
}

}  // namespace lyceum
