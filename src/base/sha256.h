#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace lyceum {

using Sha256 = std::array<std::byte, 32>;

// Throws Exception (kInternal) where the crypto library has no SHA-256.
[[nodiscard]] Sha256 sha256(std::string_view bytes);

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string hex(const Sha256& digest);

}  // namespace lyceum
