#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>
#include <fstream>
#include <thread>

#include "cli/bench_suite.h"
#include "cli/table.h"

namespace lyceum::cli {
namespace {

std::string figure(double value, const std::string& unit) {
  if (unit == "ms") return fmt::format("{:.2f} ms", value);
  if (unit == "ns") return fmt::format("{:.0f} ns", value);
  return count_text(static_cast<std::uint64_t>(value)) + " " + unit;
}

std::string machine() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) {
      return fmt::format("{} × {}", std::thread::hardware_concurrency(),
                         line.substr(line.find(':') + 2));
    }
  }
  return fmt::format("{} processors", std::thread::hardware_concurrency());
}

}  // namespace

bool BenchOptions::wants(std::string_view id) const {
  return only.empty() || std::ranges::any_of(only, [&](const std::string& prefix) {
           return id.starts_with(prefix);
         });
}

void print_rows(std::ostream& out, const std::vector<BenchRow>& rows) {
  Table table({"comparison", "ours", "theirs", "times better", "spread", "asked", ""});
  for (const auto& row : rows) {
    table.row({row.id, figure(row.ours, row.unit), figure(row.theirs, row.unit),
               fmt::format("{:.{}f}", row.ratio, row.ratio < 10 ? 2 : 0),
               fmt::format("{:.0f}%", row.spread * 100),
               row.budget > 0 ? fmt::format("{:g}", row.budget) : "",
               row.mismatch      ? "WRONG ANSWER: " + *row.mismatch
               : row.budget == 0 ? ""
               : row.met()       ? "met"
                                 : "missed"});
  }
  table.print(out);
  out << '\n';
  for (const auto& row : rows) out << fmt::format("{:<24} {}\n", row.id, row.what);
}

std::string rows_json(const std::vector<BenchRow>& rows) {
  boost::json::array list;
  for (const auto& row : rows) {
    boost::json::object one{{"id", row.id},         {"what", row.what},     {"ours", row.ours},
                            {"theirs", row.theirs}, {"unit", row.unit},     {"ratio", row.ratio},
                            {"spread", row.spread}, {"budget", row.budget}, {"met", row.met()}};
    if (row.mismatch) one["mismatch"] = *row.mismatch;
    list.push_back(std::move(one));
  }
  return boost::json::serialize(
      boost::json::object{{"machine", machine()}, {"rows", std::move(list)}});
}

}  // namespace lyceum::cli
