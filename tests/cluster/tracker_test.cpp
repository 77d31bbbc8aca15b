#include "cluster/tracker.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

namespace lyceum::cluster {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::int64_t kOurs = 7001;
constexpr std::int64_t kTheirs = 7002;

ServerAnswer primary_on(std::int32_t timeline, std::int64_t lsn = 1000) {
  return {
      .timeline = timeline, .lsn = lsn, .system_identifier = kOurs, .started_at = Timestamp(1s)};
}

ServerAnswer replica_on(std::int32_t timeline, std::int64_t lsn = 1000) {
  auto answer = primary_on(timeline, lsn);
  answer.in_recovery = true;
  answer.receiving = true;
  return answer;
}

// A tracker, and the time.
class Watched {
 public:
  explicit Watched(std::size_t nodes, TrackerOptions options = {})
      : tracker(options, names(nodes)) {}

  Watched& says(std::size_t node, const ServerAnswer& answer) {
    tracker.observe(node, {.asked = now - 1ms, .at = now, .answer = answer});
    return *this;
  }
  Watched& refuses(std::size_t node) { return fails(node, ErrorCode::kConnect); }
  Watched& falls_silent(std::size_t node) { return fails(node, ErrorCode::kTimeout); }
  Watched& fails(std::size_t node, ErrorCode code) {
    tracker.observe(
        node,
        {.asked = now - 1ms, .at = now, .error = Error{.code = code, .message = "it failed"}});
    return *this;
  }
  Watched& after(Duration duration) {
    now += duration;
    return *this;
  }

  [[nodiscard]] std::shared_ptr<const Topology> see() const { return tracker.topology(); }
  [[nodiscard]] std::optional<std::size_t> primary() const { return see()->primary; }
  [[nodiscard]] NodeState state(std::size_t node) const { return see()->nodes.at(node); }
  [[nodiscard]] Standing standing(std::size_t node) const { return state(node).standing; }
  [[nodiscard]] std::string alarm() const { return see()->alarm; }

  Tracker tracker;
  SteadyTime now{1h};

 private:
  static std::vector<std::string> names(std::size_t count) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(fmt::format("n{}:5432/school", i));
    return out;
  }
};

// A primary at 0, the rest replicas.
Watched settled(std::size_t nodes, TrackerOptions options = {}) {
  Watched watched(nodes, options);
  watched.says(0, primary_on(1));
  for (std::size_t i = 1; i < nodes; ++i) watched.says(i, replica_on(1));
  return watched;
}

TEST(Tracker, TellsThePrimaryFromItsReplicas) {
  auto watched = settled(3);
  const auto topology = watched.see();
  EXPECT_EQ(topology->primary, 0);
  EXPECT_TRUE(topology->writable());
  EXPECT_EQ(topology->timeline, 1);
  EXPECT_EQ(topology->alarm, "");
  EXPECT_EQ(topology->nodes[0].role, Role::primary);
  for (const auto& node : topology->nodes) {
    EXPECT_EQ(node.standing, Standing::serving);
    EXPECT_EQ(node.why, "");
    EXPECT_EQ(node.latency, 1ms);
  }
  EXPECT_EQ(topology->nodes[2].role, Role::replica);
  EXPECT_EQ(topology->nodes[2].lag_bytes, 0);
  EXPECT_EQ(topology->nodes[2].lag, 0s);
  EXPECT_FALSE(watched.tracker.unsettled());
}

TEST(Tracker, EachObservationMakesALaterVersion) {
  Watched watched(2);
  std::uint64_t before = watched.see()->version;
  for (int i = 0; i < 5; ++i) {
    i % 2 == 0 ? watched.says(0, primary_on(1)) : watched.refuses(1);
    EXPECT_GT(watched.see()->version, before);
    before = watched.see()->version;
  }
}

// What answers first may be what a failover has left behind, and writes to it would be lost.
TEST(Tracker, NothingServesBeforeEachWasAsked) {
  Watched watched(3);
  watched.says(0, primary_on(1)).says(1, replica_on(1));
  EXPECT_FALSE(watched.primary());
  EXPECT_TRUE(watched.tracker.unsettled());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(watched.standing(i), Standing::unknown);
  watched.says(2, primary_on(2));
  EXPECT_EQ(watched.primary(), 2);
  EXPECT_EQ(watched.standing(0), Standing::astray);
}

TEST(Tracker, ASilentNodeDoesNotKeepTheOthersFromServing) {
  Watched watched(2);
  watched.says(0, primary_on(1)).falls_silent(1);
  EXPECT_EQ(watched.primary(), 0);
  EXPECT_EQ(watched.standing(1), Standing::down);
  EXPECT_EQ(watched.state(1).why, "it failed");
}

TEST(Tracker, ASilentPrimarySurvivesOneSilenceAndNotTwo) {
  auto watched = settled(2);
  watched.falls_silent(0);
  EXPECT_TRUE(watched.see()->writable());
  EXPECT_EQ(watched.standing(0), Standing::serving);
  EXPECT_TRUE(watched.tracker.unsettled());
  watched.falls_silent(0);
  EXPECT_FALSE(watched.see()->writable());
  EXPECT_EQ(watched.primary(), 0) << "it may answer again";
  EXPECT_EQ(watched.standing(0), Standing::down);
  watched.says(0, primary_on(1));
  EXPECT_TRUE(watched.see()->writable()) << "nobody else could take writes meanwhile";
  watched.falls_silent(0).says(0, primary_on(1)).falls_silent(0);
  EXPECT_TRUE(watched.see()->writable()) << "not two in a row";
}

TEST(Tracker, APrimaryThatRefusesIsDownAtOnce) {
  for (const auto code : {ErrorCode::kConnect, ErrorCode::kConnectionLost}) {
    auto watched = settled(2);
    watched.fails(0, code);
    EXPECT_FALSE(watched.see()->writable());
    EXPECT_EQ(watched.standing(0), Standing::down);
  }
}

TEST(Tracker, AReplicaIsOutAtTheFirstSilence) {
  auto watched = settled(2);
  watched.falls_silent(1);
  EXPECT_EQ(watched.standing(1), Standing::down);
  EXPECT_EQ(watched.primary(), 0);
}

TEST(Tracker, FlappingTakesMoreAnswersEachTimeUpToSixteen) {
  auto watched = settled(2);
  for (const int needed : {2, 4, 8, 16, 16, 16}) {
    watched.after(100ms).refuses(1);
    for (int i = 1; i < needed; ++i) {
      watched.after(100ms).says(1, replica_on(1));
      ASSERT_EQ(watched.standing(1), Standing::returning) << i << " of " << needed;
      EXPECT_THAT(watched.state(1).why, HasSubstr(fmt::format("{} of {}", i, needed)));
      EXPECT_TRUE(watched.tracker.unsettled());
    }
    watched.after(100ms).says(1, replica_on(1));
    ASSERT_EQ(watched.standing(1), Standing::serving) << needed;
  }
  watched.after(61s).says(1, replica_on(1)).refuses(1);
  watched.says(1, replica_on(1)).says(1, replica_on(1));
  EXPECT_EQ(watched.standing(1), Standing::serving) << "a minute later it begins again";
}

TEST(Tracker, OnlyAnswersInARowCount) {
  auto watched = settled(2);
  watched.refuses(1).says(1, replica_on(1));
  // It answers every second time: it is never read.
  for (int i = 0; i < 50; ++i) {
    watched.after(1s).falls_silent(1);
    EXPECT_EQ(watched.standing(1), Standing::down);
    watched.after(1s).says(1, replica_on(1));
    EXPECT_EQ(watched.standing(1), Standing::returning);
  }
}

TEST(Tracker, WhoWasNeverSeenUpNeedsNoProof) {
  Watched watched(2);
  watched.says(0, primary_on(1)).refuses(1).refuses(1).says(1, replica_on(1));
  EXPECT_EQ(watched.standing(1), Standing::serving);
}

TEST(Tracker, TheNewerTimelineWins) {
  auto watched = settled(3);
  watched.says(1, primary_on(2));
  EXPECT_EQ(watched.primary(), 1);
  EXPECT_EQ(watched.alarm(), "") << "it is clear who takes writes";
  EXPECT_EQ(watched.standing(0), Standing::astray);
  EXPECT_EQ(watched.standing(2), Standing::astray) << "it does not follow the new one yet";
  watched.says(2, replica_on(2));
  EXPECT_EQ(watched.standing(2), Standing::serving);
}

TEST(Tracker, WhatWasLeftBehindGetsNothingThoughTheNewPrimaryIsAway) {
  auto watched = settled(2);
  watched.refuses(0).says(1, primary_on(2)).refuses(1);
  EXPECT_EQ(watched.primary(), 1);
  watched.says(0, primary_on(1));
  EXPECT_EQ(watched.primary(), 1);
  EXPECT_FALSE(watched.see()->writable());
  EXPECT_THAT(watched.alarm(), HasSubstr("n0:5432/school takes writes on timeline 1"));
  watched.says(1, primary_on(2));
  EXPECT_TRUE(watched.see()->writable());
  EXPECT_EQ(watched.alarm(), "");
}

TEST(Tracker, TwoOnOneTimelineGetNothingUntilOneStops) {
  auto watched = settled(3);
  watched.says(1, primary_on(1));
  EXPECT_FALSE(watched.primary());
  EXPECT_THAT(watched.alarm(), HasSubstr("n0:5432/school and n1:5432/school both take writes"));
  EXPECT_EQ(watched.standing(0), Standing::astray);
  EXPECT_EQ(watched.standing(1), Standing::astray);
  EXPECT_EQ(watched.standing(2), Standing::serving);
  watched.falls_silent(0);
  EXPECT_FALSE(watched.primary()) << "a lost probe does not mean that it takes no writes";
  watched.says(0, primary_on(1)).refuses(0);
  EXPECT_EQ(watched.primary(), 1) << "it was stopped";
  EXPECT_EQ(watched.alarm(), "");
  watched.says(0, primary_on(1));
  EXPECT_FALSE(watched.primary());
  EXPECT_NE(watched.alarm(), "");
}

TEST(Tracker, OneThatSaysItIsNoPrimaryIsNone) {
  auto watched = settled(2);
  auto demoted = replica_on(1);
  demoted.started_at = Timestamp(9s);
  watched.says(0, demoted);
  EXPECT_FALSE(watched.primary());
  EXPECT_EQ(watched.standing(0), Standing::serving) << "it is read as a replica";
}

TEST(Tracker, AServerThatWasMadeToRefuseWritesIsReadWhereNobodyTakesItsPlace) {
  auto watched = settled(2);
  auto refusing = primary_on(1);
  refusing.read_only = true;
  watched.says(0, refusing);
  EXPECT_FALSE(watched.primary());
  EXPECT_EQ(watched.standing(0), Standing::serving);
  watched.says(1, primary_on(2));
  EXPECT_EQ(watched.primary(), 1);
  EXPECT_EQ(watched.standing(0), Standing::astray);
  EXPECT_THAT(watched.state(0).why, HasSubstr("takes no writes"));
}

TEST(Tracker, AServerStartedAnewIsAnotherIncarnation) {
  auto watched = settled(2);
  const auto first = watched.state(1).incarnation;
  watched.says(1, replica_on(1, 1500)).says(1, replica_on(1, 1500));
  EXPECT_EQ(watched.state(1).incarnation, first);
  auto restarted = replica_on(1, 1500);
  restarted.started_at = Timestamp(2s);
  watched.says(1, restarted);
  EXPECT_EQ(watched.state(1).incarnation, first + 1);
  // After a crash of one process the server's start time stays.
  watched.refuses(1);
  EXPECT_EQ(watched.state(1).incarnation, first + 1);
  watched.says(1, restarted);
  EXPECT_EQ(watched.state(1).incarnation, first + 2);
  restarted.lsn = 1200;
  watched.says(1, restarted);
  EXPECT_EQ(watched.state(1).incarnation, first + 3) << "it has gone back";
  EXPECT_EQ(watched.state(1).lsn, 1200);
}

// Its receiver is away, and it tells the timeline of its last restart point.
TEST(Tracker, ARunningServersTimelineDoesNotFall) {
  Watched watched(2);
  watched.says(0, primary_on(3)).says(1, replica_on(3)).says(1, replica_on(2));
  EXPECT_EQ(watched.state(1).timeline, 3);
  EXPECT_EQ(watched.standing(1), Standing::serving);
  auto restarted = replica_on(2);
  restarted.started_at = Timestamp(2s);
  watched.says(1, restarted);
  EXPECT_EQ(watched.state(1).timeline, 2);
  EXPECT_EQ(watched.standing(1), Standing::astray);
}

TEST(Tracker, AServerOfAnotherClusterGetsNothingWhicheverAnswersFirst) {
  auto foreign = primary_on(9);
  foreign.system_identifier = kTheirs;
  std::vector<std::size_t> order{0, 1, 2};
  do {
    Watched watched(3);
    for (const auto node : order) {
      watched.says(node, node == 2 ? foreign : node == 1 ? primary_on(1) : replica_on(1));
      EXPECT_NE(watched.primary(), 2);
      EXPECT_NE(watched.standing(2), Standing::serving);
    }
    EXPECT_EQ(watched.primary(), 1);
    EXPECT_EQ(watched.see()->timeline, 1);
    EXPECT_EQ(watched.standing(2), Standing::foreign);
    EXPECT_EQ(watched.alarm(), "");
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Tracker, OfTwoClustersWithAsManyNodesTheFirstConfiguredCounts) {
  auto foreign = primary_on(9);
  foreign.system_identifier = kTheirs;
  Watched watched(2);
  watched.says(1, foreign).says(0, primary_on(1));
  EXPECT_EQ(watched.primary(), 0);
  watched.refuses(0).says(1, foreign);
  EXPECT_EQ(watched.primary(), 0) << "while it is away nobody takes its place";
  EXPECT_EQ(watched.standing(1), Standing::foreign);
}

TEST(Tracker, AClusterMadeAnewBeginsItsTimelinesAnew) {
  Watched watched(1);
  watched.says(0, primary_on(7, 900'000)).refuses(0);
  auto made_anew = primary_on(1, 500);
  made_anew.system_identifier = kTheirs;
  made_anew.started_at = Timestamp(5s);
  watched.says(0, made_anew).says(0, made_anew);
  EXPECT_EQ(watched.primary(), 0);
  EXPECT_TRUE(watched.see()->writable());
  EXPECT_EQ(watched.see()->timeline, 1);
}

TEST(Tracker, AReplicaBeyondTheLimitIsOutUntilItIsWithinHalfOfIt) {
  auto watched = settled(2, {.max_lag = 10s});
  // A thousand bytes a second; the replica stands still at 1000, then catches up.
  for (int second = 1; second <= 30; ++second) {
    watched.after(1s).says(0, primary_on(1, 1000 + second * 1000)).says(1, replica_on(1, 1000));
    EXPECT_EQ(watched.state(1).lag_bytes, second * 1000);
    EXPECT_EQ(watched.state(1).lag, second * 1s);
    EXPECT_EQ(watched.standing(1), second > 10 ? Standing::lagging : Standing::serving) << second;
  }
  EXPECT_EQ(watched.state(1).why, "30000 bytes and 30.0 s behind the primary");
  bool out = true;
  for (const int behind : {20, 11, 10, 9, 6, 5, 9, 10, 11, 6}) {
    out = out ? behind > 5 : behind > 10;
    watched.says(1, replica_on(1, 31'000 - behind * 1000));
    EXPECT_EQ(watched.standing(1), out ? Standing::lagging : Standing::serving) << behind;
  }
}

TEST(Tracker, ALimitInBytesWorksTheSameWay) {
  auto watched = settled(2, {.max_lag = 0s, .max_lag_bytes = 1000});
  watched.after(1h).says(0, primary_on(1, 101'000));
  bool out = true;
  for (const int behind : {501, 500, 1000, 1001, 900, 501, 500, 501, 1000, 1001, 501, 0}) {
    out = out ? behind > 500 : behind > 1000;
    watched.says(1, replica_on(1, 101'000 - behind));
    EXPECT_EQ(watched.standing(1), out ? Standing::lagging : Standing::serving) << behind;
  }
}

TEST(Tracker, NoLimitLeavesAReplicaInHoweverFarItIs) {
  auto watched = settled(2, {.max_lag = 0s, .max_lag_bytes = 0});
  watched.after(24h).says(0, primary_on(1, std::int64_t{1} << 50));
  EXPECT_EQ(watched.standing(1), Standing::serving);
  EXPECT_EQ(watched.state(1).lag, 24h);
}

TEST(Tracker, BesideAnIdlePrimaryNobodyFallsBehind) {
  auto watched = settled(2);
  for (int i = 0; i < 1000; ++i) {
    watched.after(1s).says(0, primary_on(1)).after(300ms).says(1, replica_on(1));
    EXPECT_EQ(watched.state(1).lag, 0s);
    EXPECT_EQ(watched.standing(1), Standing::serving);
  }
}

// The primary wrote one thing more, and rests. What is disconnected misses it, ever longer.
TEST(Tracker, TheLagOfADisconnectedReplicaGrows) {
  auto watched = settled(2);
  watched.says(0, primary_on(1, 1001));
  Duration before = -1s;
  for (int i = 0; i < 20; ++i) {
    EXPECT_GT(watched.state(1).lag, before);
    before = *watched.state(1).lag;
    watched.after(1s).says(0, primary_on(1, 1001)).says(1, replica_on(1, 1000));
  }
  EXPECT_EQ(watched.standing(1), Standing::lagging);
}

// Else, ten seconds after a primary is lost, its replicas would be too, for a few bytes that they
// did not get and that nobody will ever have.
TEST(Tracker, WithoutAPrimaryNobodyFallsFurtherBehind) {
  auto watched = settled(2);
  watched.after(1s).says(0, primary_on(1, 1010)).says(1, replica_on(1, 1009)).refuses(0);
  for (int i = 0; i < 100; ++i) {
    watched.after(1s).refuses(0).says(1, replica_on(1, 1009));
    ASSERT_EQ(watched.standing(1), Standing::serving);
  }
  EXPECT_LE(watched.state(1).lag, 1s);
}

// Servers that are promoted, started anew, cut off and left behind at random, each asked at random;
// beside it what anybody would make of what was said, without counting answers or lag.
class World {
 public:
  static constexpr std::size_t kNodes = 4;
  explicit World(unsigned seed) : random_(seed) {
    for (std::size_t i = 0; i < kNodes; ++i) {
      servers_[i] = i == 0 ? primary_on(1) : replica_on(1);
    }
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      if (pick(4) == 0) change();
      const auto before = watched_.see();
      ask(pick(kNodes));
      check(*before, step);
      watched_.after(std::chrono::milliseconds(pick(1500)));
    }
  }
  int alarms = 0, handovers = 0, silent_survived = 0;

 private:
  struct Known {
    std::optional<ServerAnswer> last;
    std::int32_t timeline = 0;
    int failures = 0;
    bool up = false;
    bool asked = false;
    [[nodiscard]] bool writable() const {
      return up && last && !last->in_recovery && !last->read_only;
    }
  };

  std::size_t pick(std::size_t below) { return random_() % below; }

  void change() {
    auto& server = servers_[pick(kNodes)];
    switch (pick(8)) {
      case 0:  // promoted; sometimes by hand, onto no timeline of its own
        if (server.in_recovery) {
          server.in_recovery = false;
          if (pick(3) > 0) server.timeline = ++newest_;
        }
        break;
      case 1:
      case 2:  // made a replica of the newest
        server.in_recovery = true;
        server.started_at += 1s;
        server.timeline = newest_;
        break;
      case 3:
        server.started_at += 1s;
        break;
      case 4:  // a replica tells an older one while it is disconnected
        if (server.in_recovery) server.timeline = std::max(1, newest_ - 1);
        break;
      case 5:
        server.read_only = pick(4) == 0 && !server.in_recovery;
        break;
      default:
        server.lsn += static_cast<std::int64_t>(pick(1000));
    }
  }

  void ask(std::size_t node) {
    auto& known = known_[node];
    known.asked = true;
    const auto luck = pick(10);
    if (luck > 1) {
      const auto& said = servers_[node];
      const bool same = known.last && known.last->started_at == said.started_at;
      known.timeline = same ? std::max(known.timeline, said.timeline) : said.timeline;
      known.last = said;
      known.up = true;
      known.failures = 0;
      watched_.says(node, said);
    } else if (luck == 1) {
      known.failures++;
      if (known.failures >= 2 || !known.writable()) {
        known.up = false;
      } else {
        ++silent_survived;
      }
      watched_.falls_silent(node);
    } else {
      known.failures++;
      known.up = false;
      watched_.refuses(node);
    }
    // A timeline that was seen stays seen, though its server is gone; all are asked before it
    // counts.
    all_asked_ = std::all_of(known_.begin(), known_.end(), [](auto& one) { return one.asked; });
    if (!all_asked_) return;
    for (const auto& one : known_) highest_ = std::max(highest_, one.timeline);
  }

  void check(const Topology& before, int step) {
    const auto now = watched_.see();
    SCOPED_TRACE(fmt::format("step {}", step));
    std::vector<std::size_t> contenders;
    bool left_behind = false;
    for (std::size_t i = 0; i < kNodes; ++i) {
      if (!all_asked_ || !known_[i].writable()) continue;
      if (known_[i].timeline == highest_) {
        contenders.push_back(i);
      } else {
        left_behind = true;
      }
    }
    if (!all_asked_) {
      EXPECT_FALSE(now->primary);
      return;
    }
    EXPECT_EQ(now->timeline, highest_);
    if (contenders.size() == 1) {
      EXPECT_EQ(now->primary, contenders[0]);
      EXPECT_TRUE(now->writable());
    } else {
      EXPECT_FALSE(now->writable());
    }
    if (contenders.size() > 1) EXPECT_FALSE(now->primary);
    if (contenders.empty() && now->primary) {
      EXPECT_EQ(now->primary, before.primary) << "who is away can only stay what it was";
      EXPECT_FALSE(known_[*now->primary].up);
      EXPECT_EQ(known_[*now->primary].timeline, highest_);
    }
    EXPECT_EQ(!now->alarm.empty(), contenders.size() > 1 || (contenders.empty() && left_behind))
        << now->alarm;
    int taking = 0;
    for (std::size_t i = 0; i < kNodes; ++i) {
      const auto& node = now->nodes[i];
      const auto& known = known_[i];
      const bool serves = node.standing == Standing::serving;
      EXPECT_EQ(node.why.empty(), serves) << i << ": " << node.why;
      if (serves && known.writable()) ++taking;
      if (serves) EXPECT_TRUE(known.up && known.timeline == highest_) << i;
      if (!known.up) EXPECT_EQ(node.standing, Standing::down) << i;
      if (known.writable() && now->primary != i) EXPECT_EQ(node.standing, Standing::astray) << i;
      if (known.last) EXPECT_EQ(node.role == Role::replica, known.last->in_recovery) << i;
    }
    EXPECT_EQ(taking, contenders.size() == 1 ? 1 : 0);
    alarms += now->alarm.empty() ? 0 : 1;
    handovers += now->primary && before.primary && now->primary != before.primary ? 1 : 0;
  }

  std::mt19937 random_;
  Watched watched_{kNodes};
  std::array<ServerAnswer, kNodes> servers_;
  std::array<Known, kNodes> known_;
  std::int32_t newest_ = 1;
  std::int32_t highest_ = 0;
  bool all_asked_ = false;
};

TEST(Tracker, HoldsItsPromisesWhateverTheServersDo) {
  int alarms = 0, handovers = 0, silent_survived = 0;
  for (unsigned seed = 1; seed <= 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World world(seed);
    world.run(300);
    alarms += world.alarms;
    handovers += world.handovers;
    silent_survived += world.silent_survived;
  }
  // It was put to the test.
  EXPECT_GT(alarms, 1000);
  EXPECT_GT(handovers, 200);
  EXPECT_GT(silent_survived, 200);
}

// How often a replica must answer, against a count of the answers and falls that were told.
TEST(Tracker, CountsAnswersAndFallsAsTheyCame) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    auto watched = settled(2);
    std::vector<SteadyTime> falls;
    bool up = true;
    int answers = 0, needed = 0;
    for (int step = 0; step < 400; ++step) {
      watched.after(std::chrono::milliseconds(random() % 5000)).says(0, primary_on(1));
      if (random() % 8 == 0) {
        watched.falls_silent(1);
        answers = 0;
        if (up) {
          const auto recent = std::count_if(falls.begin(), falls.end(), [&](SteadyTime fall) {
            return watched.now - fall <= 1min;
          });
          needed = std::min(16, 2 << std::min<std::ptrdiff_t>(recent, 4));
          falls.push_back(watched.now);
        }
        up = false;
        ASSERT_EQ(watched.standing(1), Standing::down);
      } else {
        watched.says(1, replica_on(1));
        up = true;
        ++answers;
        ASSERT_EQ(watched.standing(1), answers >= needed ? Standing::serving : Standing::returning)
            << "seed " << seed << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace lyceum::cluster
