#include "local/json.h"

#include <charconv>
#include <fmt/format.h>
#include <utility>

namespace lyceum::local {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      out += '\\';
      out += character;
    } else if (byte < 0x20) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += character;
    }
  }
  return out + '"';
}

void write(std::string& out, const Json& json, const std::string& indent) {
  const auto inner = indent + "  ";
  if (const auto* truth = std::get_if<bool>(&json.value)) {
    out += *truth ? "true" : "false";
  } else if (const auto* number = std::get_if<long>(&json.value)) {
    out += fmt::to_string(*number);
  } else if (const auto* text = std::get_if<std::string>(&json.value)) {
    out += quoted(*text);
  } else if (const auto* array = std::get_if<Json::Array>(&json.value)) {
    std::string_view separator = "[\n";
    for (const auto& element : *array) {
      out += separator;
      out += inner;
      write(out, element, inner);
      separator = ",\n";
    }
    out += array->empty() ? "[]" : "\n" + indent + "]";
  } else if (const auto* object = std::get_if<Json::Object>(&json.value)) {
    std::string_view separator = "{\n";
    for (const auto& [key, element] : *object) {
      out += separator;
      out += inner + quoted(key) + ": ";
      write(out, element, inner);
      separator = ",\n";
    }
    out += object->empty() ? "{}" : "\n" + indent + "}";
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<Json> document() {
    auto out = value(0);
    skip_space();
    return rest_.empty() ? out : std::nullopt;
  }

 private:
  void skip_space() {
    const auto at = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at);
  }
  bool take(std::string_view token) {
    skip_space();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  std::optional<Json> value(int depth) {
    constexpr int kDeepest = 16;
    if (depth > kDeepest) return std::nullopt;
    if (take("true")) return Json{true};
    if (take("false")) return Json{false};
    if (take("[")) return array(depth);
    if (take("{")) return object(depth);
    if (!rest_.empty() && rest_.front() == '"') {
      if (auto text = string()) return Json{std::move(*text)};
      return std::nullopt;
    }
    long number = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return Json{number};
  }

  std::optional<std::string> string() {
    if (!take("\"")) return std::nullopt;
    std::string out;
    while (!rest_.empty()) {
      const char character = rest_.front();
      rest_.remove_prefix(1);
      if (character == '"') return out;
      if (character != '\\') {
        out += character;
        continue;
      }
      if (rest_.empty()) break;
      const char escaped = rest_.front();
      rest_.remove_prefix(1);
      if (escaped == '"' || escaped == '\\' || escaped == '/') {
        out += escaped;
      } else if (escaped == 'n') {
        out += '\n';
      } else if (escaped == 't') {
        out += '\t';
      } else if (escaped == 'u' && rest_.size() >= 4) {
        unsigned code = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
        // Only what to_text() writes this way.
        if (error != std::errc() || end != rest_.data() + 4 || code >= 0x80) return std::nullopt;
        out += static_cast<char>(code);
        rest_.remove_prefix(4);
      } else {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  std::optional<Json> array(int depth) {
    Json::Array out;
    if (take("]")) return Json{std::move(out)};
    do {
      auto element = value(depth + 1);
      if (!element) return std::nullopt;
      out.push_back(std::move(*element));
    } while (take(","));
    if (!take("]")) return std::nullopt;
    return Json{std::move(out)};
  }

  std::optional<Json> object(int depth) {
    Json::Object out;
    if (take("}")) return Json{std::move(out)};
    do {
      auto key = string();
      if (!key || !take(":")) return std::nullopt;
      auto element = value(depth + 1);
      if (!element) return std::nullopt;
      out.insert_or_assign(std::move(*key), std::move(*element));
    } while (take(","));
    if (!take("}")) return std::nullopt;
    return Json{std::move(out)};
  }

  std::string_view rest_;
};

}  // namespace

std::string to_text(const Json& json) {
  std::string out;
  write(out, json, "");
  return out + "\n";
}

std::optional<Json> parse_json(std::string_view text) {
  return Parser(text).document();
}

}  // namespace lyceum::local
