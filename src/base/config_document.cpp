#include <fmt/format.h>

#include "base/config_settings.h"

namespace lyceum {

using namespace config;

std::string configuration_documentation() {
  std::string out =
      "# Configuration\n\n"
      "<!-- Made from the table of settings in src/base/config_settings.cpp; a test compares them. "
      "-->\n\n"
      "Lyceum reads one TOML file (`--config FILE`, or the variable `LYCEUM_CONFIG`). An "
      "environment variable wins over the file, and a flag wins over both. `lyceum config show` "
      "prints every setting with its value and where that came from; `lyceum config check` says "
      "what is wrong.\n\n"
      "Durations carry their unit: `ns`, `us`, `ms`, `s`, `m` (minutes), `h` or `d`. The "
      "variables that begin with `DB_`, and flags for the same settings, also take plain seconds. "
      "An empty variable counts as "
      "unset.\n\n"
      "An unknown key, an unknown variable that begins with `LYCEUM_`, a value of the wrong type "
      "or out of range, or a shard without a URL is an error at start. Variables that begin with "
      "`LYCEUM_DEMO_`, `LYCEUM_TEST_` or `LYCEUM_BENCH_` belong to scripts.\n\n"
      "`connection_limit`, `pool_timeout`, `connect_timeout` and `socket_timeout` may also stand "
      "in the database's URL as parameters (`?connection_limit=5`): they win over the defaults "
      "and over weaker places than the URL's own. In a URL write `@` `:` `/` `?` `#` `%` within "
      "user and password as `%40` `%3A` `%2F` `%3F` `%23` `%25`.\n";
  Configuration defaults;
  std::string_view section;
  for (const auto& setting : settings()) {
    if (setting.section != section) {
      section = setting.section;
      out += fmt::format(
          "\n## [{}]\n\n| key | variable | default | value | meaning |\n"
          "|---|---|---|---|---|\n",
          section);
    }
    out += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", setting.key, setting.variable,
                       shown_value(setting, defaults), expectation(setting), setting.meaning);
  }
  return out;
}

}  // namespace lyceum
