#pragma once

#include <string_view>

namespace lyceum {

// Whether a statement changes anything: decides where it may run and whether it may be repeated
// after a connection broke.
enum class Access { read, write };

// A named SQL text. The name labels metrics, logs and traces, and stands at the front of the text
// as a comment, so that the server's own statistics show it. The views point to static storage or
// to what outlives every use of the statement; a statement is identified by its name, so two
// statements of one name must have one text.
struct Statement {
  std::string_view name;
  std::string_view text;
  Access access = Access::read;
  std::string_view uses = {};  // catalogue indexes its plan relies on, "a, b"
};

}  // namespace lyceum
