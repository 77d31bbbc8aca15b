#include "watch/delivery.h"

#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local/port.h"
#include "local/process.h"
#include "support/http_client.h"
#include "support/postgres.h"
#include "support/process.h"
#include "watch/http_post.h"
#include "watch/receiver.h"

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using watch_test::MadeReceiver;

Alert alert_named(const std::string& rule, bool firing = true) {
  Alert out;
  out.id = rule;
  out.rule = rule;
  out.node = "h1";
  out.severity = Severity::critical;
  out.labels = {{"alertname", rule}, {"severity", "critical"}, {"node", "h1"}, {"empty", ""}};
  out.state = firing ? AlertState::firing : AlertState::resolved;
  out.summary = "a <b> & \"c\"";
  out.why = "because";
  out.mend = "VACUUM;";
  out.since = out.fired_at =
      std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  if (!firing) out.resolved_at = out.fired_at + 1s;
  return out;
}

Notice notice_of(const std::string& rule, bool firing = true) {
  return {.firing = firing, .at = Timestamp(1'800'000'000s), .alerts = {alert_named(rule, firing)}};
}

// The names of the rules in the messages that a receiver took, in their order.
std::vector<std::string> rules_in(const std::vector<std::string>& bodies) {
  std::vector<std::string> out;
  for (const auto& body : bodies) {
    const auto value = boost::json::parse(body);
    out.emplace_back(value.at("alerts").at(0).at("rule").as_string());
  }
  return out;
}

// An outbox, and a delivery on an io_context that the test turns.
class Post : public ::testing::Test {
 protected:
  Post() { open(); }

  void open() {
    auto opened = Outbox::open((directory.path() / "outbox").string());
    if (opened.has_error()) throw Exception(opened.error());
    outbox = std::move(*opened);
  }
  void start(std::vector<Receiver> receivers, Delivery::Firing firing = {}) {
    delivery = std::make_unique<Delivery>(io_->get_executor(), std::move(receivers), *outbox, log,
                                          clock, options, std::move(firing));
    delivery->start();
  }
  void send(const Notice& notice) {
    const std::vector<Notice> notices{notice};
    ASSERT_TRUE(delivery->send(notices, "state").has_value());
  }
  bool turn_until(const std::function<bool()>& condition, Duration limit = 20s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io_->run_for(5ms);
      io_->restart();
    }
    return true;
  }
  // As a process that is killed: nothing is finished, nothing is said.
  void kill_and_start_again(std::vector<Receiver> receivers) {
    delivery.reset();
    io_.reset();
    outbox.reset();
    io_ = std::make_unique<boost::asio::io_context>();
    open();
    start(std::move(receivers));
  }
  std::int64_t waiting(const std::string& name) { return outbox->waiting(name).value(); }

  lyceum::testing::TemporaryDirectory directory;
  SystemClock clock;
  std::vector<std::string> lines;
  Log log{LogLevel::debug, LogFormat::text, clock,
          [this](LogLevel, std::string_view line) { lines.emplace_back(line); }};
  DeliveryOptions options{.timeout = 5s, .backoff_initial = 20ms, .backoff_max = 100ms};
  std::unique_ptr<Outbox> outbox;
  std::unique_ptr<boost::asio::io_context> io_ = std::make_unique<boost::asio::io_context>();
  std::unique_ptr<Delivery> delivery;
};

TEST_F(Post, AWebhookIsSignedAndGetsEachMessageOnceInOrder) {
  MadeReceiver receiver;
  start({{.name = "hook",
          .kind = ReceiverKind::webhook,
          .url = Secret(receiver.url("/in?token=s3cret")),
          .key = Secret("k3y")}});
  send(notice_of("a"));
  send(notice_of("b"));
  send(notice_of("a", false));
  EXPECT_TRUE(turn_until([&] { return waiting("hook") == 0; }));
  EXPECT_THAT(rules_in(receiver.taken()), ElementsAre("a", "b", "a"));
  const auto first = receiver.requests().at(0);
  EXPECT_THAT(first.head, HasSubstr("POST /in?token=s3cret HTTP/1.1"));
  const auto header = [&](const std::string& name) {
    const auto at = first.head.find(name + ": ");
    if (at == std::string::npos) return std::string();
    return first.head.substr(at + name.size() + 2,
                             first.head.find('\r', at) - at - name.size() - 2);
  };
  // What openssl says of it, which knows nothing of us.
  const auto file = directory.path() / "signed";
  std::ofstream(file, std::ios::binary) << header("X-Lyceum-Timestamp") << '.' << first.body;
  const auto oracle = lyceum::testing::run_process(
      {"openssl", "dgst", "-sha256", "-hmac", "k3y", "-r", file.string()});
  EXPECT_EQ(header("X-Lyceum-Signature"), "sha256=" + oracle.out.substr(0, 64));
  EXPECT_NE(header("X-Lyceum-Timestamp"), "");
}

TEST_F(Post, WhatIsNotTakenIsTriedAgainAndNothingOvertakesIt) {
  MadeReceiver receiver;
  receiver.answer({500, 503, 429, 408});
  start({{.name = "hook", .kind = ReceiverKind::webhook, .url = Secret(receiver.url("/s3cret"))}});
  send(notice_of("a"));
  send(notice_of("b"));
  EXPECT_TRUE(turn_until([&] { return waiting("hook") == 0; }));
  EXPECT_THAT(rules_in(receiver.taken()), ElementsAre("a", "b"));
  EXPECT_THAT(receiver.requests(), SizeIs(6));
  EXPECT_EQ(delivery->figures().at(0).failures, 4U);
  EXPECT_EQ(delivery->figures().at(0).last_error, "");
  EXPECT_THAT(lines, Contains(HasSubstr("answered 500")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("s3cret"))));
}

TEST_F(Post, WhatCanNeverBeTakenIsGivenUpAndLogged) {
  MadeReceiver receiver;
  receiver.answer({404});
  start({{.name = "hook", .kind = ReceiverKind::webhook, .url = Secret(receiver.url("/s3cret"))}});
  send(notice_of("a"));
  send(notice_of("b"));
  EXPECT_TRUE(turn_until([&] { return waiting("hook") == 0; }));
  EXPECT_THAT(rules_in(receiver.taken()), ElementsAre("b"));
  EXPECT_EQ(delivery->figures().at(0).given_up, 1U);
  EXPECT_THAT(lines, Contains(HasSubstr("given up")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("s3cret"))));
}

TEST_F(Post, AReceiverThatIsDownOrSlowLosesNothingAndHoldsUpNoOther) {
  options.timeout = 200ms;
  MadeReceiver well, slow;
  slow.answer({0, 0});
  const auto port = local::find_free_port().value();
  const std::vector<Receiver> receivers{
      {.name = "down",
       .kind = ReceiverKind::webhook,
       .url = Secret(fmt::format("http://127.0.0.1:{}/s3cret", port))},
      {.name = "slow", .kind = ReceiverKind::webhook, .url = Secret(slow.url("/"))},
      {.name = "well", .kind = ReceiverKind::webhook, .url = Secret(well.url("/"))},
      {.name = "log", .kind = ReceiverKind::log}};
  start(receivers);
  send(notice_of("a"));
  send(notice_of("b"));
  EXPECT_TRUE(turn_until([&] { return waiting("well") == 0 && waiting("log") == 0; }, 150ms))
      << "before the slow one's first attempt is over";
  EXPECT_THAT(rules_in(well.taken()), ElementsAre("a", "b"));
  EXPECT_TRUE(turn_until([&] { return waiting("slow") == 0; }));
  EXPECT_THAT(rules_in(slow.taken()), ElementsAre("a", "b"));
  EXPECT_TRUE(turn_until([&] { return delivery->figures().at(0).failures >= 3; }));
  EXPECT_EQ(waiting("down"), 2);
  MadeReceiver up(static_cast<unsigned short>(port));
  EXPECT_TRUE(turn_until([&] { return waiting("down") == 0; }));
  EXPECT_THAT(rules_in(up.taken()), ElementsAre("a", "b"));
  EXPECT_THAT(lines, Contains(HasSubstr("firing: critical a on h1: a <b> &")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("s3cret"))));
}

TEST_F(Post, AProcessThatIsKilledBetweenAttemptsLosesNothing) {
  MadeReceiver receiver;
  receiver.answer({500, 0});
  const std::vector<Receiver> receivers{
      {.name = "hook", .kind = ReceiverKind::webhook, .url = Secret(receiver.url("/"))}};
  start(receivers);
  send(notice_of("a"));
  send(notice_of("b"));
  EXPECT_TRUE(turn_until([&] { return receiver.requests().size() == 2; })) << "one is under way";
  kill_and_start_again(receivers);
  EXPECT_EQ(outbox->state().value(), "state");
  EXPECT_TRUE(turn_until([&] { return waiting("hook") == 0; }));
  EXPECT_THAT(rules_in(receiver.taken()), ElementsAre("a", "b"));
  EXPECT_EQ(receiver.requests().size(), 4U);
}

TEST_F(Post, OfAReceiverThatNeverComesBackTheOldestMessagesAreGivenUpAndSaid) {
  auto opened = Outbox::open((directory.path() / "small").string(), 3);
  ASSERT_TRUE(opened.has_value());
  outbox = std::move(*opened);
  delivery = std::make_unique<Delivery>(
      io_->get_executor(),
      std::vector<Receiver>{
          {.name = "gone", .kind = ReceiverKind::webhook, .url = Secret("http://127.0.0.1:1/")}},
      *outbox, log, clock, options, Delivery::Firing{});
  for (int i = 0; i < 5; ++i) {
    const std::vector<Notice> one{notice_of("rule" + std::to_string(i))};
    ASSERT_TRUE(delivery->send(one, "state").has_value());
  }
  EXPECT_EQ(outbox->waiting("gone").value(), 3);
  const auto oldest = outbox->next("gone").value();
  ASSERT_TRUE(oldest.has_value());
  EXPECT_THAT(rules_in({oldest->body}), ElementsAre("rule2"));
  EXPECT_EQ(delivery->figures().at(0).given_up, 2U);
  EXPECT_THAT(lines, Contains(HasSubstr("messages are given up")));
}

TEST_F(Post, ReceiversThatAreNoMoreAreForgotten) {
  start({{.name = "old", .kind = ReceiverKind::webhook, .url = Secret("http://127.0.0.1:1/")}});
  send(notice_of("a"));
  const std::vector<std::string> kept{"new"};
  EXPECT_EQ(outbox->forget_all_but(kept).value(), 1);
  EXPECT_EQ(waiting("old"), 0);
}

TEST_F(Post, TheLeastSeverityIsAReceiversOwn) {
  MadeReceiver receiver;
  start({{.name = "hook",
          .kind = ReceiverKind::webhook,
          .url = Secret(receiver.url("/")),
          .least = Severity::critical}});
  auto notice = notice_of("a");
  notice.alerts[0].severity = Severity::warning;
  send(notice);
  EXPECT_EQ(waiting("hook"), 0);
  notice.alerts.push_back(alert_named("b"));
  send(notice);
  EXPECT_TRUE(turn_until([&] { return waiting("hook") == 0; }));
  EXPECT_THAT(rules_in(receiver.taken()), ElementsAre("b"));
}

TEST(Message, SlackIsEscapedAndHasItsBlocks) {
  const auto value = boost::json::parse(slack_body(notice_of("a")));
  EXPECT_THAT(std::string(value.at("text").as_string()), HasSubstr("a &lt;b&gt; &amp; \"c\""));
  EXPECT_GE(value.at("blocks").as_array().size(), 2U);
  for (const auto& block : value.at("blocks").as_array()) EXPECT_EQ(block.at("type"), "section");
}

TEST(Message, TimesAreRfc3339) {
  EXPECT_EQ(rfc3339(Timestamp(1'800'000'000'123'456us)), "2027-01-15T08:00:00.123Z");
  EXPECT_EQ(rfc3339(Timestamp(-1ms)), "1969-12-31T23:59:59.999Z");
}

TEST(Message, WaitsGrowToTheLongestAndNeverBeyond) {
  const DeliveryOptions options{.backoff_initial = 1s, .backoff_max = 5min};
  EXPECT_EQ(wait_after(0, options, 0), 500ms);
  EXPECT_EQ(wait_after(3, options, 1), 8s);
  EXPECT_EQ(wait_after(1000, options, 1), 5min);
}

TEST(Message, OfAUrlOnlyTheServerIsShown) {
  EXPECT_EQ(shown_url(Secret("https://hooks.example.org/services/T0/B0/s3cret")),
            "https://hooks.example.org:443");
  EXPECT_EQ(shown_url(Secret("http://[::1]:9093/x")), "http://[::1]:9093");
  for (const auto* bad : {"", "ftp://h/", "http://", "http://u:p@h/", "http://h:0/", "http://h:x/",
                          "http://h/a b", "http://h:99999/"}) {
    EXPECT_EQ(shown_url(Secret(bad)), "") << bad;
  }
}

// Debian's own, on free ports, with a directory of its own; ended with the object.
class Alertmanager {
 public:
  Alertmanager() {
    std::ofstream(directory_.path() / "alertmanager.yml")
        << "route:\n  receiver: none\nreceivers:\n  - name: none\n";
    for (int attempt = 0; attempt < 5 && !answers(); ++attempt) launch();
  }
  ~Alertmanager() { end(); }
  Alertmanager(const Alertmanager&) = delete;
  Alertmanager& operator=(const Alertmanager&) = delete;

  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  [[nodiscard]] bool answers() const { return port_ != 0 && get("/-/ready").has_value(); }
  // Names of the rules of its alerts that are active.
  [[nodiscard]] std::vector<std::string> active() const {
    std::vector<std::string> out;
    const auto reply = get("/api/v2/alerts?active=true");
    if (!reply || reply->status != 200) return {"no answer"};
    const auto all = boost::json::parse(reply->body);
    for (const auto& one : all.as_array()) {
      out.emplace_back(one.at("labels").at("alertname").as_string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  [[nodiscard]] boost::json::value alerts() const {
    return boost::json::parse(get("/api/v2/alerts")->body);
  }

 private:
  [[nodiscard]] std::optional<lyceum::testing::HttpReply> get(const std::string& target) const {
    lyceum::testing::HttpClient client(port_, 5s);
    return client.exchange({.target = target});
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void launch() {
    end();
    port_ = local::find_free_port().value();
    local::Command command;
    command.argv = {"/usr/bin/prometheus-alertmanager",
                    "--config.file=" + (directory_.path() / "alertmanager.yml").string(),
                    "--storage.path=" + (directory_.path() / "data").string(),
                    fmt::format("--web.listen-address=127.0.0.1:{}", port_),
                    "--cluster.listen-address="};
    command.environment = local::clean_environment();
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    auto started = local::start_child(command, nothing);
    ::close(nothing);
    if (started.has_error()) throw Exception(started.error());
    pid_ = *started;
    (void)lyceum::testing::eventually([this] { return answers(); }, 10s);
  }

  lyceum::testing::TemporaryDirectory directory_;
  int port_ = 0;
  pid_t pid_ = 0;
};

TEST_F(Post, ARealAlertmanagerTakesWhatFiresIsToldAgainAndOfItsEnd) {
  ASSERT_EQ(::access("/usr/bin/prometheus-alertmanager", X_OK), 0)
      << "scripts/install-dependencies.sh test installs it";
  const Alertmanager alertmanager;
  ASSERT_TRUE(alertmanager.answers());
  options.repeat = 200ms;
  std::vector<Alert> firing;
  start(
      {{.name = "am", .kind = ReceiverKind::alertmanager, .url = Secret(alertmanager.url() + "/")}},
      [&] { return firing; });
  firing = {alert_named("a"), alert_named("b")};
  Notice notice = notice_of("a");
  notice.alerts = firing;
  send(notice);
  EXPECT_TRUE(turn_until([&] { return waiting("am") == 0; }));
  EXPECT_THAT(alertmanager.active(), ElementsAre("a", "b"));
  const auto alerts = alertmanager.alerts();
  const auto& first = alerts.at(0);
  EXPECT_EQ(first.at("annotations").at("summary"), "a <b> & \"c\"");
  EXPECT_EQ(first.at("annotations").at("mend"), "VACUUM;");
  EXPECT_EQ(std::string(first.at("startsAt").as_string()), rfc3339(firing[0].fired_at));
  EXPECT_FALSE(first.at("labels").as_object().contains("empty"));
  const auto updated = [&] {
    return std::string(alertmanager.alerts().at(0).at("updatedAt").as_string());
  };
  const auto before = updated();
  EXPECT_TRUE(turn_until([&] { return updated() != before; })) << "it is not told again";

  firing = {alert_named("b")};
  send({.firing = false, .at = clock.wall_now(), .alerts = {[&] {
                                                   auto ended = alert_named("a", false);
                                                   ended.resolved_at = clock.wall_now();
                                                   return ended;
                                                 }()}});
  EXPECT_TRUE(turn_until([&] { return alertmanager.active() == std::vector<std::string>{"b"}; }));
  EXPECT_EQ(delivery->figures().at(0).failures, 0U);
  EXPECT_EQ(delivery->figures().at(0).given_up, 0U);
}

}  // namespace
}  // namespace lyceum::watch
