// The configuration: a file, a variable and a flag. What is wrong is an error, and never a secret.

#include <cstdint>

#include "base/config.h"
#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lyceum;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto end_of_file = text.find('\0');
  ConfigurationSources sources{
      .file = ConfigurationSources::File{"fuzz.toml", text.substr(0, end_of_file)}};
  if (end_of_file != std::string::npos) {
    const auto value = text.substr(end_of_file + 1);
    sources.environment["DATABASE_URL"] = value;
    sources.flags.push_back({"--data-address", "server.data_address", value});
  }
  const auto loaded = load_configuration(sources);
  check(loaded.has_value() == check_configuration(sources).empty(), "both find the same");
  if (loaded.has_error()) return 0;
  for (const auto& row : loaded->rows) check(!row.key.empty(), "a setting has a name");
  return 0;
}
