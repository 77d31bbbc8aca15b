#pragma once

#include <boost/json/fwd.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/uuid.h"
#include "server/message.h"

namespace lyceum::server {

// A body as JSON. Errors: kBadInput where it is none, is nested deeper than 32, or Content-Type
// says something else (empty counts as JSON).
[[nodiscard]] Result<boost::json::value> parse_body(const Request& request);

// Reads the members of one object strictly: a member that is missing, of another type, or of a name
// that nobody asked for is an error. The first error is kept and named by its place
// ("updates[3].story_id is no UUID"); what is read after it is of no use, so ask failed() at the
// end, after done().
class Fields {
 public:
  // The whole body, which must be an object.
  Fields(const boost::json::value& body, std::optional<Error>& error)
      : Fields(body, {}, 0, error) {}

  [[nodiscard]] bool has(std::string_view name) const;  // there and not null
  [[nodiscard]] Uuid uuid(std::string_view name);
  [[nodiscard]] std::int32_t integer(std::string_view name);
  [[nodiscard]] std::string text(std::string_view name);
  [[nodiscard]] Timestamp timestamp(std::string_view name);
  // Any value, as JSON text.
  [[nodiscard]] std::string json(std::string_view name);
  [[nodiscard]] std::optional<Uuid> optional_uuid(std::string_view name);
  [[nodiscard]] std::optional<Timestamp> optional_timestamp(std::string_view name);

  // Calls `take` for each object of an array of at most `most`, until one fails.
  void each(std::string_view name, std::size_t most, const std::function<void(Fields&)>& take);

  // Fails where a member is left that nobody asked for.
  void done();
  [[nodiscard]] bool failed() const { return error_->has_value(); }

 private:
  Fields(const boost::json::value& value, std::string_view array, std::size_t index,
         std::optional<Error>& error);
  // Null where it is missing or null; then an error, if it is required.
  const boost::json::value* find(std::string_view name, bool required);
  [[nodiscard]] std::string place(std::string_view name) const;
  void fail(std::string_view name, std::string_view what);

  const boost::json::object* object_ = nullptr;
  std::string_view array_;  // what this object is an element of; empty: of nothing
  std::size_t index_ = 0;
  std::size_t asked_ = 0;  // members there that were asked for
  std::optional<Error>* error_;
  std::vector<std::string_view> known_;
};

}  // namespace lyceum::server
