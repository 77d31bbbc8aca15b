#include "base/base64.h"

#include <array>
#include <cstdint>

namespace lyceum {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::uint8_t kNone = 255;

constexpr std::array<std::uint8_t, 256> values() {
  std::array<std::uint8_t, 256> out{};
  out.fill(kNone);
  for (std::size_t i = 0; i < kDigits.size(); ++i) {
    out[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  }
  return out;
}

constexpr auto kValues = values();

}  // namespace

std::string to_base64url(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned waiting = 0;  // how many of the low bits are not written yet
  for (const char byte : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(byte);
    waiting += 8;
    while (waiting >= 6) out += kDigits[bits >> (waiting -= 6) & 63U];
  }
  if (waiting > 0) out += kDigits[bits << (6 - waiting) & 63U];
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned waiting = 0;
  for (const char digit : text) {
    const auto value = kValues[static_cast<unsigned char>(digit)];
    if (value == kNone) return std::nullopt;
    bits = bits << 6U | value;
    waiting += 6;
    if (waiting >= 8) out += static_cast<char>(bits >> (waiting -= 8) & 255U);
  }
  if ((bits & ((1U << waiting) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace lyceum
