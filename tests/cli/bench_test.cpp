// What `lyceum bench` measures of the monitor, on a database as small as may be: that it measures,
// and that both sides have seen the same.

#include <boost/json/serialize.hpp>
#include <filesystem>
#include <gtest/gtest.h>

#include "cli/program.h"

namespace lyceum::cli_test {
namespace {

std::map<std::string, boost::json::object> rows_of(const testing::ProcessResult& result) {
  std::map<std::string, boost::json::object> out;
  const auto document = json_of(result);
  for (const auto& row : document.at("rows").as_array()) {
    out.emplace(row.at("id").as_string(), row.as_object());
  }
  return out;
}

TEST(Bench, MeasuresWhatWatchingCosts) {
  const auto ran = run_lyceum({"bench", "--json", "--only", "collectors.exporter,doctor.time",
                               "--tables", "30", "--rounds", "1"});
  ASSERT_EQ(ran.exit_status, 0) << ran.out << ran.err;
  const auto rows = rows_of(ran);
  const auto& doctor = rows.at("doctor.time");
  EXPECT_GT(doctor.at("ours").as_double(), 0);
  EXPECT_EQ(doctor.at("theirs").to_number<double>(), 2000);
  EXPECT_EQ(doctor.at("met").as_bool(), doctor.at("ours").as_double() <= 2000);
  // Where the exporter is not installed the row is left out, with a line that says so.
  if (!std::filesystem::exists("/usr/bin/prometheus-postgres-exporter")) {
    EXPECT_FALSE(rows.contains("collectors.exporter"));
    EXPECT_NE(ran.err.find("prometheus-postgres-exporter is not on this machine"),
              std::string::npos)
        << ran.err;
    return;
  }
  const auto& exporter = rows.at("collectors.exporter");
  EXPECT_FALSE(exporter.contains("mismatch")) << boost::json::serialize(exporter);
  EXPECT_GT(exporter.at("ours").as_double(), 0);
  EXPECT_GT(exporter.at("theirs").as_double(), 0);
  EXPECT_EQ(exporter.at("budget").to_number<double>(), 3);
}

TEST(Bench, MeasuresWhatTheMonitorOfTwentyNodesHolds) {
  const auto ran = run_lyceum({"bench", "--json", "--only", "monitor.memory", "--tables", "30"});
  ASSERT_EQ(ran.exit_status, 0) << ran.out << ran.err;
  const auto rows = rows_of(ran);
  const auto& memory = rows.at("monitor.memory");
  EXPECT_FALSE(memory.contains("mismatch")) << boost::json::serialize(memory);
  EXPECT_GT(memory.at("ours").as_double(), 0);
  EXPECT_EQ(memory.at("theirs").as_double(), 64);
  // The bound itself is held by the watch tests: a sanitizer's own memory would count here.
  EXPECT_EQ(memory.at("met").as_bool(), memory.at("ours").as_double() <= 64);
}

}  // namespace
}  // namespace lyceum::cli_test
