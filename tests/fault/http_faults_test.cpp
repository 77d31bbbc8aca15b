// `lyceum serve` while the database, the network and the program itself break. Writers send what
// they have until it is acknowledged, each time with the same key or ids, as a client should.
// Whatever happens, afterwards the tables hold exactly what was acknowledged: all of it, once.

#include <atomic>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <signal.h>
#include <thread>

#include "cli/program.h"
#include "local/cluster.h"
#include "local/ephemeral.h"
#include "server/api_harness.h"
#include "support/gate.h"

namespace lyceum::server {
namespace {

using lyceum::testing::Gate;
using lyceum::testing::TestDatabase;

// A server of its own, which these tests stop and kill, and its replica.
struct Own {
  local::Ephemeral place = local::Ephemeral::make().value();
  local::Cluster cluster = place.up({.name = "test", .replicas = 1, .durable = false}).value();
};
Own& own() {
  static Own one;
  return one;
}
local::Server& primary() {
  return own().cluster.primary();
}

constexpr int kWriters = 6;
constexpr std::size_t kTail = 4000;

// What is waited for comes to be, however busy the machine is; this only ends a test that hangs.
constexpr auto kHangs = std::chrono::minutes(3);

bool comes_true(const std::function<bool()>& condition) {
  return eventually(condition, kHangs);
}

class HttpFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!primary().is_running()) ASSERT_TRUE(primary().start().has_value());
    database_.emplace(primary());
    role_ = "http_" + database_->name();
    const auto migrated = cli_test::run_lyceum({"migrate", "--database-url", database_->url()}, {});
    ASSERT_EQ(migrated.exit_status, 0) << migrated.err;
    database_->query(fmt::format(
        R"(create role {0} login password 'secret' in role lyceum_app;
           insert into tenants (id, name) select md5('t' || n)::uuid, 't' from generate_series(1, 2) n;
           insert into users (tenant_id, id, email)
             select t.id, md5(t.id::text || n)::uuid, 'u' || n
             from tenants t, generate_series(1, 8) n;
           insert into stories (tenant_id, id, title, content, level, difficulty_score, published)
             select id, id, 'A story', 'of a boot', 'A1', 1, true from tenants;
           insert into vocabulary (id, word, part_of_speech, definition, difficulty_level)
             values (md5('w')::uuid, 'boot', 'noun', 'a shoe', 1))",
        role_));
    tenant_ = database_->value("select md5('t1')::uuid");
    other_ = database_->value("select md5('t2')::uuid");
    word_ = database_->value("select md5('w')::uuid");
    for (const auto& row :
         database_->query("select id from users where tenant_id = '" + tenant_ + "' order by id")) {
      learners_.push_back(row[0]);
    }
    gate_.emplace(primary());
  }
  void TearDown() override {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    if (HasFailure() && served_) {
      const auto log = served_->program().log();
      fmt::print("the end of its log:\n{}\n", log.substr(log.size() - std::min(log.size(), kTail)));
    }
    served_.reset();
    gate_.reset();
    if (!primary().is_running()) (void)primary().start();
    if (database_) {
      const auto url = primary().url("postgres");
      const auto role = role_;
      database_.reset();
      psql(url, "drop role if exists " + role);
    }
  }

  void serve(std::vector<std::string> settings = {}) {
    for (const auto* setting : {"LYCEUM_POOL_BACKOFF_MAX=100ms", "LYCEUM_SERVER_WORKERS=2"}) {
      settings.insert(settings.begin(), setting);
    }
    served_.emplace(fmt::format("postgresql://{}:secret@127.0.0.1:{}/{}", role_, gate_->port(),
                                database_->name()),
                    std::move(settings));
  }

  // One learner's reports of every kind, each sent until it is acknowledged.
  void write(std::size_t place) {
    auto client = served_->connect();
    const auto& who = learners_[place];
    const auto token = staff(tenant_);
    for (int turn = 0; !stop_; ++turn) {
      const auto id = a_uuid();
      ApiRequest request{.method = "POST", .token = token};
      switch (turn % 4) {
        case 0:
          request.target = "/v1/progress/batch";
          request.body = fmt::format(R"({{"updates":[{{"user_id":"{}","story_id":"{}",)"
                                     R"("completion_percentage":1,"time_spent":1}}]}})",
                                     who, tenant_);
          request.headers = {{"Idempotency-Key", id}};
          break;
        case 1:
          request.target = "/v1/sessions";
          request.body =
              fmt::format(R"({{"sessions":[{{"id":"{}","user_id":"{}",)"
                          R"("started_at":"2025-01-01T00:00:00Z","duration_minutes":1}}]}})",
                          id, who);
          break;
        case 2:
          request.target = "/v1/events";
          request.body = fmt::format(
              R"({{"events":[{{"id":"{}","user_id":"{}","event_type":"e"}}]}})", id, who);
          break;
        default:
          request.target = "/v1/learners/" + who + "/vocabulary/reviews";
          request.body =
              fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", word_);
          request.headers = {{"Idempotency-Key", id}};
      }
      if (!send_until_acknowledged(client, request)) return;
      ++acknowledged_;
      const std::scoped_lock lock(mutex_);
      ids_[static_cast<std::size_t>(turn % 4)].insert(id);
    }
  }

  // False, and a failure, where that is never.
  bool send_until_acknowledged(HttpClient& client, const ApiRequest& request) {
    const auto until = std::chrono::steady_clock::now() + kHangs;
    while (std::chrono::steady_clock::now() < until) {
      const auto reply = client.exchange(request);
      if (reply) {
        Served::check(request, *reply);
        if (reply->status == 200) return true;
        ++refused_;
        if (reply->status != 503 && reply->status != 504) {
          ADD_FAILURE() << reply->status << ' ' << reply->body;
          return false;
        }
      } else {
        ++broken_;
      }
      std::this_thread::sleep_for(2ms);
    }
    ADD_FAILURE() << request.target << " was not acknowledged";
    return false;
  }

  void begin_writing() {
    for (int i = 0; i < kWriters; ++i) {
      threads_.emplace_back([this, i] { write(static_cast<std::size_t>(i)); });
    }
    wait_for_more(40);
  }
  // Until so many more were acknowledged.
  void wait_for_more(int count) {
    const int wanted = acknowledged_ + count;
    EXPECT_TRUE(comes_true([&] { return acknowledged_ >= wanted; }))
        << "nothing is stored any more";
  }
  void end_writing() {
    wait_for_more(40);
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  // The tables against what was acknowledged.
  void verify() {
    // What a connection that was cut has still to end, ends before the look.
    ASSERT_TRUE(comes_true([this] {
      return database_->value("select count(*) from pg_stat_activity where usename = '" + role_ +
                              "' and state <> 'idle'") == "0";
    }));
    const auto stored = [this](const std::string& sql) {
      std::multiset<std::string> out;
      for (const auto& row : database_->query(sql)) out.insert(row[0]);
      return out;
    };
    const auto all = [this](std::size_t kind) {
      return std::multiset<std::string>(ids_[kind].begin(), ids_[kind].end());
    };
    EXPECT_EQ(stored("select id from learning_sessions"), all(1));
    EXPECT_EQ(stored("select id from user_events"), all(2));
    auto keys = all(0);
    keys.insert(ids_[3].begin(), ids_[3].end());
    EXPECT_EQ(stored("select key from idempotency_keys"), keys);
    // Each batch has added one second, each review counts one.
    EXPECT_EQ(database_->value("select sum(time_spent) from progress"),
              std::to_string(ids_[0].size()));
    EXPECT_EQ(database_->value("select sum(review_count) from user_vocabulary_progress"),
              std::to_string(ids_[3].size()));
    for (const auto& kind : ids_) EXPECT_GT(kind.size(), 10U);
  }

  std::optional<TestDatabase> database_;
  std::optional<Gate> gate_;
  std::optional<Served> served_;
  std::string role_, tenant_, other_, word_;
  std::vector<std::string> learners_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> acknowledged_ = 0;
  std::atomic<int> refused_ = 0;
  std::atomic<int> broken_ = 0;
  std::mutex mutex_;
  std::array<std::set<std::string>, 4> ids_;  // acknowledged: batches, sessions, events, reviews
};

TEST_F(HttpFaults, killed_backends_lose_and_double_nothing) {
  serve();
  begin_writing();
  std::size_t killed = 0;
  for (int i = 0; i < 15; ++i) {
    killed +=
        database_
            ->query("select pg_terminate_backend(pid) from pg_stat_activity where usename = '" +
                    role_ + "'")
            .size();
    wait_for_more(12);
  }
  end_writing();
  EXPECT_GT(killed, 20U);
  verify();
}

TEST_F(HttpFaults, a_server_that_crashes_and_returns_loses_and_doubles_nothing) {
  serve();
  begin_writing();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(primary().restart(local::StopMode::kImmediate).has_value());
    wait_for_more(40);
  }
  end_writing();
  verify();
}

TEST_F(HttpFaults, a_broken_network_loses_and_doubles_nothing) {
  // What the network holds up ends by this alone, and is sent again. It has to be long enough for a
  // review, of several round trips, on a machine that is busy.
  serve({"LYCEUM_SERVER_REQUEST_TIMEOUT=3s"});
  begin_writing();
  for (int i = 0; i < 8; ++i) {
    gate_->cut();
    wait_for_more(12);
    // In the middle of a statement, or of its answer.
    gate_->cut_after(i % 2 == 0 ? Gate::Direction::kToServer : Gate::Direction::kToClient,
                     static_cast<std::size_t>(997 * (i + 1)));
    wait_for_more(12);
  }
  const auto wait_for_refusals = [this](int count) {
    const int wanted = refused_ + count;
    EXPECT_TRUE(comes_true([&] { return refused_ >= wanted; }));
  };
  gate_->set_stalled(true);
  wait_for_refusals(1);
  gate_->set_stalled(false);
  wait_for_more(20);
  gate_->set_refusing(true);
  gate_->cut();
  wait_for_refusals(kWriters);
  gate_->restore();
  end_writing();
  verify();
}

TEST_F(HttpFaults, a_program_that_is_killed_and_started_again_loses_and_doubles_nothing) {
  serve();
  begin_writing();
  for (int i = 0; i < 5; ++i) {
    served_->program().kill_9();
    served_->program().start();
    ASSERT_TRUE(served_->program().started()) << served_->program().log();
    wait_for_more(30);
  }
  end_writing();
  EXPECT_GE(broken_, 5);
  verify();
}

// The status was sent long before the database goes: the body then lacks its end, and nobody can
// take it for whole.
TEST_F(HttpFaults, an_export_whose_backend_is_killed_has_no_end) {
  constexpr int kEvents = 8000;  // of 2 kB: more than sockets hold, so that it waits for its reader
  database_->query(fmt::format(
      R"(insert into user_events (tenant_id, id, user_id, event_type, payload)
           select '{0}', md5('e' || n)::uuid, '{1}', 'e', jsonb_build_object('text', repeat('x', 2000))
           from generate_series(1, {2}) n)",
      tenant_, learners_[0], kEvents));
  serve();
  const auto target = "/v1/learners/" + learners_[0] + "/export";
  const auto authorization = "Authorization: Bearer " + staff(tenant_) + "\r\n";
  constexpr int kReceiveBuffer = 512 * 1024;
  HttpConnection client(served_->program().port(), kHangs, kReceiveBuffer);
  client.get(target, authorization);
  // In the middle: the lists before the events are out.
  const auto kill = "select pg_terminate_backend(pid) from pg_stat_activity where usename = '" +
                    role_ + "' and state = 'idle in transaction' and query like '%export_events%'";
  ASSERT_TRUE(comes_true([&] { return database_->query(kill).size() == 1; }));
  EXPECT_THROW((void)client.read(), HttpConnection::Broken);
  EXPECT_TRUE(client.closed());
  EXPECT_NE(served_->program().log().find("a response broke off"), std::string::npos);

  const auto again = (*served_)({.target = target, .token = staff(tenant_)});
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(json_of(again).at("events").as_array().size(), std::size_t{kEvents});
}

// Everything that was sent before the end was asked for gets its answer, also what has still to
// wait in the database.
TEST_F(HttpFaults, an_orderly_end_answers_what_was_sent) {
  serve();
  constexpr int kClients = 24;
  std::atomic<std::int64_t> asked_to_end = std::numeric_limits<std::int64_t>::max();
  std::atomic<int> answered = 0;
  const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
  for (int i = 0; i < kClients; ++i) {
    threads_.emplace_back([&, i] {
      auto client = served_->connect();
      const ApiRequest request{
          .target = "/v1/learners/" + learners_[static_cast<std::size_t>(i) % 8] + "/summary",
          .token = staff(tenant_)};
      while (!stop_) {
        const bool sent = client.send(request);
        const auto sent_at = now();
        const auto reply = sent ? client.receive() : std::nullopt;
        if (sent_at >= asked_to_end) return;
        EXPECT_TRUE(reply) << "no answer to what was sent " << (asked_to_end - sent_at) / 1000
                           << " us before";
        if (!reply) return;
        Served::check(request, *reply);
        EXPECT_EQ(reply->status, 200) << reply->body;
        ++answered;
      }
    });
  }
  // One that has to wait for a lock.
  const ApiRequest waits{
      "POST", "/v1/learners/" + learners_[0] + "/vocabulary/reviews",
      fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", word_), staff(tenant_)};
  OpenTransaction lock(database_->url(),
                       "select from users where id = '" + learners_[0] + "' for update");
  auto client = served_->connect();
  ASSERT_TRUE(client.send(waits));
  ASSERT_TRUE(comes_true([this] {
    return database_->value("select count(*) from pg_stat_activity where usename = '" + role_ +
                            "' and wait_event_type = 'Lock'") == "1";
  }));
  ASSERT_TRUE(comes_true([&] { return answered > 500; }));
  asked_to_end = now();
  served_->program().signal(SIGTERM);
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  lock.end();
  const auto reply = client.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200) << reply->body;
  EXPECT_EQ(reply->header("connection"), "close");
  EXPECT_EQ(served_->program().wait(), 0) << served_->program().log().substr(0, 3000);
  EXPECT_FALSE(served_->connect().exchange(waits));
  EXPECT_EQ(database_->value("select sum(review_count) from user_vocabulary_progress"), "1");
  EXPECT_EQ(
      database_->value("select count(*) from pg_stat_activity where usename = '" + role_ + "'"),
      "0");
}

// A tenant that floods is slowed down by itself; another one is never refused.
TEST_F(HttpFaults, a_flood_of_one_tenant_refuses_no_other) {
  serve({"LYCEUM_SERVER_TENANT_RATE=300", "LYCEUM_SERVER_TENANT_BURST=100"});
  std::atomic<int> done = 0;
  std::atomic<int> refused = 0;
  for (int i = 0; i < 64; ++i) {
    threads_.emplace_back([&, i] {
      auto client = served_->connect();
      const ApiRequest request{
          .target = "/v1/learners/" + learners_[static_cast<std::size_t>(i) % 8] + "/summary",
          .token = staff(tenant_)};
      while (!stop_) {
        const auto reply = client.exchange(request);
        EXPECT_TRUE(reply);
        if (!reply) return;
        Served::check(request, *reply);
        if (reply->status == 200) {
          ++done;
          continue;
        }
        EXPECT_EQ(reply->status, 429) << reply->body;
        ++refused;
        std::this_thread::sleep_for(10ms);
      }
    });
  }
  ASSERT_TRUE(comes_true([&] { return refused > 100; }));
  for (int i = 0; i < 80; ++i) {
    EXPECT_EQ((*served_)({.target = "/v1/stories", .token = staff(other_)}).status, 200);
  }
  stop_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  EXPECT_GT(done, 100);
}

// Requests of one tenant that all wait in the database leave the others their room, where fewer of
// them may be at work than there are connections.
TEST_F(HttpFaults, a_tenant_that_waits_in_the_database_holds_up_no_other) {
  serve({"LYCEUM_SERVER_WORKERS=1", "LYCEUM_SERVER_REQUEST_TIMEOUT=1m"});
  OpenTransaction lock(database_->url(),
                       "select from users where tenant_id = '" + tenant_ + "' for update");
  const ApiRequest waits{
      "POST", "/v1/learners/" + learners_[0] + "/vocabulary/reviews",
      fmt::format(R"({{"reviews":[{{"vocabulary_id":"{}","rating":3}}]}})", word_), staff(tenant_)};
  std::vector<HttpClient> flood;
  for (int i = 0; i < 64; ++i) flood.push_back(served_->connect());
  for (auto& client : flood) ASSERT_TRUE(client.send(waits));
  const auto waiting = [this] {
    return std::stoi(database_->value("select count(*) from pg_stat_activity where usename = '" +
                                      role_ + "' and wait_event_type = 'Lock'"));
  };
  ASSERT_TRUE(comes_true([&] { return waiting() == 8; }));
  const auto of_other =
      database_->value("select id from users where tenant_id = '" + other_ + "' limit 1");
  const Subject subject{
      .tenant = other_, .learner = of_other, .story = other_, .word = word_, .session = a_uuid()};
  for (int i = 0; i < 10; ++i) {
    for (const auto& route : routes()) {
      if (route.method == Method::delete_ || route.path == "/v1/events") continue;
      auto request = sample_request(route, subject);
      request.token = staff(other_);
      const auto since = std::chrono::steady_clock::now();
      EXPECT_EQ((*served_)(request).status, 200) << name_of(route);
      EXPECT_LT(std::chrono::steady_clock::now() - since, 5s) << name_of(route);
    }
  }
  EXPECT_EQ(waiting(), 8);
  lock.end();
  for (auto& client : flood) {
    const auto reply = client.receive();
    ASSERT_TRUE(reply);
    Served::check(waits, *reply);
    EXPECT_EQ(reply->status, 200) << reply->body;
  }
  EXPECT_EQ(database_->value("select sum(review_count) from user_vocabulary_progress where "
                             "tenant_id = '" +
                             tenant_ + "'"),
            "64");
}

// Behind a replica everything can be read and nothing written, and that is said.
TEST_F(HttpFaults, a_replica_is_read_from_and_takes_no_writes) {
  auto& replica = own().cluster.replica(0);
  const auto url = fmt::format("postgresql://{}:secret@127.0.0.1:{}/{}", role_, replica.port(),
                               database_->name());
  ASSERT_TRUE(comes_true([&] {
    try {
      return psql_value(replica.url(database_->name()), "select count(*) from vocabulary") == "1";
    } catch (const std::exception&) {
      return false;
    }
  }));
  Served served(url, {"LYCEUM_CLUSTER_PRIMARY_WAIT=50ms"});
  const Subject subject{.tenant = tenant_,
                        .learner = learners_[0],
                        .story = tenant_,
                        .word = word_,
                        .session = a_uuid()};
  for (const auto& route : routes()) {
    SCOPED_TRACE(name_of(route));
    auto request = sample_request(route, subject);
    request.token = staff(tenant_);
    const auto reply = served(request);
    EXPECT_EQ(reply.status, route.method == Method::get ? 200 : 503) << reply.body;
    if (route.method == Method::get) continue;
    EXPECT_EQ(code_of(reply), "read_only");
    EXPECT_EQ(reply.header("retry-after"), "5");
  }
}

}  // namespace
}  // namespace lyceum::server
