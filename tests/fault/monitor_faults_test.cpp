// The monitor within `lyceum serve` while its servers hang, crash, are promoted, lose their
// extension, have no room and are locked. It says so, has a few connections and no more, and goes
// on.

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "server/api_harness.h"
#include "support/open_transaction.h"

namespace lyceum::server {
namespace {

using lyceum::testing::OpenTransaction;

// So that nothing is waited for but the fault.
constexpr std::string_view kRules = R"toml(
[[rule]]
name = "node_down"
for = "0s"
[[rule]]
name = "collector_failing"
for = "0s"
[[rule]]
name = "server_not_read"
for = "0s"
[[rule]]
name = "collector_off"
for = "0s"
[[rule]]
name = "connections_exhausted"
for = "0s"
)toml";

class MonitorFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto url = primary().url();
    const auto migrated = cli_test::run_lyceum({"migrate", "--database-url", url}, {});
    ASSERT_EQ(migrated.exit_status, 0) << migrated.err;
    psql(url, R"(create extension if not exists pg_stat_statements;
                 create role platform login password 'secret' in role lyceum_app, pg_monitor)");
    psql(primary().url("postgres"), "create extension if not exists pg_stat_statements");
    const auto rules = room_.path() / "rules.toml";
    std::ofstream(rules) << kRules;
    served_.emplace(
        url_of(primary()),
        std::vector<std::string>{
            "DATABASE_REPLICA_1_URL=" + url_of(replica()), "LYCEUM_CLUSTER_PROBE_INTERVAL=200ms",
            "LYCEUM_SERVER_WORKERS=1", "LYCEUM_WATCH_ENABLED=true", "LYCEUM_WATCH_FAST_INTERVAL=1s",
            "LYCEUM_WATCH_SLOW_INTERVAL=1s", "LYCEUM_WATCH_RULES_FILE=" + rules.string()});
    until_read_anew("tables", primary());
    until_read_anew("connections", replica());
  }
  void TearDown() override {
    if (HasFailure() && served_) fmt::print(stderr, "{}\n", served_->program().log());
  }

  local::Server& primary() { return cluster_.primary(); }
  local::Server& replica() { return cluster_.replica(0); }
  static std::string url_of(const local::Server& server) {
    return fmt::format("postgresql://platform:secret@127.0.0.1:{}/lyceum", server.port());
  }
  static std::string node_of(const local::Server& server) {
    return fmt::format("127.0.0.1:{}/lyceum", server.port());
  }

  json::value document(const std::string& target) {
    const auto reply = HttpClient(served_->program().admin_port()).exchange({.target = target});
    if (!reply || reply->status != 200) {
      ADD_FAILURE() << target << ": " << (reply ? reply->body : "no answer");
      return json::object{};
    }
    return json_of(*reply);
  }
  // The newest sample of a collector on a server; an empty object where there is none.
  json::object newest(const std::string& collector, const local::Server& server) {
    const auto found =
        document(fmt::format("/v1/admin/latest?collector={}&node={}", collector, node_of(server)));
    json::object last;
    for (const auto& sample : found.at("samples").as_array()) {
      if (last.empty() || sample.at("at").as_int64() > last.at("at").as_int64()) {
        last = sample.as_object();
      }
    }
    return last;
  }
  static std::int64_t number(const json::object& sample, const char* what) {
    return sample.empty() ? 0 : sample.at(what).to_number<std::int64_t>();
  }
  // It goes on: samples that are younger than now come.
  void until_read_anew(const std::string& collector, const local::Server& server) {
    const auto before = number(newest(collector, server), "at");
    EXPECT_TRUE(eventually([&] { return number(newest(collector, server), "at") > before; }, 20s))
        << collector << " is not read any more on " << server.name();
  }
  // What fires of a rule on a server, as JSON; nothing where it does not.
  std::optional<json::object> fires(const std::string& rule, const std::string& node) {
    const auto found = document("/v1/admin/alerts");
    for (const auto& alert : found.at("alerts").as_array()) {
      const auto& labels = alert.at("labels").as_object();
      if (alert.at("rule").as_string() == rule && alert.at("state").as_string() == "firing" &&
          labels.contains("node") && labels.at("node").as_string() == node) {
        return alert.as_object();
      }
    }
    return std::nullopt;
  }
  // It says so.
  json::object until_fires(const std::string& rule, const local::Server& server) {
    std::optional<json::object> found;
    EXPECT_TRUE(eventually([&] { return (found = fires(rule, node_of(server))).has_value(); }, 20s))
        << rule << " does not fire on " << server.name();
    return found.value_or(json::object{});
  }
  void until_over(const std::string& rule, const local::Server& server) {
    EXPECT_TRUE(eventually([&] { return !fires(rule, node_of(server)); }, 20s))
        << rule << " goes on firing: " << document("/v1/admin/alerts");
  }
  // It never piles up: one connection, and one more while it reads another database.
  void expect_few_connections(const local::Server& server) {
    const auto count = psql_value(
        server.url("postgres"),
        "select count(*) from pg_stat_activity where application_name = 'lyceum monitor'");
    EXPECT_LE(std::stoi(count), 2);
  }

  local::Ephemeral place_ = local::Ephemeral::make().value();
  local::Cluster cluster_ =
      place_
          .up({.name = "test",
               .replicas = 1,
               .durable = false,
               .settings = {{"max_connections", "30"}, {"superuser_reserved_connections", "3"}}})
          .value();
  lyceum::testing::TemporaryDirectory room_;
  std::optional<Served> served_;
};

TEST_F(MonitorFaults, a_server_hangs) {
  ASSERT_TRUE(replica().pause());
  until_fires("node_down", replica());
  // The other one is read as before, more than once.
  until_read_anew("connections", primary());
  until_read_anew("tables", primary());
  ASSERT_TRUE(replica().resume());
  until_over("node_down", replica());
  until_read_anew("connections", replica());
  expect_few_connections(replica());
  expect_few_connections(primary());
}

TEST_F(MonitorFaults, a_server_crashes_and_returns) {
  const auto epoch = number(newest("wal", primary()), "epoch");
  ASSERT_TRUE(primary().stop(local::StopMode::kImmediate));
  until_fires("node_down", primary());
  until_read_anew("connections", replica());
  ASSERT_TRUE(primary().start());
  until_over("node_down", primary());
  until_read_anew("wal", primary());
  EXPECT_GT(number(newest("wal", primary()), "epoch"), epoch) << "counters began anew";
  expect_few_connections(primary());
}

TEST_F(MonitorFaults, a_replica_is_promoted) {
  const auto in_recovery = [&] {
    const auto sample = newest("server", replica());
    return sample.empty() ? -1
                          : sample.at("rows").at(0).at("in_recovery").to_number<std::int64_t>();
  };
  EXPECT_TRUE(eventually([&] { return in_recovery() == 1; }, 30s));
  ASSERT_TRUE(primary().kill_9());
  until_fires("node_down", primary());
  ASSERT_TRUE(replica().promote());
  EXPECT_TRUE(eventually([&] { return in_recovery() == 0; }, 30s));
  until_read_anew("tables", replica());
  expect_few_connections(replica());
}

TEST_F(MonitorFaults, an_extension_is_dropped) {
  until_read_anew("statements", primary());
  until_over("collector_off", primary());
  psql(primary().url(), "drop extension pg_stat_statements");
  const auto off = until_fires("collector_off", primary());
  EXPECT_EQ(off.at("mend").as_string(), "CREATE EXTENSION pg_stat_statements;");
  until_read_anew("tables", primary());
  psql(primary().url(), std::string(off.at("mend").as_string()));
  until_over("collector_off", primary());
  until_read_anew("statements", primary());
  expect_few_connections(primary());
}

TEST_F(MonitorFaults, a_server_has_no_connection_left) {
  const auto end_monitor = [&] {
    psql(primary().url("postgres"),
         "select pg_terminate_backend(pid) from pg_stat_activity"
         " where application_name = 'lyceum monitor'");
  };
  // While it has its own it says how full it is.
  std::vector<std::unique_ptr<OpenTransaction>> others;
  const auto fill = [&] {
    for (int i = 0; i < 40; ++i) {
      try {
        others.push_back(std::make_unique<OpenTransaction>(url_of(primary()), "select 1"));
      } catch (const std::runtime_error&) {
        return;
      }
    }
    ADD_FAILURE() << "the server still has room";
  };
  fill();
  until_fires("connections_exhausted", primary());
  until_read_anew("connections", primary());
  // And when it has lost that, why it sees nothing.
  end_monitor();
  fill();
  const auto unread = until_fires("server_not_read", primary());
  EXPECT_NE(unread.at("summary").as_string().find("FATAL"), json::string::npos) << unread;
  others.clear();
  until_over("server_not_read", primary());
  until_read_anew("connections", primary());
  until_over("connections_exhausted", primary());
  expect_few_connections(primary());
}

TEST_F(MonitorFaults, a_big_table_is_locked) {
  psql(primary().url(), R"(create table big (id int8 primary key, body text);
                           insert into big select n, repeat('x', 100) from generate_series(1, 50000) n)");
  until_read_anew("tables", primary());
  std::optional<OpenTransaction> lock(std::in_place, primary().url(),
                                      "lock table big in access exclusive mode");
  for (const auto* collector : {"tables", "indexes", "sequences", "connections"}) {
    until_read_anew(collector, primary());
    EXPECT_EQ(psql_value(primary().url("postgres"),
                         "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                         " and application_name = 'lyceum monitor'"),
              "0");
  }
  EXPECT_FALSE(fires("collector_failing", node_of(primary())));
  expect_few_connections(primary());
}

}  // namespace
}  // namespace lyceum::server
