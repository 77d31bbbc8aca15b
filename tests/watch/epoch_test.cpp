#include "watch/epoch.h"

#include <gtest/gtest.h>

namespace lyceum::watch {
namespace {

using namespace std::chrono_literals;

constexpr double kStart = 1'800'000'000;

// A sample of `databases`: each row a name and its commits.
struct Databases {
  Epochs epochs;
  const Collector& collector = *find_collector("databases");
  Timestamp now{std::chrono::seconds(1'800'001'000)};

  std::int64_t next(std::vector<std::pair<std::string, std::int64_t>> rows,
                    double started_at = kStart, std::optional<double> stats_reset = std::nullopt) {
    now += 10s;
    Sample sample{.source = {"databases", "a", ""}, .at = now};
    for (auto& [name, commits] : rows) {
      Row row(collector.columns.size());
      row[static_cast<std::size_t>(collector.position("database"))] = name;
      row[static_cast<std::size_t>(collector.position("commits"))] = commits;
      sample.rows.push_back(std::move(row));
    }
    return epochs.next(collector, sample, {started_at, stats_reset});
  }
};

TEST(Epochs, StayWhileCountersRise) {
  Databases of;
  const auto first = of.next({{"a", 5}, {"b", 0}});
  EXPECT_EQ(first, 1'800'000'000'000'000);
  EXPECT_EQ(of.next({{"a", 5}, {"b", 1}}), first);
  EXPECT_EQ(of.next({{"a", 6}, {"b", 1}, {"c", 1}}), first);
  // Who is gone and comes back has nothing to fall from.
  EXPECT_EQ(of.next({{"a", 6}}), first);
  EXPECT_EQ(of.next({{"a", 6}, {"b", 0}}), first);
}

TEST(Epochs, RiseWithARestart) {
  Databases of;
  const auto first = of.next({{"a", 5}});
  const auto second = of.next({{"a", 6}}, kStart + 500);
  EXPECT_GT(second, first);
  EXPECT_EQ(of.next({{"a", 7}}, kStart + 500), second);
}

TEST(Epochs, RiseWithAReset) {
  Databases of;
  const auto first = of.next({{"a", 5}}, kStart, kStart + 100);
  EXPECT_EQ(of.next({{"a", 6}}, kStart, kStart + 100), first);
  const auto second = of.next({{"a", 7}}, kStart, kStart + 1010);
  EXPECT_GT(second, first);
  // Also where the server has forgotten when that was.
  const auto third = of.next({{"a", 8}}, kStart, std::nullopt);
  EXPECT_GT(third, second);
  EXPECT_EQ(of.next({{"a", 9}}, kStart, std::nullopt), third);
}

TEST(Epochs, RiseWhereCountersFellWithoutAWord) {
  Databases of;
  const auto first = of.next({{"a", 500}, {"b", 700}, {"c", 0}});
  const auto second = of.next({{"a", 3}, {"b", 2}, {"c", 1}});
  EXPECT_GT(second, first);
  EXPECT_EQ(of.next({{"a", 4}, {"b", 2}, {"c", 1}}), second);
  // A second time within the same server's life.
  EXPECT_GT(of.next({{"a", 0}, {"b", 0}, {"c", 0}}), second);
}

TEST(Epochs, OneRowOfManyBeginsAnewAlone) {
  Databases of;
  const auto first = of.next({{"a", 500}, {"b", 700}, {"c", 900}, {"d", 1}});
  EXPECT_EQ(of.next({{"a", 1}, {"b", 701}, {"c", 901}, {"d", 1}}), first);
  EXPECT_GT(of.next({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}), first);
}

TEST(Epochs, AreTheSameForWhoBeginsLater) {
  Databases one, other;
  const auto epoch = one.next({{"a", 5}}, kStart, kStart + 7);
  other.now += 1h;
  EXPECT_EQ(other.next({{"a", 50}}, kStart, kStart + 7), epoch);
}

TEST(Epochs, NeverFallBelowWhatIsRemembered) {
  Databases of;
  const auto later = static_cast<std::int64_t>(kStart + 900) * 1'000'000;
  of.epochs.remember({"databases", "a", ""}, later);
  EXPECT_EQ(of.next({{"a", 5}}), later);
  EXPECT_EQ(of.next({{"a", 6}}), later);
  EXPECT_GT(of.next({{"a", 1}}), later);
}

TEST(Epochs, OfASourceAreItsOwn) {
  Epochs epochs;
  const auto& collector = *find_collector("wal");
  const auto at = Timestamp(std::chrono::seconds(1'800'001'000));
  const auto position = static_cast<std::size_t>(collector.position("position_bytes"));
  const auto sample = [&](const char* node, std::int64_t bytes) {
    Row row(collector.columns.size());
    row[position] = bytes;
    return Sample{.source = {"wal", node, ""}, .at = at, .rows = {row}};
  };
  const auto a = epochs.next(collector, sample("a", 1000), {kStart, {}});
  EXPECT_EQ(epochs.next(collector, sample("b", 10), {kStart, {}}), a);
  EXPECT_EQ(epochs.next(collector, sample("a", 1001), {kStart, {}}), a);
  EXPECT_GT(epochs.next(collector, sample("a", 10), {kStart, {}}), a);
}

}  // namespace
}  // namespace lyceum::watch
