#pragma once

#include <string>
#include <string_view>

namespace lyceum {

// Text from anywhere, made fit for one line of output. Both replace what is not valid UTF-8 by
// U+FFFD, once per byte, and leave no character that a terminal or a log reader acts on: control
// characters (C0, DEL, C1), line and paragraph separators, and marks that reverse the direction of
// writing.

// A JSON string with its quotes (RFC 8259). Such characters become \n, \t, ... or \u00XX.
void append_json_string(std::string& out, std::string_view text);

// For a key=value line: as it is where it is a plain word, else in double quotes with \", \\, \n,
// \t, \r and \u00XX.
void append_quoted_if_needed(std::string& out, std::string_view text);

}  // namespace lyceum
