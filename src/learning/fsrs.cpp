#include "learning/fsrs.h"

#include <algorithm>
#include <cmath>

namespace lyceum::learning::fsrs {
namespace {

using std::chrono::days;
using std::chrono::seconds;

constexpr std::array<std::string_view, 3> kStates{"learning", "review", "relearning"};

// The model with one set of weights.
class Model {
 public:
  explicit Model(const Parameters& parameters)
      : parameters_(parameters),
        w_(parameters.weights),
        decay_(-w_[20]),
        factor_(std::pow(0.9, 1 / decay_) - 1) {}

  [[nodiscard]] double recall_after(double elapsed_days, double stability) const {
    return std::pow(1 + factor_ * elapsed_days / stability, decay_);
  }

  [[nodiscard]] double first_stability(Rating rating) const {
    return bounded(w_[number(rating) - 1]);
  }
  [[nodiscard]] double first_difficulty(Rating rating) const {
    return std::clamp(raw_first_difficulty(rating), 1.0, 10.0);
  }

  // Changes less the closer it is to 10, and leans a little towards what an easy word starts with.
  [[nodiscard]] double next_difficulty(double difficulty, Rating rating) const {
    const double change = -w_[6] * (number(rating) - 3.0);
    const double damped = difficulty + change * (10 - difficulty) / 9;
    const double reverted = w_[7] * raw_first_difficulty(Rating::easy) + (1 - w_[7]) * damped;
    return std::clamp(reverted, 1.0, 10.0);
  }

  // After a review on the same day as the one before.
  [[nodiscard]] double same_day_stability(double stability, Rating rating) const {
    double increase =
        std::exp(w_[17] * (number(rating) - 3.0 + w_[18])) * std::pow(stability, -w_[19]);
    if (rating >= Rating::good) increase = std::max(increase, 1.0);
    return bounded(stability * increase);
  }

  // After a review on a later day.
  [[nodiscard]] double next_stability(const Memory& memory, double recall, Rating rating) const {
    return bounded(rating == Rating::again ? forgotten(memory, recall)
                                           : recalled(memory, recall, rating));
  }

  [[nodiscard]] days interval(double stability) const {
    const double exact =
        stability / factor_ * (std::pow(parameters_.desired_retention, 1 / decay_) - 1);
    // Halves to the even day, as py-fsrs rounds; the bounds first, so that any number has a day.
    const double most = parameters_.maximum_interval;
    return days(static_cast<int>(std::clamp(std::nearbyint(exact), std::min(1.0, most), most)));
  }

 private:
  static unsigned number(Rating rating) { return static_cast<unsigned>(rating); }
  static double bounded(double stability) {
    return std::clamp(stability, kLeastStability, kMostStability);
  }

  [[nodiscard]] double raw_first_difficulty(Rating rating) const {
    return w_[4] - std::exp(w_[5] * (number(rating) - 1.0)) + 1;
  }

  [[nodiscard]] double recalled(const Memory& memory, double recall, Rating rating) const {
    const double gain = std::exp(w_[8]) * (11 - memory.difficulty) *
                        std::pow(memory.stability, -w_[9]) * std::expm1((1 - recall) * w_[10]) *
                        (rating == Rating::hard ? w_[15] : 1) *
                        (rating == Rating::easy ? w_[16] : 1);
    return memory.stability * (1 + gain);
  }

  [[nodiscard]] double forgotten(const Memory& memory, double recall) const {
    const double relearned = w_[11] * std::pow(memory.difficulty, -w_[12]) *
                             (std::pow(memory.stability + 1, w_[13]) - 1) *
                             std::exp((1 - recall) * w_[14]);
    // Forgetting never leaves more than forgetting on the same day would.
    return std::min(relearned, memory.stability / std::exp(w_[17] * w_[18]));
  }

  const Parameters& parameters_;
  const std::array<double, 21>& w_;
  double decay_;
  double factor_;
};

// Whole days gone by; a moment before the last review is none.
int elapsed_days(const Memory& memory, Timestamp now) {
  return std::max(0, static_cast<int>(std::chrono::floor<days>(now - memory.last_review).count()));
}

// Moves a word through its short steps; the wait until it is due, or nothing where it leaves them.
std::optional<std::chrono::microseconds> step_on(Memory& memory, Rating rating,
                                                 const std::vector<seconds>& steps) {
  const auto count = static_cast<std::int32_t>(steps.size());
  const auto wait = [&](std::int32_t step) { return steps[static_cast<std::size_t>(step)]; };
  if (count == 0 || (memory.step >= count && rating != Rating::again)) return std::nullopt;
  switch (rating) {
    case Rating::again:
      memory.step = 0;
      return wait(0);
    case Rating::hard: {
      if (memory.step > 0) return wait(memory.step);
      const std::chrono::microseconds first = wait(0);
      return count == 1 ? first * 3 / 2 : (first + wait(1)) / 2;
    }
    case Rating::good:
      if (memory.step + 1 == count) return std::nullopt;
      return wait(++memory.step);
    case Rating::easy:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(State state) {
  return kStates.at(static_cast<std::size_t>(state));
}

std::optional<State> parse_state(std::string_view name) {
  const auto found = std::ranges::find(kStates, name);
  if (found == kStates.end()) return std::nullopt;
  return static_cast<State>(found - kStates.begin());
}

Scheduled schedule(const std::optional<Memory>& memory, Rating rating, Timestamp now,
                   const Parameters& parameters) {
  const Model model(parameters);
  Memory next;
  if (!memory) {
    next.stability = model.first_stability(rating);
    next.difficulty = model.first_difficulty(rating);
  } else {
    next = *memory;
    now = std::max(now, memory->last_review);
    const int elapsed = elapsed_days(*memory, now);
    next.stability =
        elapsed < 1
            ? model.same_day_stability(memory->stability, rating)
            : model.next_stability(*memory, model.recall_after(elapsed, memory->stability), rating);
    next.difficulty = model.next_difficulty(memory->difficulty, rating);
  }
  next.last_review = now;

  std::optional<std::chrono::microseconds> wait;
  switch (next.state) {
    case State::learning:
      wait = step_on(next, rating, parameters.learning_steps);
      break;
    case State::relearning:
      wait = step_on(next, rating, parameters.relearning_steps);
      break;
    case State::review:
      if (rating == Rating::again && !parameters.relearning_steps.empty()) {
        next.state = State::relearning;
        next.step = 0;
        wait = parameters.relearning_steps.front();
      }
      break;
  }
  if (!wait) {
    next.state = State::review;
    next.step = 0;
    wait = model.interval(next.stability);
  }
  return {.memory = next, .due = now + *wait};
}

double retrievability(const Memory& memory, Timestamp now, const Parameters& parameters) {
  return Model(parameters).recall_after(elapsed_days(memory, now), memory.stability);
}

}  // namespace lyceum::learning::fsrs
