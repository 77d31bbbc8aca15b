// The query of a URL, with every getter.
#include "server/query.h"

#include "fuzz/check.h"
#include "server/json_rows.h"

using namespace lyceum::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array<std::string_view, 5> kKnown{"q", "limit", "learner", "from",
                                                          "cursor"};
  const auto query = Query::parse(fuzz::text_of(data, size), kKnown);
  if (query.has_error()) return 0;
  for (const auto name : kKnown) {
    const auto text = query->text(name);
    fuzz::check(!text || text->size() <= size, "more than came");
    (void)query->integer(name);
    (void)query->number(name);
    (void)query->uuid(name);
    const auto time = query->timestamp(name);
    if (time.has_error() || !*time) continue;
    // A time that is taken can be said again.
    std::string said;
    append_json_timestamp(said, **time);
    fuzz::check(said.size() > 2 && parse_timestamp(said.substr(1, said.size() - 2)) == **time,
                "a time is not the same again");
  }
  return 0;
}
