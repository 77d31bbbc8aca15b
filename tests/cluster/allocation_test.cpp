// A choice among nodes costs no allocation, and a request through a cluster as many as one through
// a pool. Counts them in this whole executable, by thread.

#include <atomic>
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>

#include "cluster/retry_budget.h"
#include "cluster/router.h"
#include "cluster/traffic.h"

namespace {

thread_local std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* place = std::malloc(size == 0 ? 1 : size)) return place;
  throw std::bad_alloc();
}
void operator delete(void* place) noexcept {
  std::free(place);
}
void operator delete(void* place, std::size_t) noexcept {
  std::free(place);
}

namespace lyceum::cluster {
namespace {

TEST(Allocation, IsCounted) {
  const auto before = allocations;
  const auto held = std::make_unique<std::vector<int>>(100);
  EXPECT_EQ(allocations - before, 2) << held->size();
}

TEST(Allocation, AChoiceMakesNone) {
  for (const std::size_t nodes : {1u, 3u, 64u, 100u}) {
    for (const auto balance : {Balance::least_loaded, Balance::round_robin}) {
      std::vector<pool::Load> loads(nodes);
      std::vector<const pool::Load*> pointers;
      for (auto& load : loads) pointers.push_back(&load);
      Router router({.balance = balance}, pointers);
      auto topology = std::make_shared<Topology>();
      topology->version = 1;
      topology->primary = 0;
      topology->primary_answers = true;
      topology->timeline = 1;
      topology->nodes.resize(nodes);
      for (auto& node : topology->nodes) {
        node = {.standing = Standing::serving, .timeline = 1, .lsn = 1000, .asked = SteadyTime(3h)};
      }
      RetryBudget budget(0.2);
      Tried tried;
      tried.add(1);

      int gone = 0;
      const auto choose = [&](std::uint64_t i) {
        budget.request();
        auto& load = loads[router.read({1, 990 + i % 20}, tried).node];
        ++load.in_flight;
        load.took(1ms);
        gone += router.read({}).kind == Route::Kind::go ? 1 : 0;
        gone += router.write({1, i}).kind == Route::Kind::go ? 1 : 0;
        gone += router.read_primary(Reason::behind, {1, i}).kind == Route::Kind::go ? 1 : 0;
      };
      const auto before = allocations;
      for (std::uint64_t i = 0; i < 1000; ++i) {
        choose(i);
        router.advanced(nodes - 1, i);
        router.failed(nodes - 1, SteadyTime(2h));
        router.tried(nodes - 1, true, SteadyTime(4h));
        gone += budget.take(SteadyTime(1h)) ? 1 : 0;
      }
      EXPECT_EQ(allocations - before, 0) << nodes << " nodes";
      // With the topology that is known it goes on without any too.
      router.apply(topology);
      const auto known = allocations;
      for (std::uint64_t i = 0; i < 1000; ++i) choose(i);
      EXPECT_EQ(allocations - known, 0) << nodes << " nodes";
      EXPECT_GT(gone, 2000);
    }
  }
}

// What so many statements, one after the other, have allocated at the last of some rounds.
std::size_t allocations_of(Loop& loop, pool::Database& database) {
  const auto statement = read_of("select $1::bigint", "select_one");
  const auto round = [](pool::Database& on, const Statement& what) -> awaitable<std::size_t> {
    const auto before = allocations;
    for (std::int64_t i = 0; i < 500; ++i) {
      const pg::Params params(i);
      pg::Position seen;
      const pool::Call call{.deadline = in(20s), .seen = &seen};
      const auto rows = co_await on.execute(what, params, call);
      EXPECT_TRUE(rows.has_value());
    }
    co_return allocations - before;
  };
  std::size_t last = 0;
  // The first connect, prepare, and find the buffers' sizes.
  for (int i = 0; i < 4; ++i) last = loop.run(round(database, statement));
  return last;
}

TEST(Allocation, ARequestThroughAClusterMakesNoMoreThanOneThroughAPool) {
  Servers servers(1);
  servers.wait_until_replayed();
  Loop loop;
  auto options = options_for(servers.urls());
  options.probe_interval = 1h;  // the probes allocate on this thread too
  Cluster cluster(loop.context.get_executor(), options);
  (void)loop.run(cluster.ready());
  loop.until([&] { return cluster.topology().writable(); });
  auto alone = options.pool;
  alone.target = options.nodes[1];
  pool::Pool pool(loop.context.get_executor(), alone);
  const auto through_pool = allocations_of(loop, pool);
  const auto through_cluster = allocations_of(loop, cluster);
  EXPECT_GT(through_pool, 0U);
  EXPECT_LE(through_cluster, through_pool);
  loop.run(pool.shutdown(2s));
  loop.run(cluster.shutdown(2s));
}

}  // namespace
}  // namespace lyceum::cluster
