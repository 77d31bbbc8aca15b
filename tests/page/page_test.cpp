// The page of a real `lyceum serve` over a primary and its replica, in headless Chromium, while
// things are wrong that stay wrong: the same checks as against a made-up admin port (tests/web),
// and nothing may be missing.

#include <atomic>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>

#include "cli/program.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "server/api_harness.h"
#include "watch/session.h"

namespace lyceum::server {
namespace {

using lyceum::testing::Session;

// So that nothing that is wrong from the start comes to fire, or to be said, in the middle.
constexpr std::string_view kRules = R"toml(
[[rule]]
name = "lock_wait"
above = 0
for = "0s"
[[rule.proof]]
row = { pid = 1, blocked_by = "" }
fires = { blocked_by = "2", waiting_seconds = 1 }
stays = { waiting_seconds = 1 }

[[rule]]
name = "lock_wait_long"
enabled = false

[[rule]]
name = "sequence_exhausted"
for = "0s"

[[rule]]
name = "autovacuum_off_for_table"
for = "0s"

[[rule]]
name = "index_invalid"
for = "0s"

[[rule]]
name = "idle_in_transaction"
enabled = false

[[rule]]
name = "idle_in_transaction_long"
enabled = false
)toml";

class Page : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto url = primary().url();
    const auto migrated = cli_test::run_lyceum({"migrate", "--database-url", url}, {});
    ASSERT_EQ(migrated.exit_status, 0) << migrated.err;
    psql(url, R"(create extension if not exists pg_stat_statements;
                 create role platform login password 'secret' in role lyceum_app, pg_monitor;
                 insert into tenants (id, name) values ('00000000-0000-0000-0000-00000000000a', 'one'))");
    psql(primary().url("postgres"), "create extension if not exists pg_stat_statements");
    make_things_wrong(url);
    const auto rules = room_.path() / "rules.toml";
    std::ofstream(rules) << kRules;
    served_.emplace(
        url_of(primary()),
        std::vector<std::string>{"DATABASE_REPLICA_1_URL=" + url_of(cluster_.replica(0)),
                                 "LYCEUM_WATCH_ENABLED=true", "LYCEUM_WATCH_FAST_INTERVAL=1s",
                                 "LYCEUM_WATCH_SLOW_INTERVAL=2s",
                                 "LYCEUM_WATCH_RULES_FILE=" + rules.string()});
    traffic_ = std::thread([this] { ask_and_write(); });
  }
  void TearDown() override {
    stop_ = true;
    if (traffic_.joinable()) traffic_.join();
    if (HasFailure() && served_) fmt::print(stderr, "{}\n", served_->program().log());
  }

  // Each is wrong until the end, and says the same all the time; but for a lock that is waited for.
  void make_things_wrong(const std::string& url) {
    psql(url, R"(
      create table orders (id int generated always as identity, n int);
      select setval('orders_id_seq', 2140000000);
      create table crooked (n int) with (autovacuum_enabled = off);
      create table twice (n int);
      insert into twice values (1), (1);
      create table locked (n int);
      grant select on all sequences in schema public to platform)");
    EXPECT_THROW(psql(url, "create unique index concurrently twice_n on twice (n)"),
                 std::runtime_error);
    holder_.emplace(url);
    holder_->run("begin; lock table locked");
    waiter_.emplace(url);
    waiter_->send("select * from locked");
  }

  void ask_and_write() {
    const auto token = staff("00000000-0000-0000-0000-00000000000a");
    auto client = served_->connect();
    Session session(primary().url());
    for (int i = 0; !stop_; ++i) {
      (void)client.exchange({.target = "/v1/stories", .token = token});
      session.run(fmt::format("insert into twice values ({})", i + 2));
      std::this_thread::sleep_for(50ms);
    }
  }

  json::value document(const std::string& target) {
    const auto reply = HttpClient(served_->program().admin_port()).exchange({.target = target});
    return reply && reply->status == 200 ? json_of(*reply) : json::object{};
  }
  // How many readings there are of a column over time, of whatever has the most.
  std::size_t readings(const std::string& collector, const std::string& column) {
    const auto found = document(fmt::format(
        "/v1/admin/series?collector={}&column={}&hours=0.25&points=180", collector, column));
    std::size_t most = 0;
    if (!found.as_object().contains("series")) return 0;
    for (const auto& one : found.at("series").as_array()) {
      std::size_t count = 0;
      for (const auto& point : one.at("points").as_array()) count += !point.at(1).is_null();
      most = std::max(most, count);
    }
    return most;
  }
  std::size_t verdicts_of(const std::string& rule) {
    const auto found = document("/v1/admin/verdicts");
    std::size_t count = 0;
    if (!found.as_object().contains("verdicts")) return 0;
    for (const auto& one : found.at("verdicts").as_array())
      count += one.at("rule").as_string() == std::string_view(rule);
    return count;
  }
  // The nodes that a rule's alerts that fire are of.
  std::vector<std::string> fires_on(const std::string& rule) {
    std::vector<std::string> out;
    const auto found = document("/v1/admin/alerts");
    if (!found.as_object().contains("alerts")) return out;
    for (const auto& one : found.at("alerts").as_array()) {
      if (one.at("rule").as_string() == std::string_view(rule) && one.at("state") == "firing") {
        out.emplace_back(one.at("labels").at("node").as_string());
      }
    }
    return out;
  }

  local::Server& primary() { return cluster_.primary(); }
  static std::string url_of(const local::Server& server) {
    return fmt::format("postgresql://platform:secret@127.0.0.1:{}/lyceum", server.port());
  }

  local::Ephemeral place_ = local::Ephemeral::make().value();
  local::Cluster cluster_ = place_.up({.replicas = 1, .durable = false}).value();
  lyceum::testing::TemporaryDirectory room_;
  std::optional<Session> holder_, waiter_;
  std::optional<Served> served_;
  std::thread traffic_;
  std::atomic<bool> stop_ = false;
};

TEST_F(Page, ShowsWhatIsTrueOfRealServersInABadState) {
  // What is wrong is seen, and what replicas repeat once.
  for (const auto* rule :
       {"sequence_exhausted", "index_invalid", "autovacuum_off_for_table", "lock_wait"}) {
    ASSERT_TRUE(eventually([&] { return verdicts_of(rule) == 1; }, 60s))
        << rule << ": " << document("/v1/admin/verdicts");
  }
  for (const auto* rule : {"sequence_exhausted", "index_invalid", "autovacuum_off_for_table"}) {
    const std::vector<std::string> of_primary{fmt::format("127.0.0.1:{}/lyceum", primary().port())};
    EXPECT_TRUE(eventually([&] { return fires_on(rule) == of_primary; }, 60s))
        << rule << ": " << document("/v1/admin/alerts");
  }
  // Each chart has something to draw: a point is five seconds.
  for (const auto& [collector, column] : {std::pair{"client_statements", "calls"},
                                          {"client_statements", "p99_ms"},
                                          {"sessions", "connection_count"},
                                          {"connections", "used"},
                                          {"nodes", "lag_seconds"},
                                          {"wal", "bytes"},
                                          {"databases", "size_bytes"},
                                          {"wraparound", "xid_age"},
                                          {"statements", "calls"}}) {
    ASSERT_TRUE(eventually([&] { return readings(collector, column) >= 12; }, 150s))
        << collector << "." << column << ": " << readings(collector, column);
  }
  const auto shown = lyceum::testing::run_process(
      {source_path("tests/web/run.sh"), "real"},
      {.environment = {"LYCEUM_WEB_URL=" + served_->program().admin(), "LYCEUM_WEB_COMPLETE=1"},
       .timeout = 400s});
  EXPECT_EQ(shown.exit_status, 0) << shown.out << shown.err;
}

}  // namespace
}  // namespace lyceum::server
