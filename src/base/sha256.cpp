#include "base/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/error.h"

namespace lyceum {

Sha256 sha256(std::string_view bytes) {
  Sha256 digest;
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 EVP_sha256(), nullptr) != 1 ||
      size != digest.size()) {
    throw Exception({.code = ErrorCode::kInternal, .message = "SHA-256 is not available"});
  }
  return digest;
}

std::string hex(const Sha256& digest) {
  std::string out;
  for (const auto byte : digest) out += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return out;
}

}  // namespace lyceum
