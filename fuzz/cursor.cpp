// Cursors as callers hand them back, and as somebody would make them who knows how: their check is
// no secret.
#include "learning/cursor.h"

#include "base/base64.h"
#include "base/sha256.h"
#include "fuzz/check.h"

using namespace lyceum;
using namespace lyceum::learning;

namespace {

void decode(std::string_view text) {
  const auto position = decode_cursor(text, "listing");
  if (!position) return;
  const auto again = decode_cursor(encode_cursor(*position, "listing"), "listing");
  fuzz::check(again == position, "a position is not the same again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  decode(text);
  (void)decode_cursor("AAAA", text);

  constexpr std::size_t kBody = 34, kCheck = 8;
  std::string body(text.substr(0, kBody));
  body.resize(kBody);
  body[0] = 1;
  const auto digest = sha256(body + "listing");
  body.append(reinterpret_cast<const char*>(digest.data()), kCheck);
  fuzz::check(decode_cursor(to_base64url(body), "listing").has_value(), "a cursor is not taken");
  decode(to_base64url(body));
  return 0;
}
