// What a day of one server takes: a file of 500 MB is to hold a day of twenty.

#include <fmt/format.h>

#include "base/config.h"
#include "watch/server_at_work.h"

namespace lyceum::watch {
namespace {

constexpr double kFast = 10;
constexpr double kSlow = 300;

// The day is made of equal parts, each a film of what is read slowly and four of what is read fast:
// two of them show what each further one takes.
TEST_F(HistoryTest, ADayOfOneServerTakesLessThan25MB) {
  constexpr double kPart = 4 * 3600;
  auto& history = open({.film_span = std::chrono::hours(4)});
  const auto keep = [&](const std::vector<Sample>& samples) {
    for (const auto& sample : samples) {
      const auto kept = history.append(sample);
      ASSERT_TRUE(kept) << kept.error().to_string();
    }
  };
  ServerAtWork server;
  std::array<std::uint64_t, 2> sizes{};
  double now = 0;
  for (auto& size : sizes) {
    for (double end = now + kPart; now < end; now += kFast) {
      keep(server.fast(now));
      if (std::fmod(now, kSlow) == 0) keep(server.slow(now));
    }
    ASSERT_TRUE(store_->database().run("PRAGMA wal_checkpoint(TRUNCATE)"));
    size = std::filesystem::file_size(path());
  }
  const auto part = static_cast<double>(sizes[1] - sizes[0]);
  const double day = static_cast<double>(sizes[0]) + part * (86'400 / kPart - 1);
  const auto sources = history.sources();
  for (const auto& one : sources.value()) {
    std::cout << fmt::format("{:16} {:7} samples {:9} bytes {:8.1f} each\n", one.source.collector,
                             one.samples, one.bytes,
                             static_cast<double>(one.bytes) / static_cast<double>(one.samples));
  }
  std::cout << fmt::format("a day of one server: {:.1f} MB\n", day / 1e6);
  EXPECT_LT(day, 25e6);
  // A day of twenty, and the limit that is there where none is set.
  EXPECT_LT(20 * day, 500e6);
  EXPECT_EQ(WatchSettings{}.history_max_mib, 500);
}

}  // namespace
}  // namespace lyceum::watch
