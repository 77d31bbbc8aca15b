#pragma once

#include <cstdint>

#include "base/uuid.h"

namespace lyceum::learning::load {

// Kinds of things that are drawn for. The numbers are part of what a seed means: never reuse one.
enum class Stream : std::uint64_t {
  kTenant = 1,
  kUser = 2,
  kStory = 3,
  kProgress = 4,
  kVocabularyProgress = 5,
  kSession = 6,
  kEvent = 7,
  kExercise = 8,
  kAttempt = 9,
};

// The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", 2014): a bijection of 64 bits in which each input bit changes half of the output's.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

// Random numbers that depend on nothing but (seed, stream, index) and how many were drawn before:
// so a row is the same whatever rows were made before it, in whatever order, on whatever thread.
// Integers only: the same on every machine and with every library.
class Draws {
 public:
  constexpr Draws(std::uint64_t seed, Stream stream, std::uint64_t index)
      : key_(mix(mix(seed + kGolden) ^ mix(static_cast<std::uint64_t>(stream) * kGolden)) ^
             mix(index * kGolden + 1)) {}

  constexpr std::uint64_t next() { return mix(key_ + kGolden * ++count_); }

  // Uniform in 0 … n-1 (to within n/2³²). n from 1 to 2³².
  constexpr std::uint64_t below(std::uint64_t n) { return (next() >> 32U) * n >> 32U; }
  // Uniform in low … high, both included.
  constexpr std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  // Low values more often: the square of a uniform number, times n. n from 1 to 2³².
  constexpr std::uint64_t low_below(std::uint64_t n) {
    const std::uint64_t root = next() >> 32U;
    return (root * root >> 32U) * n >> 32U;
  }
  constexpr bool chance(std::uint64_t permille) { return below(1000) < permille; }
  // An RFC 9562 UUID of version 8: 122 bits of these.
  Uuid uuid() {
    Uuid out;
    for (std::size_t half = 0; half < 2; ++half) {
      auto bits = next();
      for (std::size_t i = 0; i < 8; ++i) {
        out.data[half * 8 + i] = static_cast<std::uint8_t>(bits >> 56U);
        bits <<= 8U;
      }
    }
    out.data[6] = static_cast<std::uint8_t>((out.data[6] & 0x0FU) | 0x80U);
    out.data[8] = static_cast<std::uint8_t>((out.data[8] & 0x3FU) | 0x80U);
    return out;
  }

 private:
  static constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;  // 2⁶⁴ over the golden ratio
  std::uint64_t key_;
  std::uint64_t count_ = 0;
};

}  // namespace lyceum::learning::load
