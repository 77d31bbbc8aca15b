#include "learning/load_text.h"

namespace lyceum::learning::load {

void append_date(std::string& out, pg::Date value) {
  const std::chrono::year_month_day day(value);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                 static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

void append_timestamp(std::string& out, Timestamp value) {
  const auto day = std::chrono::floor<std::chrono::days>(value);
  const std::chrono::hh_mm_ss time(value - day);
  append_date(out, day);
  fmt::format_to(std::back_inserter(out), " {:02}:{:02}:{:02}.{:06}+00", time.hours().count(),
                 time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += c;
    }
  }
}

}  // namespace lyceum::learning::load
