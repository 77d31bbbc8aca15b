#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lyceum::local {

// The little of JSON that the manifest needs; this layer stands below the ones that may use a
// library for it. No null and no fractions.
struct Json {
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json>;
  std::variant<bool, long, std::string, Array, Object> value;

  // The member of that name and type, or nothing.
  template <class T>
  [[nodiscard]] const T* member(const std::string& name) const {
    const auto* object = std::get_if<Object>(&value);
    if (object == nullptr) return nullptr;
    const auto found = object->find(name);
    return found == object->end() ? nullptr : std::get_if<T>(&found->second.value);
  }
};

// Indented by two spaces, with a line feed at the end.
[[nodiscard]] std::string to_text(const Json& json);

// Nothing where the text is not one such value and white space.
[[nodiscard]] std::optional<Json> parse_json(std::string_view text);

}  // namespace lyceum::local
