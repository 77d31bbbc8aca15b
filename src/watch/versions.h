#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/statement.h"
#include "watch/gap.h"

namespace lyceum::watch {

// What is asked of a server, or why nothing is.
struct Question {
  const Statement* statement = nullptr;  // null: see `gap`
  // Asks for the texts that the statement leaves out; null where it leaves out none. Both name the
  // schema of pg_stat_statements `extension_schema`, see in_schema().
  const Statement* texts = nullptr;
  std::string_view text_column;  // where the texts go
  Gap gap;
};

// The one place that knows what differs between versions: the statement of a collector for a server
// (server_version_num: 150004 for 15.4) with an installed pg_stat_statements ("1.10"; empty where
// there is none). The extension's version decides by itself: it stays behind the server's where
// ALTER EXTENSION ... UPDATE was forgotten. What is newer than all that we know is asked like the
// newest that we know. Source of what changed when: PostgreSQL's release notes 13 to 18 and the
// extension's update scripts.
[[nodiscard]] Question question_for(std::string_view collector, int server_version,
                                    std::string_view extension_version);

// The text with the extension's schema in the place of `extension_schema`, quoted.
[[nodiscard]] std::string in_schema(std::string_view text, std::string_view schema);

// What of a collector's answer a server hides from whoever is not a member of these.
enum class Hides : std::uint8_t { nothing, statistics, settings };
[[nodiscard]] Hides hidden_of(std::string_view collector);

// As an identifier in SQL.
[[nodiscard]] std::string quoted(std::string_view identifier);

// What answers 1.10 with 110, and what is no version with 0.
[[nodiscard]] int extension_number(std::string_view version);

}  // namespace lyceum::watch
