#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/http_client.h"

namespace lyceum::testing {

// api/openapi.json, as what every reply of the data API is held against. Immutable; any thread.
class ApiDocument {
 public:
  // The project's.
  [[nodiscard]] static const ApiDocument& project();

  explicit ApiDocument(boost::json::value root) : root_(std::move(root)) {}

  [[nodiscard]] const boost::json::value& root() const { return root_; }

  // "/v1/stories/{id}" for the path of a request, or nothing.
  [[nodiscard]] std::optional<std::string> template_of(std::string_view path) const;
  // The operation, or null. HEAD is GET.
  [[nodiscard]] const boost::json::object* operation(std::string_view method,
                                                     std::string_view path_template) const;

  // What is wrong with a reply: an undocumented status, content type or member, a value that is
  // none of its schema, a missing header; and in a problem, a word that only we or the server
  // should know. Empty where nothing is.
  [[nodiscard]] std::vector<std::string> problems(const ApiRequest& request,
                                                  const HttpReply& reply) const;

 private:
  const boost::json::object& follow(const boost::json::value& value) const;

  boost::json::value root_;
};

}  // namespace lyceum::testing
