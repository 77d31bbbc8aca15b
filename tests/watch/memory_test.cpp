// What a server takes of the monitor's memory, when it has been watched for as long as any rule
// looks back: 64 MB are to hold twenty, and the program they are held in.

#include <fmt/format.h>
#include <malloc.h>

#include "watch/epoch.h"
#include "watch/evaluate.h"
#include "watch/server_at_work.h"
#include "watch/texts.h"

#if defined(__has_feature) && __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
namespace {
std::size_t heap() {
  return __sanitizer_get_current_allocated_bytes();
}
}  // namespace
#else
namespace {
std::size_t heap() {
  const auto used = ::mallinfo2();
  return used.uordblks + used.hblkhd;
}
}  // namespace
#endif

namespace lyceum::watch {
namespace {

TEST_F(HistoryTest, AServerTakesLessThanATwentiethOfTheMonitorsMemory) {
  constexpr double kPart = 35 * 86'400.0 / 60;  // of the longest window: as many as are remembered
  constexpr int kSamples = 66;
  auto& history = open();
  Epochs epochs;
  Evaluator evaluator(std::make_shared<const RuleSet>(load_rules("").value()));
  std::map<std::string, Texts> texts;
  std::string node;
  const auto take = [&](std::vector<Sample> samples) {
    for (auto& sample : samples) {
      sample.source.node = node;
      // Another database than the other's, so that the two share nothing.
      if (!sample.source.database.empty()) sample.source.database = "of_" + node;
      const auto& collector = *find_collector(sample.source.collector);
      sample.epoch = epochs.next(collector, sample, {.started_at = 1});
      const auto text = collector.position(collector.name == "indexes" ? "definition" : "query");
      if (collector.scope == Scope::database && text >= 0) {
        // As a reader has it: what it knows already is in the row.
        auto& known = texts[node + sample.source.collector];
        std::int64_t key = 0;
        for (auto& row : sample.rows) {
          auto& cell = row.at(static_cast<std::size_t>(text));
          if (const auto* found = known.find(++key)) {
            cell = *found;
          } else {
            known.put(key, std::get<Text>(cell), {});
          }
        }
      }
      ASSERT_TRUE(history.append(sample));
      (void)evaluator.take(sample);
    }
  };
  // The first brings what is there once: caches, above all.
  double taken = 0;
  for (const auto* name : {"one", "two"}) {
    node = name;
    ServerAtWork server;
    const auto before = heap();
    for (int i = 0; i < kSamples; ++i) {
      take(server.fast(i * kPart));
      take(server.slow(i * kPart));
    }
    taken = static_cast<double>(heap() - before);
    std::cout << fmt::format("server {}: {:.2f} MB\n", name, taken / 1e6);
  }
  EXPECT_LT(20 * taken, 56e6);
}

}  // namespace
}  // namespace lyceum::watch
