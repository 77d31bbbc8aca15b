#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/config.h"

// The table that the configuration is read by, shown by and documented from. For base/config*.cpp
// alone.

namespace lyceum::config {

template <class T>
using Member = T& (*)(Configuration&);

using Field =
    std::variant<Member<int>, Member<bool>, Member<double>, Member<Duration>, Member<std::string>,
                 Member<std::optional<int>>, Member<std::optional<Duration>>,
                 Member<std::optional<ConnectionString>>, Member<std::vector<ConnectionString>>,
                 Member<LogLevel>, Member<LogFormat>, Member<ListenAddress>, Member<Balance>>;

// From least to most, both allowed: numbers as they are, durations in nanoseconds, parts of one.
struct Range {
  double least = 0;
  double most = 0;
};

struct Setting {
  std::string_view section;
  std::string_view key;
  std::string_view variable;  // with "_n_" for lists: any number stands there
  Field field;
  Range range;
  std::string_view unset;  // what stands for "not set", where it can be
  std::string_view meaning;
  bool zero_is_off = false;  // zero is allowed besides the range
};

// Every setting, in the order of the documentation.
[[nodiscard]] const std::vector<Setting>& settings();

// "database.url"
[[nodiscard]] std::string path_of(const Setting& setting);

template <class T>
[[nodiscard]] bool holds(const Setting& setting) {
  return std::holds_alternative<Member<T>>(setting.field);
}
[[nodiscard]] bool is_secret(const Setting& setting);
[[nodiscard]] bool is_duration(const Setting& setting);

// ---- Values and text: config_values.cpp --------------------------------------------------------

// The value as `config show` prints it; a secret one redacted.
[[nodiscard]] std::string shown_value(const Setting& setting, Configuration& configuration);

// What a value must be, for errors and documentation.
[[nodiscard]] std::string expectation(const Setting& setting);

// Sets a value from text. False where the text is no such value; `reason` then says why, where
// there is more to say than expectation() does, without quoting a secret. `bare_unit`: what a
// number without a unit counts, where it may come without one.
[[nodiscard]] bool set_from_text(const Setting& setting, const std::string& text,
                                 std::optional<Duration> bare_unit, Configuration& to,
                                 std::string& reason);

}  // namespace lyceum::config
