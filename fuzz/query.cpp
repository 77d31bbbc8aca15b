// The query of a URL, and times.

#include "server/query.h"

#include <array>
#include <cstdint>

#include "check.h"
#include "server/json_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lyceum::server;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::array<std::string_view, 3> kKnown{"a", "limit", "from"};
  if (const auto query = Query::parse(text, kKnown)) {
    for (const auto name : kKnown) {
      (void)query->integer(name);
      (void)query->number(name);
      (void)query->uuid(name);
      (void)query->timestamp(name);
    }
  }
  if (const auto time = parse_timestamp(text)) {
    // What is written of a time is read as the same time.
    constexpr auto kYears = std::chrono::days(3'652'000);
    if (time->time_since_epoch() < std::chrono::days(0) || time->time_since_epoch() > kYears / 2) {
      return 0;
    }
    std::string written;
    append_json_timestamp(written, *time);
    check(parse_timestamp(std::string_view(written).substr(1, written.size() - 2)) == *time,
          "a time that is written is read as itself");
  }
  return 0;
}
