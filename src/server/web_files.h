#pragma once

#include <span>
#include <string_view>

#include "server/message.h"

namespace lyceum::server {

// A file of the monitor's page, as it stands in web/ (web/files.mjs lists them).
struct WebFile {
  std::string_view path;  // "/modules/main.js"; the page itself is "/"
  std::string_view content_type;
  std::string_view digest;  // SHA-256 of the text, in hexadecimal
  std::string_view text;
  std::string_view gzip;  // the same, compressed
};

[[nodiscard]] std::span<const WebFile> web_files();

// The Content-Security-Policy of all of them: scripts, styles and connections of this origin alone.
[[nodiscard]] std::string_view web_policy();

// By the path of a request, without its query. Null: the page has no such file.
[[nodiscard]] const WebFile* find_web_file(std::string_view path);

// Whether an Accept-Encoding takes gzip: it names it, or everything, and not with a weight of zero.
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

// 200 with the file, compressed for those who take that; 304 for those whose If-None-Match says
// that they have it. Absent headers are empty. The caller leaves the body out of the answer to a
// HEAD.
[[nodiscard]] Response web_response(const WebFile& file, std::string_view accept_encoding,
                                    std::string_view if_none_match);

}  // namespace lyceum::server
