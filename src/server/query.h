#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/uuid.h"

namespace lyceum::server {

// A moment as RFC 3339 has it ("2026-01-31T12:00:00Z", "…T13:00:00.5+01:00"), or a day, which is
// its midnight in UTC. Nothing where the text is neither; at most six digits of a second count.
[[nodiscard]] std::optional<Timestamp> parse_timestamp(std::string_view text);

// The parameters of a request's query, decoded. Getters give nothing for a parameter that is not
// there, and kBadInput, naming the parameter, for one that is no such value.
class Query {
 public:
  // kBadInput: a malformed escape, a parameter that is none of `known`, one that comes twice.
  [[nodiscard]] static Result<Query> parse(std::string_view query,
                                           std::span<const std::string_view> known);

  [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
  [[nodiscard]] Result<std::optional<std::int64_t>> integer(std::string_view name) const;
  [[nodiscard]] Result<std::optional<double>> number(std::string_view name) const;
  [[nodiscard]] Result<std::optional<Uuid>> uuid(std::string_view name) const;
  [[nodiscard]] Result<std::optional<Timestamp>> timestamp(std::string_view name) const;

 private:
  struct Parameter {
    std::string name;
    std::string value;
  };
  [[nodiscard]] const std::string* find(std::string_view name) const;

  std::vector<Parameter> parameters_;
};

}  // namespace lyceum::server
