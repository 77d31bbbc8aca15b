#include "base/log.h"

#include <cmath>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <iterator>
#include <mutex>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/escape.h"

namespace lyceum {
namespace {

spdlog::level::level_enum as_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

LogLevel from_spdlog(spdlog::level::level_enum level) {
  if (level >= spdlog::level::err) return LogLevel::error;
  if (level == spdlog::level::warn) return LogLevel::warning;
  return level == spdlog::level::info ? LogLevel::info : LogLevel::debug;
}

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(Log::Sink sink) : sink_(std::move(sink)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    sink_(from_spdlog(message.level),
          std::string_view(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

 private:
  Log::Sink sink_;
};

double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void append_number(std::string& out, double value, bool json) {
  if (!std::isfinite(value) && json) {
    out += "null";  // JSON has no word for it
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

struct AppendValue {
  std::string& out;
  bool json;

  void operator()(std::string_view text) const {
    if (json) {
      append_json_string(out, text);
    } else {
      append_quoted_if_needed(out, text);
    }
  }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(double value) const { append_number(out, value, json); }
  void operator()(Duration value) const { append_number(out, milliseconds(value), json); }
  void operator()(std::int64_t value) const {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
  void operator()(std::uint64_t value) const {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
};

std::string_view suffix_of(const LogField& field) {
  return std::holds_alternative<Duration>(field.value()) ? "_ms" : "";
}

std::string as_json(std::string_view time, LogLevel level, std::string_view event,
                    std::span<const LogField> fields) {
  std::string out = fmt::format(R"({{"time":"{}","level":"{}","event":)", time, name_of(level));
  append_json_string(out, event);
  std::string name;
  for (const auto& field : fields) {
    out += ',';
    name = field.name();
    name += suffix_of(field);
    append_json_string(out, name);
    out += ':';
    std::visit(AppendValue{out, true}, field.value());
  }
  return out + '}';
}

std::string as_text(std::string_view time, LogLevel level, std::string_view event,
                    std::span<const LogField> fields) {
  std::string out = fmt::format("{} {} ", time, name_of(level));
  // Quoted only where it could be mistaken: an event of several words reads better without.
  std::string shown;
  append_json_string(shown, event);
  out += shown.size() == event.size() + 2 ? std::string(event) : shown;
  for (const auto& field : fields) {
    out += ' ';
    append_quoted_if_needed(out, field.name());
    out += suffix_of(field);
    out += '=';
    std::visit(AppendValue{out, false}, field.value());
  }
  return out;
}

std::string as_text(Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (time - seconds).count());
}

}  // namespace

struct Log::Output {
  explicit Output(std::shared_ptr<spdlog::sinks::sink> sink) : logger("", std::move(sink)) {
    logger.set_level(spdlog::level::trace);
    logger.set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n"));
  }
  spdlog::logger logger;
};

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      return "off";
  }
  return "off";
}

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (const auto level :
       {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error, LogLevel::off}) {
    if (name == name_of(level)) return level;
  }
  return std::nullopt;
}

Log::Log(LogLevel least, LogFormat format, const Clock& clock)
    : least_(least),
      format_(format),
      clock_(clock),
      output_(std::make_unique<Output>(std::make_shared<spdlog::sinks::stderr_sink_mt>())) {}

Log::Log(LogLevel least, LogFormat format, const Clock& clock, Sink sink)
    : least_(least),
      format_(format),
      clock_(clock),
      output_(std::make_unique<Output>(std::make_shared<FunctionSink>(std::move(sink)))) {}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view event, std::span<const LogField> fields) {
  if (!writes(level)) return;
  const auto time = as_text(clock_.wall_now());
  const auto line = format_ == LogFormat::json ? as_json(time, level, event, fields)
                                               : as_text(time, level, event, fields);
  // As an argument: the line is data, and braces in it are no format.
  output_->logger.log(as_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void Log::error(std::string_view event, const Error& error, Fields fields) {
  write_error(LogLevel::error, event, error, fields);
}

void Log::warning(std::string_view event, const Error& error, Fields fields) {
  write_error(LogLevel::warning, event, error, fields);
}

void Log::write_error(LogLevel level, std::string_view event, const Error& error, Fields fields) {
  std::vector<LogField> all(fields);
  all.emplace_back("code", name_of(error.code));
  all.emplace_back("message", error.message);
  if (!error.hint.empty()) all.emplace_back("hint", error.hint);
  if (!error.sqlstate.empty()) all.emplace_back("sqlstate", error.sqlstate);
  if (!error.statement.empty()) all.emplace_back("statement", error.statement);
  if (!error.node.empty()) all.emplace_back("node", error.node);
  if (error.may_have_taken_effect) all.emplace_back("may_have_taken_effect", true);
  write(level, event, all);
}

}  // namespace lyceum
