// Metrics as Prometheus reads them: the names are a contract, held by a file, and promtool is asked
// whether it takes the text.

#include "server/exposition.h"

#include <fstream>
#include <gtest/gtest.h>
#include <set>

#include "server/watch_metrics.h"
#include "support/paths.h"

namespace lyceum::server {
namespace {

using watch::Kind;
using watch::Sample;

// One row of every collector, every cell of which says something.
std::vector<Sample> of_all() {
  std::vector<Sample> out;
  for (const auto& collector : watch::collectors()) {
    Sample sample{.source = {.collector = std::string(collector.name), .node = "n:1/d"}};
    if (collector.scope == watch::Scope::database) sample.source.database = "d";
    watch::Row row;
    for (const auto& column : collector.columns) {
      if (column.kind == Kind::key || column.kind == Kind::text) {
        row.emplace_back(std::string("x"));
      } else {
        row.emplace_back(std::int64_t{1000});
      }
    }
    sample.rows.push_back(std::move(row));
    out.push_back(std::move(sample));
  }
  return out;
}

std::string contract_of(const Exposition& exposition) {
  std::string out;
  for (const auto& family : exposition.families()) {
    out += family.name;
    out += family.type == prometheus::MetricType::Counter ? " counter" : " gauge";
    for (const auto& label : family.metric.at(0).label) out += ' ' + label.name;
    out += '\n';
  }
  return out;
}

TEST(Exposition, TheNamesOfTheMonitorsMetricsAreKept) {
  Exposition exposition;
  add_samples(exposition, of_all());
  const auto path = source_path("tests/server/golden/watch_metrics.txt");
  std::ifstream file(path);
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  const auto now = contract_of(exposition);
  if (kept != now && std::getenv("LYCEUM_TEST_WRITE_DOCS") != nullptr) std::ofstream(path) << now;
  EXPECT_EQ(now, kept) << "a name that Prometheus has stored is not changed; a new one is added "
                          "with LYCEUM_TEST_WRITE_DOCS=1";
}

TEST(Exposition, EveryNameIsThereOnceAndInABaseUnit) {
  Exposition exposition;
  add_samples(exposition, of_all());
  std::set<std::string> names;
  for (const auto& family : exposition.families()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_EQ(family.name.find("_ms"), std::string::npos) << family.name;
    EXPECT_EQ(family.name.ends_with("_total"), family.type == prometheus::MetricType::Counter)
        << family.name;
  }
  EXPECT_GT(names.size(), 100U);
}

TEST(Exposition, MillisecondsAreToldInSeconds) {
  Exposition exposition;
  add_samples(exposition, of_all());
  EXPECT_NE(exposition.text().find("lyceum_pg_databases_block_read_seconds_total{"
                                   "node=\"n:1/d\",database=\"x\"} 1\n"),
            std::string::npos);
}

TEST(Exposition, OfManyRowsTheLargestAreTold) {
  const auto& statements = *watch::find_collector("statements");
  const auto time = static_cast<std::size_t>(statements.position("total_exec_time"));
  Sample sample{.source = {"statements", "n", "d"}};
  for (std::int64_t i = 0; i < 5000; ++i) {
    watch::Row row(statements.columns.size());
    row[0] = std::to_string(i);
    row[1] = std::string("u");
    row[2] = std::int64_t{1};
    row[time] = static_cast<double>((i * 7919) % 5000);
    sample.rows.push_back(std::move(row));
  }
  Exposition exposition;
  add_samples(exposition, std::vector{sample});
  const auto& family = exposition.families().at(0);
  EXPECT_EQ(family.name, "lyceum_pg_statements_exec_seconds_total");
  ASSERT_EQ(family.metric.size(), 100U);
  for (const auto& metric : family.metric) EXPECT_GE(metric.counter.value, 4.9);
}

TEST(Exposition, ProcessesAreToldByTheirNumberAndTheWorst) {
  const auto& blocking = *watch::find_collector("blocking");
  const auto waiting = static_cast<std::size_t>(blocking.position("waiting_seconds"));
  Sample sample{.source = {"blocking", "n", ""}};
  for (std::int64_t i = 1; i <= 3; ++i) {
    watch::Row row(blocking.columns.size());
    row[0] = i;
    row[waiting] = static_cast<double>(i) * 2;
    sample.rows.push_back(std::move(row));
  }
  Exposition exposition;
  add_samples(exposition, std::vector{sample});
  const auto text = exposition.text();
  EXPECT_NE(text.find("lyceum_pg_blocking_rows{node=\"n\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("lyceum_pg_blocking_most_waiting_seconds{node=\"n\"} 6\n"),
            std::string::npos);
}

TEST(Exposition, OpenMetricsNamesACountersFamilyWithoutTotalAndEnds) {
  Exposition exposition;
  exposition.counter("lyceum_a_total", "A", 3);
  exposition.gauge("lyceum_b", "B", 4);
  EXPECT_EQ(exposition.openmetrics(),
            "# HELP lyceum_a A\n# TYPE lyceum_a counter\nlyceum_a_total 3\n"
            "# HELP lyceum_b B\n# TYPE lyceum_b gauge\nlyceum_b 4\n# EOF\n");
  EXPECT_TRUE(wants_openmetrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
  EXPECT_FALSE(wants_openmetrics("*/*"));
}

}  // namespace
}  // namespace lyceum::server
