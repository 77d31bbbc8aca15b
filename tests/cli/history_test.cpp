// lyceum history on a file that the library wrote, as the service does.

#include "watch/history.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "watch/collector.h"

namespace lyceum::cli_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HistoryCommand : public ::testing::Test {
 protected:
  HistoryCommand() {
    auto store = watch::Store::open(path(), clock_);
    watch::History history(store.value());
    for (int i = 0; i < 4; ++i) {
      // Now, half an hour ago, and so on.
      const auto at = clock_.wall_now() - std::chrono::minutes(30) * (3 - i);
      for (const auto* node : {"one:5432", "two:5432"}) {
        EXPECT_TRUE(
            history.append({.source = {"connections", node, ""},
                            .at = at,
                            .epoch = 1,
                            .rows = {row("connections", {{"used", std::int64_t{10 + i}}})}}));
        EXPECT_TRUE(
            history.append({.source = {"statements", node, "app"},
                            .at = at,
                            .epoch = 1,
                            .rows = {row("statements", {{"queryid", std::int64_t{7}},
                                                        {"user", std::string("ada")},
                                                        {"toplevel", std::int64_t{1}},
                                                        {"query", std::string("SELECT\n  1")},
                                                        {"calls", std::int64_t{i}}})}}));
      }
    }
  }

  static watch::Row row(std::string_view collector,
                        const std::vector<std::pair<std::string_view, watch::Value>>& values) {
    const auto* of = watch::find_collector(collector);
    watch::Row out(of->columns.size());
    for (const auto& [name, value] : values) {
      out.at(static_cast<std::size_t>(of->position(name))) = value;
    }
    return out;
  }

  [[nodiscard]] std::string path() const { return (room_.path() / "history.db").string(); }
  [[nodiscard]] testing::ProcessResult run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "history");
    return run_lyceum(std::move(arguments), {"LYCEUM_WATCH_HISTORY_FILE=" + path()});
  }

  SystemClock clock_;
  testing::TemporaryDirectory room_;
};

TEST_F(HistoryCommand, GivesTheGuidesMetrics) {
  const auto one = run({"--collector", "query_performance", "--json"});
  ASSERT_EQ(one.exit_status, 0) << one.err;
  const auto document = json_of(one);
  EXPECT_EQ(keys_of(document), Keys{"statements"});
  const auto& samples = document.at("statements").as_array();
  // The last hour's, of two servers: the first is more than an hour old.
  ASSERT_EQ(samples.size(), 4U) << one.out;
  EXPECT_EQ(keys_of(samples[0]), (Keys{"timestamp", "node", "database", "epoch", "data"}));
  EXPECT_LE(samples[0].at("timestamp").as_int64(), samples[3].at("timestamp").as_int64());
  const auto& data = samples[3].at("data").as_array().at(0);
  EXPECT_EQ(data.at("calls").as_int64(), 3);
  EXPECT_EQ(data.at("query").as_string(), "SELECT\n  1");
  EXPECT_TRUE(data.at("rows").is_null());

  const auto all = json_of(run({"--json"}));
  EXPECT_EQ(keys_of(all), (Keys{"connections", "statements"}));
  EXPECT_EQ(all.at("connections").as_array().size(), 8U);
  const auto cut = json_of(run({"--json", "--collector", "connections", "--node", "two:5432",
                                "--hours", "2", "--column", "used"}));
  EXPECT_EQ(keys_of(cut), (Keys{"connections", "sessions"}));
  ASSERT_EQ(cut.at("connections").as_array().size(), 4U);
  EXPECT_EQ(cut.at("connections").as_array()[3].at("data"),
            boost::json::parse(R"([{"used": 13}])"));
  EXPECT_TRUE(cut.at("sessions").as_array().empty());
}

TEST_F(HistoryCommand, ShowsPeopleTables) {
  for (const auto& arguments : {std::vector<std::string>{}, {"--list"}}) {
    const auto list = run(arguments);
    EXPECT_EQ(list.exit_status, 0) << list.err;
    EXPECT_THAT(list.out, HasSubstr("samples"));
    EXPECT_THAT(list.out, HasSubstr("one:5432"));
    EXPECT_EQ(lines_of(list.out), 5) << list.out;
  }
  const auto newest = run({"--collector", "statements"});
  EXPECT_THAT(newest.out, HasSubstr("SELECT   1"));
  EXPECT_EQ(lines_of(newest.out), 4) << newest.out;
  const auto series = run(
      {"--collector", "connections", "--column", "used", "--hours", "24", "--node", "one:5432"});
  EXPECT_EQ(lines_of(series.out), 5) << series.out;
  EXPECT_THAT(series.out, HasSubstr(" 12\n"));
  EXPECT_THAT(series.out, Not(HasSubstr("usable")));
  EXPECT_THAT(run({"--collector", "wal"}).out, HasSubstr("no samples"));
  EXPECT_EQ(keys_of(json_of(run({"--list", "--json"}))), (Keys{"sources", "file", "bytes"}));
}

TEST_F(HistoryCommand, SaysWhatIsWrong) {
  const auto unknown = run({"--collector", "conections"});
  EXPECT_EQ(unknown.exit_status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("there is no collector 'conections'"));
  EXPECT_THAT(unknown.err, HasSubstr("wraparound"));
  EXPECT_THAT(run({"--collector", "wal", "--column", "no"}).err, HasSubstr("full_page_images"));
  EXPECT_THAT(run({"--hours", "-1"}).err, HasSubstr("--hours"));
  const auto missing = run_lyceum({"history"}, {"LYCEUM_WATCH_HISTORY_FILE=" + path() + ".no"});
  EXPECT_EQ(missing.exit_status, 1);
  EXPECT_THAT(missing.err, HasSubstr("there is no history at"));
}

}  // namespace
}  // namespace lyceum::cli_test
