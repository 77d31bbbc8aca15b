// Tokens and key sets. A token is taken only with a signature, and none made up here has one: the
// key's secret is not in the corpus.

#include "server/jwt.h"

#include <cstdint>

#include "check.h"
#include "server/key_set.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lyceum;
  using namespace lyceum::server;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const auto kKeys =
      KeySet::parse(R"({"keys":[{"kty":"oct","kid":"k","alg":"HS256",)"
                    R"("k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]})")
          .value();
  const auto claims = verify_jwt(text, kKeys, {}, Timestamp(std::chrono::days(20'000)));
  check(claims.has_error(), "nobody without the key makes a token");
  check(claims.error().code == ErrorCode::kUnauthenticated, "a bad token is no other error");
  (void)unknown_key_id(text, kKeys, {});
  (void)KeySet::parse(text);
  return 0;
}
