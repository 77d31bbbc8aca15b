#pragma once

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "support/process.h"
#include "watch/collector.h"
#include "watch/history.h"

namespace lyceum::watch {

inline Timestamp at_second(double second) {
  return Timestamp(
      std::chrono::microseconds(1'767'225'600'000'000 + static_cast<std::int64_t>(second * 1e6)));
}

// A row of a collector: what is not named is nothing.
inline Row row_of(std::string_view collector,
                  const std::vector<std::pair<std::string_view, Value>>& values) {
  const auto* of = find_collector(collector);
  Row row(of->columns.size());
  for (const auto& [name, value] : values)
    row.at(static_cast<std::size_t>(of->position(name))) = value;
  return row;
}

// One row of wal with how many records.
inline Sample wal(double second, std::int64_t records, std::int64_t epoch = 1,
                  const std::string& node = "one") {
  return {.source = {"wal", node, ""},
          .at = at_second(second),
          .epoch = epoch,
          .rows = {row_of("wal", {{"records", records}, {"bytes", records * 100}})}};
}

// A file of its own, opened anew as often as one likes.
class HistoryTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return room_.path() / "history.db"; }

  History& open(HistoryOptions options = {}, StoreOptions store = {}) {
    history_.reset();
    store_.reset();
    auto opened = Store::open(path(), clock_, store);
    if (!opened) throw Exception(opened.error());
    store_.emplace(*std::move(opened));
    return history_.emplace(*store_, options);
  }
  void close() {
    history_.reset();
    store_.reset();
  }

  static std::vector<KeptSample> all(History& history, const Selection& selection = {}) {
    auto cursor = history.read(selection);
    EXPECT_TRUE(cursor) << (cursor ? "" : cursor.error().to_string());
    std::vector<KeptSample> out;
    while (cursor) {
      const auto next = cursor->next();
      EXPECT_TRUE(next) << (next ? "" : next.error().to_string());
      if (!next || *next == nullptr) break;
      out.push_back(**next);
    }
    return out;
  }

  // What the samples say of wal.records, in their order.
  static std::vector<std::int64_t> records(const std::vector<KeptSample>& samples) {
    std::vector<std::int64_t> out;
    for (const auto& sample : samples) {
      const auto column = static_cast<std::size_t>(sample.picture.position("records"));
      out.push_back(std::get<std::int64_t>(sample.picture.rows.at(0).at(column)));
    }
    return out;
  }

  testing::TemporaryDirectory room_;
  FakeClock clock_;
  std::optional<Store> store_;
  std::optional<History> history_;
};

}  // namespace lyceum::watch
