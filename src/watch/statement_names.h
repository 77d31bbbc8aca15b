#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "watch/sample.h"

namespace lyceum::watch {

// The name with which Lyceum's own statements begin: "learning.stories_page" of
// "/* learning.stories_page */ SELECT ...". Empty for any other text.
[[nodiscard]] std::string_view statement_name(std::string_view text);

// Joins what callers measured of a statement (by its name) to what servers count of it (by
// queryid). One statement may have several queryids: a role, a search path or a version of the
// server gives it another; the one with the most calls stands for it.
class StatementNames {
 public:
  void add(std::string_view text, std::string_view queryid, std::int64_t calls);
  // Fills the column queryid of a sample of client_statements.
  void put_into(Sample& client_statements) const;

 private:
  // By name and then queryid, over all servers.
  std::map<std::string, std::map<std::string, std::int64_t>, std::less<>> calls_;
};

}  // namespace lyceum::watch
