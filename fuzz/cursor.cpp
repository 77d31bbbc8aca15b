// Cursors: what is taken for one is one that we would have written.

#include "learning/cursor.h"

#include <cstdint>

#include "check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lyceum::learning;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kListing = "tenant|B1|-1|-1||";
  if (const auto position = decode_cursor(text, kListing)) {
    check(encode_cursor(*position, kListing) == text, "a cursor has one spelling");
  }
  return 0;
}
