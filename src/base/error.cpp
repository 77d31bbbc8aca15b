#include "base/error.h"

namespace lyceum {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kSql:
      return "sql";
    case ErrorCode::kConnect:
      return "connect";
    case ErrorCode::kConnectionLost:
      return "connection_lost";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kQueueFull:
      return "queue_full";
    case ErrorCode::kShuttingDown:
      return "shutting_down";
    case ErrorCode::kInDoubt:
      return "in_doubt";
    case ErrorCode::kBadInput:
      return "bad_input";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kUnauthenticated:
      return "unauthenticated";
    case ErrorCode::kForbidden:
      return "forbidden";
    case ErrorCode::kConfiguration:
      return "configuration";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

std::string Error::to_string() const {
  std::string out = message;
  std::string details;
  const auto add = [&details](std::string_view label, std::string_view value) {
    if (value.empty()) return;
    details += details.empty() ? " (" : ", ";
    details += label;
    details += value;
  };
  add("SQLSTATE ", sqlstate);
  add("statement ", statement);
  add("on ", node);
  if (may_have_taken_effect) add("", "it may have taken effect");
  if (!details.empty()) out += details + ')';
  if (!hint.empty()) {
    out += "; ";
    out += hint;
  }
  return out;
}

Exception::Exception(Error error)
    : std::runtime_error(error.to_string()), error_(std::move(error)) {}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw Exception(error);
}

}  // namespace lyceum
