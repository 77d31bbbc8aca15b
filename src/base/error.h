#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lyceum {

// What kind of thing went wrong: what a caller can decide by. The server's own reason is in
// Error::sqlstate.
enum class ErrorCode {
  kSql,              // the server refused the statement
  kConnect,          // no connection could be made
  kConnectionLost,   // a connection broke while the statement was on it
  kTimeout,          // the deadline passed
  kQueueFull,        // the queue before the pool is full
  kShuttingDown,     // the pool is draining or closed
  kInDoubt,          // a write was sent and its outcome never came back
  kBadInput,         // the caller's value cannot be right, whatever the database holds
  kNotFound,         // what was asked for does not exist (for this tenant)
  kConflict,         // the same idempotency key came with another request
  kUnauthenticated,  // nothing, or nothing valid, says who asks
  kForbidden,        // who asks is known, and may not
  kConfiguration,    // a setting is missing, unknown or invalid
  kIo,               // files, processes, the operating system
  kInternal,         // a defect in Lyceum
};

// Stable lower-case name ("queue_full"), for logs, metrics and JSON.
[[nodiscard]] std::string_view name_of(ErrorCode code);

// An error says what failed, where, why, and what to do. It never holds a secret: whoever makes one
// redacts first.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message = {};    // what failed and why, one sentence without a final full stop
  std::string hint = {};       // what to do about it; may be empty
  std::string sqlstate = {};   // five characters as the server sent them, or empty
  std::string statement = {};  // the statement's name, or empty
  std::string node = {};       // host:port/database of the server, or empty
  // Whether the failed operation may nevertheless have taken effect on the server. False only where
  // that is certain: such an operation may be repeated without harm.
  bool may_have_taken_effect = false;

  // One line: message, then what else is known, then the hint.
  [[nodiscard]] std::string to_string() const;
};

// Thrown where a Result is unwrapped without a look, and by the few functions that say so.
class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error);
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

// A result or an error, not both.
template <class T>
using Result = boost::system::result<T, Error>;

// Found by Result::value().
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location&);

}  // namespace lyceum
