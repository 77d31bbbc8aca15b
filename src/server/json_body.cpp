#include "server/json_body.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <fmt/format.h>

#include "server/query.h"

namespace lyceum::server {
namespace {

constexpr std::size_t kDeepest = 32;

Error bad(std::string message) {
  return {.code = ErrorCode::kBadInput, .message = std::move(message)};
}

// "application/json; charset=utf-8" and the like.
bool is_json(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return std::ranges::equal(type, std::string_view("application/json"), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
  });
}

// A number like 1e999 is read as infinite, and would be written as what is no number. No deeper
// than kDeepest.
bool can_be_written(const boost::json::value& value) {
  if (const auto* number = value.if_double()) return std::isfinite(*number);
  if (const auto* array = value.if_array()) return std::ranges::all_of(*array, can_be_written);
  if (const auto* object = value.if_object()) {
    return std::ranges::all_of(*object,
                               [](const auto& member) { return can_be_written(member.value()); });
  }
  return true;
}

}  // namespace

Result<boost::json::value> parse_body(const Request& request) {
  if (!request.content_type.empty() && !is_json(request.content_type)) {
    return bad("the body has to be application/json");
  }
  boost::json::parse_options options;
  options.max_depth = kDeepest;
  boost::system::error_code failure;
  auto value = boost::json::parse({request.body.data(), request.body.size()}, failure, {}, options);
  if (failure) return bad(fmt::format("the body is no JSON: {}", failure.message()));
  return value;
}

Fields::Fields(const boost::json::value& value, std::string_view array, std::size_t index,
               std::optional<Error>& error)
    : array_(array), index_(index), error_(&error) {
  object_ = value.if_object();
  if (object_ == nullptr && !failed()) {
    error = bad(array.empty() ? "the body is no JSON object"
                              : fmt::format("'{}[{}]' is no object", array, index));
  }
}

std::string Fields::place(std::string_view name) const {
  return array_.empty() ? fmt::format("'{}'", name)
                        : fmt::format("'{}[{}].{}'", array_, index_, name);
}

void Fields::fail(std::string_view name, std::string_view what) {
  if (!failed()) *error_ = bad(fmt::format("{} {}", place(name), what));
}

bool Fields::has(std::string_view name) const {
  if (object_ == nullptr) return false;
  const auto* value = object_->if_contains({name.data(), name.size()});
  return value != nullptr && !value->is_null();
}

const boost::json::value* Fields::find(std::string_view name, bool required) {
  if (object_ == nullptr) return nullptr;
  known_.push_back(name);
  const auto* value = object_->if_contains({name.data(), name.size()});
  if (value != nullptr) ++asked_;
  if (value != nullptr && !value->is_null()) return value;
  if (required) fail(name, "is missing");
  return nullptr;
}

Uuid Fields::uuid(std::string_view name) {
  const auto* value = find(name, true);
  if (value == nullptr) return {};
  const auto* text = value->if_string();
  const auto id = text == nullptr ? std::nullopt : parse_uuid({text->data(), text->size()});
  if (!id) fail(name, "is no UUID");
  return id.value_or(Uuid{});
}

std::int32_t Fields::integer(std::string_view name) {
  const auto* value = find(name, true);
  if (value == nullptr) return 0;
  const auto* number = value->if_int64();
  if (number == nullptr || *number != static_cast<std::int32_t>(*number)) {
    fail(name, "is no integer of 32 bits");
    return 0;
  }
  return static_cast<std::int32_t>(*number);
}

std::string Fields::text(std::string_view name) {
  const auto* value = find(name, true);
  if (value == nullptr) return {};
  const auto* text = value->if_string();
  if (text == nullptr) {
    fail(name, "is no string");
    return {};
  }
  return {text->data(), text->size()};
}

Timestamp Fields::timestamp(std::string_view name) {
  const auto* value = find(name, true);
  if (value == nullptr) return {};
  const auto* text = value->if_string();
  const auto time = text == nullptr ? std::nullopt : parse_timestamp({text->data(), text->size()});
  if (!time) fail(name, "is no time such as 2026-01-31T12:00:00Z");
  return time.value_or(Timestamp{});
}

std::string Fields::json(std::string_view name) {
  const auto* value = find(name, true);
  if (value == nullptr) return {};
  if (!can_be_written(*value)) {
    fail(name, "holds a number that is out of range");
    return {};
  }
  return boost::json::serialize(*value);
}

std::optional<Uuid> Fields::optional_uuid(std::string_view name) {
  if (has(name)) return uuid(name);
  (void)find(name, false);
  return std::nullopt;
}

std::optional<Timestamp> Fields::optional_timestamp(std::string_view name) {
  if (has(name)) return timestamp(name);
  (void)find(name, false);
  return std::nullopt;
}

void Fields::each(std::string_view name, std::size_t most,
                  const std::function<void(Fields&)>& take) {
  const auto* value = find(name, true);
  if (value == nullptr) return;
  const auto* array = value->if_array();
  if (array == nullptr) return fail(name, "is no array");
  if (array->size() > most) {
    return fail(name, fmt::format("has {} rows, more than {}", array->size(), most));
  }
  for (std::size_t i = 0; i < array->size() && !failed(); ++i) {
    Fields row((*array)[i], name, i, *error_);
    take(row);
    row.done();
  }
}

void Fields::done() {
  if (failed() || object_ == nullptr || asked_ == object_->size()) return;
  for (const auto& member : *object_) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::ranges::find(known_, name) != known_.end()) continue;
    return fail(name.substr(0, 50), "is no member that is known here");
  }
}

}  // namespace lyceum::server
