#include "watch/value_json.h"

#include <cmath>

namespace lyceum::watch {

std::int64_t milliseconds(Timestamp at) {
  return std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80                    ? 1
                             : lead >= 0xc2 && lead < 0xe0  ? 2
                             : lead >= 0xe0 && lead < 0xf0  ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
    bool good = size > 0 && i + size <= text.size();
    for (std::size_t k = 1; good && k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      // Neither longer than need be, nor half of a UTF-16 pair, nor beyond Unicode.
      const unsigned char least = k > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      const unsigned char most = k > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      good = next >= least && next <= most;
    }
    out += good ? text.substr(i, size) : std::string_view("\xef\xbf\xbd");
    i += good ? size : 1;
  }
  return out;
}

boost::json::value json_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) {
    return std::isfinite(*real) ? boost::json::value(*real) : boost::json::value(nullptr);
  }
  if (const auto* text = std::get_if<Text>(&value)) return boost::json::value(valid_utf8(*text));
  return nullptr;
}

}  // namespace lyceum::watch
