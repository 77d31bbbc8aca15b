#include "base/slow_log.h"

#include <fmt/format.h>
#include <iterator>

namespace lyceum {
namespace {

// Cuts before a character, not within one.
std::string_view shortened(std::string_view text, std::size_t longest) {
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;
  return text.substr(0, end);
}

std::string rendered(const std::vector<ParameterDescription>& parameters,
                     const SlowLogOptions& options) {
  std::string out;
  const auto write = std::back_inserter(out);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& parameter = parameters[i];
    if (i > 0) out += ", ";
    fmt::format_to(write, "${} {}", i + 1, parameter.type);
    if (parameter.is_null) {
      out += " null";
    } else if (options.log_parameters && parameter.text) {
      const auto shown = shortened(*parameter.text, options.longest_value);
      fmt::format_to(write, " '{}'", shown);
      if (shown.size() < parameter.text->size()) {
        fmt::format_to(write, "... ({} bytes)", parameter.text->size());
      }
    } else {
      fmt::format_to(write, " {} bytes", parameter.bytes);
    }
  }
  return out;
}

}  // namespace

std::optional<SlowStatement> judge_slow(const FinishedStatement& call,
                                        const SlowLogOptions& options,
                                        const DescribeParameters& describe) {
  if (options.threshold <= Duration::zero() || call.total <= options.threshold) return std::nullopt;
  SlowStatement slow;
  slow.name = call.statement->name;
  slow.total = call.total;
  slow.queue = call.queue;
  slow.server = call.server;
  slow.node = call.node;
  if (!call.tenant.is_nil()) slow.tenant = to_string(call.tenant);
  slow.rows = call.rows;
  if (call.error != nullptr) {
    slow.error = call.error->sqlstate.empty() ? name_of(call.error->code) : call.error->sqlstate;
  }
  if (describe) slow.parameters = rendered(describe(options.log_parameters), options);
  return slow;
}

void write_slow_statement(Log& log, const SlowStatement& slow) {
  std::vector<LogField> fields = {{"statement", slow.name},
                                  {"duration", slow.total},
                                  {"queue", slow.queue},
                                  {"rows", slow.rows}};
  if (slow.server) fields.emplace_back("server", *slow.server);
  if (!slow.node.empty()) fields.emplace_back("node", slow.node);
  if (!slow.tenant.empty()) fields.emplace_back("tenant", slow.tenant);
  if (!slow.error.empty()) fields.emplace_back("error", slow.error);
  if (!slow.parameters.empty()) fields.emplace_back("parameters", slow.parameters);
  log.write(LogLevel::warning, "slow statement", fields);
}

}  // namespace lyceum
