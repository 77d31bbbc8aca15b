// What deploy/ asks of Prometheus exists: every metric that its rules and its dashboard name is one
// that Lyceum tells.

#include <fstream>
#include <gtest/gtest.h>
#include <regex>
#include <set>

#include "server/api.h"
#include "server/api_figures.h"
#include "server/metrics.h"
#include "support/paths.h"

namespace lyceum::server {
namespace {

std::string read(const std::string& name) {
  std::ifstream file(source_path(name));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(text.empty()) << name;
  return text;
}

// The families of the monitor, by their golden file, and those of a service over a primary and a
// replica that has served something.
std::set<std::string> told() {
  std::set<std::string> out;
  std::istringstream golden(read("tests/server/golden/watch_metrics.txt"));
  for (std::string line; std::getline(golden, line);) out.insert(line.substr(0, line.find(' ')));

  StatementStatistics statistics;
  const Statement statement{"a.statement", "select 1", Access::read};
  auto& recorder = statistics.add_recorder();
  recorder.record({.statement = &statement, .total = std::chrono::milliseconds(1)});
  const Error failed{.code = ErrorCode::kSql, .message = "no", .sqlstate = "23505"};
  recorder.record(
      {.statement = &statement, .total = std::chrono::milliseconds(1), .error = &failed});
  auto topology = std::make_shared<cluster::Topology>();
  topology->nodes = {{.name = "h1:5432/d", .role = cluster::Role::primary},
                     {.name = "h2:5432/d",
                      .role = cluster::Role::replica,
                      .standing = cluster::Standing::serving,
                      .lag_bytes = 1,
                      .lag = std::chrono::seconds(1)}};
  ApiFigures requests(routes().size());
  requests.record(0, 200, std::chrono::milliseconds(1));
  const auto text = metrics_text({.workers = {},
                                  .requests = {&requests},
                                  .statistics = statistics,
                                  .ready = true,
                                  .topology = topology,
                                  .samples = {},
                                  .alerts = {},
                                  .delivery = {},
                                  .version = "1"});
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark, kind, name, type;
    if (!(words >> mark >> kind >> name >> type) || mark != "#" || kind != "TYPE") continue;
    if (type != "histogram") {
      out.insert(name);
      continue;
    }
    for (const auto* part : {"_bucket", "_sum", "_count"}) out.insert(name + part);
  }
  return out;
}

TEST(Deploy, RulesAndDashboardNameOnlyWhatIsTold) {
  const auto known = told();
  for (const auto* file : {"deploy/prometheus/lyceum.rules.yml", "deploy/grafana/lyceum.json",
                           "tests/deploy/rules.test.yml"}) {
    const auto text = read(file);
    const std::regex metric("\\blyceum_[a-z0-9_]+");
    std::size_t named = 0;
    for (std::sregex_iterator it(text.begin(), text.end(), metric), end; it != end; ++it) {
      EXPECT_TRUE(known.contains(it->str())) << file << " names " << it->str();
      ++named;
    }
    EXPECT_GT(named, 20U) << file;
  }
}

}  // namespace
}  // namespace lyceum::server
