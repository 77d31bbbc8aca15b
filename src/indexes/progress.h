#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// How far a build is. Pure.
namespace lyceum::indexes {

// A backend that a build waits for.
struct Blocker {
  int process = 0;
  std::string user;
  std::string application;
  std::string state;  // "idle in transaction", ...; empty where not visible
  std::chrono::seconds transaction_age{0};
  std::string transaction_start;  // as the server prints it
  std::string query_start;
  std::string query;  // its latest, cut to 200 characters; may hold values

  // One line: process, user, application, state, age, query start. The query itself is left out.
  [[nodiscard]] std::string to_string() const;
};

// One look at pg_stat_progress_create_index and at what the builder waits for.
struct BuildSample {
  std::string phase;  // as the server names it; empty before the build has begun
  std::int64_t blocks_done = 0, blocks_total = 0;
  std::int64_t tuples_done = 0, tuples_total = 0;
  std::int64_t lockers_done = 0, lockers_total = 0;
  std::uint32_t index_oid = 0;   // 0 until the server says
  bool waits_for_table = false;  // for the table's lock itself: has not begun
  std::optional<Blocker> waits_for;
};

struct BuildProgress {
  std::string index;
  std::size_t position = 0;  // this one's place among those to build, from 1
  std::size_t count = 0;
  BuildSample sample;
  double fraction = 0;  // 0 to 1, an estimate; see estimate_fraction
  std::chrono::milliseconds elapsed{0};
};

// How much of a concurrent build's work is behind it. A concurrent build scans the table twice: for
// the build, and for the validation after it. Shares are what B-tree builds of large tables were
// seen to take: build scan, sort and load 75 %, validation 24 %; the waits count as nothing. Within
// a phase by blocks where the server counts them, else by tuples, else the phase's begin.
[[nodiscard]] double estimate_fraction(const BuildSample& sample);

// Whether the build is in one of its three waits for other transactions ("waiting for ..."). They
// hold no lock that anybody minds, and may take as long as the oldest transaction does.
[[nodiscard]] bool is_long_wait(std::string_view phase);

// Never goes back: samples of two phases may overlap.
class ProgressEstimator {
 public:
  [[nodiscard]] double update(const BuildSample& sample);

 private:
  double fraction_ = 0;
};

}  // namespace lyceum::indexes
