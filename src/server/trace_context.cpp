#include "server/trace_context.h"

#include <algorithm>

#include "base/uuid.h"

namespace lyceum::server {
namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char character) {
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f');
  });
}

}  // namespace

// version-trace_id-parent_id-flags; a version after 00 may go on behind another dash.
std::string_view trace_id_of(std::string_view traceparent) {
  constexpr std::size_t kLength = 2 + 1 + 32 + 1 + 16 + 1 + 2;
  if (traceparent.size() < kLength || traceparent[2] != '-' || traceparent[35] != '-' ||
      traceparent[52] != '-') {
    return {};
  }
  const auto version = traceparent.substr(0, 2);
  const auto trace = traceparent.substr(3, 32);
  const auto parent = traceparent.substr(36, 16);
  if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(traceparent.substr(53, 2)) ||
      version == "ff") {
    return {};
  }
  const bool longer = traceparent.size() > kLength;
  if (longer && (version == "00" || traceparent[kLength] != '-')) return {};
  const auto is_zero = [](std::string_view id) {
    return id.find_first_not_of('0') == std::string_view::npos;
  };
  return is_zero(trace) || is_zero(parent) ? std::string_view() : trace;
}

std::string request_id_from(std::string_view given) {
  constexpr std::size_t kLongest = 128;
  const bool fit =
      !given.empty() && given.size() <= kLongest && std::ranges::all_of(given, [](char character) {
        return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
               (character >= 'A' && character <= 'Z') || character == '-' || character == '_' ||
               character == '.';
      });
  return fit ? std::string(given) : to_string(random_uuid());
}

}  // namespace lyceum::server
