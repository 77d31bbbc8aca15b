// `lyceum serve` over a primary and two replicas while the primary dies, a replica is promoted, and
// the old primary comes back as a replica. Clients send a batch until it is acknowledged, then read
// with the bookmark that they got.

#include <atomic>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <thread>

#include "cli/program.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "server/api_harness.h"

namespace lyceum::server {
namespace {

constexpr int kClients = 4;
constexpr auto kHangs = std::chrono::minutes(3);

class HttpFailover : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto url = primary().url();
    const auto migrated = cli_test::run_lyceum({"migrate", "--database-url", url}, {});
    ASSERT_EQ(migrated.exit_status, 0) << migrated.err;
    psql(url, R"(create role platform login password 'secret' in role lyceum_app;
                 grant pg_read_all_stats to platform;
                 insert into tenants (id, name) values (md5('t')::uuid, 't');
                 insert into users (tenant_id, id, email)
                   select md5('t')::uuid, md5('u' || n)::uuid, 'u' || n from generate_series(1, 8) n;
                 insert into stories (tenant_id, id, title, content, level, difficulty_score, published)
                   select id, id, 'A story', 'of a boot', 'A1', 1, true from tenants)");
    tenant_ = psql_value(url, "select md5('t')::uuid");
    for (int i = 1; i <= kClients; ++i) {
      learners_.push_back(psql_value(url, fmt::format("select md5('u{}')::uuid", i)));
    }
    served_.emplace(
        url_of(primary()),
        std::vector<std::string>{"DATABASE_REPLICA_1_URL=" + url_of(replica(0)),
                                 "DATABASE_REPLICA_2_URL=" + url_of(replica(1)),
                                 "LYCEUM_CLUSTER_PROBE_INTERVAL=200ms", "LYCEUM_SERVER_WORKERS=2"});
  }
  void TearDown() override { end(); }

  local::Server& primary() { return cluster_.primary(); }
  local::Server& replica(std::size_t index) { return cluster_.replica(index); }
  static std::string url_of(const local::Server& server) {
    return fmt::format("postgresql://platform:secret@127.0.0.1:{}/lyceum", server.port());
  }

  // Saves a second of progress, over and over, and reads the sum back.
  void client(std::size_t place) {
    auto client = served_->connect();
    const auto token = staff(tenant_);
    const auto& who = learners_[place];
    std::string bookmark = "new";
    std::int64_t seen = 0;
    while (!stop_) {
      ApiRequest write{.method = "POST",
                       .target = "/v1/progress/batch",
                       .body = fmt::format(R"({{"updates":[{{"user_id":"{}","story_id":"{}",)"
                                           R"("completion_percentage":1,"time_spent":1}}]}})",
                                           who, tenant_),
                       .token = token,
                       .headers = {{"Idempotency-Key", a_uuid()}, {"Lyceum-Bookmark", bookmark}}};
      if (!until_answered(client, write, bookmark)) return;
      ++saved_[place];
      ++acknowledged_;
      const ApiRequest read{.target = "/v1/learners/" + who + "/summary",
                            .token = token,
                            .headers = {{"Lyceum-Bookmark", bookmark}}};
      const auto reply = until_answered(client, read, bookmark);
      if (!reply) return;
      const auto sum = json_of(*reply).at("total_time_spent").to_number<std::int64_t>();
      if (sum < saved_[place] || sum < seen) ++stale_;
      seen = std::max(seen, sum);
      ++read_;
    }
  }
  std::optional<HttpReply> until_answered(HttpClient& client, const ApiRequest& request,
                                          std::string& bookmark) {
    const auto until = std::chrono::steady_clock::now() + kHangs;
    while (std::chrono::steady_clock::now() < until) {
      if (auto reply = client.exchange(request)) {
        Served::check(request, *reply);
        if (reply->status == 200) {
          if (reply->has("lyceum-bookmark")) bookmark = reply->header("lyceum-bookmark");
          return reply;
        }
        ++refused_;
        if (reply->status != 503 && reply->status != 504) {
          ADD_FAILURE() << reply->status << ' ' << reply->body;
          return std::nullopt;
        }
      }
      std::this_thread::sleep_for(2ms);
    }
    ADD_FAILURE() << request.target << " was not answered";
    return std::nullopt;
  }
  void begin() {
    for (std::size_t i = 0; i < kClients; ++i) threads_.emplace_back([this, i] { client(i); });
    wait_for_more(100);
  }
  void end() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }
  void wait_for_more(int count) {
    const int wanted = acknowledged_ + count;
    ASSERT_TRUE(eventually([&] { return acknowledged_ >= wanted; }, kHangs)) << "nothing goes on";
  }
  double metric(const std::string& name) {
    const auto reply = HttpClient(served_->program().admin_port()).exchange({.target = "/metrics"});
    if (!reply) return -1;
    const auto at = reply->body.find("\n" + name + " ");
    if (at == std::string::npos) return -1;
    return std::stod(reply->body.substr(at + name.size() + 2));
  }

  local::Ephemeral place_ = local::Ephemeral::make().value();
  local::Cluster cluster_ =
      place_.up({.name = "test", .replicas = 2, .durable = false, .synchronous = true}).value();
  std::optional<Served> served_;
  std::string tenant_;
  std::vector<std::string> learners_;
  std::vector<std::thread> threads_;
  std::array<std::int64_t, kClients> saved_{};
  std::atomic<bool> stop_ = false;
  std::atomic<int> acknowledged_ = 0, read_ = 0, refused_ = 0, stale_ = 0;
};

TEST_F(HttpFailover, loses_nothing_doubles_nothing_and_reads_nothing_old) {
  begin();
  EXPECT_GT(metric(R"(lyceum_routes_total{reason="fresh"})"), 0);
  ASSERT_TRUE(primary().kill_9());
  const auto received = [&](std::size_t i) {
    return std::stoull(
        psql_value(replica(i).url(), "select (pg_last_wal_receive_lsn() - '0/0')::bigint"));
  };
  const std::size_t best = received(0) >= received(1) ? 0 : 1;
  auto& promoted = replica(best);
  auto& other = replica(1 - best);
  ASSERT_TRUE(promoted.promote());
  wait_for_more(100);
  const auto moved = other.set_upstream(promoted);
  ASSERT_TRUE(moved) << moved.error().to_string();
  const auto serving = [&](const local::Server& server) {
    return metric(fmt::format(R"(lyceum_node_serving{{node="127.0.0.1:{}/lyceum"}})",
                              server.port())) == 1;
  };
  EXPECT_TRUE(eventually([&] { return serving(other); }, kHangs));
  wait_for_more(100);
  // The old primary, with its own history, gets nothing; as a replica of the new one it is read.
  ASSERT_TRUE(primary().start());
  wait_for_more(50);
  EXPECT_FALSE(serving(primary()));
  const auto follows = primary().follow(promoted);
  ASSERT_TRUE(follows) << follows.error().to_string();
  EXPECT_TRUE(eventually([&] { return serving(primary()); }, kHangs));
  wait_for_more(100);
  end();

  EXPECT_EQ(stale_, 0);
  EXPECT_GT(read_, 300);
  for (std::size_t i = 0; i < kClients; ++i) {
    EXPECT_EQ(psql_value(promoted.url(), "select sum(time_spent) from progress where user_id = '" +
                                             learners_[i] + "'"),
              std::to_string(saved_[i]));
  }
  RecordProperty("refused", refused_);
}

}  // namespace
}  // namespace lyceum::server
