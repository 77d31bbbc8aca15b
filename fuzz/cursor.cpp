// Cursors as callers hand them back: a text that is taken is the one that would be given out.
#include "learning/cursor.h"

#include "fuzz/check.h"

using namespace lyceum::learning;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  const auto position = decode_cursor(text, "listing");
  if (position) fuzz::check(encode_cursor(*position, "listing") == text, "two texts, one cursor");
  (void)decode_cursor("AAAA", text);
  return 0;
}
