// The request path: bytes of a connection, as one piece and cut in two, through what reads requests
// and finds their route. However the bytes are cut, the same requests come out.

#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "server/api.h"
#include "server/incoming.h"

namespace {

using namespace lyceum::server;

struct Seen {
  std::string text;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> read_all(std::string_view bytes, std::size_t first) {
  const HttpLimits limits{.header_bytes = 1024, .target_bytes = 256};
  const Incoming::MostBody most_body = &Api::most_body;
  std::vector<Seen> out;
  std::string here(bytes.substr(0, first));
  auto rest = bytes.substr(first);
  while (true) {
    Incoming incoming(limits, most_body);
    while (incoming.wants_more()) {
      const auto taken = incoming.take(here);
      check(taken <= here.size(), "no more is taken than is there");
      here.erase(0, taken);
      if (!incoming.wants_more()) break;
      if (taken > 0 && !here.empty()) continue;
      check(incoming.state() != Incoming::State::header || here.size() <= limits.header_bytes,
            "a header that is too long is refused");
      if (rest.empty()) return out;
      here += rest;
      rest = {};
    }
    if (incoming.state() == Incoming::State::refused) {
      const auto& refusal = incoming.refusal();
      check(refusal.status >= 400 && refusal.status < 600, "a refusal has a status");
      out.push_back({std::to_string(refusal.status) + std::string(refusal.code)});
      return out;
    }
    const auto& request = incoming.request();
    check(request.path.starts_with('/'), "a path begins with a slash");
    check(request.body.size() <= Api::most_body(request.method, request.path),
          "a body is within its limit");
    out.push_back({std::string(name_of(request.method)) + ' ' + std::string(request.path) + '?' +
                   std::string(request.query) + '\n' + std::string(request.body)});
    if (!incoming.keeps_alive()) return out;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto cut = bytes.empty() ? 0 : data[0] % bytes.size();
  check(read_all(bytes, bytes.size()) == read_all(bytes, cut), "cutting the bytes changes nothing");
  return 0;
}
