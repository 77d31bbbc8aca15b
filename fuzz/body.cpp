// Bodies: JSON, and its members read strictly.

#include <cstdint>

#include "check.h"
#include "server/json_body.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lyceum;
  using namespace lyceum::server;
  const Request request{.body = {reinterpret_cast<const char*>(data), size}};
  const auto body = parse_body(request);
  if (body.has_error()) {
    check(body.error().code == ErrorCode::kBadInput, "what is no JSON is bad input");
    return 0;
  }
  std::optional<Error> wrong;
  Fields fields(*body, wrong);
  std::size_t rows = 0;
  fields.each("updates", 3, [&](Fields& row) {
    ++rows;
    (void)row.uuid("user_id");
    (void)row.integer("time_spent");
    (void)row.optional_timestamp("at");
    (void)row.optional_uuid("session_id");
    if (row.has("payload")) (void)row.json("payload");
  });
  fields.done();
  check(rows <= 3, "no more rows than allowed are read");
  check(!wrong || wrong->code == ErrorCode::kBadInput, "a wrong member is bad input");
  return 0;
}
