#include "server/strict_json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <limits>

namespace lyceum::server {
namespace {

namespace json = boost::json;
using Code = boost::system::error_code;

// Counts the members that stand in a text. The library keeps the last of two members of one name:
// where it kept fewer than there stood, one stood twice.
struct MemberCounter {
  // NOLINTBEGIN(readability-identifier-naming): the names that Boost.JSON looks for
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  // NOLINTEND(readability-identifier-naming)

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t, Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_key_part(json::string_view, std::size_t, Code&) { return true; }
  bool on_key(json::string_view, std::size_t, Code&) {
    ++members;
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, Code&) { return true; }
  bool on_string(json::string_view, std::size_t, Code&) { return true; }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, Code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, Code&) { return true; }
  bool on_double(double, json::string_view, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

  std::size_t members = 0;
};

// As deep as max_depth at most.
std::size_t count_members(const json::value& value) {  // NOLINT(misc-no-recursion)
  std::size_t out = 0;
  if (const auto* object = value.if_object()) {
    out += object->size();
    for (const auto& member : *object) out += count_members(member.value());
  } else if (const auto* array = value.if_array()) {
    for (const auto& element : *array) out += count_members(element);
  }
  return out;
}

Error refused(std::string_view why) {
  return {.code = ErrorCode::kBadInput, .message = std::string(why)};
}

}  // namespace

Result<json::object> parse_strict_object(std::string_view text, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  Code problem;
  auto value = json::parse(json::string_view(text.data(), text.size()), problem, {}, options);
  if (problem == json::error::too_deep) return refused("its JSON is nested too deeply");
  if (problem) return refused("it is no valid JSON");
  if (!value.is_object()) return refused("it is no JSON object");
  json::basic_parser<MemberCounter> counter(options);
  counter.write_some(false, text.data(), text.size(), problem);
  if (problem) return refused("it is no valid JSON");
  if (counter.handler().members != count_members(value)) {
    return refused("a member stands twice in its JSON");
  }
  return std::move(value.get_object());
}

}  // namespace lyceum::server
