#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"

// FSRS-6, the Free Spaced Repetition Scheduler of the open-spaced-repetition project: when a word
// should be met again. Formulas: the wiki of open-spaced-repetition/fsrs4anki, "The Algorithm",
// FSRS-6; steps, weights and rounding as py-fsrs 6 has them by default, fuzz left out. What is
// published there are facts, this is our own code. Pure; any thread.
//
// A memory is three numbers: stability (days until the chance to recall it has fallen to 90 %),
// difficulty (1 to 10), and, from these and the time that has passed, retrievability (that chance).
namespace lyceum::learning::fsrs {

enum class Rating : std::uint8_t { again = 1, hard, good, easy };

// Where a word is: in the short steps at first, in the long intervals, or in the short steps after
// it was forgotten.
enum class State : std::uint8_t { learning, review, relearning };

[[nodiscard]] std::string_view name_of(State state);
[[nodiscard]] std::optional<State> parse_state(std::string_view name);

// What is known of one learner's memory of one word after its last review.
struct Memory {
  double stability = 0;   // days, kLeastStability to kMostStability
  double difficulty = 0;  // 1 to 10
  State state = State::learning;
  std::int32_t step = 0;  // which of the steps, from 0; 0 in State::review
  Timestamp last_review{};
  bool operator==(const Memory&) const = default;
};

inline constexpr double kLeastStability = 0.001;
// The longest interval. py-fsrs lets stability grow beyond it, without effect on a due time.
inline constexpr double kMostStability = 36'500;

struct Parameters {
  // w0 to w20, as py-fsrs 6 has them by default: fitted to many learners' reviews.
  std::array<double, 21> weights{0.212,  1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194,
                                 0.001,  1.8722, 0.1666, 0.796,  1.4835, 0.0614, 0.2629,
                                 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542};
  double desired_retention = 0.9;          // the chance of recall at which a word is due, 0 to 1
  std::int32_t maximum_interval = 36'500;  // days
  std::vector<std::chrono::seconds> learning_steps{std::chrono::minutes(1),
                                                   std::chrono::minutes(10)};
  std::vector<std::chrono::seconds> relearning_steps{std::chrono::minutes(10)};
};

struct Scheduled {
  Memory memory;
  Timestamp due{};
};

// What a review makes of a memory; none: the first review. A review before the last one counts as
// one at the same moment as that.
[[nodiscard]] Scheduled schedule(const std::optional<Memory>& memory, Rating rating, Timestamp now,
                                 const Parameters& parameters = {});

// The chance of recall at a moment, 0 to 1. Counts whole days, as the scheduler does.
[[nodiscard]] double retrievability(const Memory& memory, Timestamp now,
                                    const Parameters& parameters = {});

}  // namespace lyceum::learning::fsrs
