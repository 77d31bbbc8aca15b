#include <charconv>
#include <fmt/format.h>

#include "base/config_settings.h"
#include "base/duration.h"

namespace lyceum::config {
namespace {

std::string percent(double part) {
  return fmt::format("{:g}%", part * 100);
}

struct Show {
  std::string_view unset;

  std::string operator()(int value) const { return std::to_string(value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(double value) const { return percent(value); }
  std::string operator()(Duration value) const { return format_duration(value); }
  std::string operator()(const std::string& value) const {
    return value.empty() ? std::string(unset) : value;
  }
  std::string operator()(LogLevel value) const { return std::string(name_of(value)); }
  std::string operator()(LogFormat value) const {
    return value == LogFormat::json ? "json" : "text";
  }
  std::string operator()(Balance value) const {
    return value == Balance::round_robin ? "round_robin" : "least_loaded";
  }
  std::string operator()(const ListenAddress& value) const {
    const bool is_v6 = value.host.find(':') != std::string::npos;
    return fmt::format("{}:{}", is_v6 ? '[' + value.host + ']' : value.host, value.port);
  }
  std::string operator()(const ConnectionString& value) const { return value.redacted(); }
  template <class T>
  std::string operator()(const std::optional<T>& value) const {
    return value ? (*this)(*value) : std::string(unset);
  }
  std::string operator()(const std::vector<ConnectionString>& values) const {
    if (values.empty()) return std::string(unset);
    std::string out;
    for (const auto& value : values) out += (out.empty() ? "" : " ") + value.redacted();
    return out;
  }
};

std::string shown_range(const Setting& setting) {
  const auto& [least, most] = setting.range;
  std::string out;
  if (is_duration(setting)) {
    out = fmt::format("{} to {}", format_duration(Duration(static_cast<Duration::rep>(least))),
                      format_duration(Duration(static_cast<Duration::rep>(most))));
  } else if (holds<double>(setting)) {
    out = fmt::format("{} to {}", percent(least), percent(most));
  } else if (holds<int>(setting) || holds<std::optional<int>>(setting)) {
    out =
        fmt::format("{} to {}", static_cast<std::int64_t>(least), static_cast<std::int64_t>(most));
  }
  if (setting.zero_is_off) out += ", or 0 for off";
  return out;
}

bool in_range(const Setting& setting, double value) {
  return (value >= setting.range.least && value <= setting.range.most) ||
         (setting.zero_is_off && value == 0);
}

// Each returns whether the text was such a value. Connection strings say why not, without quoting.
struct Assign {
  const Setting& setting;
  const std::string& text;
  std::optional<Duration> bare_unit;
  Configuration& to;
  std::string& reason;

  bool number(int& value) const {
    std::int64_t read = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    if (error != std::errc{} || end != text.data() + text.size()) return false;
    if (!in_range(setting, static_cast<double>(read))) return false;
    value = static_cast<int>(read);
    return true;
  }
  bool duration(Duration& value) const {
    const auto read = parse_duration(text, bare_unit);
    if (!read || !in_range(setting, static_cast<double>(read->count()))) return false;
    value = *read;
    return true;
  }
  bool url(ConnectionString& value) const {
    auto read = parse_connection_string(text);
    if (!read) {
      reason = read.error().message;
      if (!read.error().hint.empty()) reason += "; " + read.error().hint;
      return false;
    }
    value = *std::move(read);
    return true;
  }

  bool operator()(Member<int> at) const { return number(at(to)); }
  bool operator()(Member<std::optional<int>> at) const { return number(at(to).emplace()); }
  bool operator()(Member<Duration> at) const { return duration(at(to)); }
  bool operator()(Member<std::optional<Duration>> at) const { return duration(at(to).emplace()); }
  bool operator()(Member<bool> at) const {
    if (text != "true" && text != "false") return false;
    at(to) = text == "true";
    return true;
  }
  bool operator()(Member<double> at) const {
    double read = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    if (error != std::errc{} || std::string_view(end, text.data() + text.size()) != "%") {
      return false;
    }
    if (!in_range(setting, read / 100)) return false;
    at(to) = read / 100;
    return true;
  }
  bool operator()(Member<std::string> at) const {
    if (text.find('\0') != std::string::npos) return false;
    at(to) = text;
    return true;
  }
  bool operator()(Member<std::optional<ConnectionString>> at) const {
    return url(at(to).emplace());
  }
  // Lists are put together elsewhere, element by element.
  bool operator()(Member<std::vector<ConnectionString>> at) const {
    return url(at(to).emplace_back());
  }
  bool operator()(Member<LogLevel> at) const {
    const auto read = parse_log_level(text);
    if (read) at(to) = *read;
    return read.has_value();
  }
  bool operator()(Member<LogFormat> at) const {
    if (text != "json" && text != "text") return false;
    at(to) = text == "json" ? LogFormat::json : LogFormat::text;
    return true;
  }
  bool operator()(Member<Balance> at) const {
    if (text != "least_loaded" && text != "round_robin") return false;
    at(to) = text == "round_robin" ? Balance::round_robin : Balance::least_loaded;
    return true;
  }
  bool operator()(Member<ListenAddress> at) const {
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) return false;
    std::string host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host.empty() || (!bracketed && host.find(':') != std::string::npos)) return false;
    unsigned port = 0;
    const char* const first = text.data() + colon + 1;
    const auto [end, error] = std::from_chars(first, text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port > 65535) return false;
    at(to) = {std::move(host), static_cast<std::uint16_t>(port)};
    return true;
  }
};

}  // namespace

std::string shown_value(const Setting& setting, Configuration& configuration) {
  return std::visit([&](auto at) { return Show{setting.unset}(at(configuration)); }, setting.field);
}

std::string expectation(const Setting& setting) {
  struct Expect {
    const Setting& setting;
    std::string operator()(Member<int>) const { return "a whole number, " + shown_range(setting); }
    std::string operator()(Member<std::optional<int>>) const {
      return "a whole number, " + shown_range(setting);
    }
    std::string operator()(Member<bool>) const { return "true or false"; }
    std::string operator()(Member<double>) const {
      return "a percentage (\"10%\"), " + shown_range(setting);
    }
    std::string operator()(Member<Duration>) const {
      return "a duration with its unit (\"250ms\", \"10s\", \"5m\"), " + shown_range(setting);
    }
    std::string operator()(Member<std::optional<Duration>>) const {
      return (*this)(Member<Duration>{});
    }
    std::string operator()(Member<std::string>) const { return "a text"; }
    std::string operator()(Member<std::optional<ConnectionString>>) const {
      return "a connection string";
    }
    std::string operator()(Member<std::vector<ConnectionString>>) const {
      return "a list of connection strings";
    }
    std::string operator()(Member<LogLevel>) const {
      return "one of debug, info, warning, error, off";
    }
    std::string operator()(Member<LogFormat>) const { return "text or json"; }
    std::string operator()(Member<Balance>) const { return "least_loaded or round_robin"; }
    std::string operator()(Member<ListenAddress>) const {
      return "an address and a port (\"127.0.0.1:8080\", \"[::1]:8080\")";
    }
  };
  return std::visit(Expect{setting}, setting.field);
}

bool set_from_text(const Setting& setting, const std::string& text,
                   std::optional<Duration> bare_unit, Configuration& to, std::string& reason) {
  return std::visit(Assign{setting, text, bare_unit, to, reason}, setting.field);
}

}  // namespace lyceum::config
