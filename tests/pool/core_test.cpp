#include "pool/core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pool/core_harness.h"

namespace lyceum::pool {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Actions = std::vector<std::string>;

Limits limits_of(std::size_t connections, std::size_t lanes = 4, std::size_t depth = 32) {
  Limits limits;
  limits.connection_limit = connections;
  limits.lanes = lanes;
  limits.lane_depth = depth;
  limits.min_idle = 0;
  return limits;
}

// ── connections ──────────────────────────────────────────────────────────────────────────────────

TEST(Core, OpensNothingUntilSomeoneAsks) {
  Bench bench(limits_of(4));
  bench.core.tick(bench.now);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.statement("a");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0"));
  bench.core.connected(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send a 0"));
}

TEST(Core, KeepsAWarmMinimum) {
  auto limits = limits_of(8);
  limits.min_idle = 3;
  limits.concurrent_connects = 2;
  Bench bench(limits);
  bench.core.tick(bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "connect 1"));
  bench.core.connected(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("connect 2"));
  bench.core.connected(1, bench.now);
  bench.core.connected(2, bench.now);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.core.lost(1, bench.now);
  // It had lived for no time at all, so its successor waits for a moment.
  bench.advance(1s);
  EXPECT_THAT(bench.done(), ElementsAre("connect 1"));
}

TEST(Core, ALeaseThatTakesTheLastWarmConnectionIsReplaced) {
  auto limits = limits_of(4);
  limits.min_idle = 1;
  Bench bench(limits);
  bench.open(1);
  bench.lease("a");
  EXPECT_THAT(bench.done(), ElementsAre("grant a 0", "connect 1"));
}

TEST(Core, AddsLanesWhileAllAreBusyUpToTheirLimit) {
  Bench bench(limits_of(8, 3));
  bench.open(1);
  bench.statement("a");
  bench.core.connected(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0"));
  bench.statement("b");
  EXPECT_THAT(bench.done(), ElementsAre("send b 0", "connect 1"));
  bench.statement("c");
  EXPECT_THAT(bench.done(), ElementsAre("send c 0")) << "one is on its way";
  bench.core.connected(1, bench.now);
  bench.statement("d");
  EXPECT_THAT(bench.done(), ElementsAre("send d 1"));
  bench.statement("e");
  EXPECT_THAT(bench.done(), ElementsAre("send e 1", "connect 2"));
  bench.core.connected(2, bench.now);
  bench.statement("f");
  bench.statement("g");
  EXPECT_THAT(bench.done(), ElementsAre("send f 2", "send g 2")) << "three lanes are the limit";
  EXPECT_EQ(bench.core.figures().lanes, 3u);
}

TEST(Core, TakesTheLeastLoadedLane) {
  auto limits = limits_of(3, 3);
  limits.min_idle = 3;
  Bench bench(limits);
  bench.open(3);
  for (const auto* name : {"a", "b", "c", "d", "e", "f"}) bench.statement(name);
  (void)bench.done();
  std::vector<std::size_t> members;
  for (const auto& ticket : bench.tickets) members.push_back(ticket.member);
  EXPECT_EQ(std::count(members.begin(), members.end(), 0u), 2);
  EXPECT_EQ(std::count(members.begin(), members.end(), 1u), 2);
  EXPECT_EQ(std::count(members.begin(), members.end(), 2u), 2);
  const auto light = bench.find("b").member;
  bench.answer("b");
  bench.statement("g");
  EXPECT_EQ(bench.find("g").member, light);
}

TEST(Core, AvoidsALaneWhoseServerHasBeenAtOneStatementForLong) {
  auto limits = limits_of(2, 2);
  limits.min_idle = 2;
  Bench bench(limits);
  bench.open(2);
  bench.statement("slow");
  const auto stalled = bench.find("slow").member;
  bench.now += 4ms;
  for (const auto* name : {"a", "b"}) bench.statement(name);
  EXPECT_NE(bench.find("a").member, stalled);
  EXPECT_EQ(bench.find("b").member, stalled) << "4 ms are not long";
  bench.now += 2ms;
  bench.answer("a");
  for (const auto* name : {"c", "d", "e"}) {
    bench.statement(name);
    EXPECT_NE(bench.find(name).member, stalled);
  }
}

TEST(Core, WaitsForALaneThatMovesRatherThanBehindAStalledOne) {
  auto limits = limits_of(2, 2, 3);
  limits.min_idle = 2;
  Bench bench(limits);
  bench.open(2);
  bench.statement("slow");
  const auto stalled = bench.find("slow").member;
  bench.now += 10ms;
  for (const auto* name : {"a", "b", "c"}) bench.statement(name);
  (void)bench.done();
  bench.statement("d");
  EXPECT_EQ(bench.find("d").state, Ticket::State::waiting);
  bench.answer("a");
  EXPECT_EQ(bench.find("d").state, Ticket::State::sent);
  EXPECT_NE(bench.find("d").member, stalled);
}

TEST(Core, GoesBehindAStalledLaneWhereAllAre) {
  Bench bench(limits_of(1, 1));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.now += 1s;
  bench.statement("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0", "send b 0"));
}

TEST(Core, QueuesPastTheDepthOfTheLanes) {
  Bench bench(limits_of(1, 1, 2));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.statement("b");
  bench.statement("c");
  bench.statement("d");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0", "send b 0"));
  EXPECT_EQ(bench.core.figures().waiting, 2u);
  EXPECT_EQ(bench.core.figures().depth, 2u);
  bench.answer("a");
  EXPECT_THAT(bench.done(), ElementsAre("send c 0"));
  bench.answer("b");
  bench.answer("c");
  EXPECT_THAT(bench.done(), ElementsAre("send d 0"));
  EXPECT_EQ(bench.core.figures().waiting, 0u);
}

TEST(Core, ReusesTheIdsOfMembersThatAreGone) {
  Bench bench(limits_of(2));
  bench.lease("a");
  bench.lease("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "connect 1"));
  bench.core.connected(0, bench.now);
  bench.core.connected(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("grant a 0", "grant b 1"));
  bench.now += 10s;
  bench.core.lost(0, bench.now);
  bench.lease("c");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0"));
  bench.core.connected(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("grant c 0"));
  EXPECT_EQ(bench.core.figures().leased, 2u);
}

// ── queue ────────────────────────────────────────────────────────────────────────────────────────

TEST(Core, RefusesAtOnceWhereTheQueueIsFull) {
  auto limits = limits_of(1);
  limits.queue_limit = 2;
  Bench bench(limits);
  bench.statement("a");
  bench.lease("b");
  bench.statement("c");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "fail c queue_full"));
  EXPECT_EQ(bench.core.figures().queue_full, 1u);
  EXPECT_EQ(bench.core.figures().waiting, 2u);
}

TEST(Core, AFloodingTenantGivesWayInAFullQueue) {
  auto limits = limits_of(1);
  limits.queue_limit = 4;
  Bench bench(limits);
  for (const auto* name : {"a", "b", "c", "d"}) bench.statement(name, 1);
  (void)bench.done();
  bench.statement("x", 2);
  EXPECT_THAT(bench.done(), ElementsAre("fail d queue_full")) << "the flooder's newest";
  bench.lease("y", 2);
  EXPECT_THAT(bench.done(), ElementsAre("fail c queue_full")) << "of whatever kind";
  bench.statement("z", 2);
  EXPECT_THAT(bench.done(), ElementsAre("fail z queue_full")) << "both have two now";
  bench.statement("w", 3);
  EXPECT_THAT(bench.done(), ElementsAre("fail b queue_full"));
  bench.statement("v", 4);
  EXPECT_THAT(bench.done(), ElementsAre("fail v queue_full")) << "nobody has two of a kind more";
  EXPECT_EQ(bench.core.figures().waiting, 4u);
}

TEST(Core, ServesTenantsInTurnAndEachInOrder) {
  Bench bench(limits_of(1, 1, 1));
  bench.statement("head");
  bench.core.connected(0, bench.now);
  for (const auto* name : {"a1", "a2", "a3"}) bench.statement(name, 1);
  bench.statement("n1");  // without a tenant
  bench.statement("b1", 2);
  bench.statement("b2", 2);
  (void)bench.done();
  Actions order;
  for (std::string last = "head"; bench.core.figures().waiting > 0;) {
    bench.answer(last);
    const auto sent = bench.done();
    ASSERT_EQ(sent.size(), 1u);
    order.push_back(sent[0]);
    last = sent[0].substr(5, sent[0].rfind(' ') - 5);
  }
  EXPECT_THAT(order, ElementsAre("send a1 0", "send n1 0", "send b1 0", "send a2 0", "send b2 0",
                                 "send a3 0"));
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

TEST(Core, SaysWhichLimitOfTimeWasMet) {
  auto limits = limits_of(1, 1, 1);
  limits.pool_timeout = 2s;
  Bench bench(limits);
  bench.statement("sent", -1, bench.now + 5s);
  bench.core.connected(0, bench.now);
  (void)bench.done();
  bench.statement("pool", -1, bench.now + 3s);
  bench.statement("own", -1, bench.now + 1s);
  bench.statement("late", -1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("fail late queue_deadline")) << "over before it began";
  EXPECT_EQ(bench.core.next_wakeup(), bench.now + 1s);
  bench.advance(1s);
  EXPECT_THAT(bench.done(), ElementsAre("fail own queue_deadline"));
  bench.advance(1s);
  EXPECT_THAT(bench.done(), ElementsAre("fail pool pool_timeout"));
  bench.advance(3s);
  EXPECT_THAT(bench.done(), ElementsAre("fail sent sent_deadline", "cancel 0"));
  const auto figures = bench.core.figures();
  EXPECT_EQ(figures.pool_timeouts, 1u);
  EXPECT_EQ(figures.queue_deadlines, 2u);
  EXPECT_EQ(figures.sent_deadlines, 1u);
}

TEST(Core, AMemberWithAnOrphanIsOutOfUseUntilItIsEmpty) {
  Bench bench(limits_of(1));
  bench.statement("a", -1, bench.now + 1s);
  bench.core.connected(0, bench.now);
  bench.statement("b");
  bench.advance(1s);
  (void)bench.done();
  bench.statement("c");
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.core.orphan_answered(0, bench.now);
  EXPECT_THAT(bench.done(), IsEmpty()) << "its neighbour is still there";
  bench.answer("b");
  EXPECT_THAT(bench.done(), IsEmpty()) << "the cancel is still on its way";
  bench.core.cancel_settled(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send c 0"));
}

TEST(Core, AMemberWithAnOrphanIsReplacedAsALane) {
  Bench bench(limits_of(2, 1));
  bench.statement("a", -1, bench.now + 1s);
  bench.core.connected(0, bench.now);
  bench.advance(1s);
  (void)bench.done();
  bench.statement("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 1"));
  bench.core.connected(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send b 1"));
}

TEST(Core, CancelsAnOrphanOnceTheServerIsAtItLessAndLessOften) {
  Bench bench(limits_of(1));
  bench.statement("neighbour");
  bench.core.connected(0, bench.now);
  bench.statement("a", -1, bench.now + 100ms);
  (void)bench.done();
  bench.advance(150ms);
  EXPECT_THAT(bench.done(), ElementsAre("fail a sent_deadline")) << "the neighbour is running";
  bench.answer("neighbour");
  bench.advance(19ms);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.advance(1ms);
  EXPECT_THAT(bench.done(), ElementsAre("cancel 0"));
  bench.core.cancel_settled(0, bench.now);
  bench.advance(20ms);
  EXPECT_THAT(bench.done(), ElementsAre("cancel 0"));
  bench.core.cancel_settled(0, bench.now);
  bench.advance(39ms);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.advance(1ms);
  EXPECT_THAT(bench.done(), ElementsAre("cancel 0"));
  bench.advance(1s);
  EXPECT_THAT(bench.done(), IsEmpty()) << "one at a time";
  bench.core.cancel_settled(0, bench.now);
  bench.advance(0ms);
  EXPECT_THAT(bench.done(), ElementsAre("cancel 0"));
}

TEST(Core, ACancelThatNeverArrivesCostsTheConnection) {
  Bench bench(limits_of(1));
  bench.statement("a", -1, bench.now + 100ms);
  bench.core.connected(0, bench.now);
  bench.advance(100ms);
  EXPECT_THAT(bench.done(),
              ElementsAre("connect 0", "send a 0", "fail a sent_deadline", "cancel 0"));
  bench.core.orphan_answered(0, bench.now);
  bench.advance(Core::kOrphanLimit - 1ms);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.advance(1ms);
  EXPECT_THAT(bench.done(), ElementsAre("close 0"));
}

TEST(Core, ClosesAMemberWhoseServerDoesNotEvenCancel) {
  Bench bench(limits_of(1));
  bench.statement("a", -1, bench.now + 100ms);
  bench.core.connected(0, bench.now);
  auto& neighbour = bench.statement("b");
  bench.advance(100ms);
  (void)bench.done();
  bench.advance(Core::kOrphanLimit - 1ms);
  EXPECT_EQ(neighbour.state, Ticket::State::sent);
  bench.done();
  bench.advance(1ms);
  EXPECT_THAT(bench.done(), ElementsAre("close 0"));
  EXPECT_EQ(neighbour.member, kNoMember);
  EXPECT_EQ(bench.core.figures().closed_for(CloseReason::unresponsive), 1u);
  bench.answer("b");  // the connection ends it with its error
  EXPECT_EQ(bench.core.figures().open, 0u);
}

TEST(Core, AWithdrawnRequestIsGoneOrAnOrphan) {
  Bench bench(limits_of(1, 1, 1));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.statement("b");
  bench.statement("c");
  (void)bench.done();
  bench.core.withdraw(bench.find("b"), bench.now);
  bench.core.withdraw(bench.find("a"), bench.now);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.advance(20ms);
  EXPECT_THAT(bench.done(), ElementsAre("cancel 0"));
  bench.core.cancel_settled(0, bench.now);
  bench.core.orphan_answered(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send c 0"));
}

TEST(Core, RetiresConnectionsOfAgeEachAtItsOwnTime) {
  auto limits = limits_of(2);
  limits.min_idle = 2;
  limits.max_lifetime = 100s;
  limits.max_lifetime_jitter = 0.5;
  limits.idle_timeout = 1h;
  Bench bench(limits);
  bench.random = 0.0;
  bench.core.tick(bench.now);
  bench.core.connected(0, bench.now);  // lives for 100 s
  bench.random = 0.8;
  bench.core.connected(1, bench.now);  // for 100 · (1 − 0.5 · 0.8) = 60 s
  (void)bench.done();
  bench.advance(59s);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.advance(1s);
  EXPECT_THAT(bench.done(), ElementsAre("close 1", "connect 1"));
  bench.core.connected(1, bench.now);
  bench.advance(39s);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.advance(1s);
  EXPECT_THAT(bench.done(), ElementsAre("close 0", "connect 0"));
  EXPECT_EQ(bench.core.figures().closed_for(CloseReason::lifetime), 2u);
}

TEST(Core, AConnectionOfAgeEndsItsWorkFirst) {
  auto limits = limits_of(2, 1);
  limits.max_lifetime = 100s;
  limits.max_lifetime_jitter = 0;
  Bench bench(limits);
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.advance(100s);
  bench.statement("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0", "connect 1"));
  bench.answer("a");
  EXPECT_THAT(bench.done(), ElementsAre("close 0"));
  bench.core.connected(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send b 1"));

  bench.answer("b");
  bench.lease("c");
  (void)bench.done();
  bench.advance(200s);
  EXPECT_THAT(bench.done(), IsEmpty()) << "a lease is not cut";
  bench.core.returned(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("close 1"));
}

TEST(Core, KeepsAConnectionOfAgeWhileNoOtherCanBeMade) {
  auto limits = limits_of(2, 2);
  limits.max_lifetime = 100s;
  limits.max_lifetime_jitter = 0;
  limits.backoff_max = 1h;
  limits.backoff_initial = 1h;
  Bench bench(limits);
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.statement("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0", "send b 0", "connect 1"));
  bench.core.connect_failed(1, false, bench.now);
  ASSERT_THAT(bench.done(), IsEmpty());
  bench.answer("a");
  bench.answer("b");
  bench.advance(200s);
  EXPECT_EQ(bench.core.figures().open, 1u);
  bench.statement("c");
  EXPECT_THAT(bench.done(), ElementsAre("send c 0"));
}

TEST(Core, ClosesIdleConnectionsDownToTheMinimum) {
  auto limits = limits_of(4);
  limits.min_idle = 1;
  limits.idle_timeout = 60s;
  limits.max_lifetime = 1h;
  Bench bench(limits);
  for (const auto* name : {"a", "b", "c"}) bench.lease(name);
  bench.open(3);
  (void)bench.done();
  ASSERT_EQ(bench.core.figures().leased, 3u);
  for (MemberId id : {0u, 1u, 2u}) bench.core.returned(id, bench.now);
  while (!bench.connecting.empty()) {
    bench.core.connected(bench.connecting.front(), bench.now);
    bench.connecting.pop_front();
  }
  bench.done();
  const auto before = bench.core.figures().open;
  ASSERT_GE(before, 3u);
  bench.advance(59s);
  EXPECT_EQ(bench.core.figures().open, before);
  bench.advance(2s);
  EXPECT_EQ(bench.core.figures().open, 1u);
  EXPECT_EQ(bench.core.figures().closed_for(CloseReason::idle), before - 1);
  bench.advance(10min);
  EXPECT_EQ(bench.core.figures().open, 1u);
}

TEST(Core, UseKeepsAConnectionOpen) {
  auto limits = limits_of(1);
  limits.idle_timeout = 60s;
  Bench bench(limits);
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.answer("a");
  for (int i = 0; i < 20; ++i) {
    bench.advance(50s);
    const auto name = std::to_string(i);
    bench.statement(name);
    bench.answer(name);
  }
  EXPECT_EQ(bench.core.figures().open, 1u);
  bench.advance(60s);
  EXPECT_EQ(bench.core.figures().open, 0u);
}

// ── connecting that fails ────────────────────────────────────────────────────────────────────────

TEST(Core, WaitsLongerAndLongerBetweenAttempts) {
  auto limits = limits_of(1);
  limits.backoff_initial = 100ms;
  limits.backoff_max = 1s;
  limits.pool_timeout = 1h;
  Bench bench(limits);
  bench.random = 0.999999999;
  bench.statement("a");
  std::vector<Duration> pauses;
  for (int i = 0; i < 7; ++i) {
    EXPECT_THAT(bench.done(), ElementsAre("connect 0"));
    bench.core.connect_failed(0, false, bench.now);
    EXPECT_THAT(bench.done(), IsEmpty());
    const auto at = bench.core.next_wakeup();
    pauses.push_back(std::chrono::round<std::chrono::milliseconds>(at - bench.now));
    bench.now = at;
    bench.core.tick(bench.now);
  }
  EXPECT_THAT(pauses, ElementsAre(100ms, 200ms, 400ms, 800ms, 1s, 1s, 1s));
  bench.core.connected(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0"));
}

TEST(Core, APauseOfNoLengthIsNoEnd) {
  Bench bench(limits_of(1));
  bench.random = 0.0;
  bench.statement("a");
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(bench.done(), ElementsAre("connect 0"));
    bench.core.connect_failed(0, false, bench.now);
    bench.advance(1ns);
  }
}

TEST(Core, ALeaseTakesALaneWhereNoConnectionCanBeMade) {
  auto limits = limits_of(4, 2);
  limits.min_idle = 2;
  limits.pool_timeout = 1h;
  Bench bench(limits);
  bench.open(2);
  bench.statement("a");
  bench.statement("b");
  bench.lease("c");
  EXPECT_THAT(bench.done(), ElementsAre("send a 1", "send b 0", "connect 2"));
  bench.core.connect_failed(2, false, bench.now);
  bench.statement("d");
  const auto lane = bench.find("d").member;
  EXPECT_EQ(bench.find("d").state, Ticket::State::sent);
  bench.answer(lane == 0 ? "a" : "b");
  bench.answer("d");
  bench.answer(lane == 0 ? "b" : "a");
  EXPECT_EQ(bench.find("c").state, Ticket::State::leased);
}

TEST(Core, FailsWhoWaitsWhereTheServerRefusesForGood) {
  auto limits = limits_of(4);
  limits.backoff_initial = limits.backoff_max = 1s;
  Bench bench(limits);
  bench.statement("a");
  bench.lease("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "connect 1"));
  bench.core.connect_failed(0, true, bench.now);
  EXPECT_THAT(bench.done(), IsEmpty()) << "the other may yet come";
  bench.core.connect_failed(1, true, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("fail a connect_failed", "fail b connect_failed"));
  bench.statement("c");
  EXPECT_THAT(bench.done(), ElementsAre("fail c connect_failed")) << "at once, until the next try";
  bench.advance(1s);
  bench.statement("d");
  EXPECT_THAT(bench.done(), ElementsAre("connect 1"));
  bench.core.connected(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send d 1"));
}

TEST(Core, ARefusalFailsNobodyWhileAConnectionIsOpen) {
  Bench bench(limits_of(4, 2, 1));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.statement("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0", "connect 1"));
  bench.core.connect_failed(1, true, bench.now);
  EXPECT_THAT(bench.done(), IsEmpty());
  bench.answer("a");
  EXPECT_THAT(bench.done(), ElementsAre("send b 0"));
}

TEST(Core, WhatWasOnALostMemberIsNoLongerItsBusiness) {
  Bench bench(limits_of(1));
  auto& a = bench.statement("a", -1, bench.now + 1s);
  bench.core.connected(0, bench.now);
  auto& b = bench.statement("b");
  bench.now += 10ms;
  bench.core.lost(0, bench.now);
  EXPECT_EQ(a.member, kNoMember);
  EXPECT_EQ(b.member, kNoMember);
  bench.answer("a");  // with the connection's error
  (void)bench.done();
  bench.advance(2s);
  EXPECT_THAT(bench.done(), IsEmpty()) << "no deadline of theirs is left";
  bench.core.submit(b, bench.now);  // and may be asked for again
  EXPECT_THAT(bench.done(), ElementsAre("connect 0"));
  bench.core.connected(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send b 0"));
}

TEST(Core, AServerThatDropsWhomItAcceptsIsNotStormed) {
  auto limits = limits_of(1);
  limits.min_idle = 1;
  limits.backoff_initial = 100ms;
  Bench bench(limits);
  bench.core.tick(bench.now);
  int connects = 0;
  const auto end = bench.now + 10s;
  while (bench.now < end) {
    for (const auto& action : bench.done()) {
      if (action != "connect 0") continue;
      ++connects;
      bench.now += 1ms;
      bench.core.connected(0, bench.now);
      bench.core.lost(0, bench.now);
    }
    bench.advance(1ms);
  }
  EXPECT_LE(connects, 10s / 50ms + 1);
  EXPECT_GE(connects, 10);
}

// ── leases and statements together ───────────────────────────────────────────────────────────────

TEST(Core, ALeaseTakesAnIdleConnectionAtOnce) {
  Bench bench(limits_of(4));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.answer("a");
  bench.lease("b");
  EXPECT_THAT(bench.done(), ElementsAre("connect 0", "send a 0", "grant b 0"));
}

TEST(Core, StatementsKeepALaneWhileLeasesWait) {
  auto limits = limits_of(4);
  limits.min_idle = 4;
  Bench bench(limits);
  bench.open(4);
  for (const auto* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) bench.statement(name);
  for (const auto* name : {"l1", "l2", "l3", "l4", "l5"}) bench.lease(name);
  bench.statement("i");
  (void)bench.done();
  for (const auto* name : {"a", "b", "c", "d", "e", "f", "g", "h"}) bench.answer(name);
  EXPECT_EQ(bench.core.figures().leased, 3u);
  EXPECT_EQ(bench.core.figures().lanes, 1u);
}

// Saturated with both kinds, neither waits for ever, and the machine is never idle.
TEST(Core, NeitherKindStarvesOnFewConnections) {
  for (const std::size_t connections : {1u, 2u, 4u}) {
    for (const bool one_held_for_ever : {false, true}) {
      if (one_held_for_ever && connections == 1) continue;
      auto limits = limits_of(connections, 4, 4);
      limits.pool_timeout = 1h;
      Bench bench(limits);
      if (one_held_for_ever) {
        bench.lease("listener");
        bench.open(1);
      }
      // Always 20 statements of 1 ms and 5 leases of 10 ms ask.
      struct Running {
        Bench::Named* ticket;
        SteadyTime ends;
      };
      std::deque<Running> statements, leases;
      int asked = 0, answered_statements = 0, ended_leases = 0;
      Duration worst_statement{}, worst_lease{};
      const auto ask = [&](bool lease) {
        const auto name = std::to_string(++asked);
        if (lease) {
          bench.lease(name);
        } else {
          bench.statement(name);
        }
      };
      for (int i = 0; i < 20; ++i) ask(false);
      for (int i = 0; i < 5; ++i) ask(true);
      const auto end = bench.now + 20s;
      while (bench.now < end) {
        Action action;
        while (bench.core.next_action(action)) {
          auto* ticket = static_cast<Bench::Named*>(action.ticket);
          if (action.kind == Action::Kind::connect) {
            bench.core.connected(action.member, bench.now);
          } else if (action.kind == Action::Kind::send) {
            worst_statement = std::max(worst_statement, bench.now - ticket->arrived);
            statements.push_back({ticket, {}});
          } else if (action.kind == Action::Kind::grant && ticket->name != "listener") {
            worst_lease = std::max(worst_lease, bench.now - ticket->arrived);
            leases.push_back({ticket, bench.now + 10ms});
          }
        }
        bench.advance(1ms);
        // Each lane answers its first.
        std::vector<bool> served(connections);
        const auto flying = statements.size();
        for (std::size_t i = 0; i < flying; ++i) {
          auto running = statements.front();
          statements.pop_front();
          if (served[running.ticket->member]) {
            statements.push_back(running);
            continue;
          }
          served[running.ticket->member] = true;
          bench.core.answered(*running.ticket, bench.now);
          ++answered_statements;
          ask(false);
        }
        while (!leases.empty() && leases.front().ends <= bench.now) {
          bench.core.returned(leases.front().ticket->member, bench.now);
          leases.pop_front();
          ++ended_leases;
          ask(true);
        }
      }
      EXPECT_LT(worst_statement, 500ms) << connections << one_held_for_ever;
      EXPECT_LT(worst_lease, 1500ms) << connections << one_held_for_ever;
      EXPECT_GT(answered_statements, 1000) << connections << one_held_for_ever;
      EXPECT_GT(ended_leases, 100) << connections << one_held_for_ever;
    }
  }
}

TEST(Core, ALaneIsGivenBackWhenTheLeaseNoLongerWaits) {
  Bench bench(limits_of(1));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.lease("b", -1, bench.now + 50ms);
  bench.statement("c");
  (void)bench.done();
  EXPECT_EQ(bench.find("c").state, Ticket::State::waiting);
  bench.advance(50ms);
  EXPECT_THAT(bench.done(), ElementsAre("fail b queue_deadline", "send c 0"));
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────

TEST(Core, DrainsWhatRunsAndWhatWaits) {
  Bench bench(limits_of(2, 1, 1));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.statement("b");
  bench.lease("c");
  (void)bench.done();
  bench.core.connected(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("grant c 1"));
  bench.core.drain(bench.now, bench.now + 10s);
  bench.statement("d");
  EXPECT_THAT(bench.done(), ElementsAre("fail d shutting_down"));
  bench.answer("a");
  EXPECT_THAT(bench.done(), ElementsAre("send b 0"));
  bench.answer("b");
  EXPECT_THAT(bench.done(), ElementsAre("close 0"));
  EXPECT_FALSE(bench.core.drained());
  bench.core.returned(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("close 1"));
  EXPECT_TRUE(bench.core.drained());
  EXPECT_FALSE(bench.core.drain_cut());
  EXPECT_EQ(bench.core.figures().closed_for(CloseReason::shutdown), 2u);
}

TEST(Core, CutsWhatIsLeftWhenTheTimeForDrainingIsOver) {
  Bench bench(limits_of(3, 1, 1));
  bench.statement("a");
  bench.core.connected(0, bench.now);
  bench.lease("b");
  bench.open(1);
  bench.core.connected(1, bench.now);
  bench.statement("c");
  (void)bench.done();
  bench.core.drain(bench.now, bench.now + 1s);
  EXPECT_EQ(bench.core.next_wakeup(), bench.now + 1s);
  bench.advance(1s);
  EXPECT_THAT(bench.done(),
              ElementsAre("fail c shutting_down", "cancel 0", "close 0", "cancel 1", "close 1"));
  EXPECT_TRUE(bench.core.drain_cut());
  EXPECT_TRUE(bench.core.drained());
  bench.answer("a");
  bench.core.returned(1, bench.now);
  EXPECT_TRUE(bench.core.drained());
  EXPECT_THAT(bench.done(), IsEmpty());
}

TEST(Core, AnAttemptToConnectHoldsUpNoEnd) {
  Bench bench(limits_of(2));
  bench.statement("a", -1, bench.now + 100ms);
  EXPECT_THAT(bench.done(), ElementsAre("connect 0"));
  bench.core.drain(bench.now, bench.now + 1s);
  EXPECT_THAT(bench.done(), IsEmpty()) << "one waits for it";
  bench.advance(100ms);
  EXPECT_THAT(bench.done(), ElementsAre("fail a queue_deadline", "close 0"));
  EXPECT_TRUE(bench.core.drained());
  bench.core.connected(0, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("close 0")) << "too late";
  EXPECT_TRUE(bench.core.drained());
  bench.core.connect_failed(0, false, bench.now);
  EXPECT_TRUE(bench.core.drained());
}

TEST(Core, ConnectsStillForWhatWaitsWhileDraining) {
  auto limits = limits_of(2);
  limits.min_idle = 2;
  Bench bench(limits);
  bench.statement("a");
  (void)bench.done();
  bench.core.drain(bench.now, bench.now + 10s);
  bench.core.connect_failed(0, false, bench.now);
  bench.core.connect_failed(1, false, bench.now);
  bench.advance(1s);
  const auto wishes = bench.done();
  ASSERT_THAT(wishes, ElementsAre("connect 1")) << "one for the one that waits, none to be warm";
  bench.core.connected(1, bench.now);
  EXPECT_THAT(bench.done(), ElementsAre("send a 1"));
  bench.answer("a");
  EXPECT_TRUE(bench.core.drained());
}

TEST(Core, DrainingNothingIsDone) {
  Bench bench(limits_of(2));
  bench.core.drain(bench.now, bench.now + 10s);
  EXPECT_TRUE(bench.core.drained());
  EXPECT_EQ(bench.core.next_wakeup(), SteadyTime::max());
}

}  // namespace
}  // namespace lyceum::pool
