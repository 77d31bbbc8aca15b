// A configuration file, and the same text as an environment and as flags.
#include "base/config.h"
#include "fuzz/check.h"

using namespace lyceum;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  ConfigurationSources sources;
  sources.file = ConfigurationSources::File{"lyceum.toml", std::string(text)};
  const auto loaded = load_configuration(sources);
  const auto problems = check_configuration(sources);
  fuzz::check(loaded.has_value() == problems.empty(), "loading and checking disagree");
  for (const auto& problem : problems) (void)problem.to_string();

  // KEY=value lines.
  ConfigurationSources outside;
  for (std::string_view rest = text; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key(line.substr(0, equals)), value(line.substr(equals + 1));
    outside.environment[key] = value;
  }
  (void)load_configuration(outside);
  return 0;
}
