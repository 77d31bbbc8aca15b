#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"

namespace lyceum {

enum class LogLevel { debug, info, warning, error, off };
enum class LogFormat { json, text };

[[nodiscard]] std::string_view name_of(LogLevel level);
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name);

// A name and a value of a log line. Borrows what it is made from, as a string_view does. A Secret
// becomes ***, a duration its number of milliseconds under the name with "_ms" appended.
class LogField {
 public:
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, Duration>;

  template <class T>
    requires std::convertible_to<const T&, std::string_view>
  LogField(std::string_view name, const T& value) : name_(name), value_(std::string_view(value)) {}
  template <std::signed_integral T>
  LogField(std::string_view name, T value) : name_(name), value_(std::int64_t{value}) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  LogField(std::string_view name, T value) : name_(name), value_(std::uint64_t{value}) {}
  LogField(std::string_view name, std::same_as<bool> auto value) : name_(name), value_(value) {}
  LogField(std::string_view name, double value) : name_(name), value_(value) {}
  template <class Rep, class Period>
  LogField(std::string_view name, std::chrono::duration<Rep, Period> value)
      : name_(name), value_(std::chrono::duration_cast<Duration>(value)) {}
  LogField(std::string_view name, const Secret&) : name_(name), value_(Secret::kShown) {}

  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] const Value& value() const { return value_; }

 private:
  std::string_view name_;
  Value value_;
};

// The structured log. One event is one line, whatever its values hold: newlines, control bytes and
// invalid UTF-8 are escaped.
//
//   {"time":"2026-01-31T12:00:00.000000Z","level":"info","event":"listening","port":8080}
//   2026-01-31T12:00:00.000000Z info listening port=8080
//
// The event is a fixed text that one can search for; what varies is in the fields. Any thread.
class Log {
 public:
  // Takes finished lines, without the newline. Called by one thread at a time.
  using Sink = std::function<void(LogLevel, std::string_view line)>;

  // Lines to standard error.
  Log(LogLevel least, LogFormat format, const Clock& clock);
  // Lines to `sink`.
  Log(LogLevel least, LogFormat format, const Clock& clock, Sink sink);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Whether an event of this level is written at all: for what is costly to say.
  [[nodiscard]] bool writes(LogLevel level) const {
    return level >= least_ && level < LogLevel::off;
  }

  void write(LogLevel level, std::string_view event, std::span<const LogField> fields);

  using Fields = std::initializer_list<LogField>;
  void debug(std::string_view event, Fields fields = {}) { write(LogLevel::debug, event, fields); }
  void info(std::string_view event, Fields fields = {}) { write(LogLevel::info, event, fields); }
  void warning(std::string_view event, Fields fields = {}) {
    write(LogLevel::warning, event, fields);
  }
  void error(std::string_view event, Fields fields = {}) { write(LogLevel::error, event, fields); }
  // With an Error's parts as fields: code, message, hint, sqlstate, statement, node,
  // may_have_taken_effect.
  void error(std::string_view event, const Error& error, Fields fields = {});
  void warning(std::string_view event, const Error& error, Fields fields = {});

 private:
  void write_error(LogLevel level, std::string_view event, const Error& error, Fields fields);

  struct Output;  // hides spdlog
  LogLevel least_;
  LogFormat format_;
  const Clock& clock_;
  std::unique_ptr<Output> output_;
};

}  // namespace lyceum
