// The monitor as the service runs it, over servers that are not there: what it makes of its own
// samples, of its file and of the clock.

#include "watch/monitor.h"

#include <atomic>
#include <boost/asio/use_future.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>

#include "support/postgres.h"
#include "support/process.h"
#include "watch/no_room.h"
#include "watch/row_of.h"

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;
using lyceum::testing::eventually;

// The wall clock as somebody sets it, the steady one as it goes on; read by the monitor's thread.
class SetClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime now() const override { return SteadyTime(Duration(steady_.load())); }
  [[nodiscard]] Timestamp wall_now() const override {
    return Timestamp(std::chrono::microseconds(wall_.load()));
  }
  void pass(std::chrono::microseconds time) {
    steady_ += Duration(time).count();
    wall_ += time.count();
  }
  void set(std::chrono::microseconds by) { wall_ += by.count(); }

 private:
  std::atomic<std::int64_t> steady_ = Duration(1h).count();
  std::atomic<std::int64_t> wall_ = std::chrono::microseconds(1'800'000'000s).count();
};

constexpr std::string_view kRules = R"toml(
[[rule]]
name = "busy"
collector = "wal"
value = "increase(records, 10m)"
above = 1500
summary = "{value:count}"
why = "w"

[[rule]]
name = "fell"
collector = "connections"
when = "used = 7 and max(used, 10m) > 30"
summary = "{used}"
why = "w"
)toml";

class MonitorTest : public ::testing::Test {
 protected:
  // A log that writes `rise` records a minute, read every minute of the clock that is passed along.
  std::unique_ptr<Monitor> watch(std::int64_t rise, std::int64_t used = 0) {
    std::ofstream(room.path() / "rules.toml") << kRules;
    MonitorOptions options;
    options.settings.rules_file = (room.path() / "rules.toml").string();
    options.settings.fast_interval = 1ms;
    options.file = room.path() / "history.db";
    options.own = [this, rise, used]() -> boost::asio::awaitable<std::vector<Sample>> {
      clock.pass(1min);
      records += rise;
      ++read;
      std::vector<Sample> out;
      const auto add = [&](std::string_view collector, std::string_view column,
                           std::int64_t value) {
        RowOf row(*find_collector(collector));
        row.set(column, value);
        out.push_back({.source = {.collector = std::string(collector)}});
        out.back().rows.push_back(row.take());
      };
      add("wal", "records", records);
      add("connections", "used", used);
      co_return out;
    };
    auto made = Monitor::open(std::move(options), log, clock);
    if (made.has_error()) throw std::runtime_error(made.error().to_string());
    (*made)->start();
    return std::move(*made);
  }
  void read_more(int samples) {
    const auto until = read + samples;
    ASSERT_TRUE(eventually([&] { return read >= until; }));
  }
  template <class Question>
  auto ask(Monitor& monitor, Question question) {
    auto answer = boost::asio::co_spawn(asking, monitor.ask(question), boost::asio::use_future);
    asking.restart();
    asking.run();
    return answer.get();
  }
  std::vector<Alert> alerts_of(Monitor& monitor) {
    return ask(monitor, [](Monitor::Inside& inside) { return inside.alerts.alerts(); });
  }
  bool said(std::string_view what) {
    const std::lock_guard guard(mutex);
    return lines.find(what) != std::string::npos;
  }

  boost::asio::io_context asking{1};
  lyceum::testing::TemporaryDirectory room;
  SetClock clock;
  std::atomic<std::int64_t> records = 0;
  std::atomic<int> read = 0;
  std::mutex mutex;
  std::string lines;
  Log log{LogLevel::info, LogFormat::json, clock, [this](LogLevel, std::string_view line) {
            const std::lock_guard guard(mutex);
            lines += line;
            lines += '\n';
          }};
};

TEST_F(MonitorTest, AClockThatIsSetNeitherFiresNorClears) {
  const auto quiet = watch(100);
  read_more(30);
  for (const auto by : {std::chrono::hours(24 * 9), -std::chrono::hours(24 * 20)}) {
    clock.set(by);
    read_more(30);
    EXPECT_TRUE(alerts_of(*quiet).empty()) << "set by " << by.count() << " h";
    EXPECT_TRUE(eventually([&] { return said("the machine's clock was set"); }));
  }
  // Every sample is kept, whatever the clock said.
  const auto kept = ask(*quiet, [](Monitor::Inside& inside) {
    std::size_t count = 0;
    auto cursor = inside.history.read({.collectors = {"wal"}});
    while (cursor.has_value()) {
      const auto next = cursor->next();
      if (!next || *next == nullptr) break;
      ++count;
    }
    return count;
  });
  EXPECT_GE(kept, 90U);
  EXPECT_FALSE(said("the history is not kept"));
}

TEST_F(MonitorTest, WhatFiresGoesOnFiringWhenTheClockIsSet) {
  const auto busy = watch(200);
  ASSERT_TRUE(eventually([&] { return !alerts_of(*busy).empty(); }));
  const auto before = alerts_of(*busy).at(0);
  EXPECT_EQ(before.state, AlertState::firing);
  for (const auto by : {std::chrono::hours(24 * 9), -std::chrono::hours(24 * 20)}) {
    clock.set(by);
    read_more(30);
    const auto now = alerts_of(*busy);
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now[0].id, before.id);
    EXPECT_EQ(now[0].since, before.since) << "it began anew";
  }
}

TEST_F(MonitorTest, AfterARestartItKnowsWhatItReadBefore) {
  {
    const auto first = watch(0, 40);
    read_more(30);
    EXPECT_TRUE(alerts_of(*first).empty());
    first->stop();
  }
  // Of itself this one never sees more than 7.
  const auto next = watch(0, 7);
  ASSERT_TRUE(eventually([&] { return !alerts_of(*next).empty(); }));
  EXPECT_EQ(alerts_of(*next).at(0).rule, "fell");
}

TEST_F(MonitorTest, AFullDiskIsSaidAndStopsNothingElse) {
  const auto busy = watch(100);
  read_more(5);
  std::size_t lost = 0;
  {
    const NoRoom no_room;
    ASSERT_TRUE(eventually([&] { return said("the history is not kept"); }));
    read_more(20);
    // It goes on reading and judging, and answers.
    EXPECT_FALSE(ask(*busy, [](Monitor::Inside& inside) { return inside.present(); }).empty());
    lost = ask(*busy, [](Monitor::Inside& inside) { return inside.history.counts().lost; });
    EXPECT_GT(lost, 0U);
    ASSERT_TRUE(eventually([&] { return !alerts_of(*busy).empty(); }));
    EXPECT_EQ(alerts_of(*busy).at(0).rule, "history_not_kept");
  }
  ASSERT_TRUE(eventually([&] { return said("the history is kept again"); }));
  EXPECT_TRUE(eventually([&] { return alerts_of(*busy).empty(); }));
  read_more(5);
  const auto count = [&] {
    std::size_t lines_of_it = 0;
    const std::lock_guard guard(mutex);
    for (std::size_t at = 0; (at = lines.find("the history is not kept", at)) != std::string::npos;
         ++at) {
      ++lines_of_it;
    }
    return lines_of_it;
  };
  EXPECT_EQ(count(), 1U) << "it is said once, however long it lasts";
}

}  // namespace
}  // namespace lyceum::watch
