// A token as a request brings it. None is signed with this key, so none is taken.
#include "fuzz/check.h"
#include "server/jwt.h"

using namespace lyceum;
using namespace lyceum::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto keys = [] {
    return KeySet::parse(R"({"keys":[{"kty":"oct","kid":"a","alg":"HS256",)"
                         R"("k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}]})")
        .value();
  }();
  const auto text = fuzz::text_of(data, size);
  const TokenExpectations expectations;
  const auto claims = verify_jwt(text, keys, expectations, Timestamp{});
  fuzz::check(claims.has_error(), "a token of nobody's");
  fuzz::check(claims.error().code == ErrorCode::kUnauthenticated, "another error");
  if (const auto id = unknown_key_id(text, keys, expectations))
    fuzz::check(is_key_id(*id), "an id");
  return 0;
}
