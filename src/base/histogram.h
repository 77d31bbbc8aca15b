#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lyceum {

// The distribution of a value (a duration in nanoseconds, a count of bytes or rows), kept in fixed
// log-linear buckets.
//
// The layout is that of HDR Histogram (Gil Tene, hdrhistogram.org): values below 64 have a bucket
// each; above, every power of two is cut into 64 buckets of equal width. A bucket [low, low + w)
// therefore has w <= low / 64, and its middle is within w / 2 <= low / 128 of each value in it: a
// quantile is off by at most 1/128 = 0.79 %, for every value of 64 bits. count, sum, min and max
// are exact (the sum modulo 2^64, which is 584 years of nanoseconds).
//
// Memory: 504 bytes, and 512 more for every power of two that was ever hit, allocated when it is
// hit first: a histogram of latencies that spread over 0.1 to 10 ms takes about 4 kB. All 59 blocks
// up front would be 30 kB, too much for three histograms for each of thousands of tenants; a unit
// of a microsecond would save a sixth of that and lose the queue times of an idle pool.
//
// Threads: one thread records (or merges into it); any others may read, copy or merge from it at
// the same time. They see every value that was recorded before, and of the values being recorded
// meanwhile possibly a part. Nobody waits.
class Histogram {
 public:
  Histogram() = default;
  Histogram(const Histogram& other) { merge(other); }
  Histogram(Histogram&& other) noexcept { swap(other); }
  Histogram& operator=(const Histogram& other);
  Histogram& operator=(Histogram&& other) noexcept;
  ~Histogram();

  // Exchanges contents. Neither side may be in use by another thread.
  void swap(Histogram& other) noexcept;

  // Adds one value. A few nanoseconds; throws std::bad_alloc where a block cannot be allocated.
  void record(std::uint64_t value) {
    const std::size_t block_index = block_of(value);
    Block* block = blocks_[block_index].load(std::memory_order_relaxed);
    if (block == nullptr) block = add_block(block_index);
    add((*block)[slot_of(value, block_index)], 1);
    add(count_, 1);
    add(sum_, value);
    if (value < min_.load(std::memory_order_relaxed)) min_.store(value, std::memory_order_relaxed);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
  }

  // Adds all that the other one holds: the result is that of recording all its values here.
  void merge(const Histogram& other);

  // What was recorded here after `earlier`, a copy of this one, was made. Extremes are then within
  // 0.79 % too.
  [[nodiscard]] Histogram since(const Histogram& earlier) const;

  [[nodiscard]] std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  // Zero where nothing was recorded, as is every figure below.
  [[nodiscard]] std::uint64_t min() const;
  [[nodiscard]] std::uint64_t max() const { return max_.load(std::memory_order_relaxed); }
  [[nodiscard]] double mean() const;

  // The value that a part q (0 to 1; beyond is taken as the nearer end) of all values do not
  // exceed: the value of rank ceil(q * count) among the sorted values (nearest rank), within 0.79
  // %. The first and the last rank are exact.
  [[nodiscard]] std::uint64_t quantile(double q) const;

  // How many values are at most this one, counting by buckets: exact where `value` is the last of
  // its bucket, as one less than a power of two is. For cumulative export.
  [[nodiscard]] std::uint64_t count_at_most(std::uint64_t value) const;

  // Bytes taken, this object included.
  [[nodiscard]] std::size_t memory() const;

 private:
  static constexpr std::size_t kSlotBits = 6;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static constexpr std::size_t kBlocks = 64 - kSlotBits + 1;

  using Counter = std::atomic<std::uint64_t>;
  using Block = std::array<Counter, kSlots>;

  // Block 0 holds the values below 64, block b the values in [2^(b+5), 2^(b+6)).
  static std::size_t block_of(std::uint64_t value) {
    const auto width = static_cast<std::size_t>(std::bit_width(value | (kSlots - 1)));
    return width - kSlotBits;
  }
  static std::size_t slot_of(std::uint64_t value, std::size_t block) {
    return (value >> (block == 0 ? 0 : block - 1)) & (kSlots - 1);
  }
  // The middle of a bucket.
  static std::uint64_t value_of(std::size_t block, std::size_t slot);

  // One writer: a load and a store do, no locked instruction is needed.
  static void add(Counter& counter, std::uint64_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  Block* add_block(std::size_t index);

  std::array<std::atomic<Block*>, kBlocks> blocks_{};
  Counter count_{0};
  Counter sum_{0};
  Counter min_{~std::uint64_t{0}};
  Counter max_{0};
};

}  // namespace lyceum
