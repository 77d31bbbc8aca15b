#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <cstring>
#include <new>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace lyceum::watch {

// A text that does not change and that many share: what a collector read stands in its sample, in
// the history's picture of it and among the texts that are asked for once, and takes memory once.
// It is as large as a pointer, which makes a cell of a sample 16 bytes. Copies may be used, and
// dropped, on different threads.
class Text {
 public:
  Text() = default;  // empty
  // NOLINTBEGIN(google-explicit-constructor): it stands where a std::string may.
  Text(std::string_view text) : held_(hold(text)) {}
  Text(const std::string& text) : held_(hold(text)) {}
  Text(const char* text) : held_(hold(text)) {}
  operator std::string_view() const noexcept { return view(); }
  // NOLINTEND(google-explicit-constructor)
  Text(const Text& other) noexcept : held_(other.held_) {
    if (held_ != nullptr) held_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  Text(Text&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Text& operator=(Text other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Text() {
    if (held_ == nullptr || held_->holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    held_->~Held();
    ::operator delete(held_);
  }

  [[nodiscard]] std::string_view view() const noexcept {
    return held_ == nullptr
               ? std::string_view()
               : std::string_view(reinterpret_cast<const char*>(held_ + 1), held_->size);
  }
  [[nodiscard]] std::string string() const { return std::string(view()); }
  [[nodiscard]] std::size_t size() const noexcept { return held_ == nullptr ? 0 : held_->size; }
  [[nodiscard]] bool empty() const noexcept { return held_ == nullptr; }

  friend bool operator==(const Text& a, const Text& b) noexcept {
    return a.held_ == b.held_ || a.view() == b.view();
  }
  friend auto operator<=>(const Text& a, const Text& b) noexcept { return a.view() <=> b.view(); }
  friend std::ostream& operator<<(std::ostream& out, const Text& text) {
    return out << text.view();
  }

 private:
  // The characters follow it.
  struct Held {
    std::atomic<std::uint32_t> holders{1};
    std::uint32_t size;
  };
  static Held* hold(std::string_view text) {
    if (text.empty()) return nullptr;
    auto* held = new (::operator new(sizeof(Held) + text.size()))
        Held{.size = static_cast<std::uint32_t>(text.size())};
    std::memcpy(reinterpret_cast<char*>(held + 1), text.data(), text.size());
    return held;
  }

  Held* held_ = nullptr;
};

}  // namespace lyceum::watch
