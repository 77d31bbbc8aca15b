#include "server/web_files.h"

#include <algorithm>
#include <fmt/format.h>

namespace lyceum::server {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes what stands before the separator away from the text.
std::string_view take_until(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return trimmed(part);
}

bool equal_ignoring_case(std::string_view one, std::string_view other) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

// Of "q=0", "q=0.0" and the like.
bool is_zero_weight(std::string_view parameter) {
  const auto name = take_until(parameter, '=');
  const auto value = trimmed(parameter);
  return equal_ignoring_case(name, "q") && value.starts_with('0') &&
         value.find_first_not_of("0.") == std::string_view::npos;
}

// Whether an If-None-Match names the tag, which stands there in quotes, "W/" before it or not.
bool names_tag(std::string_view if_none_match, std::string_view tag) {
  if (trimmed(if_none_match) == "*") return true;
  while (!if_none_match.empty()) {
    auto one = take_until(if_none_match, ',');
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == tag) return true;
  }
  return false;
}

}  // namespace

const WebFile* find_web_file(std::string_view path) {
  const auto files = web_files();
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const WebFile& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool by_name = false;
  bool refused = false;
  bool all = false;
  while (!accept_encoding.empty()) {
    auto one = take_until(accept_encoding, ',');
    const auto coding = take_until(one, ';');
    const bool zero = is_zero_weight(one);
    if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) {
      by_name = by_name || !zero;
      refused = refused || zero;
    } else if (coding == "*") {
      all = !zero;
    }
  }
  return by_name || (all && !refused);
}

Response web_response(const WebFile& file, std::string_view accept_encoding,
                      std::string_view if_none_match) {
  const bool compressed = accepts_gzip(accept_encoding);
  // The two forms differ byte by byte, so they have a tag each.
  auto tag = fmt::format("\"{}{}\"", file.digest.substr(0, 32), compressed ? "-gzip" : "");
  Response response{.content_type = file.content_type};
  if (names_tag(if_none_match, tag)) {
    response.status = 304;
  } else {
    response.body = compressed ? file.gzip : file.text;
    if (compressed) response.headers.emplace_back("Content-Encoding", "gzip");
  }
  response.headers.emplace_back("ETag", std::move(tag));
  response.headers.emplace_back("Vary", "Accept-Encoding");
  // Asked for each time, and answered by 304 while it is what the binary has.
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.headers.emplace_back("Content-Security-Policy", web_policy());
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  return response;
}

}  // namespace lyceum::server
