#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lyceum::pg {

// What is to go to the server and has not gone yet, and how much has gone in all.
class Output {
 public:
  static constexpr std::size_t kMostKept = 1024 * 1024;

  // Messages are appended to this.
  [[nodiscard]] std::string& bytes() { return bytes_; }
  [[nodiscard]] std::string_view left() const { return std::string_view(bytes_).substr(begin_); }
  [[nodiscard]] bool empty() const { return begin_ == bytes_.size(); }

  // Positions in all that was ever to go: where the next message will begin, and up to where the
  // bytes have been handed over. What begins at or after sent() has not left.
  [[nodiscard]] std::uint64_t end() const { return sent_ + (bytes_.size() - begin_); }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

  void sent(std::size_t count) {
    begin_ += count;
    sent_ += count;
    if (!empty()) return;
    begin_ = 0;
    if (bytes_.capacity() > kMostKept) {
      std::string().swap(bytes_);
    } else {
      bytes_.clear();
    }
  }

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace lyceum::pg
