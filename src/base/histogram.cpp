#include "base/histogram.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace lyceum {

Histogram::~Histogram() {
  for (auto& block : blocks_) delete block.load(std::memory_order_relaxed);
}

Histogram& Histogram::operator=(const Histogram& other) {
  if (this != &other) {
    Histogram copy(other);
    swap(copy);
  }
  return *this;
}

Histogram& Histogram::operator=(Histogram&& other) noexcept {
  Histogram taken(std::move(other));
  swap(taken);
  return *this;
}

void Histogram::swap(Histogram& other) noexcept {
  const auto exchange = [](auto& mine, auto& theirs) {
    const auto kept = mine.load(std::memory_order_relaxed);
    mine.store(theirs.load(std::memory_order_relaxed), std::memory_order_relaxed);
    theirs.store(kept, std::memory_order_relaxed);
  };
  for (std::size_t i = 0; i < kBlocks; ++i) exchange(blocks_[i], other.blocks_[i]);
  exchange(count_, other.count_);
  exchange(sum_, other.sum_);
  exchange(min_, other.min_);
  exchange(max_, other.max_);
}

Histogram::Block* Histogram::add_block(std::size_t index) {
  auto block = std::make_unique<Block>();
  // Release: who sees the pointer sees the zeros behind it.
  blocks_[index].store(block.get(), std::memory_order_release);
  return block.release();
}

void Histogram::merge(const Histogram& other) {
  std::uint64_t merged = 0;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const Block* theirs = other.blocks_[i].load(std::memory_order_acquire);
    if (theirs == nullptr) continue;
    Block* mine = blocks_[i].load(std::memory_order_relaxed);
    if (mine == nullptr) mine = add_block(i);
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      const auto more = (*theirs)[slot].load(std::memory_order_relaxed);
      add((*mine)[slot], more);
      merged += more;
    }
  }
  // The count is that of the buckets just read, so that a copy made while its source is being
  // recorded into agrees with itself.
  add(count_, merged);
  add(sum_, other.sum());
  const auto least = other.min_.load(std::memory_order_relaxed);
  if (least < min_.load(std::memory_order_relaxed)) min_.store(least, std::memory_order_relaxed);
  if (other.max() > max()) max_.store(other.max(), std::memory_order_relaxed);
}

Histogram Histogram::since(const Histogram& earlier) const {
  Histogram out;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const Block* now = blocks_[i].load(std::memory_order_acquire);
    if (now == nullptr) continue;
    const Block* before = earlier.blocks_[i].load(std::memory_order_acquire);
    Block* mine = nullptr;
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      const auto had = before == nullptr ? 0 : (*before)[slot].load(std::memory_order_relaxed);
      const auto more = (*now)[slot].load(std::memory_order_relaxed) - had;
      if (more == 0) continue;
      if (mine == nullptr) mine = out.add_block(i);
      add((*mine)[slot], more);
      add(out.count_, more);
      const auto value = value_of(i, slot);
      if (value < out.min_.load(std::memory_order_relaxed)) out.min_.store(value);
      if (value > out.max_.load(std::memory_order_relaxed)) out.max_.store(value);
    }
  }
  add(out.sum_, sum() - earlier.sum());
  return out;
}

std::uint64_t Histogram::min() const {
  const auto least = min_.load(std::memory_order_relaxed);
  return count() == 0 ? 0 : least;
}

double Histogram::mean() const {
  const auto values = count();
  return values == 0 ? 0.0 : static_cast<double>(sum()) / static_cast<double>(values);
}

std::uint64_t Histogram::value_of(std::size_t block, std::size_t slot) {
  if (block == 0) return slot;
  const auto shift = block - 1;
  const auto low = (std::uint64_t{kSlots} + slot) << shift;
  return low + (std::uint64_t{1} << shift) / 2;
}

std::uint64_t Histogram::quantile(double q) const {
  const auto values = count();
  if (values == 0) return 0;
  const double part = std::clamp(std::isnan(q) ? 0.0 : q, 0.0, 1.0);
  const double exact_rank = std::ceil(part * static_cast<double>(values));
  const auto rank = std::max<std::uint64_t>(1, exact_rank >= static_cast<double>(values)
                                                   ? values
                                                   : static_cast<std::uint64_t>(exact_rank));
  if (rank == 1) return min();
  if (rank == values) return max();
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const Block* block = blocks_[i].load(std::memory_order_acquire);
    if (block == nullptr) continue;
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      seen += (*block)[slot].load(std::memory_order_relaxed);
      // The middle of the outermost buckets may lie beyond the extremes, which are known exactly.
      if (seen >= rank) return std::min(std::max(value_of(i, slot), min()), max());
    }
  }
  return max();
}

std::uint64_t Histogram::count_at_most(std::uint64_t value) const {
  const auto last_block = block_of(value);
  const auto last_slot = slot_of(value, last_block);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i <= last_block; ++i) {
    const Block* block = blocks_[i].load(std::memory_order_acquire);
    if (block == nullptr) continue;
    const auto end = i == last_block ? last_slot + 1 : kSlots;
    for (std::size_t slot = 0; slot < end; ++slot) {
      seen += (*block)[slot].load(std::memory_order_relaxed);
    }
  }
  return seen;
}

std::size_t Histogram::memory() const {
  std::size_t bytes = sizeof(Histogram);
  for (const auto& block : blocks_) {
    if (block.load(std::memory_order_acquire) != nullptr) bytes += sizeof(Block);
  }
  return bytes;
}

}  // namespace lyceum
