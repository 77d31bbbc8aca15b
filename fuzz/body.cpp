// A body of JSON, read as a batch would read it.
#include <boost/json/parse.hpp>

#include "fuzz/check.h"
#include "server/json_body.h"

using namespace lyceum;
using namespace lyceum::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto body = parse_body({.body = fuzz::text_of(data, size)});
  if (body.has_error()) return 0;
  std::optional<Error> error;
  Fields fields(*body, error);
  (void)fields.optional_uuid("id");
  (void)fields.optional_timestamp("until");
  (void)fields.text("name");
  fields.each("rows", 100, [](Fields& row) {
    (void)row.uuid("id");
    (void)row.integer("count");
    (void)row.timestamp("at");
    const auto json = row.json("payload");
    if (row.failed()) return;
    boost::system::error_code failure;
    (void)boost::json::parse(json, failure);
    fuzz::check(!failure, "a payload is no JSON any more");
  });
  fields.done();
  fuzz::check(fields.failed() == error.has_value(), "an error that is none");
  return 0;
}
