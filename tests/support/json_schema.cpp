#include "support/json_schema.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <fmt/format.h>
#include <regex>

namespace lyceum::testing {

namespace json = boost::json;

namespace {

std::string_view view(json::string_view text) {
  return {text.data(), text.size()};
}

// Code points of UTF-8.
std::size_t length_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & '\xC0') != '\x80'; }));
}

bool is_date(std::string_view text) {
  static const std::regex form("(\\d{4})-(\\d{2})-(\\d{2})");
  std::cmatch match;
  if (!std::regex_match(text.data(), text.data() + text.size(), match, form)) return false;
  const auto number = [&](int part) { return std::stoi(match[static_cast<std::size_t>(part)]); };
  return std::chrono::year_month_day(std::chrono::year(number(1)),
                                     std::chrono::month(static_cast<unsigned>(number(2))),
                                     std::chrono::day(static_cast<unsigned>(number(3))))
      .ok();
}

bool is_uuid(std::string_view text) {
  static const std::regex form("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  return std::regex_match(text.data(), text.data() + text.size(), form);
}

class Checker {
 public:
  explicit Checker(const json::value& root) : root_(root) {}

  void check(const json::value& schema_value, const json::value& value, const std::string& place) {
    const auto* schema = schema_value.if_object();
    if (schema == nullptr) return say(place, "the schema is no object");
    for (const auto& [key, rule] : *schema) apply(view(key), rule, *schema, value, place);
  }

  std::vector<std::string> take() { return std::move(problems_); }

 private:
  void say(const std::string& place, std::string_view what) {
    if (problems_.size() < 20) problems_.push_back(place + ": " + std::string(what));
  }

  static bool is_of(std::string_view type, const json::value& value) {
    if (type == "null") return value.is_null();
    if (type == "boolean") return value.is_bool();
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_int64() || value.is_uint64();
    return type == "number" && value.is_number();
  }

  void apply(std::string_view key, const json::value& rule, const json::object& schema,
             const json::value& value, const std::string& place) {
    if (key == "description" || key == "default") return;
    if (key == "$ref") {
      const auto* to = resolve_reference(root_, view(rule.as_string()));
      if (to == nullptr) return say(place, "a reference leads nowhere");
      return check(*to, value, place);
    }
    if (key == "type") {
      bool fits = false;
      if (const auto* types = rule.if_array()) {
        for (const auto& type : *types) fits = fits || is_of(view(type.as_string()), value);
      } else {
        fits = is_of(view(rule.as_string()), value);
      }
      if (!fits) say(place, "is no " + json::serialize(rule) + ": " + json::serialize(value));
    } else if (key == "enum") {
      if (std::ranges::find(rule.as_array(), value) == rule.as_array().end()) {
        say(place, json::serialize(value) + " is none of " + json::serialize(rule));
      }
    } else if (key == "properties") {
      if (const auto* object = value.if_object()) {
        for (const auto& member : *object) {
          const auto* of = rule.as_object().if_contains(member.key());
          if (of != nullptr) {
            check(*of, member.value(), place + '.' + std::string(view(member.key())));
          }
        }
      }
    } else if (key == "required") {
      for (const auto& name : rule.as_array()) {
        if (value.is_object() && !value.as_object().contains(name.as_string())) {
          say(place, "lacks " + std::string(view(name.as_string())));
        }
      }
    } else if (key == "additionalProperties") {
      if (rule.is_object() || rule.as_bool())
        return say(place, "additionalProperties is not false");
      const auto* known = schema.if_contains("properties");
      if (!value.is_object()) return;
      for (const auto& member : value.as_object()) {
        if (known == nullptr || !known->as_object().contains(member.key())) {
          say(place, "has the unknown member " + std::string(view(member.key())));
        }
      }
    } else if (key == "items") {
      if (const auto* array = value.if_array()) {
        for (std::size_t i = 0; i < array->size(); ++i) {
          check(rule, (*array)[i], fmt::format("{}[{}]", place, i));
        }
      }
    } else if (key == "minimum" || key == "maximum") {
      if (!value.is_number()) return;
      const auto limit = rule.to_number<double>();
      const auto number = value.to_number<double>();
      if (key == "minimum" ? number < limit : number > limit) {
        say(place, fmt::format("{} is beyond the {} {}", number, key, limit));
      }
    } else if (key == "minLength" || key == "maxLength") {
      if (!value.is_string()) return;
      const auto limit = rule.to_number<std::size_t>();
      const auto length = length_of(view(value.as_string()));
      if (key == "minLength" ? length < limit : length > limit) {
        say(place, fmt::format("its length {} is beyond the {} {}", length, key, limit));
      }
    } else if (key == "maxItems") {
      if (value.is_array() && value.as_array().size() > rule.to_number<std::size_t>()) {
        say(place, "has too many items");
      }
    } else if (key == "format") {
      if (!value.is_string()) return;
      const auto text = view(value.as_string());
      const auto format = view(rule.as_string());
      const bool fits = format == "uuid"        ? is_uuid(text)
                        : format == "date"      ? is_date(text)
                        : format == "date-time" ? is_date_time(text)
                                                : false;
      if (!fits) say(place, fmt::format("{} is no {}", text, format));
    } else {
      say(place, fmt::format("the schema has the keyword {}, which nobody checks", key));
    }
  }

  const json::value& root_;
  std::vector<std::string> problems_;
};

}  // namespace

bool is_date_time(std::string_view text, std::int64_t* micros) {
  static const std::regex form(
      "(\\d{4}-\\d{2}-\\d{2})T(\\d{2}):(\\d{2}):(\\d{2})(\\.\\d{1,6})?(Z|[+-]\\d{2}:\\d{2})");
  std::cmatch match;
  if (!std::regex_match(text.data(), text.data() + text.size(), match, form)) return false;
  const auto day = match[1].str();
  if (!is_date(day)) return false;
  const int hours = std::stoi(match[2]);
  const int minutes = std::stoi(match[3]);
  const int seconds = std::stoi(match[4]);
  if (hours > 23 || minutes > 59 || seconds > 59) return false;
  if (micros == nullptr) return true;
  const std::chrono::sys_days date = std::chrono::year_month_day(
      std::chrono::year(std::stoi(day.substr(0, 4))),
      std::chrono::month(static_cast<unsigned>(std::stoi(day.substr(5, 2)))),
      std::chrono::day(static_cast<unsigned>(std::stoi(day.substr(8, 2)))));
  std::int64_t value = date.time_since_epoch().count() * std::int64_t{86'400} + hours * 3600 +
                       minutes * 60 + seconds;
  const auto zone = match[6].str();
  if (zone != "Z") {
    const int ahead = std::stoi(zone.substr(1, 2)) * 3600 + std::stoi(zone.substr(4, 2)) * 60;
    value -= zone[0] == '-' ? -ahead : ahead;
  }
  value *= 1'000'000;
  auto fraction = match[5].str();
  if (!fraction.empty()) {
    fraction.resize(7, '0');
    value += std::stoi(fraction.substr(1));
  }
  *micros = value;
  return true;
}

const json::value* resolve_reference(const json::value& root, std::string_view reference) {
  if (!reference.starts_with("#/")) return nullptr;
  const auto* at = &root;
  reference.remove_prefix(2);
  while (!reference.empty()) {
    const auto name = reference.substr(0, reference.find('/'));
    reference.remove_prefix(std::min(reference.size(), name.size() + 1));
    const auto* object = at->if_object();
    if (object == nullptr) return nullptr;
    at = object->if_contains({name.data(), name.size()});
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::vector<std::string> schema_problems(const json::value& root, const json::value& schema,
                                         const json::value& value) {
  Checker checker(root);
  checker.check(schema, value, "$");
  return checker.take();
}

}  // namespace lyceum::testing
