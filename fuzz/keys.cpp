// A key set, and a PEM.
#include "fuzz/check.h"
#include "server/key_set.h"

using namespace lyceum;
using namespace lyceum::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto set = KeySet::parse(fuzz::text_of(data, size), "id");
  if (set.has_error()) {
    fuzz::check(set.error().code == ErrorCode::kConfiguration, "another error");
    return 0;
  }
  fuzz::check(!set->keys().empty(), "no key");
  for (const auto& key : set->keys()) (void)key.verifies("text", "signature");
  return 0;
}
